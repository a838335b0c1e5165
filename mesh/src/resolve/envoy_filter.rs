//! EnvoyFilters: the sidecars that they apply to, and warnings if they have no effect.

use crate::{
    compile::inbound_cluster,
    fault::Faults,
    manifests::{
        Manifests, Object,
        envoy_filter::{Applied, EnvoyFilterSpec},
    },
    model::{EnvoyFilter, InboundPatch, MeshConfig, Pod, Resolved, merged},
};

#[cfg(test)]
mod tests;

/// All filters, in the order in which Istio applies them: by priority, those of the root namespace, which are for all, before each
/// namespace's own, the oldest first (`EnvoyFilters` in `pilot/pkg/model/push_context.go`).
pub(super) fn resolve(manifests: &Manifests, config: &MeshConfig) -> Vec<EnvoyFilter> {
    let mut objects: Vec<_> = manifests.envoy_filters.iter().collect();
    let is_own = |filter: &Object<EnvoyFilterSpec>| filter.head.name.namespace != config.root_namespace;
    objects.sort_by_key(|filter| (filter.body.priority, is_own(filter), &filter.head.age));
    objects.into_iter().map(|filter| one(filter, config)).collect()
}

fn one(filter: &Object<EnvoyFilterSpec>, config: &MeshConfig) -> EnvoyFilter {
    let head = &filter.head;
    // One with targetRefs is for gateways and waypoints alone, as what is set aside is for nobody here.
    let patches = filter.body.config_patches.iter().enumerate().filter(|_| filter.body.target_refs.is_none());
    let patches = patches.filter_map(|(i, patch)| {
        let Applied { cluster, transport_socket } = patch.applied().ok()?;
        Some(InboundPatch {
            name: cluster.name,
            port: cluster.port_number.map(u16::try_from).transpose().ok()?,
            service: cluster.service,
            transport_socket,
            source: head.source.at(format!("spec.configPatches[{i}]")),
        })
    });
    EnvoyFilter {
        by: head.full_name(),
        namespace: (head.name.namespace != config.root_namespace).then(|| head.name.namespace.clone()),
        selector: filter.body.workload_selector.iter().flat_map(|selector| selector.labels.clone()).collect(),
        patches: patches.collect(),
    }
}

/// Warns about filters and patches that match nothing; patches of one cluster that do not fit together are an error.
pub(super) fn check(manifests: &Manifests, mesh: &Resolved, faults: &mut Faults) {
    if mesh.envoy_filters.is_empty() {
        return;
    }
    for filter in &mesh.envoy_filters {
        let Some(object) = manifests.envoy_filters.iter().find(|object| object.head.full_name() == filter.by) else {
            continue;
        };
        if filter.patches.is_empty() {
            continue;
        }
        let pods: Vec<&Pod> = mesh.pods.iter().filter(|pod| pod.sidecar.is_some() && filter.is_for(pod)).collect();
        if pods.is_empty() {
            faults.warn(object, "spec.workloadSelector", "selects no pod with a sidecar: the filter has no effect");
            continue;
        }
        for patch in &filter.patches {
            let clusters: Vec<_> = pods.iter().flat_map(|pod| inbound(mesh, pod)).collect();
            let matches = |(port, hosts): &&(u16, Vec<&str>)| patch.matches(&inbound_cluster(*port), *port, hosts);
            if clusters.iter().find(matches).is_none() {
                let message = format!("matches no inbound cluster of the pods: {}", known(&clusters));
                faults.warn(object, format!("{}.match.cluster", patch.source.field), message);
            }
        }
    }
    for pod in mesh.pods.iter().filter(|pod| pod.sidecar.is_some()) {
        for (port, hosts) in inbound(mesh, pod) {
            let cluster = inbound_cluster(port);
            let matching = mesh.inbound_patches(pod, &cluster, port, &hosts);
            // A patch that is invalid on its own is reported separately.
            if matching.iter().any(|(_, patch)| merged([*patch]).is_err()) {
                continue;
            }
            let (Some((last, patch)), Err(error)) = (matching.last(), merged(matching.iter().map(|(_, patch)| *patch)))
            else {
                continue;
            };
            let by: Vec<_> = matching.iter().map(|(filter, _)| filter.by.as_str()).collect();
            let message = format!("cluster {cluster} of pod {}, merged from {}: {error}", pod.name, by.join(" and "));
            if let Some(of) = manifests.envoy_filters.iter().find(|object| object.head.full_name() == last.by) {
                faults.error(of, format!("{}.patch.value", patch.source.field), message);
            }
        }
    }
}

/// The container ports of a pod that services send to, with the services.
fn inbound<'a>(mesh: &'a Resolved, pod: &Pod) -> Vec<(u16, Vec<&'a str>)> {
    let mut ports = std::collections::BTreeMap::<u16, Vec<&str>>::new();
    for service in &mesh.services {
        let endpoints = service.ports.iter().flat_map(|port| &port.endpoints);
        for endpoint in endpoints.filter(|endpoint| mesh.pods[endpoint.pod].name == pod.name) {
            ports.entry(endpoint.port).or_default().push(&service.host);
        }
    }
    ports.into_iter().collect()
}

/// The clusters that could be matched.
fn known(clusters: &[(u16, Vec<&str>)]) -> String {
    let mut names: Vec<_> = clusters
        .iter()
        .map(|(port, hosts)| format!("container port {port} ({}) of {}", inbound_cluster(*port), hosts.join(", ")))
        .collect();
    names.sort();
    names.dedup();
    if names.is_empty() { "no service sends to them".into() } else { format!("there is {}", names.join("; ")) }
}
