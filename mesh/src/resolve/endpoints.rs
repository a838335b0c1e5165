//! The endpoints of Services without a selector: EndpointSlices, or Endpoints if there are none.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    net::IpAddr,
};

use crate::{
    manifests::Manifests,
    model::{ObjectName, Pod},
};

/// The label of an EndpointSlice with its Service's name.
const SERVICE_NAME: &str = "kubernetes.io/service-name";

/// The explicit endpoints of one port of a Service.
pub(super) struct Written {
    /// The name of the Service's port.
    port_name: String,
    port: u16,
    addresses: Vec<IpAddr>,
}

/// All explicit endpoints, by Service. Those of Services with a selector, which a cluster prints, are included but unused.
pub(super) struct Endpoints(BTreeMap<ObjectName, Vec<Written>>);

impl Endpoints {
    pub(super) fn new(manifests: &Manifests) -> Self {
        let mut all: BTreeMap<ObjectName, Vec<Written>> = BTreeMap::new();
        for slice in &manifests.endpoint_slices {
            let Some(service) = slice.head.labels.get(SERVICE_NAME) else { continue };
            let name = ObjectName { namespace: slice.head.name.namespace.clone(), name: service.clone() };
            let ready =
                slice.body.endpoints.iter().filter(|endpoint| {
                    endpoint.conditions.as_ref().and_then(|conditions| conditions.ready) != Some(false)
                });
            let addresses = parsed(ready.flat_map(|endpoint| &endpoint.addresses));
            let ports = slice.body.ports.iter().flatten().map(|port| (port.name.as_deref(), port.port));
            all.entry(name).or_default().extend(ports.filter_map(|(name, port)| written(name, port?, &addresses)));
        }
        for object in &manifests.endpoints {
            if all.contains_key(&object.head.name) {
                continue;
            }
            let subsets = object.body.subsets.iter().flatten().flat_map(|subset| {
                let addresses = parsed(subset.addresses.iter().flatten().map(|address| &address.ip));
                let ports = subset.ports.iter().flatten();
                ports.filter_map(move |port| written(port.name.as_deref(), port.port, &addresses)).collect::<Vec<_>>()
            });
            all.insert(object.head.name.clone(), subsets.collect());
        }
        Self(all)
    }

    /// The endpoints of a port of a Service.
    pub(super) fn of(&self, service: &ObjectName, port_name: &str) -> impl Iterator<Item = (IpAddr, u16)> {
        let written = self.0.get(service).into_iter().flatten();
        let of_port = written.filter(move |written| written.port_name == port_name);
        of_port.flat_map(|written| written.addresses.iter().map(|address| (*address, written.port)))
    }

    /// The addresses of these Services that no pod has, in order.
    pub(super) fn outside<'n>(
        &self,
        services: impl Iterator<Item = &'n ObjectName>,
        pods: &ByAddress,
    ) -> BTreeSet<IpAddr> {
        let written = services.filter_map(|name| self.0.get(name)).flatten();
        written.flat_map(|written| &written.addresses).copied().filter(|ip| pods.get(*ip).is_none()).collect()
    }
}

/// Pods by their addresses: those here, and those of the cluster that they were read from.
pub(super) struct ByAddress(HashMap<IpAddr, usize>);

impl ByAddress {
    pub(super) fn new(pods: &[Pod]) -> Self {
        let all = pods.iter().enumerate();
        Self(
            all.flat_map(|(i, pod)| pod.ips.both().into_iter().chain(pod.cluster_ips.clone()).map(move |ip| (ip, i)))
                .collect(),
        )
    }

    pub(super) fn get(&self, ip: IpAddr) -> Option<usize> {
        self.0.get(&ip).copied()
    }
}

fn parsed<'a>(addresses: impl Iterator<Item = &'a String>) -> Vec<IpAddr> {
    addresses.filter_map(|address| address.parse().ok()).collect()
}

fn written(name: Option<&str>, port: i32, addresses: &[IpAddr]) -> Option<Written> {
    let port = u16::try_from(port).ok()?;
    Some(Written { port_name: name.unwrap_or_default().to_owned(), port, addresses: addresses.to_vec() })
}
