//! The services that dumped sidecars call: their ports, addresses, and the dumped pods behind them.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::IpAddr,
};

use serde_json::Value;

use crate::{compile::parts_of_cluster, control_plane::place};

use super::runnable::Runnable;

/// A host that a sidecar has outbound clusters for.
#[derive(Clone, Debug, Default)]
pub(super) struct Service {
    /// The port of the pods behind each port, where a dumped pod is behind it.
    pub(super) ports: BTreeMap<u16, Option<u16>>,
    /// Its virtual addresses.
    pub(super) vips: BTreeSet<IpAddr>,
    /// Whether callers choose an address of its pods.
    pub(super) is_headless: bool,
    /// Whether its endpoints are names, or whatever the caller chose.
    pub(super) by_name: bool,
    /// The dumped pods behind it, as indices.
    pub(super) pods: BTreeSet<usize>,
}

impl Service {
    /// Its name and namespace, if it is one of Kubernetes: `NAME.NAMESPACE.svc.DOMAIN`.
    pub(super) fn kubernetes_name(host: &str) -> Option<(&str, &str)> {
        let (name, rest) = host.split_once('.')?;
        let (namespace, rest) = rest.split_once('.')?;
        rest.starts_with("svc.").then_some((name, namespace))
    }
}

/// All hosts, by name.
pub(super) fn of(dumps: &[Runnable]) -> BTreeMap<String, Service> {
    let pods: BTreeMap<IpAddr, usize> =
        dumps.iter().enumerate().flat_map(|(i, dump)| dump.ips.iter().map(move |ip| (*ip, i))).collect();
    let mut services: BTreeMap<String, Service> = BTreeMap::new();
    for dump in dumps {
        for cluster in &dump.pushed.clusters {
            let Some((port, host)) = parts_of_cluster(place::name(cluster)) else { continue };
            let service = services.entry(host.to_owned()).or_default();
            let target = service.ports.entry(port).or_default();
            let kind = cluster["type"].as_str().unwrap_or_default();
            service.is_headless |= kind == "ORIGINAL_DST";
            service.by_name |= kind == "STRICT_DNS" || kind == "LOGICAL_DNS";
            for (ip, port) in endpoints(dump, cluster) {
                if let Some(pod) = pods.get(&ip) {
                    service.pods.insert(*pod);
                    target.get_or_insert(port);
                }
            }
        }
        for (host, ip) in listened(dump).into_iter().chain(routed(dump)) {
            if let Some(service) = services.get_mut(&host).filter(|_| !pods.contains_key(&ip)) {
                service.vips.insert(ip);
            }
        }
    }
    services
}

/// The port of `inbound|PORT||`.
pub(super) fn inbound(cluster: &str) -> Option<u16> {
    cluster.strip_prefix("inbound|")?.split('|').next()?.parse().ok()
}

/// The addresses of a cluster's endpoints.
fn endpoints(dump: &Runnable, cluster: &Value) -> Vec<(IpAddr, u16)> {
    let service = cluster.pointer("/eds_cluster_config/service_name").and_then(Value::as_str).unwrap_or_default();
    let name = if service.is_empty() { place::name(cluster) } else { service };
    let pushed = dump.pushed.endpoints.iter().filter(|set| place::name(set) == name);
    let inline = cluster.get("load_assignment");
    pushed.chain(inline).flat_map(addresses).collect()
}

/// The socket addresses in a value.
fn addresses(value: &Value) -> Vec<(IpAddr, u16)> {
    match value {
        Value::Object(fields) => {
            let own = fields.get("socket_address").and_then(|address| {
                let port = u16::try_from(address["port_value"].as_u64()?).ok()?;
                Some((address["address"].as_str()?.parse().ok()?, port))
            });
            own.into_iter().chain(fields.values().flat_map(addresses)).collect()
        }
        Value::Array(items) => items.iter().flat_map(addresses).collect(),
        _ => Vec::new(),
    }
}

/// The addresses of listeners that lead to one host.
fn listened(dump: &Runnable) -> Vec<(String, IpAddr)> {
    let mut found = Vec::new();
    for listener in &dump.pushed.listeners {
        let hosts = hosts(listener);
        let more = listener.get("additional_addresses").map(addresses).unwrap_or_default();
        let own = addresses(&listener["address"]).into_iter().chain(more).filter(|(ip, _)| !ip.is_unspecified());
        if let [host] = hosts.iter().collect::<Vec<_>>()[..] {
            found.extend(own.map(|(ip, _)| (host.clone(), ip)));
        }
    }
    found
}

/// The hosts that a listener's filters lead to, by clusters or by routes that are named after a host and a port.
fn hosts(value: &Value) -> BTreeSet<String> {
    match value {
        Value::Object(fields) => {
            let text = |field: &str| fields.get(field).and_then(Value::as_str);
            let cluster = text("cluster").and_then(parts_of_cluster).map(|(_, host)| host);
            let routes = text("route_config_name").and_then(|name| name.rsplit_once(':')).map(|(host, _)| host);
            let own = cluster.into_iter().chain(routes).map(str::to_owned);
            own.chain(fields.values().flat_map(hosts)).collect()
        }
        Value::Array(items) => items.iter().flat_map(hosts).collect(),
        _ => BTreeSet::new(),
    }
}

/// The addresses that virtual hosts name next to their host, `HOST:PORT`.
fn routed(dump: &Runnable) -> Vec<(String, IpAddr)> {
    let hosts = dump.pushed.routes.iter().filter_map(|routes| routes["virtual_hosts"].as_array()).flatten();
    let mut found = Vec::new();
    for host in hosts {
        let Some((name, _)) = place::name(host).rsplit_once(':') else { continue };
        let domains = host["domains"].as_array().into_iter().flatten().filter_map(Value::as_str);
        let ips = domains.filter_map(|domain| domain.trim_matches(['[', ']']).parse().ok());
        found.extend(ips.map(|ip: IpAddr| (name.to_owned(), ip)));
    }
    found
}
