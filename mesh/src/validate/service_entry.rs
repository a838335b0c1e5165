//! ServiceEntry, by the rules of Istio's webhook (`ValidateServiceEntry` in `pkg/config/validation/validation.go`).

use std::{
    collections::{BTreeMap, BTreeSet},
    net::IpAddr,
};

use super::{Checked, export_to, is_full_name, is_partial_wildcard, is_socket, is_wildcard_host};
use crate::{
    fault::Faults,
    load::is_istio_label,
    manifests::{
        Object,
        service_entry::{EntryPort, ResolutionSpec as Resolution, ServiceEntrySpec, WorkloadEntrySpec},
    },
    model::Protocol,
    resolve::protocol_of_entry,
};
use ipnet::IpNet;

pub(super) fn validate(entry: &Object<ServiceEntrySpec>, faults: &mut Faults) {
    let mut checked = Checked::of(entry, faults);
    let spec = &entry.body;
    hosts(&mut checked, spec);
    addresses(&mut checked, spec);
    ports(&mut checked, spec);
    match spec.resolution {
        Resolution::None => {
            if spec.endpoints.as_ref().is_some_and(|endpoints| !endpoints.is_empty()) {
                let message = "cannot be combined with resolution NONE: connections go on to where they were going; write STATIC or DNS";
                checked.error("spec.endpoints", message);
            }
        }
        Resolution::Static => endpoints(&mut checked, spec, false),
        Resolution::Dns | Resolution::DnsRoundRobin => resolved(&mut checked, spec),
        Resolution::DynamicDns => dynamic(&mut checked, spec),
    }
    if let Some(selector) = &spec.workload_selector {
        workload_selector(&mut checked, spec, &selector.labels);
    }
    export_to(&mut checked, &spec.export_to, true);
}

fn workload_selector(checked: &mut Checked<'_>, spec: &ServiceEntrySpec, labels: &BTreeMap<String, String>) {
    const FIELD: &str = "spec.workloadSelector";
    if spec.endpoints.is_some() {
        checked.error(FIELD, "cannot be combined with endpoints");
    }
    if spec.resolution == Resolution::None {
        checked.warn(FIELD, "should not be combined with resolution NONE: connections go on to where they were going");
    }
    if labels.is_empty() {
        checked.warn(FIELD, "has no labels: it selects everything in the namespace");
    }
    checked.selector_labels(&format!("{FIELD}.labels"), labels);
}

fn hosts(checked: &mut Checked<'_>, spec: &ServiceEntrySpec) {
    if spec.hosts.is_empty() {
        checked.error("spec.hosts", "is empty; name at least one host");
    }
    for (i, host) in spec.hosts.iter().enumerate() {
        let field = format!("spec.hosts[{i}]");
        if host == "*" || !is_wildcard_host(host) {
            let message = format!("{host:?} is not a host; expected a name, or a name with * as its first label");
            checked.error(field, message);
        } else if is_partial_wildcard(host) && spec.resolution != Resolution::DynamicDns {
            checked.warn(field, "a wildcard for a part of a label matches nothing in SNI or in the host of a request");
        }
    }
    let hosts = spec.hosts.iter().enumerate();
    checked.unique(hosts.map(|(i, host)| (format!("spec.hosts[{i}]"), host.as_str())));
}

fn addresses(checked: &mut Checked<'_>, spec: &ServiceEntrySpec) {
    let takes_ranges = !matches!(spec.resolution, Resolution::Dns | Resolution::DnsRoundRobin);
    for (i, address) in spec.addresses.iter().enumerate() {
        let field = format!("spec.addresses[{i}]");
        if address.parse::<IpAddr>().is_err() && address.parse::<IpNet>().is_err() {
            checked.error(field, format!("{address:?} is neither an address nor a range such as 203.0.113.0/24"));
        } else if address.contains('/') && !takes_ranges {
            checked.error(field, "a range is allowed only with resolution NONE or STATIC");
        }
    }
}

fn ports(checked: &mut Checked<'_>, spec: &ServiceEntrySpec) {
    let ports = || spec.ports.iter().enumerate();
    if ports().next().is_none() {
        checked.warn("spec.ports", "is empty: the entry opens nothing");
    }
    for (i, port) in ports() {
        one_port(checked, spec, &format!("spec.ports[{i}]"), port);
    }
    checked.unique(ports().map(|(i, port)| (format!("spec.ports[{i}].name"), port.name.as_str())));
    let mut numbers = BTreeSet::new();
    for (i, port) in ports().filter(|(_, port)| !numbers.insert(port.number)) {
        checked.error(format!("spec.ports[{i}].number"), format!("port {} is duplicated", port.number));
    }
    // Only HTTP and TLS say which of several hosts is meant.
    let names_its_host = |protocol: Protocol| protocol.is_http() || protocol.is_tls();
    let ambiguous =
        ports().find(|(_, port)| protocol_of_entry(&port.protocol).is_some_and(|protocol| !names_its_host(protocol)));
    if let Some((i, port)) = ambiguous
        && spec.hosts.len() > 1
        && spec.resolution != Resolution::None
    {
        let message =
            format!("port {} is neither HTTP nor TLS: nothing tells which of several hosts is meant", port.number);
        checked.error(format!("spec.ports[{i}].protocol"), message);
    }
}

fn one_port(checked: &mut Checked<'_>, spec: &ServiceEntrySpec, field: &str, port: &EntryPort) {
    checked.port(format!("{field}.number"), port.number);
    if !is_istio_label(&port.name) {
        let message = format!("{:?} is not a port name: letters, digits and '-'", port.name);
        checked.error(format!("{field}.name"), message);
    }
    if port.target_port != 0 {
        checked.port(format!("{field}.targetPort"), port.target_port);
    }
    match protocol_of_entry(&port.protocol) {
        None => {
            let message = format!(
                "{:?} is not a protocol that Istio knows; expected HTTP, HTTPS, TLS, TCP, GRPC or HTTP2",
                port.protocol
            );
            checked.error(format!("{field}.protocol"), message);
        }
        Some(protocol) if !protocol.is_http() && !protocol.is_tls() && spec.addresses.is_empty() => {
            let message =
                format!("without spec.addresses it takes every connection to port {}, to any address", port.number);
            checked.warn(format!("{field}.protocol"), message);
        }
        Some(_) => {}
    }
}

/// The sidecar resolves the host of each request: hosts have wildcards, and requests say which host they are for.
fn dynamic(checked: &mut Checked<'_>, spec: &ServiceEntrySpec) {
    const ONLY: &str = "is not for resolution DYNAMIC_DNS, which resolves the host of each request; remove it";
    for (i, host) in spec.hosts.iter().enumerate().filter(|(_, host)| !host.starts_with('*')) {
        let message = format!("{host:?} has no wildcard, which resolution DYNAMIC_DNS is for; write DNS");
        checked.error(format!("spec.hosts[{i}]"), message);
    }
    if !spec.addresses.is_empty() {
        checked.error("spec.addresses", ONLY);
    }
    if spec.endpoints.as_ref().is_some_and(|endpoints| !endpoints.is_empty()) {
        checked.error("spec.endpoints", ONLY);
    }
    for (i, port) in spec.ports.iter().enumerate() {
        let protocol = protocol_of_entry(&port.protocol);
        if !matches!(protocol, Some(Protocol::Http | Protocol::Http2 | Protocol::Grpc | Protocol::Tls)) {
            let message = "resolution DYNAMIC_DNS takes HTTP, HTTP2, GRPC and TLS alone";
            checked.error(format!("spec.ports[{i}].protocol"), message);
        }
    }
    let message =
        "DYNAMIC_DNS is taken for NONE: calls go on to where they were going, not to what the sidecar resolves";
    checked.set_aside("spec.resolution", message);
}

/// What the sidecar resolves has to be a name.
fn resolved(checked: &mut Checked<'_>, spec: &ServiceEntrySpec) {
    let is_tcp = |port: &EntryPort| protocol_of_entry(&port.protocol).is_some_and(|protocol| !protocol.is_http());
    if spec.hosts.len() > 1 && !spec.addresses.is_empty() && spec.ports.iter().any(is_tcp) {
        let message = "are for one host alone where a port is not HTTP: nothing tells which of several hosts is meant";
        checked.warn("spec.addresses", message);
    }
    let listed = spec.endpoints.as_ref().map_or(0, Vec::len);
    if listed == 0 {
        for (i, host) in spec.hosts.iter().enumerate().filter(|(_, host)| !is_full_name(host)) {
            let message =
                format!("{host:?} cannot be resolved: with resolution DNS and no endpoints a host has no wildcard");
            checked.error(format!("spec.hosts[{i}]"), message);
        }
        return;
    }
    if listed > 1 && spec.resolution == Resolution::DnsRoundRobin {
        checked.error("spec.endpoints", "DNS_ROUND_ROBIN takes one endpoint at most");
    }
    endpoints(checked, spec, true);
}

fn endpoints(checked: &mut Checked<'_>, spec: &ServiceEntrySpec, may_be_names: bool) {
    if spec.endpoints.as_ref().is_none_or(Vec::is_empty) && spec.workload_selector.is_none() {
        checked.warn("spec.endpoints", "is empty: calls find no endpoint");
    }
    let names: BTreeMap<_, _> = spec.ports.iter().map(|port| (port.name.as_str(), port.number)).collect();
    for (i, endpoint) in spec.endpoints.iter().flatten().enumerate() {
        let field = format!("spec.endpoints[{i}]");
        let address = endpoint.address.as_str();
        let network = endpoint.network.as_deref().unwrap_or_default();
        if !may_be_names && address.is_empty() && !network.is_empty() {
            let message = format!(
                "is missing: calls go to a gateway of network {network}, which is not modelled; nobody is at it here"
            );
            checked.warn(format!("{field}.address"), message);
        } else if let Some(path) = address.strip_prefix("unix://").filter(|_| !may_be_names) {
            // With a socket there are no ports to speak of (`validateWorkloadEntry`).
            if !is_socket(path) {
                checked.error(format!("{field}.address"), format!("{address:?} has no absolute path of a file"));
            } else if !endpoint.ports.is_empty() {
                checked.error(format!("{field}.ports"), "cannot be combined with a socket of this host; remove them");
            } else if names.len() != 1 {
                checked.error(format!("{field}.address"), "is a socket, which has exactly one port in spec.ports");
            }
            checked
                .warn(format!("{field}.address"), "is a socket of the sidecar's own host: there is nobody at it here");
        } else if address.parse::<IpAddr>().is_err() && !(may_be_names && is_full_name(address)) {
            let wanted = if may_be_names { "an address or a full name" } else { "an address" };
            checked
                .error(format!("{field}.address"), format!("{address:?} is not {wanted}, which this resolution needs"));
        }
        for (name, port) in &endpoint.ports {
            checked.port(format!("{field}.ports[{name}]"), *port);
            if !names.contains_key(name.as_str()) {
                checked.error(format!("{field}.ports[{name}]"), "no port of the entry has this name");
            }
        }
        checked.labels(&format!("{field}.labels"), &endpoint.labels);
        without_effect(checked, &field, endpoint);
    }
}

/// Fields that choose among endpoints, and choose nothing here.
pub(super) fn without_effect(checked: &mut Checked<'_>, field: &str, endpoint: &WorkloadEntrySpec) {
    let said = [
        ("locality", endpoint.locality.is_some()),
        ("network", endpoint.network.is_some()),
        ("weight", endpoint.weight.is_some()),
    ];
    for (name, _) in said.iter().filter(|(_, said)| *said) {
        checked.warn(format!("{field}.{name}"), "is not supported yet and has no effect here");
    }
}

#[cfg(test)]
mod tests;
