//! What a pod's redirect rules do with the connections of its app and its sidecar.

use std::net::{IpAddr, SocketAddr};

use crate::{
    model::{Capture, Family},
    redirect::{Packet, ProxyIdentity, Rules, Verdict},
    sidecar,
};

/// Who opens a connection in a pod.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Opener {
    App,
    Sidecar,
}

/// A connection from inside a pod. `source` is the address that it is bound to, if it is; `on_lo` whether it stays in the pod.
pub(super) fn outbound(
    capture: &Capture,
    opener: Opener,
    source: Option<IpAddr>,
    destination: SocketAddr,
    on_lo: bool,
) -> Verdict {
    let (uid, gid) = match opener {
        // An app may have any user but the sidecar's.
        Opener::App => (0, capture.app_gid),
        Opener::Sidecar => (sidecar::UID, sidecar::GID),
    };
    let interface = if on_lo { "lo" } else { "eth0" };
    rules(capture, destination).outbound(&Packet { interface, source, destination, uid, gid, mark: 0 })
}

/// A connection to the pod from outside.
pub(super) fn inbound(capture: &Capture, destination: SocketAddr) -> Verdict {
    let packet = Packet { interface: "eth0", source: None, destination, uid: 0, gid: 0, mark: 0 };
    rules(capture, destination).inbound(&packet)
}

fn rules(capture: &Capture, destination: SocketAddr) -> Rules {
    Rules::new(capture, ProxyIdentity::ISTIO, Family::of(destination.ip()))
}
