//! The pods, their sidecars, and the addresses that the node translates.

use std::{
    cell::OnceCell,
    collections::HashMap,
    net::{IpAddr, SocketAddr},
};

use crate::{
    compile::Placement,
    control_plane::configure,
    model::{Capture, EntryEndpoint, Family, Mesh, Service, Source},
    sidecar,
};

use super::{CallError, certificate::Certificate, sidecar::Sidecar};

/// Everything that a call can reach.
pub(super) struct World<'a> {
    pub(super) hosts: Vec<Host>,
    by_ip: HashMap<IpAddr, usize>,
    /// Services, for the node's translation of their virtual addresses.
    pub(super) services: &'a [Service],
    /// A virtual address, and where the node sends it, if nothing else is known about it.
    pub(super) alias: Option<(SocketAddr, SocketAddr)>,
    mesh: Option<&'a Mesh>,
}

/// A pod.
pub(super) struct Host {
    /// `POD.NAMESPACE`.
    pub(super) name: String,
    pub(super) ips: Vec<IpAddr>,
    /// What its sidecar's redirects capture; `None` if it has no sidecar.
    pub(super) capture: Option<Capture>,
    /// Whether its app runs as the sidecar's user, and is treated as the sidecar.
    pub(super) app_runs_as_sidecar: bool,
    /// Whether its proxy is a gateway.
    pub(super) is_gateway: bool,
    /// What pods that are alike have in common: what made them, and whether they have a sidecar.
    pub(super) kind: (String, bool),
    /// Its document.
    pub(super) source: Source,
    /// The reason why it has a sidecar, or has none.
    pub(super) injection: (String, Source),
    sidecar: OnceCell<Sidecar>,
}

impl Host {
    /// A pod with a known sidecar.
    pub(super) fn with(name: String, ips: Vec<IpAddr>, capture: Capture, sidecar: Sidecar) -> Self {
        let source = Source::default_of("a configuration dump contains no manifests");
        let injection = ("its configuration was dumped".into(), source.clone());
        Self {
            kind: (name.clone(), true),
            name,
            ips,
            capture: Some(capture),
            app_runs_as_sidecar: false,
            is_gateway: false,
            source,
            injection,
            sidecar: OnceCell::from(sidecar),
        }
    }

    /// Its address of a family, if it has one.
    pub(super) fn ip(&self, family: Family) -> Option<IpAddr> {
        self.ips.iter().copied().find(|&ip| Family::of(ip) == family)
    }
}

impl<'a> World<'a> {
    /// The world of a mesh. Sidecars are compiled when a call reaches them.
    pub(super) fn of_mesh(mesh: &'a Mesh) -> Self {
        let host = |pod: &crate::model::Pod| Host {
            name: pod.name.to_string(),
            ips: pod.ips.both().into(),
            capture: pod.sidecar.as_ref().map(|sidecar| sidecar.capture.clone()),
            app_runs_as_sidecar: pod.containers.iter().any(|container| container.run_as_user == Some(sidecar::UID)),
            is_gateway: pod.is_gateway(),
            kind: (format!("{} {}", pod.name.namespace, pod.workload), pod.sidecar.is_some()),
            source: pod.source.clone(),
            injection: (pod.injection.because.clone(), pod.injection.source.clone()),
            sidecar: OnceCell::new(),
        };
        Self {
            services: &mesh.services,
            mesh: Some(mesh),
            ..Self::of_hosts(mesh.pods.iter().map(host).collect(), None)
        }
    }

    /// A world of pods whose sidecars are known.
    pub(super) fn of_hosts(hosts: Vec<Host>, alias: Option<(SocketAddr, SocketAddr)>) -> Self {
        let addresses = |(i, host): (usize, &Host)| host.ips.iter().map(move |ip| (*ip, i)).collect::<Vec<_>>();
        // The first that has an address counts.
        let by_ip = hosts.iter().enumerate().rev().flat_map(addresses).collect();
        Self { hosts, by_ip, services: &[], alias, mesh: None }
    }

    /// A pod's sidecar.
    ///
    /// # Errors
    /// If Envoy would reject its configuration.
    pub(super) fn sidecar(&self, host: usize) -> Result<&Sidecar, CallError> {
        let cell = &self.hosts[host].sidecar;
        match (cell.get(), self.mesh) {
            (Some(sidecar), _) => Ok(sidecar),
            (None, None) => Err(CallError::NoSidecar { pod: self.hosts[host].name.clone() }),
            (None, Some(mesh)) => {
                let svid = mesh.pods[host].sidecar.as_ref().map(Certificate::of_sidecar);
                let config = configure(mesh, host, &nowhere()).map_err(CallError::Pushed)?;
                let sidecar = Sidecar::new(config, svid).map_err(|(listener, error)| CallError::Refused {
                    pod: self.hosts[host].name.clone(),
                    listener,
                    error: error.into(),
                })?;
                Ok(cell.get_or_init(|| sidecar))
            }
        }
    }

    /// The machine outside of Kubernetes that has an address and a sidecar, as a WorkloadEntry or a ServiceEntry says, with its SPIFFE ID.
    pub(super) fn machine(&self, ip: IpAddr) -> Option<(String, &'a EntryEndpoint)> {
        let mesh = self.mesh?;
        let of = |service: &'a Service| service.entry_endpoints().map(move |(_, endpoint)| (service, endpoint));
        let mut all = mesh.services.iter().chain(&mesh.entries).flat_map(of);
        let (service, endpoint) = all.find(|(_, endpoint)| endpoint.says_mtls && endpoint.address.parse() == Ok(ip))?;
        Some((mesh.config.spiffe_id(&service.name.namespace, &endpoint.service_account), endpoint))
    }

    /// Why a gateway does not listen at an address.
    pub(super) fn not_listening(&self, host: usize, at: SocketAddr) -> (String, Source) {
        let port = at.port();
        let merged = self.mesh.map(|mesh| mesh.merged_gateway(host)).unwrap_or_default();
        let Some(opened) = merged.ports.iter().find(|opened| opened.port == port) else {
            return (format!("no Gateway opens port {port} there"), self.hosts[host].source.clone());
        };
        let first = &opened.servers[0];
        let gateway = &first.gateway.name;
        let because = match opened.bind {
            Some(bind) => format!("Gateway {gateway} opens port {port} at {bind} alone"),
            None => format!(
                "Gateway {gateway} opens port {port}, and no VirtualService has a route for it: istiod makes no listener"
            ),
        };
        (because, first.server.source.clone())
    }

    /// The pod that has an address.
    pub(super) fn host_at(&self, ip: IpAddr) -> Option<usize> {
        self.by_ip.get(&ip).copied()
    }

    /// The addresses that a full name stands for.
    pub(super) fn resolve(&self, name: &str) -> Vec<IpAddr> {
        // Of a search list only a name with fewer dots than it asks for would need the namespace.
        self.mesh.map(|mesh| mesh.resolve(name, "default")).unwrap_or_default()
    }

    /// The service that nodes translate an address for.
    pub(super) fn service_at(&self, ip: IpAddr) -> Option<&'a Service> {
        self.services.iter().find(|service| service.has_address(ip))
    }
}

/// A placement for configurations that are never written to files.
pub(super) fn nowhere() -> Placement {
    Placement::in_folder("/")
}
