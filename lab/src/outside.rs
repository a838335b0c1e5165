//! Hosts outside the cluster that manifests or a call name, and for which no manifest has a pod.

use std::collections::BTreeMap;

use mesh::{
    SourceFile,
    model::{Resolution, Resolved, Service, is_host_for},
};
use serde_json::json;

#[cfg(test)]
mod tests;

/// Domains that a DNS of a company or a home may have, and public DNS does not (RFC 6762, RFC 8375, RFC 9476, and ICANN's resolution of
/// 2024-07-29 for `internal`).
const PRIVATE_DOMAINS: [&str; 11] =
    ["arpa", "corp", "home", "internal", "intranet", "lan", "local", "localdomain", "mail", "private", "test"];

/// Domains that no DNS has, but a cluster's own (RFC 6761, RFC 7686, RFC 9476).
const NO_DOMAINS: [&str; 6] = ["alt", "cluster", "invalid", "localhost", "onion", "svc"];

/// The name of the file with the hosts that no manifest has.
pub(crate) const ASSUMED: &str = "<assumed>";

/// The hosts that ServiceEntries and these calls, each of a pod to a host and a port, lead to outside of the cluster, as the
/// manifests would say it: a pod for each, which answers on the ports that are named. Nothing if there are none.
pub fn hosts(mesh: &Resolved, calls: &[(usize, &str, u16)]) -> Option<SourceFile> {
    let mut found: BTreeMap<String, Vec<u16>> = BTreeMap::new();
    for service in &mesh.entries {
        let Some(entry) = service.entry.as_ref().filter(|entry| entry.external) else { continue };
        if entry.resolution == Resolution::Static {
            continue;
        }
        let own = service.ports.iter().map(|port| port.port).chain(entry.target_ports.values().copied());
        let own = own.map(|port| (service.host.as_str(), port));
        let ends = entry.endpoints.iter().map(|end| (end.address.as_str(), end.port));
        // What the sidecar is to resolve, DNS has.
        let resolved = if entry.endpoints.is_empty() { Known::ByDns } else { Known::ByNobody };
        let all = own.map(|end| (end, resolved)).chain(ends.map(|end| (end, Known::ByDns)));
        for ((host, port), _) in all.filter(|((host, _), known)| is_outside(mesh, host, 0, *known)) {
            found.entry(host.to_owned()).or_default().push(port);
        }
    }
    for (from, host, port) in calls {
        let target = alias(mesh, host, &mesh.pods[*from].name.namespace);
        let is_alias = target != *host && is_outside(mesh, &target, *from, Known::ByDns);
        let host = target;
        if is_alias || is_unknown(mesh, &host, *from) {
            let ports = found.entry(host.clone()).or_default();
            ports.push(*port);
            ports.extend(target_below_wildcard(mesh, &host, *port));
        }
    }
    let pods: Vec<_> = found.into_iter().map(|(host, ports)| pod(&host, ports)).collect();
    (!pods.is_empty()).then(|| SourceFile { name: ASSUMED.into(), text: pods.join("\n---\n") })
}

/// Where calls of a port go of a host below the wildcard host of a ServiceEntry: the sidecar sends them to another port, if it has a
/// `targetPort`.
fn target_below_wildcard(mesh: &Resolved, host: &str, port: u16) -> Option<u16> {
    let is_above = |service: &&Service| service.host.starts_with('*') && is_host_for(&service.host, host);
    let mut entries = mesh.entries.iter().filter(is_above).filter_map(|service| service.entry.as_ref());
    entries.find_map(|entry| entry.target_ports.get(&port).copied())
}

/// Top-level domains of the public DNS (RFC 1591), which no namespace is likely to be named after.
const WELL_KNOWN: [&str; 7] = ["com", "edu", "gov", "int", "mil", "net", "org"];

/// Whether a host that a call names is outside of the cluster, and has no address in the manifests. `SERVICE.NAMESPACE` with an unknown
/// namespace is more likely a mistake.
pub fn is_unknown(mesh: &Resolved, host: &str, from: usize) -> bool {
    let name = host.trim_end_matches('.').to_ascii_lowercase();
    let (Some((first, _)), Some((_, last))) = (name.split_once('.'), name.rsplit_once('.')) else { return false };
    let is_service = |label: &str| mesh.services.iter().any(|service| service.name.name == label);
    let is_mistake = is_service(last) || is_service(first) && !WELL_KNOWN.contains(&last);
    is_outside(mesh, host, from, Known::ByNobody) && !is_mistake
}

/// Who says that there is a host.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Known {
    /// A manifest that has it looked up in DNS.
    ByDns,
    /// Nobody, so that it is expected in public DNS alone.
    ByNobody,
}

/// Whether a host has a name that DNS may have outside of the cluster, and no address in the manifests.
fn is_outside(mesh: &Resolved, host: &str, from: usize, known: Known) -> bool {
    let name = host.trim_end_matches('.').to_ascii_lowercase();
    let Some((_, last)) = name.rsplit_once('.') else { return false };
    let is_domain = last.len() > 1 && last.starts_with(|c: char| c.is_ascii_alphabetic());
    let is_written = mesh.pods.iter().any(|pod| pod.external_hosts.iter().any(|own| own.eq_ignore_ascii_case(host)));
    is_domain
        && !NO_DOMAINS.contains(&last)
        && !name.ends_with(".cluster.local")
        && (known == Known::ByDns || !PRIVATE_DOMAINS.contains(&last))
        && !mesh.namespaces.contains_key(last)
        && !host.starts_with('*')
        && !is_written
        && (mesh.pods.is_empty() || mesh.resolve_in(from, host).is_empty())
}

/// The external host that a name resolves to: itself, or the target of an ExternalName Service.
pub fn alias(mesh: &Resolved, host: &str, namespace: &str) -> String {
    let names = [format!("{host}.{namespace}.svc.cluster.local"), format!("{host}.svc.cluster.local"), host.to_owned()];
    let alias = mesh.external_names.iter().find(|alias| names.contains(&alias.host));
    alias.map_or_else(|| host.to_owned(), |alias| alias.target.clone())
}

/// A pod that plays an external host. Ports 80 and 443 speak the protocols that they are known for, others what [`Clue`](mesh::stand_in::Clue)s
/// indicate.
fn pod(host: &str, mut ports: Vec<u16>) -> String {
    ports.sort_unstable();
    ports.dedup();
    let speaks = "80=http,443=https";
    let declared: Vec<_> = ports.iter().map(|port| json!({ "containerPort": port })).collect();
    // A DNS label has at most 63 letters, and a pod's name 253.
    let name: String = host.to_ascii_lowercase().chars().take(200).collect();
    json!({
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": name.trim_end_matches(['.', '-']),
            "namespace": "outside",
            "annotations": {"sidelab.io/external-host": host, "sidelab.io/app-speaks": speaks},
        },
        "spec": {"containers": [{"name": "host", "image": format!("the host {host}"), "ports": declared}]},
    })
    .to_string()
}
