//! Gateways (the kind), and those of their servers that nobody can use.

use super::protocol;
use crate::{
    fault::Faults,
    manifests::{Manifests, Named, Object, gateway::GatewaySpec},
    model::{Gateway, MergedPort, MergedServer, Protocol, Resolved, Server, ServerHost, ServerMaterial, ServerTlsMode},
};

#[cfg(test)]
mod tests;

/// All Gateways, the oldest first.
pub(super) fn resolve(manifests: &Manifests) -> Vec<Gateway> {
    let mut all: Vec<Gateway> = manifests.gateways.iter().map(resolved).collect();
    all.sort_by(|a, b| a.age.cmp(&b.age));
    all
}

fn resolved(object: &Object<GatewaySpec>) -> Gateway {
    let (head, spec) = (&object.head, &object.body);
    let server = |(i, server): (usize, &crate::manifests::gateway::Server)| {
        let port = server.port.as_ref()?;
        Some(Server {
            port: u16::try_from(port.number).ok()?,
            port_name: port.name.clone(),
            protocol: protocol::of_entry_port(&port.protocol).unwrap_or(Protocol::Auto),
            bind: server.bind.parse().ok(),
            hosts: server.hosts.iter().map(|host| server_host(host, &head.name.namespace)).collect(),
            tls: server.tls.clone(),
            source: head.source.at(format!("spec.servers[{i}]")),
        })
    };
    Gateway {
        name: head.name.clone(),
        selector: spec.selector.clone(),
        servers: spec.servers.iter().enumerate().filter_map(server).collect(),
        age: head.age.clone(),
        source: head.source.clone(),
    }
}

/// `HOST` or `NAMESPACE/HOST` (`sanitizeServerHostNamespace` in `pilot/pkg/model/gateway.go`).
fn server_host(text: &str, own: &str) -> ServerHost {
    match text.split_once('/') {
        None | Some(("*", _)) => ServerHost { namespace: None, host: text.trim_start_matches("*/").to_owned() },
        Some((".", host)) => ServerHost { namespace: Some(own.to_owned()), host: host.to_owned() },
        Some((namespace, host)) => ServerHost { namespace: Some(namespace.to_owned()), host: host.to_owned() },
    }
}

/// Warns about Gateways that select no gateway, servers that are left out, and servers that no VirtualService is for.
pub(super) fn warn(mesh: &Resolved, faults: &mut Faults) {
    for gateway in &mesh.gateways {
        let at = Named(gateway.source.clone(), format!("Gateway {}", gateway.name));
        if !mesh.pods.iter().any(|pod| gateway.selects(pod)) {
            let has = |(key, value): (&String, &String)| mesh.pods.iter().any(|pod| pod.labels.get(key) == Some(value));
            let message = match gateway.selector.iter().all(has) {
                true => "selects no pod that is a gateway: pods with a sidecar do not follow Gateways",
                false => "selects no pod",
            };
            faults.warn(&at, "spec.selector", message);
            continue;
        }
        for server in &gateway.servers {
            unused(gateway, server, mesh, &at, faults);
        }
    }
    let mut said = vec![];
    for pod in (0..mesh.pods.len()).filter(|pod| mesh.pods[*pod].is_gateway()) {
        let merged = mesh.merged_gateway(pod);
        for one in merged.ports.iter().flat_map(|port| &port.servers) {
            material(one, pod, mesh, faults);
        }
        unreached(&merged.ports, pod, mesh, faults);
        for skipped in merged.skipped {
            if said.contains(&skipped.server.source) {
                continue;
            }
            said.push(skipped.server.source.clone());
            let at = Named(skipped.gateway.source.clone(), format!("Gateway {}", skipped.gateway.name));
            let message = format!("has no effect at {}: {}", mesh.pods[pod].name, skipped.because);
            faults.warn(&at, skipped.server.source.field.clone(), message);
        }
    }
}

/// Warns about ports that no Service of the gateway leads to, if it has one (`GatewayPortNotDefinedOnService`, IST0162, of
/// `istioctl analyze`).
fn unreached(ports: &[MergedPort<'_>], pod: usize, mesh: &Resolved, faults: &mut Faults) {
    let services = mesh.ports_of(pod);
    let Some((service, ..)) = services.first() else { return };
    for opened in ports.iter().filter(|opened| services.iter().all(|(_, _, target)| *target != opened.port)) {
        let first = &opened.servers[0];
        let at = Named(first.gateway.source.clone(), format!("Gateway {}", first.gateway.name));
        let message = format!(
            "Service {} has no port that leads to {} of {}: only calls to the pod's own address reach it",
            service.name.name, opened.port, mesh.pods[pod].name
        );
        faults.warn(&at, format!("{}.port", first.server.source.field), message);
    }
}

/// Warns about certificates that a gateway does not have.
fn material(one: &MergedServer<'_>, pod: usize, mesh: &Resolved, faults: &mut Faults) {
    let terminates = [ServerTlsMode::Simple, ServerTlsMode::Mutual, ServerTlsMode::OptionalMutual];
    let Some(tls) = one.server.tls.as_ref().filter(|tls| terminates.contains(&tls.mode)) else { return };
    let name = &mesh.pods[pod].name;
    let ServerMaterial { certificate, key, roots, .. } = mesh.server_material(pod, tls);
    for missing in [Some(certificate), Some(key), roots].into_iter().flatten().filter(|pem| pem.content.is_none()) {
        let at = Named(one.gateway.source.clone(), format!("Gateway {}", one.gateway.name));
        let place = match tls.is_by_secret() {
            true => format!("no Secret of namespace {} has a usable {}", name.namespace, missing.name),
            false => format!("no volume of {name} has {}", missing.name),
        };
        let message = format!("{place}: the gateway closes every connection to it");
        faults.warn(&at, format!("{}.tls", one.server.source.field), message);
    }
}

/// Warns about a server that nothing is routed from.
fn unused(gateway: &Gateway, server: &Server, mesh: &Resolved, at: &Named, faults: &mut Faults) {
    if server.redirects_to_https() || server.mode() == Some(ServerTlsMode::AutoPassthrough) {
        return;
    }
    let id = gateway.id();
    let is_here = |port: u32| port == 0 || port == u32::from(server.port);
    let bound = || mesh.virtual_services.iter().filter(|rule| rule.gateways.contains(&id));
    let serves = bound().any(|rule| match server.reads_http() {
        true => !rule.http.is_empty() && !server.hosts_of(rule).is_empty(),
        false if server.passes_tls() => {
            let mut matches = rule.tls.iter().flat_map(|rule| &rule.spec.matches);
            matches.any(|one| is_here(one.port)) && server.matches(rule)
        }
        false => {
            let is_for_all = rule.tcp.iter().any(|rule| rule.spec.matches.is_empty());
            let mut matches = rule.tcp.iter().flat_map(|rule| &rule.spec.matches);
            (is_for_all || matches.any(|one| is_here(one.port))) && server.matches(rule)
        }
    });
    if serves {
        return;
    }
    let (needed, result) = match server.reads_http() {
        true => ("http", "requests get 404"),
        false if server.passes_tls() => ("tls", "the gateway does not listen there"),
        false => ("tcp", "the gateway does not listen there"),
    };
    let hosts: Vec<String> = server.hosts.iter().map(ToString::to_string).collect();
    let message =
        format!("no VirtualService with gateways: [{id}] has routes of {needed} for {}: {result}", hosts.join(", "));
    faults.warn(at, server.source.field.clone(), message);
}
