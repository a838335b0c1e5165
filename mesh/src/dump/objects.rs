//! Objects that a lab needs around dumped sidecars: their pods, and what they call.

use std::{collections::BTreeMap, net::IpAddr};

use serde_json::{Value, json};

use crate::{control_plane::place, stand_in};

use super::{
    identity::DEFAULT_TRUST_DOMAIN,
    runnable::Runnable,
    services::{Service, inbound},
};

/// Annotations that change which connections reach the sidecar.
const REDIRECTS: [&str; 2] = ["traffic.sidecar.istio.io/", "istio.io/reroute-virtual-interfaces"];

/// The addresses that Istio assigns to hosts that have none (istio: `pilot/pkg/serviceregistry/serviceentry`).
fn is_automatic(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(v4) => v4.octets()[..2] == [240, 240],
        IpAddr::V6(v6) => v6.segments()[..2] == [0x2001, 2],
    }
}

/// The label by which a Service selects its pods.
fn label(index: usize) -> String {
    format!("sidelab.io/behind-{index}")
}

/// The objects as JSON.
pub(super) fn of(dumps: &[Runnable], services: &BTreeMap<String, Service>) -> Vec<Value> {
    let mut objects = vec![json!({
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": "istio", "namespace": "istio-system"},
        "data": {"mesh": json!({"trustDomain": trust_domain(dumps)}).to_string()},
    })];
    objects.extend(dumps.iter().enumerate().map(|(index, dump)| pod(index, dump, services)));
    objects.extend(services.iter().enumerate().filter_map(|(index, (host, service))| object(index, host, service)));
    objects
}

fn trust_domain(dumps: &[Runnable]) -> &str {
    dumps.first().map_or(DEFAULT_TRUST_DOMAIN, |dump| &dump.trust_domain)
}

fn pod(index: usize, dump: &Runnable, services: &BTreeMap<String, Service>) -> Value {
    let texts = |field: &str| -> BTreeMap<String, Value> {
        let fields = dump.metadata[field].as_object().into_iter().flatten();
        fields.filter(|(_, value)| value.is_string()).map(|(key, value)| (key.clone(), value.clone())).collect()
    };
    let mut labels = texts("LABELS");
    labels.remove("istio.io/rev");
    labels.insert("sidecar.istio.io/inject".into(), "true".into());
    let behind = services.values().enumerate().filter(|(_, service)| service.pods.contains(&index));
    labels.extend(behind.map(|(service, _)| (label(service), "true".into())));
    let mut annotations = texts("ANNOTATIONS");
    annotations.retain(|name, _| REDIRECTS.iter().any(|prefix| name.starts_with(prefix)));
    // Nothing in a dump determines what the program speaks.
    annotations.insert(stand_in::APP_SPEAKS.into(), "any".into());
    let containers = dump.metadata["APP_CONTAINERS"].as_str().unwrap_or_default();
    let container = containers.split(',').map(str::trim).find(|name| !name.is_empty()).unwrap_or("app");
    let mut ports: Vec<u16> = dump.pushed.clusters.iter().filter_map(|cluster| inbound(place::name(cluster))).collect();
    ports.sort_unstable();
    ports.dedup();
    let ports: Vec<Value> = ports.into_iter().map(|port| json!({ "containerPort": port })).collect();
    json!({
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": dump.name.name,
            "namespace": dump.name.namespace,
            "labels": labels,
            "annotations": annotations,
        },
        "spec": {
            "serviceAccountName": dump.service_account,
            "containers": [{"name": container, "image": format!("program-of-{}", dump.name.name), "ports": ports}],
        },
    })
}

/// The Service or ServiceEntry of a host; `None` for a wildcard, which no name resolves to.
fn object(index: usize, host: &str, service: &Service) -> Option<Value> {
    if host.starts_with('*') {
        return None;
    }
    let Some((name, namespace)) = Service::kubernetes_name(host) else {
        return Some(service_entry(host, service));
    };
    let ports = service.ports.iter().map(
        |(port, target)| json!({"name": format!("port-{port}"), "port": port, "targetPort": target.unwrap_or(*port)}),
    );
    let mut spec = json!({"selector": {label(index): "true"}, "ports": ports.collect::<Vec<_>>()});
    let ipv6 = service.vips.iter().filter(|ip| ip.is_ipv6()).count();
    if service.vips.is_empty() && service.is_headless {
        spec["clusterIP"] = "None".into();
    } else if ipv6 > 0 && ipv6 < service.vips.len() {
        spec["ipFamilyPolicy"] = "RequireDualStack".into();
    } else if ipv6 > 0 {
        spec["ipFamilies"] = json!(["IPv6"]);
    }
    Some(json!({
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": name, "namespace": namespace},
        "spec": spec,
    }))
}

fn service_entry(host: &str, service: &Service) -> Value {
    let ports = service
        .ports
        .keys()
        .map(|port| json!({"number": port, "name": format!("tcp-{port}"), "protocol": "TCP"}))
        .collect::<Vec<_>>();
    let addresses: Vec<_> = service.vips.iter().filter(|ip| !is_automatic(**ip)).collect();
    let resolution = if service.by_name { "DNS" } else { "NONE" };
    json!({
        "apiVersion": "networking.istio.io/v1",
        "kind": "ServiceEntry",
        "metadata": {"name": host.to_string().replace(['_', '*'], "-"), "namespace": "istio-system"},
        "spec": {"hosts": [host], "addresses": addresses, "ports": ports, "resolution": resolution},
    })
}
