//! Finds parts of DestinationRules without effect, and references that can't be used.

mod material;

use std::collections::{BTreeSet, HashMap};

use super::full_host;
use crate::{
    fault::Faults,
    load::nearest,
    manifests::{Manifests, Object, destination_rule::DestinationRuleSpec as Spec},
    model::{DestinationRules, Pod, Resolved, Service},
    resolve::selects,
};

/// Warns about rules without effect, in whole or in part; a certificate or key that cannot be used is an error.
pub(in crate::resolve) fn check(manifests: &Manifests, mesh: &Resolved, faults: &mut Faults) {
    let services = || mesh.services.iter().chain(&mesh.entries);
    let mut by_host: HashMap<&str, Vec<&Service>> = HashMap::new();
    for service in services() {
        by_host.entry(&service.host).or_default().push(service);
    }
    let mut hints: usize = 100;
    // The namespaces of clients: rules are theirs.
    let clients: BTreeSet<&str> =
        mesh.pods.iter().filter(|pod| pod.sidecar.is_some()).map(|pod| pod.name.namespace.as_str()).collect();
    for (rule, head) in manifests.destination_rules.iter().zip(&mesh.destination_rules.heads) {
        let host = full_host(&rule.body.host, &rule.head.name.namespace);
        let matched: Vec<_> = match host.strip_prefix('*') {
            Some(suffix) => services().filter(|service| service.host.ends_with(suffix)).collect(),
            None => by_host.get(host.as_str()).cloned().unwrap_or_default(),
        };
        if matched.is_empty() {
            // Each looks through all services.
            let services = if hints > 0 { mesh.services.as_slice() } else { &[] };
            hints = hints.saturating_sub(1);
            faults.warn(rule, "spec.host", no_service(&rule.body.host, &host, services));
            continue;
        }
        if is_out_of_sight(rule, &matched, mesh) {
            let namespace = &rule.head.name.namespace;
            let message = format!(
                "is used by no client: rules are looked for in the client's namespace, the service's ({}) and {}, whatever exportTo says, \
                 and no pod of {namespace} has a sidecar",
                matched[0].name.namespace, mesh.config.root_namespace
            );
            faults.warn(rule, "metadata.namespace", message);
        } else if !clients.is_empty() && !clients.iter().any(|client| head.is_exported_to(client)) {
            let message = format!("is used by no client: no pod of {} has a sidecar", exported_to(&head.export_to));
            faults.warn(rule, "spec.exportTo", message);
        }
        subsets(rule, &matched, &mesh.pods, faults);
        ports(rule, &matched, faults);
        selected_clients(rule, &mesh.pods, faults);
        conflicts(rule, &host, &mesh.destination_rules, faults);
        material::check(rule, &matched, mesh, faults);
    }
}

/// Whether a rule is in a namespace where no client looks (`destinationRule` in `pilot/pkg/model/push_context.go`).
fn is_out_of_sight(rule: &Object<Spec>, services: &[&Service], mesh: &Resolved) -> bool {
    let namespace = &rule.head.name.namespace;
    *namespace != mesh.config.root_namespace
        && services.iter().all(|service| service.name.namespace != *namespace)
        && !mesh.pods.iter().any(|pod| pod.name.namespace == *namespace && pod.sidecar.is_some())
}

fn exported_to(names: &BTreeSet<String>) -> String {
    let listed: Vec<&str> = names.iter().map(String::as_str).collect();
    if listed.is_empty() { "any namespace".to_owned() } else { format!("exportTo ({})", listed.join(", ")) }
}

fn no_service(written: &str, host: &str, services: &[Service]) -> String {
    let completed = format!("{written}.svc.cluster.local");
    if services.iter().any(|service| service.host == completed) {
        return format!("matches no service: a name with a dot is taken as it is; write {completed}");
    }
    let same_name = written.split('.').next().unwrap_or_default();
    let elsewhere = services.iter().find(|service| service.name.name == same_name);
    let alike = || nearest(host, services.iter().map(|service| service.host.as_str()));
    match elsewhere.map(|service| service.host.as_str()).or_else(alike) {
        Some(meant) => format!("{host} matches no service; did you mean {meant}?"),
        None => format!("{host} matches no service"),
    }
}

fn subsets(rule: &Object<Spec>, services: &[&Service], pods: &[Pod], faults: &mut Faults) {
    for (i, subset) in rule.body.subsets.iter().enumerate() {
        let mut pods =
            services.iter().flat_map(|service| &service.ports).flat_map(|port| &port.endpoints).map(|e| &pods[e.pod]);
        let mut listed =
            services.iter().filter_map(|service| service.entry.as_ref()).flat_map(|entry| &entry.endpoints);
        let selects = |labels| selects(&subset.labels, labels);
        if !pods.any(|pod| selects(&pod.labels)) && !listed.any(|endpoint| selects(&endpoint.labels)) {
            let message = format!("selects no pod of {}", services[0].host);
            faults.warn(rule, format!("spec.subsets[{i}].labels"), message);
        }
    }
}

fn ports(rule: &Object<Spec>, services: &[&Service], faults: &mut Faults) {
    let of_rule = rule.body.traffic_policy.iter().map(|policy| ("spec.trafficPolicy".to_owned(), policy));
    let of_subsets =
        rule.body.subsets.iter().enumerate().filter_map(|(i, subset)| {
            Some((format!("spec.subsets[{i}].trafficPolicy"), subset.traffic_policy.as_ref()?))
        });
    for (field, policy) in of_rule.chain(of_subsets) {
        for (i, port) in policy.port_level_settings.iter().flatten().enumerate() {
            let Some(number) = port.port.as_ref().map(|port| port.number) else { continue };
            let mut known = services.iter().flat_map(|service| &service.ports).map(|port| i64::from(port.port));
            if known.clone().all(|port| port != number) {
                let first = known.next().map(|port| format!(", only such as {port}")).unwrap_or_default();
                let message = format!(
                    "{} has no port {number}{first}; it is the service's port, not the container's",
                    services[0].host
                );
                faults.warn(rule, format!("{field}.portLevelSettings[{i}].port.number"), message);
            }
        }
    }
}

fn selected_clients(rule: &Object<Spec>, pods: &[Pod], faults: &mut Faults) {
    let Some(selector) = &rule.body.workload_selector else { return };
    let namespace = &rule.head.name.namespace;
    let selected = |pod: &Pod| pod.name.namespace == *namespace && selects(&selector.match_labels, &pod.labels);
    if !pods.iter().any(selected) {
        faults.warn(rule, "spec.workloadSelector.matchLabels", format!("selects no pod of namespace {namespace}"));
    }
}

/// Warns about two rules for one host: the older one's settings win.
fn conflicts(rule: &Object<Spec>, host: &str, rules: &DestinationRules, faults: &mut Faults) {
    let name = rule.head.full_name();
    let merged = rules.of_host(&rule.head.name.namespace, host);
    let merged = merged.into_iter().find(|merged| merged.from.iter().skip(1).any(|(from, _)| *from == name));
    let Some(merged) = merged else { return };
    let (winner, source) = &merged.from[0];
    let lost = merged.traffic_policy.as_ref().is_some_and(|policy| policy.by != name);
    if rule.body.traffic_policy.is_some() && lost {
        let message = format!("{winner} at {source} is for the same host and older: its settings win, these are lost");
        faults.warn(rule, "spec.trafficPolicy", message);
    }
    for (i, subset) in rule.body.subsets.iter().enumerate() {
        let own = rule.head.source.at(format!("spec.subsets[{i}]"));
        if merged.subset(&subset.name).is_some_and(|kept| kept.source != own) {
            let message = format!("{winner} has a subset {} too, and is older: this one is lost", subset.name);
            faults.warn(rule, own.field, message);
        }
    }
}
