//! VirtualServices with full names, and the routes that they delegate in their places (`pilot/pkg/model/virtualservice.go`).

pub(super) mod checks;
mod delegate;

#[cfg(test)]
mod tests;

use crate::{
    fault::Faults,
    manifests::{Manifests, Object, virtual_service::VirtualServiceSpec},
    model::{Destination, HttpRoute, MeshConfig, RouteDestination, Rule, VirtualService},
};

/// All VirtualServices that stand for themselves, the oldest first.
pub(super) fn resolve(manifests: &Manifests, config: &MeshConfig, faults: &mut Faults) -> Vec<VirtualService> {
    let all: Vec<VirtualService> = manifests.virtual_services.iter().map(|object| full(object, config)).collect();
    let (delegates, mut roots): (Vec<_>, Vec<_>) = all.into_iter().partition(|service| service.hosts.is_empty());
    for root in &mut roots {
        delegate::put_in_place(root, &delegates, faults);
    }
    delegate::warn_of_unused(&delegates, manifests, faults);
    roots.sort_by(|a, b| a.age.cmp(&b.age));
    roots
}

/// One with the full names of hosts and gateways.
fn full(object: &Object<VirtualServiceSpec>, config: &MeshConfig) -> VirtualService {
    let (head, spec) = (&object.head, &object.body);
    let namespace = head.name.namespace.as_str();
    let rule = |field: String| head.source.at(field);
    let http = spec.http.iter().enumerate().map(|(i, route)| {
        let mut route = route.clone();
        http_names(&mut route, namespace);
        Rule { spec: route, source: rule(format!("spec.http[{i}]")) }
    });
    let tls = spec.tls.iter().enumerate().map(|(i, route)| {
        let mut route = route.clone();
        route.matches.iter_mut().for_each(|one| gateways(&mut one.gateways, namespace));
        destinations(&mut route.route, namespace);
        Rule { spec: route, source: rule(format!("spec.tls[{i}]")) }
    });
    let tcp = spec.tcp.iter().enumerate().map(|(i, route)| {
        let mut route = route.clone();
        route.matches.iter_mut().for_each(|one| gateways(&mut one.gateways, namespace));
        destinations(&mut route.route, namespace);
        Rule { spec: route, source: rule(format!("spec.tcp[{i}]")) }
    });
    let mut bound = spec.gateways.clone();
    gateways(&mut bound, namespace);
    VirtualService {
        name: head.name.clone(),
        hosts: spec.hosts.iter().map(|host| full_host(host, namespace)).collect(),
        gateways: bound,
        http: http.collect(),
        tls: tls.collect(),
        tcp: tcp.collect(),
        export_to: config.export_to.of_virtual_service(spec.export_to.iter().cloned().collect()),
        age: head.age.clone(),
        source: head.source.clone(),
    }
}

fn http_names(route: &mut HttpRoute, namespace: &str) {
    route.matches.iter_mut().for_each(|one| gateways(&mut one.gateways, namespace));
    let of_routes = route.route.iter_mut().filter_map(|one| one.destination.as_mut());
    let of_mirrors = route.mirrors.iter_mut().filter_map(|one| one.destination.as_mut());
    for destination in of_routes.chain(of_mirrors).chain(route.mirror.as_mut()) {
        destination.host = full_host(&destination.host, namespace);
    }
}

fn destinations(route: &mut [RouteDestination], namespace: &str) {
    let all = route.iter_mut().filter_map(|one| one.destination.as_mut());
    all.for_each(|Destination { host, .. }| *host = full_host(host, namespace));
}

/// The full name of a host (`ResolveShortnameToFQDN`). Only a name without dots is completed.
fn full_host(host: &str, namespace: &str) -> String {
    if host == "*" || host.contains('.') || host.parse::<std::net::IpAddr>().is_ok() {
        host.to_owned()
    } else {
        format!("{host}.{namespace}.svc.cluster.local")
    }
}

/// The full names of gateways (`resolveGatewayName`).
fn gateways(all: &mut [String], namespace: &str) {
    for gateway in all.iter_mut().filter(|gateway| *gateway != crate::model::MESH_GATEWAY) {
        *gateway = match (gateway.split_once('/'), gateway.split_once('.')) {
            (Some((".", name)), _) => format!("{namespace}/{name}"),
            (Some(_), _) => gateway.clone(),
            // The old form: NAME.NAMESPACE.svc.cluster.local.
            (None, Some((name, rest))) => format!("{}/{name}", rest.split('.').next().unwrap_or_default()),
            (None, None) => format!("{namespace}/{gateway}"),
        };
    }
}
