//! What a pod's redirect rules do with a connection: the rules of `redirect`, read instead of written.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use ipnet::IpNet;

use crate::{
    model::{Capture, InterceptionMode, PortSet},
    redirect::{INBOUND_PORT, OUTBOUND_PORT},
};

/// Istio's tunnel port: never captured.
const TUNNEL_PORT: u16 = 15008;

/// Who opens a connection in a pod.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Opener {
    App,
    Sidecar,
}

/// What becomes of a connection, and the rule that says so.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Verdict {
    /// The port that it is redirected to; `None` lets it pass.
    pub(super) redirected_to: Option<u16>,
    /// The rule, in words.
    pub(super) rule: &'static str,
    /// The annotation that made the rule, if one did.
    pub(super) annotation: Option<&'static str>,
}

const fn pass(rule: &'static str) -> Verdict {
    Verdict { redirected_to: None, rule, annotation: None }
}

const fn redirect(port: u16, rule: &'static str) -> Verdict {
    Verdict { redirected_to: Some(port), rule, annotation: None }
}

impl Verdict {
    const fn by(self, annotation: &'static str) -> Self {
        Self { annotation: Some(annotation), ..self }
    }
}

/// A connection from inside a pod (`OUTPUT`). `source` is the address that it is bound to, if it is; `on_lo` whether it
/// stays in the pod.
pub(super) fn outbound(
    capture: &Capture,
    opener: Opener,
    source: Option<IpAddr>,
    destination: SocketAddr,
    on_lo: bool,
) -> Verdict {
    if capture.mode == InterceptionMode::None {
        return pass("interceptionMode NONE: no rules");
    }
    let (ip, port) = (destination.ip(), destination.port());
    let (passthrough, to_loopback): (IpAddr, bool) = match ip {
        IpAddr::V4(ip) => (Ipv4Addr::new(127, 0, 0, 6).into(), capture.ipv4_loopback.contains(&ip)),
        IpAddr::V6(ip) => (Ipv6Addr::new(0, 0, 0, 0, 0, 0, 0, 6).into(), ip.is_loopback()),
    };
    let holds = |ranges: &[IpNet]| ranges.iter().any(|range| range.contains(&ip));

    if capture.exclude_interfaces.iter().any(|name| name == if on_lo { "lo" } else { "eth0" }) {
        return pass("the interface is excluded").by("traffic.sidecar.istio.io/excludeInterfaces");
    }
    if capture.exclude_outbound_ports.contains(&port) {
        return pass("the port is excluded").by("traffic.sidecar.istio.io/excludeOutboundPorts");
    }
    if on_lo && source == Some(passthrough) {
        return pass("from the sidecar to its app");
    }
    if on_lo && opener == Opener::Sidecar && !to_loopback && port != TUNNEL_PORT {
        return redirect(INBOUND_PORT, "the sidecar calls its own pod");
    }
    if on_lo && opener == Opener::App && !includes_loopback(capture) {
        return pass("the app calls its own pod");
    }
    if opener == Opener::Sidecar {
        return pass("the sidecar's own connection");
    }
    if !capture.app_group_is_captured {
        return pass("the app's group is not captured").by("proxy.istio.io/config");
    }
    if to_loopback {
        return pass("to loopback");
    }
    if holds(&capture.exclude_outbound_ip_ranges) {
        return pass("the address is excluded").by("traffic.sidecar.istio.io/excludeOutboundIPRanges");
    }
    if capture.include_outbound_ports.contains(&port) {
        return redirect(OUTBOUND_PORT, "the port is included").by("traffic.sidecar.istio.io/includeOutboundPorts");
    }
    match &capture.include_outbound_ip_ranges {
        None => redirect(OUTBOUND_PORT, "everything that leaves the pod is captured"),
        Some(ranges) if holds(ranges) => {
            redirect(OUTBOUND_PORT, "the address is included").by("traffic.sidecar.istio.io/includeOutboundIPRanges")
        }
        Some(_) => pass("the address is not included").by("traffic.sidecar.istio.io/includeOutboundIPRanges"),
    }
}

/// A connection to the pod from outside (`PREROUTING`).
pub(super) fn inbound(capture: &Capture, port: u16) -> Verdict {
    if capture.mode == InterceptionMode::None {
        return pass("interceptionMode NONE: no rules");
    }
    if capture.exclude_interfaces.iter().any(|name| name == "eth0") {
        return pass("the interface is excluded").by("traffic.sidecar.istio.io/excludeInterfaces");
    }
    if port == TUNNEL_PORT {
        return pass("the tunnel's port is never captured");
    }
    match &capture.include_inbound_ports {
        PortSet::List(ports) if ports.contains(&port) => {
            redirect(INBOUND_PORT, "the port is included").by("traffic.sidecar.istio.io/includeInboundPorts")
        }
        PortSet::List(_) => pass("the port is not included").by("traffic.sidecar.istio.io/includeInboundPorts"),
        PortSet::All if capture.exclude_inbound_ports.contains(&port) => {
            pass("the port is excluded").by("traffic.sidecar.istio.io/excludeInboundPorts")
        }
        PortSet::All => redirect(INBOUND_PORT, "everything that comes to the pod is captured"),
    }
}

/// Whether the app's connections to loopback are asked for, in either family.
fn includes_loopback(capture: &Capture) -> bool {
    capture.include_outbound_ip_ranges.iter().flatten().any(|range| range.addr().is_loopback())
}

#[cfg(test)]
mod tests;
