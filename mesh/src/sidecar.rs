//! Istio's ports, users and addresses of a sidecar
//! (<https://istio.io/latest/docs/ops/deployment/application-requirements/>).

use std::net::{Ipv4Addr, Ipv6Addr};

/// Envoy's admin interface, for programs of the pod only.
pub const ADMIN_PORT: u16 = 15000;
/// The port to which iptables redirects the app's connections.
pub const OUTBOUND_PORT: u16 = 15001;
/// The agent's debug interface.
pub const DEBUG_PORT: u16 = 15004;
/// The port to which iptables redirects connections to the pod.
pub const INBOUND_PORT: u16 = 15006;
/// The tunnel (HBONE): never captured.
pub const TUNNEL_PORT: u16 = 15008;
/// The agent's merged metrics and probes, unless an annotation sets another port.
pub const STATUS_PORT: u16 = 15020;
/// The port of the kubelet's readiness probe.
pub const HEALTH_PORT: u16 = 15021;
/// The port of Envoy's metrics for Prometheus.
pub const PROMETHEUS_PORT: u16 = 15090;

/// The ports that every sidecar listens on, which no app of its pod can use.
pub const PORTS: [u16; 7] =
    [ADMIN_PORT, OUTBOUND_PORT, DEBUG_PORT, INBOUND_PORT, STATUS_PORT, HEALTH_PORT, PROMETHEUS_PORT];

/// The uid of a sidecar.
pub const UID: u32 = 1337;
/// The gid of a sidecar.
pub const GID: u32 = 1337;

/// The source address of a sidecar's connections to its app (`InboundPassthroughBindIpv4`, `pilot/pkg/networking/core`).
pub const PASSTHROUGH_IPV4: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 6);
/// The same over IPv6.
pub const PASSTHROUGH_IPV6: Ipv6Addr = Ipv6Addr::new(0, 0, 0, 0, 0, 0, 0, 6);
