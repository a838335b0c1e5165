//! Services.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::IpAddr,
};

use k8s_openapi::{
    api::core::v1::{Service, ServicePort, ServiceSpec},
    apimachinery::pkg::util::intstr::IntOrString,
};

use super::{Checked, pod::protocol};
use crate::{
    fault::Faults,
    manifests::{Object, is_dns_label, is_dns_subdomain, is_port_name, label_fault},
    model::CLUSTER_DNS,
    resolve::is_service_address,
};

pub(super) fn validate(service: &Object<Service>, faults: &mut Faults) {
    let mut checked = Checked::of(service, faults);
    let Some(spec) = &service.body.spec else {
        return checked.error("spec", "is missing; a Service needs ports");
    };
    match spec.type_.as_deref() {
        None | Some("ClusterIP") => {}
        Some(kind @ ("NodePort" | "LoadBalancer")) => {
            checked.note("spec.type", format!("{kind}: only its address inside the cluster is made here"));
        }
        Some("ExternalName") => return external_name(&mut checked, spec),
        Some(other) => {
            let message =
                format!("{other:?} is not a type; expected ClusterIP, NodePort, LoadBalancer or ExternalName");
            checked.error("spec.type", message);
        }
    }
    checked.labels("spec.selector", spec.selector.iter().flatten());
    addresses(&mut checked, spec);
    ports(&mut checked, spec);
    by_type(&mut checked, spec);
    without_effect(&mut checked, spec);
}

/// Another name for a host (`ValidateService` in `pkg/apis/core/validation/validation.go`).
fn external_name(checked: &mut Checked<'_>, spec: &ServiceSpec) {
    match spec.external_name.as_deref() {
        None | Some("") => checked.error("spec.externalName", "is missing; name the host that it stands for"),
        Some(name) if !is_dns_subdomain(name.trim_end_matches('.')) => {
            checked.error(
                "spec.externalName",
                format!("{name:?} is not a name of a host: lower-case letters, digits, '-' and '.'"),
            );
        }
        Some(_) => {}
    }
    if spec.cluster_ip.as_deref().is_some_and(|ip| !ip.is_empty()) {
        checked.error("spec.clusterIP", "cannot be combined with type ExternalName, which has no address; remove it");
    }
    for (i, one) in spec.ports.iter().flatten().enumerate() {
        port(checked, &format!("spec.ports[{i}]"), one, false);
    }
}

fn ports(checked: &mut Checked<'_>, spec: &ServiceSpec) {
    let ports = spec.ports.as_deref().unwrap_or_default();
    if ports.is_empty() && spec.cluster_ip.as_deref() != Some("None") {
        checked.error("spec.ports", "is empty; a Service needs a port unless it is headless");
    }
    for (i, one) in ports.iter().enumerate() {
        port(checked, &format!("spec.ports[{i}]"), one, ports.len() > 1);
    }
    let names = ports.iter().enumerate().filter_map(|(i, port)| Some((i, port.name.as_deref()?)));
    checked.unique(names.map(|(i, name)| (format!("spec.ports[{i}].name"), name)));
    let mut seen = BTreeSet::new();
    for (i, port) in ports.iter().enumerate() {
        let protocol = port.protocol.as_deref().unwrap_or("TCP");
        if !seen.insert((protocol, port.port)) {
            checked.error(format!("spec.ports[{i}].port"), format!("{protocol} port {} is duplicated", port.port));
        }
    }
}

fn port(checked: &mut Checked<'_>, field: &str, port: &ServicePort, among_others: bool) {
    checked.port(format!("{field}.port"), port.port);
    match port.name.as_deref() {
        None | Some("") if among_others => {
            checked.error(format!("{field}.name"), "is missing; with several ports each needs a name");
        }
        Some(name) if !name.is_empty() && !is_dns_label(name) => {
            checked.error(
                format!("{field}.name"),
                format!("{name:?} is not a port name: lower-case letters, digits and '-'"),
            );
        }
        _ => {}
    }
    protocol(checked, &format!("{field}.protocol"), port.protocol.as_deref());
    match &port.target_port {
        // The API server takes 0 as unset.
        None | Some(IntOrString::Int(0)) => {}
        Some(IntOrString::Int(number)) => checked.port(format!("{field}.targetPort"), *number),
        Some(IntOrString::String(name)) if name.is_empty() || is_port_name(name) => {}
        Some(IntOrString::String(name)) => {
            let message = format!("{name:?} is neither a number nor a name that a container's port can have");
            checked.error(format!("{field}.targetPort"), message);
        }
    }
}

fn addresses(checked: &mut Checked<'_>, spec: &ServiceSpec) {
    let all = spec.cluster_ips.as_deref().unwrap_or_default();
    match (spec.cluster_ip.as_deref().unwrap_or_default(), all.first()) {
        ("", Some(_)) => checked
            .error("spec.clusterIPs", "must be empty where clusterIP is; give clusterIP, which is the first of them"),
        (one, Some(first)) if one != first => {
            checked.error("spec.clusterIPs[0]", format!("{first} is not spec.clusterIP, {one}; they must agree"));
        }
        _ => {}
    }
    if all.len() > 1 && matches!(spec.ip_family_policy.as_deref(), None | Some("SingleStack")) {
        let message = "must be PreferDualStack or RequireDualStack where clusterIPs has two addresses";
        checked.error("spec.ipFamilyPolicy", message);
    }
    for (i, _) in all.iter().enumerate().filter(|(_, ip)| ip.is_empty()) {
        checked.error(format!("spec.clusterIPs[{i}]"), "is empty; expected an IP address");
    }
    let one = spec.cluster_ip.iter().map(|ip| ("spec.clusterIP".to_owned(), ip));
    let more = all.iter().enumerate().map(|(i, ip)| (format!("spec.clusterIPs[{i}]"), ip));
    for (field, text) in one.chain(more).filter(|(_, text)| !matches!(text.as_str(), "" | "None")) {
        match text.parse::<IpAddr>() {
            Ok(ip) if CLUSTER_DNS.contains(ip) => {
                checked.error(field, format!("{text} is the address of the cluster's DNS server here; choose another"));
            }
            Ok(ip) if is_service_address(ip) => {}
            // The first of clusterIPs is clusterIP again.
            Ok(_) if field == "spec.clusterIPs[0]" && spec.cluster_ip.as_ref() == Some(text) => {}
            Ok(_) => {
                let message = format!(
                    "{text} is not in the range of services here, 10.96.0.0/16 or fd00:96::/112: it is given another"
                );
                checked.note(field, message);
            }
            Err(_) => checked.error(field, format!("{text:?} is not an address; expected an IP address or None")),
        }
    }
    let families: Vec<_> = all.iter().filter_map(|ip| ip.parse::<IpAddr>().ok()).map(|ip| ip.is_ipv4()).collect();
    if families.len() > 2 || (families.len() == 2 && families[0] == families[1]) {
        checked.error("spec.clusterIPs", "holds two addresses of one family; at most one of each is allowed");
    }
    if let Some(policy) = spec.ip_family_policy.as_deref()
        && !matches!(policy, "SingleStack" | "PreferDualStack" | "RequireDualStack")
    {
        let message = format!("{policy:?} is not a policy; expected SingleStack, PreferDualStack or RequireDualStack");
        checked.error("spec.ipFamilyPolicy", message);
    }
    let families = spec.ip_families.as_deref().unwrap_or_default();
    for (i, family) in families.iter().enumerate().filter(|(_, family)| !matches!(family.as_str(), "IPv4" | "IPv6")) {
        checked.error(format!("spec.ipFamilies[{i}]"), format!("{family:?} is not a family; expected IPv4 or IPv6"));
    }
    checked.unique(families.iter().enumerate().map(|(i, family)| (format!("spec.ipFamilies[{i}]"), family.as_str())));
}

/// Fields that only some types have, and fields that hold one of a few words (`ValidateService`).
fn by_type(checked: &mut Checked<'_>, spec: &ServiceSpec) {
    let kind = spec.type_.as_deref().unwrap_or("ClusterIP");
    let (balanced, on_nodes) = (kind == "LoadBalancer", matches!(kind, "NodePort" | "LoadBalancer"));
    if spec.cluster_ip.as_deref() == Some("None") && on_nodes {
        checked.error("spec.clusterIP", format!("may not be None for a Service of type {kind}"));
    }
    let mut taken = BTreeSet::new();
    for (i, port) in spec.ports.iter().flatten().enumerate() {
        let field = format!("spec.ports[{i}].nodePort");
        if let Some(node_port) = port.node_port.filter(|port| *port != 0) {
            if !on_nodes {
                checked.error(&field, "may not be used when type is ClusterIP; remove it, or say type: NodePort");
            } else if !(30000..=32767).contains(&node_port) {
                checked.error(&field, format!("{node_port} is not in the range of node ports, 30000 to 32767"));
            }
            if !taken.insert((port.protocol.as_deref().unwrap_or("TCP"), node_port)) {
                checked.error(&field, format!("{node_port} is duplicated"));
            }
        }
        if let Some(text) = port.app_protocol.as_deref().filter(|text| label_fault(text, "").is_some()) {
            checked.error(
                format!("spec.ports[{i}].appProtocol"),
                format!("{text:?} is not a name of a protocol: [PREFIX/]NAME"),
            );
        }
    }
    let said = [
        ("externalTrafficPolicy", spec.external_traffic_policy.is_some(), on_nodes, "NodePort or LoadBalancer"),
        ("healthCheckNodePort", spec.health_check_node_port.is_some_and(|port| port != 0), balanced, "LoadBalancer"),
        ("loadBalancerClass", spec.load_balancer_class.is_some(), balanced, "LoadBalancer"),
        ("allocateLoadBalancerNodePorts", spec.allocate_load_balancer_node_ports.is_some(), balanced, "LoadBalancer"),
        ("loadBalancerSourceRanges", spec.load_balancer_source_ranges.is_some(), balanced, "LoadBalancer"),
    ];
    let has_external_ips = spec.external_ips.as_ref().is_some_and(|ips| !ips.is_empty());
    for (field, set, allowed, types) in said {
        let by_address = field == "externalTrafficPolicy" && has_external_ips;
        if set && !allowed && !by_address {
            checked.error(format!("spec.{field}"), format!("may only be set for a Service of type {types}"));
        }
    }
    if balanced
        && spec.health_check_node_port.is_some_and(|port| port != 0)
        && spec.external_traffic_policy.as_deref() != Some("Local")
    {
        checked.error("spec.healthCheckNodePort", "may only be set where externalTrafficPolicy is Local");
    }
    checked.one_of("spec.sessionAffinity", spec.session_affinity.as_deref(), &["None", "ClientIP"]);
    checked.one_of("spec.externalTrafficPolicy", spec.external_traffic_policy.as_deref(), &["Cluster", "Local"]);
    checked.one_of("spec.internalTrafficPolicy", spec.internal_traffic_policy.as_deref(), &["Cluster", "Local"]);
    let distributions = ["PreferClose", "PreferSameZone", "PreferSameNode"];
    checked.one_of("spec.trafficDistribution", spec.traffic_distribution.as_deref(), &distributions);
    let timeout = spec.session_affinity_config.as_ref().and_then(|config| config.client_ip.as_ref()?.timeout_seconds);
    if let Some(timeout) = timeout {
        let field = "spec.sessionAffinityConfig.clientIP.timeoutSeconds";
        if !(1..=86400).contains(&timeout) {
            checked.error(field, format!("{timeout} is out of range; from 1 to 86400"));
        }
    }
    for (i, ip) in spec.external_ips.iter().flatten().enumerate().filter(|(_, ip)| ip.parse::<IpAddr>().is_err()) {
        checked.error(format!("spec.externalIPs[{i}]"), format!("{ip:?} is not an address"));
    }
    for (i, range) in spec.load_balancer_source_ranges.iter().flatten().enumerate() {
        if range.trim().parse::<ipnet::IpNet>().is_err() {
            checked.error(
                format!("spec.loadBalancerSourceRanges[{i}]"),
                format!("{range:?} is not a range; expected one such as 203.0.113.0/24"),
            );
        }
    }
}

/// Fields that change where connections go in a cluster, and change nothing here.
fn without_effect(checked: &mut Checked<'_>, spec: &ServiceSpec) {
    let said = [
        ("spec.sessionAffinity", spec.session_affinity.as_deref() == Some("ClientIP")),
        ("spec.externalIPs", spec.external_ips.as_ref().is_some_and(|ips| !ips.is_empty())),
        ("spec.internalTrafficPolicy", spec.internal_traffic_policy.as_deref() == Some("Local")),
        ("spec.trafficDistribution", spec.traffic_distribution.is_some()),
    ];
    for (field, _) in said.into_iter().filter(|(_, said)| *said) {
        checked.note(field, "has no effect here");
    }
}

/// Two services cannot ask for one address.
pub(super) fn addresses_differ(services: &[Object<Service>], faults: &mut Faults) {
    let mut seen: BTreeMap<IpAddr, &Object<Service>> = BTreeMap::new();
    for service in services {
        let Some(spec) = &service.body.spec else { continue };
        let asked: BTreeSet<IpAddr> =
            spec.cluster_ip.iter().chain(spec.cluster_ips.iter().flatten()).filter_map(|ip| ip.parse().ok()).collect();
        for ip in asked {
            if let Some(first) = seen.insert(ip, service) {
                let message = format!("{ip} is already {}'s, at {}", first.head.full_name(), first.head.source);
                faults.error(service, "spec.clusterIP", message);
            }
        }
    }
}
