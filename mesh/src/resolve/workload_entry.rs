//! WorkloadEntries, and pods as what a ServiceEntry selects: programs at addresses, which services select by their labels
//! (`pilot/pkg/serviceregistry/serviceentry/conversion.go`, `pilot/pkg/serviceregistry/kube/controller/{controller,pod}.go`).

use std::{
    collections::{BTreeMap, HashMap},
    net::IpAddr,
};

use k8s_openapi::{api::core::v1 as k8s, apimachinery::pkg::util::intstr::IntOrString};

use super::{index::Index, peer_authentication, selects};
use crate::{
    fault::Faults,
    manifests::{Manifests, Object, service_entry::WorkloadEntrySpec},
    model::{EntryEndpoint, MeshConfig, MtlsMode, Pod, Service, Source, TLS_MODE_ISTIO, TLS_MODE_LABEL},
};

/// Everything that services can select in a namespace, and everything that has an address.
pub(super) struct Programs<'m> {
    pods: &'m [Pod],
    by_address: HashMap<IpAddr, usize>,
    /// WorkloadEntries, in order of name.
    entries: Vec<&'m Object<WorkloadEntrySpec>>,
    index: Index<'m>,
    config: &'m MeshConfig,
}

/// A program at an address.
pub(super) struct Program {
    /// Its labels include those of its document's metadata, which count more.
    pub(super) spec: WorkloadEntrySpec,
    pub(super) source: Source,
    /// Whether it is a pod, which takes mTLS only if its label says so.
    is_pod: bool,
}

impl<'m> Programs<'m> {
    pub(super) fn new(manifests: &'m Manifests, config: &'m MeshConfig, pods: &'m [Pod]) -> Self {
        let mut entries: Vec<_> = manifests.workload_entries.iter().collect();
        entries.sort_by_key(|entry| &entry.head.name);
        let addresses = pods.iter().enumerate().flat_map(|(i, pod)| pod.ips.both().map(move |ip| (ip, i)));
        Self { pods, by_address: addresses.collect(), entries, index: Index::new(manifests), config }
    }

    /// The pods and then the WorkloadEntries of a namespace that a selector selects. A name is an address only where names are
    /// resolved.
    pub(super) fn selected(
        &self,
        namespace: &str,
        selector: &BTreeMap<String, String>,
        resolves_names: bool,
    ) -> Vec<Program> {
        let pods = self.pods.iter().filter(|pod| pod.name.namespace == namespace && selects(selector, &pod.labels));
        pods.map(of_pod).chain(self.workload_entries(namespace, selector, resolves_names)).collect()
    }

    fn workload_entries(
        &self,
        namespace: &str,
        selector: &BTreeMap<String, String>,
        resolves_names: bool,
    ) -> impl Iterator<Item = Program> {
        let entries = self.entries.iter().filter(move |entry| entry.head.name.namespace == namespace);
        let programs = entries.map(|entry| of_entry(entry)).filter(move |one| selects(selector, &one.spec.labels));
        programs.filter(move |one| resolves_names || one.spec.address.parse::<IpAddr>().is_ok())
    }

    /// A program as the endpoint of a service's port.
    pub(super) fn endpoint(&self, program: &Program, namespace: &str, for_port: u16, port: u16) -> EntryEndpoint {
        let Program { spec, source, is_pod } = program;
        let says_mtls = match spec.labels.get(TLS_MODE_LABEL) {
            Some(mode) => mode == TLS_MODE_ISTIO,
            None => !is_pod && !spec.service_account.is_empty(),
        };
        let modes = || peer_authentication::effective(&self.index, self.config, namespace, &spec.labels);
        EntryEndpoint {
            for_port,
            address: spec.address.to_ascii_lowercase(),
            port,
            pod: spec.address.parse().ok().and_then(|ip: IpAddr| self.by_address.get(&ip).copied()),
            service_account: spec.service_account.clone(),
            says_mtls,
            takes_mtls: says_mtls && modes().on_port(port).mode != MtlsMode::Disable,
            labels: spec.labels.clone(),
            source: source.clone(),
        }
    }

    /// The WorkloadEntries that a Service selects, which only sidecars know (`serviceInstanceFromWorkloadInstance`).
    pub(super) fn add_to(&self, services: &mut [Service], objects: &[Object<k8s::Service>]) {
        if self.entries.is_empty() {
            return;
        }
        for service in services {
            let object = objects.iter().find(|object| object.head.name == service.name);
            let (Some(selector), Some(object)) = (service.selector.clone(), object) else { continue };
            let ports = object.body.spec.iter().flat_map(|spec| spec.ports.iter().flatten());
            let ports: Vec<_> = ports.collect();
            for program in self.workload_entries(&service.name.namespace, &selector, false) {
                let found = ports.iter().filter_map(|port| {
                    let number = u16::try_from(port.port).ok()?;
                    Some(self.endpoint(&program, &service.name.namespace, number, target(port, &program.spec)?))
                });
                service.workloads.extend(found);
            }
        }
    }
}

impl Program {
    /// What a ServiceEntry lists.
    pub(super) fn listed(spec: &WorkloadEntrySpec, source: Source) -> Self {
        Self { spec: spec.clone(), source, is_pod: false }
    }
}

fn of_entry(entry: &Object<WorkloadEntrySpec>) -> Program {
    let mut spec = entry.body.clone();
    spec.labels.extend(entry.head.labels.clone());
    Program { spec, source: entry.head.source.clone(), is_pod: false }
}

/// Its ports are those that its containers name (`getPortMap`).
fn of_pod(pod: &Pod) -> Program {
    let mut ports = BTreeMap::new();
    let declared = pod.containers.iter().flat_map(|container| &container.ports);
    for port in declared.filter(|port| port.protocol == "TCP") {
        if let Some(name) = &port.name {
            ports.entry(name.clone()).or_insert_with(|| i64::from(port.port));
        }
    }
    let spec = WorkloadEntrySpec {
        address: pod.ips.v4.to_string(),
        ports,
        labels: pod.labels.clone(),
        service_account: pod.service_account.clone(),
        ..WorkloadEntrySpec::default()
    };
    Program { spec, source: pod.source.clone(), is_pod: true }
}

/// The port of a WorkloadEntry that a Service's port leads to; none if it has none of the name that the Service asks for.
fn target(port: &k8s::ServicePort, spec: &WorkloadEntrySpec) -> Option<u16> {
    let named = |name: &str| spec.ports.get(name).copied().filter(|port| *port != 0);
    let own = || named(port.name.as_deref().unwrap_or_default());
    let number = match &port.target_port {
        Some(IntOrString::String(name)) => named(name)?,
        Some(IntOrString::Int(number)) if *number != 0 => own().unwrap_or_else(|| i64::from(*number)),
        _ => own().unwrap_or_else(|| i64::from(port.port)),
    };
    u16::try_from(number).ok()
}

/// Warns about selectors of ServiceEntries that select nothing.
pub(super) fn warn(manifests: &Manifests, programs: &Programs<'_>, faults: &mut Faults) {
    for entry in &manifests.service_entries {
        let Some(selector) = &entry.body.workload_selector else { continue };
        let namespace = &entry.head.name.namespace;
        if programs.selected(namespace, &selector.labels, true).is_empty() {
            let message =
                format!("selects no pod and no WorkloadEntry of namespace {namespace}: calls find no endpoint");
            faults.warn(entry, "spec.workloadSelector.labels", message);
        }
    }
}

#[cfg(test)]
mod tests;
