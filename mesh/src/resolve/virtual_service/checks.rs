//! Warns about VirtualServices that nobody uses, and says why.

use crate::{
    fault::Faults,
    manifests::Named,
    model::{Destination, MESH_GATEWAY, Resolved, Service, VirtualService, is_host_for},
};

/// Warns about VirtualServices, or parts of them, that no sidecar and no gateway will ever use.
pub(in crate::resolve) fn check(mesh: &Resolved, faults: &mut Faults) {
    for (i, service) in mesh.virtual_services.iter().enumerate() {
        let at = Named(service.source.clone(), format!("VirtualService {}", service.name));
        for (k, gateway) in service.gateways.iter().enumerate().filter(|(_, gateway)| *gateway != MESH_GATEWAY) {
            one_gateway(service, gateway, &format!("spec.gateways[{k}]"), mesh, &at, faults);
        }
        if service.is_for_sidecars() {
            shadowed(service, &mesh.virtual_services[..i], &at, faults);
            for (k, host) in service.hosts.iter().enumerate() {
                one_host(service, host, &format!("spec.hosts[{k}]"), mesh, &at, faults);
            }
        }
        for (field, destination) in destinations(service) {
            subset(&field, destination, service, mesh, &at, faults);
        }
    }
}

/// Warns about a Gateway that there is not, or that opens none of the hosts.
fn one_gateway(service: &VirtualService, gateway: &str, field: &str, mesh: &Resolved, at: &Named, faults: &mut Faults) {
    let Some(found) = mesh.gateways.iter().find(|one| one.id() == gateway) else {
        let message = format!("there is no Gateway {gateway}: no gateway follows this VirtualService for its sake");
        faults.warn(at, field, message);
        return;
    };
    if !found.servers.iter().any(|server| server.matches(service)) {
        let opened: Vec<String> =
            found.servers.iter().flat_map(|server| &server.hosts).map(ToString::to_string).collect();
        let message = format!(
            "{} at {} opens none of its hosts: it has {}; no route is ever used there",
            found.full_name(),
            found.source,
            opened.join(", ")
        );
        faults.warn(at, field, message);
    }
}

/// Warns where an older one is for the same host: routes of HTTP are not merged at sidecars.
fn shadowed(service: &VirtualService, older: &[VirtualService], at: &Named, faults: &mut Faults) {
    if service.http.is_empty() {
        return;
    }
    for (k, host) in service.hosts.iter().enumerate() {
        let same = |other: &&VirtualService| {
            other.is_for_sidecars()
                && other.has_http_for_all()
                && other.hosts.iter().any(|one| one.eq_ignore_ascii_case(host))
                && sees(other, &service.name.namespace)
        };
        if let Some(other) = older.iter().find(same) {
            let message = format!(
                "{} at {} is for the same host and older: sidecars use its routes of http, and never these; merge the two, or delegate",
                other.full_name(),
                other.source
            );
            faults.warn(at, format!("spec.hosts[{k}]"), message);
        }
    }
}

fn sees(service: &VirtualService, namespace: &str) -> bool {
    let names = &service.export_to;
    let at_home = names.contains(".") && service.name.namespace == namespace;
    names.is_empty() || names.contains("*") || names.contains(namespace) || at_home
}

/// Warns about a host that no service has, and about routes for ports that do not speak their protocol.
fn one_host(service: &VirtualService, host: &str, field: &str, mesh: &Resolved, at: &Named, faults: &mut Faults) {
    let services: Vec<&Service> =
        mesh.services.iter().chain(&mesh.entries).filter(|one| is_host_for(host, &one.host)).collect();
    if services.is_empty() {
        let is_alias = mesh.external_names.iter().any(|alias| alias.host == host);
        if !is_alias {
            let message = format!(
                "no service has the host {host}: its routes count on port 80 alone, and for none of TLS or TCP"
            );
            faults.warn(at, field, message);
        }
        return;
    }
    let ports = || services.iter().flat_map(|one| &one.ports);
    let speaks_http = ports().any(|port| port.protocol.is_http() || port.protocol.is_auto());
    if !service.http.is_empty()
        && !speaks_http
        && let Some(port) = ports().next()
    {
        let message = format!(
            "port {} of {} is {}: its bytes are relayed, and no route of http is ever consulted; name the port http and let the app \
             speak plaintext, or write tls or tcp routes",
            port.port, services[0].host, port.protocol
        );
        faults.warn(at, "spec.http", message);
    }
    if !service.tls.is_empty() && !ports().any(|port| port.protocol.is_tls()) {
        faults.warn(
            at,
            "spec.tls",
            format!("{} has no port of TLS or HTTPS: no route of tls is ever consulted", services[0].host),
        );
    }
}

/// Every destination, with its field.
fn destinations(service: &VirtualService) -> Vec<(String, &Destination)> {
    let mut all = vec![];
    for rule in &service.http {
        let field = &rule.source.field;
        for (i, one) in rule.spec.route.iter().enumerate() {
            all.extend(one.destination.iter().map(|to| (format!("{field}.route[{i}].destination"), to)));
        }
        all.extend(rule.spec.mirror.iter().map(|to| (format!("{field}.mirror"), to)));
        for (i, one) in rule.spec.mirrors.iter().enumerate() {
            all.extend(one.destination.iter().map(|to| (format!("{field}.mirrors[{i}].destination"), to)));
        }
    }
    let tls = service.tls.iter().map(|rule| (&rule.source.field, &rule.spec.route));
    let tcp = service.tcp.iter().map(|rule| (&rule.source.field, &rule.spec.route));
    for (field, route) in tls.chain(tcp) {
        for (i, one) in route.iter().enumerate() {
            all.extend(one.destination.iter().map(|to| (format!("{field}.route[{i}].destination"), to)));
        }
    }
    all
}

/// Warns about a destination that no cluster has: requests to it get 503, and connections are closed.
fn subset(field: &str, to: &Destination, service: &VirtualService, mesh: &Resolved, at: &Named, faults: &mut Faults) {
    let mut known = mesh.services.iter().chain(&mesh.entries).filter(|one| one.host == to.host);
    let Some(found) = known.next() else {
        let is_alias = mesh.external_names.iter().any(|alias| alias.host == to.host);
        if !is_alias {
            let message = format!("no service has the host {}: what is routed to it fails (503, NC)", to.host);
            faults.warn(at, format!("{field}.host"), message);
        }
        return;
    };
    if to.subset.is_empty() {
        return;
    }
    let rules = &mesh.destination_rules;
    let namespaces = [&service.name.namespace, &found.name.namespace, &mesh.config.root_namespace];
    let has = namespaces.into_iter().any(|namespace| {
        rules.heads.iter().any(|head| head.namespace == *namespace && head.is_for(&to.host))
            && rules
                .of_namespace(namespace)
                .any(|rule| is_host_for(&rule.host, &to.host) && rule.subset(&to.subset).is_some())
    });
    if !has {
        let message = format!(
            "no DestinationRule for {} has a subset {:?}: what is routed to it fails (503, NC)",
            to.host, to.subset
        );
        faults.warn(at, format!("{field}.subset"), message);
    }
}
