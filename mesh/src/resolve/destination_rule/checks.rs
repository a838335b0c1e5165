//! What a DestinationRule says in vain, and whether what it names can be used.

mod material;

use super::full_host;
use crate::{
    fault::Faults,
    load::nearest,
    manifests::{Manifests, Object, destination_rule::DestinationRuleSpec as Spec},
    model::{DestinationRules, Mesh, Pod, Service},
    resolve::selects,
};

/// Warns of rules that decide nothing, in whole or in part; a certificate or key that cannot be used is an error.
pub(in crate::resolve) fn check(manifests: &Manifests, mesh: &Mesh, faults: &mut Faults) {
    for rule in &manifests.destination_rules {
        let host = full_host(&rule.body.host, &rule.head.name.namespace);
        let services = mesh.services.iter().chain(&mesh.entries);
        let matched: Vec<_> = services.filter(|service| matches(&host, &service.host)).collect();
        if matched.is_empty() {
            faults.warn(rule, "spec.host", no_service(&rule.body.host, &host, &mesh.services));
            continue;
        }
        subsets(rule, &matched, &mesh.pods, faults);
        ports(rule, &matched, faults);
        clients(rule, &mesh.pods, faults);
        fights(rule, &host, &mesh.destination_rules, faults);
        material::check(rule, &matched, mesh, faults);
    }
}

fn matches(host: &str, service: &str) -> bool {
    match host.strip_prefix('*') {
        Some(suffix) => service.ends_with(suffix),
        None => service == host,
    }
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

fn clients(rule: &Object<Spec>, pods: &[Pod], faults: &mut Faults) {
    let Some(selector) = &rule.body.workload_selector else { return };
    let namespace = &rule.head.name.namespace;
    let selected = |pod: &Pod| pod.name.namespace == *namespace && selects(&selector.match_labels, &pod.labels);
    if !pods.iter().any(selected) {
        faults.warn(rule, "spec.workloadSelector.matchLabels", format!("selects no pod of namespace {namespace}"));
    }
}

/// Two rules for one host: the settings of the younger one are lost where the older has some.
fn fights(rule: &Object<Spec>, host: &str, rules: &DestinationRules, faults: &mut Faults) {
    let name = rule.head.full_name();
    let merged =
        rules.all().find(|merged| merged.host == host && merged.from.iter().skip(1).any(|(from, _)| *from == name));
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
