//! Which DestinationRules clients see, merged as Istio merges them (`pilot/pkg/model/destination_rule.go`,
//! `pilot/pkg/model/push_context.go`).

pub(super) mod checks;

use std::collections::BTreeSet;

use crate::{
    manifests::{
        Manifests, Object,
        destination_rule::{DestinationRuleSpec as Spec, TLS_MODE, TlsSpec, TrafficPolicySpec},
    },
    model::{
        ClientTls, DestinationRule, DestinationRules, MeshConfig, RuleHead, RulesByHost, Settings, Source, Subset,
        TrafficPolicy,
    },
};

/// All rules, sorted by visibility: to clients of the rule's namespace, and to others.
pub(super) fn resolve(manifests: &Manifests, config: &MeshConfig) -> DestinationRules {
    let heads = manifests.destination_rules.iter().map(|object| head(object, config)).collect();
    let root = config.root_namespace.clone();
    let mut rules = DestinationRules { root, heads, ..DestinationRules::default() };
    let mut objects: Vec<_> = manifests.destination_rules.iter().collect();
    // Those for selected clients first, then the oldest: the first settings stay when rules are merged.
    objects.sort_by_key(|rule| (rule.body.workload_selector.is_none(), &rule.head.age));
    for object in objects {
        let rule = rule(object, config);
        let namespace = rule.namespace.clone();
        let only = |name: &str| rule.export_to.len() == 1 && rule.export_to.contains(name);
        let seen_at_home =
            rule.export_to.is_empty() || [".", "*", &namespace].iter().any(|n| rule.export_to.contains(*n));
        if seen_at_home {
            merge(rules.local.entry(namespace.clone()).or_default(), rule.clone());
        }
        if !only(".") && !only(&namespace) {
            merge(rules.exported.entry(namespace).or_default(), rule);
        } else if namespace == rules.root {
            merge(&mut rules.root_private, rule);
        }
    }
    rules
}

/// What a rule says of whom it is for. One for selected clients is never exported.
fn head(rule: &Object<Spec>, config: &MeshConfig) -> RuleHead {
    let selector = rule.body.workload_selector.as_ref();
    RuleHead {
        full_name: rule.head.full_name(),
        host: full_host(&rule.body.host, &rule.head.name.namespace),
        namespace: rule.head.name.namespace.clone(),
        export_to: match selector {
            Some(_) => BTreeSet::from([".".to_owned()]),
            None => config.export_to.of_destination_rule(rule.body.export_to.iter().cloned().collect()),
        },
        workload_selector: selector.map(|selector| selector.match_labels.clone()),
        source: rule.head.source.clone(),
    }
}

/// The full name of a rule's host. Only a name without dots is completed: `server.default` stays unchanged, and matches no
/// service.
fn full_host(host: &str, namespace: &str) -> String {
    if host == "*" || host.contains('.') || host.parse::<std::net::IpAddr>().is_ok() {
        host.to_owned()
    } else {
        format!("{host}.{namespace}.svc.cluster.local")
    }
}

fn rule(object: &Object<Spec>, config: &MeshConfig) -> DestinationRule {
    let (head, spec) = (&object.head, &object.body);
    let selector = spec.workload_selector.as_ref();
    let policy = |policy: &Option<TrafficPolicySpec>, source: Source| {
        policy.as_ref().map(|policy| traffic_policy(policy, &head.full_name(), &source, selector.is_some()))
    };
    let subsets = spec.subsets.iter().enumerate().map(|(i, subset)| Subset {
        name: subset.name.clone(),
        labels: subset.labels.clone(),
        traffic_policy: policy(&subset.traffic_policy, head.source.at(format!("spec.subsets[{i}].trafficPolicy"))),
        source: head.source.at(format!("spec.subsets[{i}]")),
    });
    let RuleHead { full_name, host, namespace, export_to, workload_selector, source } = self::head(object, config);
    DestinationRule {
        host,
        namespace,
        name: head.name.name.clone(),
        from: vec![(full_name, source)],
        export_to,
        workload_selector,
        traffic_policy: policy(&spec.traffic_policy, head.source.at("spec.trafficPolicy")),
        subsets: subsets.collect(),
        passthrough: head
            .annotations
            .contains_key(TLS_MODE)
            .then(|| (head.full_name(), head.source.at(format!("metadata.annotations[{TLS_MODE}]")))),
    }
}

fn traffic_policy(spec: &TrafficPolicySpec, by: &str, source: &Source, selected_clients: bool) -> TrafficPolicy {
    let tls = |spec: &Option<TlsSpec>, field: String| {
        spec.as_ref().map(|spec| ClientTls {
            spec: spec.clone(),
            by: by.to_owned(),
            source: source.at(format!("{}{field}", source.field)),
            selected_clients,
        })
    };
    let whole = Settings {
        tls: tls(&spec.tls, ".tls".to_owned()),
        connection_pool: spec.connection_pool.clone(),
        outlier_detection: spec.outlier_detection.clone(),
        load_balancer: spec.load_balancer.clone(),
    };
    let mut policy = TrafficPolicy { by: by.to_owned(), whole, ports: Default::default() };
    for (i, port) in spec.port_level_settings.iter().flatten().enumerate() {
        let number = port.port.as_ref().and_then(|port| u16::try_from(port.number).ok());
        if let Some(number) = number {
            policy.ports.entry(number).or_insert_with(|| Settings {
                tls: tls(&port.tls, format!(".portLevelSettings[{i}].tls")),
                connection_pool: port.connection_pool.clone(),
                outlier_detection: port.outlier_detection.clone(),
                load_balancer: port.load_balancer.clone(),
            });
        }
    }
    policy
}

/// Adds a rule to those of its namespace: merged into one with the same host if possible, else separately. Subsets are united,
/// and the first settings of the whole destination stay.
fn merge(rules: &mut RulesByHost, incoming: DestinationRule) {
    let same_host = rules.entry(incoming.host.clone()).or_default();
    let mut stands_alone = true;
    for existing in &mut *same_host {
        let same_export = existing.export_to == incoming.export_to;
        let wider_export = !existing.export_to.is_empty() && incoming.export_to.is_superset(&existing.export_to);
        stands_alone = !same_export;
        if !same_export && !wider_export {
            continue;
        }
        match (&existing.workload_selector, &incoming.workload_selector) {
            (Some(of_existing), Some(of_incoming)) if of_existing != of_incoming => {
                stands_alone = true;
                continue;
            }
            (Some(_), Some(_)) | (None, None) => stands_alone = false,
            // Istio merges here as well, and then nothing is left for the clients that are not selected.
            (Some(_), None) | (None, Some(_)) => {}
        }
        existing.from.extend(incoming.from.iter().cloned());
        for subset in &incoming.subsets {
            if existing.subset(&subset.name).is_none() {
                existing.subsets.push(subset.clone());
            }
        }
        if existing.traffic_policy.is_none() {
            existing.traffic_policy.clone_from(&incoming.traffic_policy);
        }
        if existing.passthrough.is_none() {
            existing.passthrough.clone_from(&incoming.passthrough);
        }
    }
    if stands_alone {
        same_host.push(incoming);
    }
}

#[cfg(test)]
mod tests;
