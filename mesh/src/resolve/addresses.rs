//! Addresses for pods, services and hosts outside the cluster, assigned in order of names.

use std::{
    collections::BTreeSet,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
};

use crate::model::PodIps;

/// The first pod's number in its range; `.1` is the node's.
const FIRST_POD: u16 = 2;
/// The first service's number in its range, as far from the start as Kubernetes keeps for the cluster's own services
/// ([`crate::model::CLUSTER_DNS`] is one).
const FIRST_SERVICE: u16 = 10;

/// The addresses of the pod that is `nth` in order of namespace and name, from 0: in 10.244.0.0/16 and fd00:244::/64.
/// Nothing when the range is used up.
pub(super) fn pod(nth: usize) -> Option<PodIps> {
    let number = FIRST_POD.checked_add(u16::try_from(nth).ok()?)?;
    let [high, low] = number.to_be_bytes();
    Some(PodIps { v4: Ipv4Addr::new(10, 244, high, low), v6: Ipv6Addr::new(0xfd00, 0x244, 0, 0, 0, 0, 0, number) })
}

/// The addresses of the host outside the cluster that is `nth` in order of its pod's namespace and name, from 0: in the
/// ranges that documentation has, 203.0.113.0/24 (RFC 5737) and 2001:db8::/32 (RFC 3849). `None` if the range is used up.
pub(super) fn external_host(nth: usize) -> Option<PodIps> {
    let number = u8::try_from(nth).ok()?.checked_add(1).filter(|number| *number < 255)?;
    Some(PodIps {
        v4: Ipv4Addr::new(203, 0, 113, number),
        v6: Ipv6Addr::new(0x2001, 0xdb8, 0xcafe, 0, 0, 0, 0, number.into()),
    })
}

/// The free virtual addresses, in 10.96.0.0/16 and fd00:96::/112.
pub(super) struct Services {
    taken: BTreeSet<IpAddr>,
    next: u16,
}

impl Services {
    /// All except those that manifests request.
    pub(super) fn new(taken: BTreeSet<IpAddr>) -> Self {
        Self { taken, next: FIRST_SERVICE }
    }

    /// The next pair that is free in both families. `None` if the range is used up.
    pub(super) fn next(&mut self) -> Option<(IpAddr, IpAddr)> {
        loop {
            let [high, low] = self.next.to_be_bytes();
            let v4 = IpAddr::from(Ipv4Addr::new(10, 96, high, low));
            let v6 = IpAddr::from(Ipv6Addr::new(0xfd00, 0x96, 0, 0, 0, 0, 0, self.next));
            self.next = self.next.checked_add(1)?;
            if !self.taken.contains(&v4) && !self.taken.contains(&v6) {
                return Some((v4, v6));
            }
        }
    }
}

/// Whether a service can request this address: it is in the range of services.
pub(crate) fn is_service_address(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(v4) => v4.octets()[..2] == [10, 96],
        IpAddr::V6(v6) => v6.segments()[..7] == [0xfd00, 0x96, 0, 0, 0, 0, 0],
    }
}
