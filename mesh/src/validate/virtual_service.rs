//! VirtualService, by the rules of Istio's webhook (`ValidateVirtualService` in `pkg/config/validation/validation.go`).

mod http;
mod unreachable;

#[cfg(test)]
mod tests;

use std::net::IpAddr;

use ipnet::IpNet;

use super::{Checked, export_to, is_full_name, is_wildcard_host};
use crate::{
    fault::Faults,
    load::is_dns_label,
    manifests::{
        Object,
        virtual_service::{Destination, L4Match, RouteDestination, TlsMatch, VirtualServiceSpec},
    },
    model::{MESH_GATEWAY, is_host_for},
};

pub(super) fn validate(object: &Object<VirtualServiceSpec>, faults: &mut Faults) {
    let mut checked = Checked::of(object, faults);
    let spec = &object.body;
    let is_delegate = spec.hosts.is_empty();
    if is_delegate {
        let beside =
            [("gateways", spec.gateways.is_empty()), ("tls", spec.tls.is_empty()), ("tcp", spec.tcp.is_empty())];
        for (field, _) in beside.iter().filter(|(_, is_empty)| !is_empty) {
            let message = format!("must be empty without hosts: others delegate to it; remove {field}, or name hosts");
            checked.error(format!("spec.{field}"), message);
        }
    }
    gateways(&mut checked, "spec.gateways", &spec.gateways);
    hosts(&mut checked, spec);
    if spec.http.is_empty() && spec.tls.is_empty() && spec.tcp.is_empty() {
        checked.error("spec", "has none of http, tls and tcp; give a route");
    }
    let for_gateways_alone = is_for_gateways_alone(spec);
    for (i, route) in spec.http.iter().enumerate() {
        http::route(&mut checked, &format!("spec.http[{i}]"), route, is_delegate, for_gateways_alone);
    }
    for (i, route) in spec.tls.iter().enumerate() {
        let field = format!("spec.tls[{i}]");
        if route.matches.is_empty() {
            checked.error(format!("{field}.match"), "is empty; a TLS route needs sniHosts");
        }
        for (k, one) in route.matches.iter().enumerate() {
            tls_match(&mut checked, &format!("{field}.match[{k}]"), one, spec);
        }
        destinations(&mut checked, &field, &route.route);
    }
    for (i, route) in spec.tcp.iter().enumerate() {
        let field = format!("spec.tcp[{i}]");
        for (k, one) in route.matches.iter().enumerate() {
            let L4Match { destination_subnets, port, source_labels, gateways, source_subnet, .. } = one;
            let field = format!("{field}.match[{k}]");
            l4(&mut checked, &field, destination_subnets, *port, gateways);
            checked.labels(&format!("{field}.sourceLabels"), source_labels);
            if !source_subnet.is_empty() {
                checked.warn(format!("{field}.sourceSubnet"), "has no effect: Istio does not look at it");
            }
        }
        destinations(&mut checked, &field, &route.route);
    }
    export_to(&mut checked, &spec.export_to, false);
    unreachable::warn(&mut checked, spec);
}

/// Whether it is for gateways and not for sidecars.
fn is_for_gateways_alone(spec: &VirtualServiceSpec) -> bool {
    !spec.gateways.is_empty() && !spec.gateways.iter().any(|gateway| gateway == MESH_GATEWAY)
}

fn hosts(checked: &mut Checked<'_>, spec: &VirtualServiceSpec) {
    let for_gateways_alone = is_for_gateways_alone(spec);
    let mut all_valid = true;
    for (i, host) in spec.hosts.iter().enumerate() {
        let field = format!("spec.hosts[{i}]");
        if host.parse::<IpAddr>().is_ok() {
            continue;
        }
        if !is_wildcard_host(host) {
            all_valid = false;
            let message = format!("{host:?} is not a host; expected a name, or a name with * as its first label");
            checked.error(field, message);
        } else if host == "*" && !for_gateways_alone {
            all_valid = false;
            checked.error(field, "* is allowed only at gateways: name hosts, or remove mesh from gateways");
        }
    }
    if !all_valid {
        return;
    }
    for (i, one) in spec.hosts.iter().enumerate() {
        for (k, other) in spec.hosts.iter().enumerate().skip(i + 1) {
            if is_host_for(one, other) || is_host_for(other, one) {
                checked.error(format!("spec.hosts[{k}]"), format!("{other:?} is duplicated by {one:?}; keep one"));
            }
        }
    }
}

/// `validateGatewayNames`.
fn gateways(checked: &mut Checked<'_>, field: &str, all: &[String]) {
    for (i, gateway) in all.iter().enumerate() {
        let field = format!("{field}[{i}]");
        let Some((namespace, name)) = gateway.split_once('/') else {
            if let Some((name, rest)) = gateway.split_once('.') {
                let namespace = rest.split('.').next().unwrap_or_default();
                checked.warn(&field, format!("is an old form of a gateway's name; write {namespace}/{name}"));
            }
            if !is_full_name(gateway) {
                checked.error(&field, format!("{gateway:?} is not a gateway: NAME, NAMESPACE/NAME or mesh"));
            }
            continue;
        };
        if !(namespace == "." || is_dns_label(namespace)) || !is_dns_label(name) {
            checked.error(&field, format!("{gateway:?} is not a gateway: NAME, NAMESPACE/NAME or mesh"));
        }
    }
}

fn tls_match(checked: &mut Checked<'_>, field: &str, one: &TlsMatch, spec: &VirtualServiceSpec) {
    if one.sni_hosts.is_empty() {
        checked.error(format!("{field}.sniHosts"), "is empty; name at least one host");
    }
    for (i, host) in one.sni_hosts.iter().enumerate() {
        let field = format!("{field}.sniHosts[{i}]");
        if host.parse::<IpAddr>().is_ok() {
            checked.warn(field, "is an address, which SNI does not carry (RFC 6066, section 3)");
        } else if !is_wildcard_host(host) {
            checked
                .error(field, format!("{host:?} is not a host; expected a name, or a name with * as its first label"));
        } else if !spec.hosts.iter().any(|of_service| is_host_for(of_service, host)) {
            checked.error(field, format!("{host:?} is none of spec.hosts, and not below one of them"));
        }
    }
    l4(checked, field, &one.destination_subnets, one.port, &one.gateways);
    checked.labels(&format!("{field}.sourceLabels"), &one.source_labels);
}

fn l4(checked: &mut Checked<'_>, field: &str, subnets: &[String], port: u32, of_gateways: &[String]) {
    for (i, subnet) in subnets.iter().enumerate() {
        if subnet.parse::<IpNet>().is_err() && subnet.parse::<IpAddr>().is_err() {
            let message = format!("{subnet:?} is neither an address nor a range such as 203.0.113.0/24");
            checked.error(format!("{field}.destinationSubnets[{i}]"), message);
        }
    }
    if port != 0 {
        checked.port(format!("{field}.port"), port);
    }
    gateways(checked, &format!("{field}.gateways"), of_gateways);
}

/// `validateRouteDestinations`.
fn destinations(checked: &mut Checked<'_>, field: &str, all: &[RouteDestination]) {
    if all.is_empty() {
        checked.error(format!("{field}.route"), "is missing; say where connections go");
    }
    for (i, one) in all.iter().enumerate() {
        let field = format!("{field}.route[{i}]");
        match &one.destination {
            Some(to) => destination(checked, &format!("{field}.destination"), to),
            None => checked.error(format!("{field}.destination"), "is missing; name a host"),
        }
    }
    weights(checked, field, all.iter().map(|one| one.weight));
}

/// Weights of several destinations.
fn weights(checked: &mut Checked<'_>, field: &str, all: impl ExactSizeIterator<Item = i32> + Clone) {
    for (i, weight) in all.clone().enumerate().filter(|(_, weight)| *weight < 0) {
        checked.error(format!("{field}.route[{i}].weight"), format!("{weight} is negative"));
    }
    let count = all.len();
    if count > 1 && all.map(i64::from).sum::<i64>() == 0 {
        checked.error(format!("{field}.route"), "has weights that add up to 0: nothing would be sent anywhere");
    }
}

/// `validateDestination`.
fn destination(checked: &mut Checked<'_>, field: &str, to: &Destination) {
    if to.host == "*" || !(is_wildcard_host(&to.host) || to.host.parse::<IpAddr>().is_ok()) {
        checked.error(format!("{field}.host"), format!("{:?} is not a host; name a service", to.host));
    }
    if !to.subset.is_empty() && !is_dns_label(&to.subset) {
        let message = format!("{:?} is not a subset name: lower-case letters, digits and '-'", to.subset);
        checked.error(format!("{field}.subset"), message);
    }
    if let Some(port) = &to.port {
        checked.port(format!("{field}.port.number"), port.number);
    }
}
