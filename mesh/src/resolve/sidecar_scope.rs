//! Sidecars (the kind), in the order in which they count, and those that are for nobody.

use super::{protocol, selects};
use crate::{
    fault::Faults,
    manifests::{
        Manifests, Object,
        sidecar::{CaptureMode, EgressListener, IngressListener, OutboundMode, SidecarPort, SidecarSpec as Spec},
    },
    model::{
        Egress, Ingress, OutboundTrafficPolicy, Protocol, ProtocolField, Resolved, ScopedHost, ScopedNamespace,
        ServicePort, SidecarScope, Source,
    },
};

/// All Sidecars: those that select pods first, the oldest of each first (`initSidecarScopes` in `pilot/pkg/model/push_context.go`).
pub(super) fn resolve(manifests: &Manifests) -> Vec<SidecarScope> {
    let mut all: Vec<_> = manifests.sidecars.iter().collect();
    all.sort_by_key(|object| (object.body.workload_selector.is_none(), &object.head.age));
    all.into_iter().map(resolved).collect()
}

fn resolved(object: &Object<Spec>) -> SidecarScope {
    let (spec, source) = (&object.body, &object.head.source);
    let egress = spec.egress.iter().enumerate();
    let mut egress: Vec<_> =
        egress.filter_map(|(i, one)| self::egress(one, &format!("spec.egress[{i}]"), source)).collect();
    // Listeners that are not modelled do not make it one for everything.
    if egress.is_empty() && !spec.egress.is_empty() {
        egress.push(Egress { port: None, bind: None, hosts: vec![], source: source.at("spec.egress") });
    }
    let ingress = spec.ingress.iter().enumerate();
    let policy = spec.outbound_traffic_policy.as_ref();
    SidecarScope {
        name: object.head.name.clone(),
        selector: spec.workload_selector.as_ref().map(|selector| selector.labels.clone()),
        egress,
        ingress: ingress.filter_map(|(i, one)| self::ingress(one, &format!("spec.ingress[{i}]"), source)).collect(),
        inbound_connection_pool: spec.inbound_connection_pool.clone(),
        outbound_traffic_policy: policy.map(|policy| match policy.mode {
            OutboundMode::AllowAny => OutboundTrafficPolicy::AllowAny,
            OutboundMode::RegistryOnly => OutboundTrafficPolicy::RegistryOnly,
        }),
        egress_proxy: policy.and_then(|policy| policy.egress_proxy.clone()),
        source: source.clone(),
    }
}

/// None for a listener that is not modelled: at a socket of the host, or as a proxy of HTTP.
fn egress(listener: &EgressListener, field: &str, source: &Source) -> Option<Egress> {
    let port = match &listener.port {
        Some(port) => Some(service_port(port, field, source)?),
        None => None,
    };
    let hosts = listener.hosts.iter().filter_map(|text| scoped_host(text)).collect();
    Some(Egress { port, bind: listener.bind.parse().ok(), hosts, source: source.at(format!("{field}.hosts")) })
}

/// None for a listener that is not modelled: one that the sidecar binds itself, or whose app is at a socket of the host.
fn ingress(listener: &IngressListener, field: &str, source: &Source) -> Option<Ingress> {
    if listener.capture_mode == CaptureMode::None {
        return None;
    }
    let default_endpoint = match listener.default_endpoint.as_str() {
        "" => None,
        // Without an address it counts as none (`buildInboundLocalityLbEndpoints` in `pilot/pkg/networking/core/cluster_builder.go`).
        text if text.starts_with(':') => None,
        text => Some(text.parse().ok()?),
    };
    let port = service_port(listener.port.as_ref()?, field, source)?;
    Some(Ingress {
        port,
        bind: listener.bind.parse().ok(),
        default_endpoint,
        connection_pool: listener.connection_pool.clone(),
        source: source.at(field),
    })
}

fn service_port(port: &SidecarPort, field: &str, source: &Source) -> Option<ServicePort> {
    Some(ServicePort {
        name: port.name.clone(),
        port: u16::try_from(port.number).ok().filter(|number| *number != 0)?,
        protocol: protocol::of_entry_port(&port.protocol).unwrap_or(Protocol::Auto),
        protocol_field: ProtocolField::Protocol,
        protocol_source: source.at(format!("{field}.port.protocol")),
        endpoints: vec![],
    })
}

fn scoped_host(text: &str) -> Option<ScopedHost> {
    let (namespace, host) = text.split_once('/')?;
    let (namespace, excluded) = match namespace.strip_prefix('~') {
        Some(namespace) => (namespace, true),
        None => (namespace, false),
    };
    let namespace = match namespace {
        "*" => ScopedNamespace::Any,
        "" if excluded => ScopedNamespace::Any,
        "." => ScopedNamespace::Own,
        name => ScopedNamespace::Named(name.to_owned()),
    };
    Some(ScopedHost { namespace, host: host.to_ascii_lowercase(), excluded })
}

/// Warns about Sidecars that are for no sidecar, and about hosts that nothing has.
pub(super) fn warn(manifests: &Manifests, mesh: &Resolved, faults: &mut Faults) {
    for object in &manifests.sidecars {
        let namespace = &object.head.name.namespace;
        let selector = object.body.workload_selector.as_ref().map(|selector| &selector.labels);
        if let Some(selector) = selector
            && !mesh.pods.iter().any(|pod| pod.name.namespace == *namespace && selects(selector, &pod.labels))
        {
            let message = format!("selects no pod of namespace {namespace}");
            faults.warn(object, "spec.workloadSelector.labels", message);
        }
        let same = |other: &&Object<Spec>| {
            other.head.name.namespace == *namespace
                && other.body.workload_selector.as_ref().map(|selector| &selector.labels) == selector
                && other.head.age < object.head.age
        };
        if let Some(older) = manifests.sidecars.iter().find(same) {
            let message = format!(
                "{} at {} is older and for the same pods, and only the oldest applies",
                older.head.full_name(),
                older.head.source
            );
            faults.warn(object, "spec.workloadSelector", message);
        }
        for (i, listener) in object.body.egress.iter().enumerate() {
            for (k, text) in listener.hosts.iter().enumerate() {
                unknown(object, text, &format!("spec.egress[{i}].hosts[{k}]"), mesh, faults);
            }
        }
    }
}

/// Warns about a full host name that no service has.
fn unknown(object: &Object<Spec>, text: &str, field: &str, mesh: &Resolved, faults: &mut Faults) {
    let Some(ScopedHost { namespace, host, excluded: false }) = scoped_host(text) else { return };
    if host.starts_with('*') {
        return;
    }
    let home = &object.head.name.namespace;
    let is_root = *home == mesh.config.root_namespace;
    let services = || mesh.services.iter().chain(&mesh.entries).filter(|service| service.host == host);
    let is_of = |of: &String| match &namespace {
        ScopedNamespace::Any => true,
        ScopedNamespace::Own => is_root || of == home,
        ScopedNamespace::Named(name) => of == name,
    };
    if services().any(|service| is_of(&service.name.namespace)) {
        return;
    }
    let routed = mesh.virtual_services.iter().any(|rule| rule.hosts.contains(&host) && is_of(&rule.name.namespace));
    if routed || mesh.external_names.iter().any(|alias| alias.host == host) {
        return;
    }
    let message = match services().next() {
        Some(other) => format!("the service {host} is in namespace {}: nothing is let in", other.name.namespace),
        None => format!("no service has the host {host}: nothing is let in"),
    };
    faults.warn(object, field, message);
}

#[cfg(test)]
mod tests;
