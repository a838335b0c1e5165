//! Istio's names for what it generates.

use std::net::IpAddr;

use crate::model::Pod;

/// The cluster that forwards what the mesh does not know.
pub(super) const PASSTHROUGH_CLUSTER: &str = "PassthroughCluster";
/// The cluster that drops connections.
pub(super) const BLACK_HOLE_CLUSTER: &str = "BlackHoleCluster";
/// The cluster that forwards connections to ports of no service.
pub(super) const INBOUND_PASSTHROUGH_CLUSTER: &str = "InboundPassthroughCluster";
/// The listener to which iptables redirects the app's connections.
pub(super) const VIRTUAL_OUTBOUND: &str = "virtualOutbound";
/// The listener to which iptables redirects connections to the pod.
pub(super) const VIRTUAL_INBOUND: &str = "virtualInbound";
/// The secret of the workload's certificate.
pub(crate) const SVID_SECRET: &str = "default";
/// The secret of the mesh's root.
pub(crate) const ROOT_SECRET: &str = "ROOTCA";
/// What Istio calls the cluster of Kubernetes where nothing else is said.
pub(super) const CLUSTER_ID: &str = "Kubernetes";
/// The prefix of the name of a Kubernetes Secret.
pub(super) const SECRET_SCHEME: &str = "kubernetes://";

/// A listener's name: `ADDRESS_PORT`.
pub(super) fn listener(address: IpAddr, port: u16) -> String {
    format!("{address}_{port}")
}

/// The cluster of a service port: `outbound|PORT|SUBSET|HOST`.
pub(super) fn outbound_cluster(port: u16, subset: &str, host: &str) -> String {
    format!("outbound|{port}|{subset}|{host}")
}

/// The cluster of a container port: `inbound|PORT|SUBSET|`.
pub(crate) fn inbound_cluster(port: u16) -> String {
    format!("inbound|{port}||")
}

/// The same for connections over IPv6, if the app is dialled on loopback. Not a name of Istio's, which has one cluster for both
/// families.
pub(super) fn inbound_ipv6_cluster(port: u16) -> String {
    format!("inbound|{port}|ipv6|")
}

/// The port and the host in the name of a cluster of a service's port.
pub(crate) fn parts_of_cluster(name: &str) -> Option<(u16, &str)> {
    match name.split('|').collect::<Vec<_>>()[..] {
        ["outbound", port, _, host] => Some((port.parse().ok()?, host)),
        _ => None,
    }
}

/// The SNI of leg 2: `outbound_.PORT_.SUBSET_.HOST`.
pub(super) fn mesh_sni(port: u16, subset: &str, host: &str) -> String {
    format!("outbound_.{port}_.{subset}_.{host}")
}

/// The route configuration of a port with detection, which has a separate listener.
pub(super) fn detected_routes(port: u16, host: &str) -> String {
    format!("{host}:{port}")
}

/// The name of an operation in traces.
pub(super) fn operation(host: &str, port: u16) -> String {
    format!("{host}:{port}/*")
}

/// A file name for a resource: `|` and `:` become `_`, and what else a file system, a shell or a reader may trip over is
/// written as `%` and its code, so that no two resources share a file.
pub(super) fn file(resource: &str) -> String {
    let mut name = String::new();
    for byte in resource.bytes() {
        match byte {
            b'|' | b':' => name.push('_'),
            b'-' | b'.' | b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' => name.push(byte.into()),
            _ => name.push_str(&format!("%{byte:02X}")),
        }
    }
    name + ".json"
}

/// The name by which a sidecar's spans know it (`serviceCluster` in `pkg/bootstrap/config.go`).
pub(super) fn service_cluster(pod: &Pod) -> String {
    format!("{}.{}", pod.labels.get("app").unwrap_or(&pod.workload), pod.name.namespace)
}
