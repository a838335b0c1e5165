//! The leg that a packet of a pod belongs to.

use std::{
    collections::HashSet,
    net::{IpAddr, SocketAddr},
};

use mesh::{
    account::{Interface, LegNumber},
    model::{Pod, PodIps},
    sidecar::{ADMIN_PORT, HEALTH_PORT, INBOUND_PORT, OUTBOUND_PORT, PROMETHEUS_PORT, STATUS_PORT},
};
use observe::Ends;

#[cfg(test)]
mod tests;

/// Tells the packets of one pod apart, as they come.
#[derive(Debug)]
pub(crate) struct Legs {
    ips: PodIps,
    has_sidecar: bool,
    /// Addresses of the app from which connections on `lo` were redirected to its sidecar: their answers come from elsewhere.
    to_sidecar: HashSet<SocketAddr>,
    /// The same for connections that came back to the sidecar's inbound port: the pod called itself.
    to_itself: HashSet<SocketAddr>,
}

impl Legs {
    pub(crate) fn new(pod: &Pod) -> Self {
        Self { ips: pod.ips, has_sidecar: pod.sidecar.is_some(), to_sidecar: HashSet::new(), to_itself: HashSet::new() }
    }

    /// The leg of a packet; `None` for the sidecar's own ports, which carry no call.
    pub(crate) fn leg(&mut self, interface: Interface, ends: Ends) -> Option<LegNumber> {
        let Ends { source, destination, opens } = ends;
        let own = [ADMIN_PORT, STATUS_PORT, HEALTH_PORT, PROMETHEUS_PORT];
        if self.has_sidecar
            && [source, destination].iter().any(|end| self.is_here(end.ip()) && own.contains(&end.port()))
        {
            return None;
        }
        if interface == Interface::Eth0 || !self.has_sidecar {
            return Some(LegNumber::BetweenPods);
        }
        if opens {
            // The port of an earlier connection can be used again.
            self.to_sidecar.remove(&source);
            self.to_itself.remove(&source);
        }
        match destination.port() {
            OUTBOUND_PORT => drop(self.to_sidecar.insert(source)),
            INBOUND_PORT => drop(self.to_itself.insert(source)),
            _ => {}
        }
        let is_of = |set: &HashSet<SocketAddr>| set.contains(&source) || set.contains(&destination);
        Some(match () {
            () if is_of(&self.to_sidecar) => LegNumber::ToSidecar,
            () if is_of(&self.to_itself) => LegNumber::BetweenPods,
            // On `lo`, only an answer that the kernel readdressed comes from another host.
            () if !self.is_here(source.ip()) => LegNumber::ToSidecar,
            () => LegNumber::ToApp,
        })
    }

    /// Whether an address is the pod's or a loopback address.
    fn is_here(&self, ip: IpAddr) -> bool {
        ip.is_loopback() || self.ips.contains(ip) || ip == IpAddr::V6(mesh::sidecar::PASSTHROUGH_IPV6)
    }
}
