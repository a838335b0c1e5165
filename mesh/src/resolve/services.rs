//! Services: virtual addresses, protocols, and the pods behind each port.

use std::{
    cell::Cell,
    collections::{BTreeMap, BTreeSet, HashMap},
    net::IpAddr,
};

use k8s_openapi::{api::core::v1 as k8s, apimachinery::pkg::util::intstr::IntOrString};

use super::{
    addresses::{self, Addresses},
    endpoints::{ByAddress, Endpoints},
    pods, protocol, selects,
};
use crate::{
    fault::Faults,
    manifests::{Manifests, Object},
    model::{Endpoint, ExternalName, Family, MeshConfig, Pod, Service, ServicePort},
};

/// The annotation of a Service that says which namespaces know it.
const EXPORT_TO: &str = "networking.istio.io/exportTo";

/// All services in order of namespace and name. An address outside of the cluster to which one without a selector leads becomes
/// a pod that stands for it.
pub(super) fn resolve(
    manifests: &Manifests,
    config: &MeshConfig,
    pods: &mut Vec<Pod>,
    kept: &Addresses,
    faults: &mut Faults,
) -> Vec<Service> {
    let mut objects: Vec<_> = manifests.services.iter().filter(|object| external_name(object).is_none()).collect();
    objects.sort_by(|a, b| a.head.name.cmp(&b.head.name));
    let written = Endpoints::new(manifests);
    let without_selector = || objects.iter().filter(|object| selector(object).is_none());
    let outside = written.outside(without_selector().map(|object| &object.head.name), &ByAddress::new(pods));
    pods.extend(outside.into_iter().enumerate().map(|(i, address)| pods::host_outside(address, i, kept)));
    let finder = Finder::new(pods, written);
    let asked: BTreeSet<IpAddr> = objects.iter().flat_map(|o| asked_addresses(o)).collect();
    let mut free = addresses::Services::new(asked.iter().copied().chain(kept.of_services()).collect());
    let mut services = Vec::with_capacity(objects.len());
    for object in objects {
        let Some(spec) = &object.body.spec else { continue };
        let had = kept.of_service(&object.head.name).iter().filter(|ip| !asked.contains(ip)).copied();
        let own: Vec<IpAddr> = asked_addresses(object).into_iter().chain(had).collect();
        let Some(vips) = vips(object, spec, &own, &mut free) else {
            faults.error(object, "", "there is no address left for it in 10.96.0.0/16");
            break;
        };
        let name = object.head.name.clone();
        services.push(Service {
            host: full_name(object),
            aliases: vec![],
            vips,
            external_ips: external_ips(object),
            families: families(object, spec),
            ports: finder.ports(object, spec, faults),
            selector: selector(object).cloned(),
            age: object.head.age.clone(),
            export_to: config.export_to.of_service(export_to(object)),
            entry: None,
            workloads: vec![],
            source: object.head.source.clone(),
            name,
        });
    }
    services
}

/// To which namespaces a service is shown, as written (`ConvertService` in `pilot/pkg/serviceregistry/kube/conversion.go`).
fn export_to(object: &Object<k8s::Service>) -> BTreeSet<String> {
    let written = object.head.annotations.get(EXPORT_TO).filter(|text| !text.is_empty());
    written.into_iter().flat_map(|text| text.split(',')).map(|name| name.trim().to_owned()).collect()
}

/// Finds the services that each ExternalName stands for in the end: those of Kubernetes, or of ServiceEntries
/// (`resolveServiceAliases` in `pilot/pkg/model/push_context.go`).
pub(super) fn add_aliases<'s>(services: impl Iterator<Item = &'s mut Service>, external_names: &[ExternalName]) {
    let targets: HashMap<_, _> =
        external_names.iter().map(|alias| (alias.host.as_str(), alias.target.as_str())).collect();
    let mut by_host: HashMap<String, Vec<&mut Service>> = HashMap::new();
    for service in services {
        by_host.entry(service.host.clone()).or_default().push(service);
    }
    for alias in external_names {
        let mut target = alias.target.as_str();
        // Cyclic aliases lead nowhere.
        for _ in 0..external_names.len() {
            target = targets.get(target).copied().unwrap_or(target);
        }
        for service in by_host.get_mut(target).into_iter().flatten() {
            service.aliases.push(alias.name.clone());
        }
    }
}

/// Services of type ExternalName.
pub(super) fn external_names(manifests: &Manifests) -> Vec<ExternalName> {
    let one = |object: &Object<k8s::Service>| {
        Some(ExternalName {
            name: object.head.name.clone(),
            host: full_name(object),
            target: external_name(object)?.trim_end_matches('.').to_ascii_lowercase(),
            source: object.head.source.at("spec.externalName"),
        })
    };
    manifests.services.iter().filter_map(one).collect()
}

fn external_name(object: &Object<k8s::Service>) -> Option<&str> {
    let spec = object.body.spec.as_ref()?;
    spec.external_name.as_deref().filter(|_| spec.type_.as_deref() == Some("ExternalName"))
}

fn full_name(object: &Object<k8s::Service>) -> String {
    format!("{}.{}.svc.cluster.local", object.head.name.name, object.head.name.namespace)
}

fn selector(object: &Object<k8s::Service>) -> Option<&BTreeMap<String, String>> {
    object.body.spec.as_ref()?.selector.as_ref().filter(|selector| !selector.is_empty())
}

/// The virtual addresses that a service requests, if they are in the lab's range.
fn asked_addresses(service: &Object<k8s::Service>) -> BTreeSet<IpAddr> {
    let Some(spec) = &service.body.spec else { return BTreeSet::new() };
    let asked = spec.cluster_ip.iter().chain(spec.cluster_ips.iter().flatten()).filter_map(|ip| ip.parse().ok());
    asked.filter(|ip| addresses::is_service_address(*ip)).collect()
}

/// The addresses besides its virtual ones at which nodes take connections for a service, also from pods (kubernetes:
/// `pkg/proxy/iptables/proxier.go`). With `ipMode: Proxy` a load balancer's address is left to it.
fn external_ips(service: &Object<k8s::Service>) -> Vec<IpAddr> {
    let listed = service.body.spec.iter().flat_map(|spec| spec.external_ips.iter().flatten());
    let status = service.body.status.as_ref().and_then(|status| status.load_balancer.as_ref());
    let ingresses = status.into_iter().flat_map(|balancer| balancer.ingress.iter().flatten());
    let ingresses = ingresses.filter(|ingress| ingress.ip_mode.as_deref() != Some("Proxy"));
    listed.chain(ingresses.filter_map(|ingress| ingress.ip.as_ref())).filter_map(|ip| ip.parse().ok()).collect()
}

/// A service's virtual addresses, IPv4 first: none if headless; its own, which it requests or had, and new ones for its other
/// families.
fn vips(
    object: &Object<k8s::Service>,
    spec: &k8s::ServiceSpec,
    own: &[IpAddr],
    free: &mut addresses::Services,
) -> Option<Vec<IpAddr>> {
    if is_headless(spec) {
        return Some(Vec::new());
    }
    let families = families(object, spec);
    let own_of = |family| own.iter().copied().find(|ip| Family::of(*ip) == family);
    if let Some(own) = families.iter().map(|family| own_of(*family)).collect() {
        return Some(own);
    }
    let (v4, v6) = free.next()?;
    let of_family = |family| own_of(family).unwrap_or(if family == Family::Ipv4 { v4 } else { v6 });
    Some(families.into_iter().map(of_family).collect())
}

/// The families of a service's addresses, IPv4 first, in a cluster that has both and whose first is IPv4: one, unless the service
/// says otherwise by `ipFamilyPolicy`, by two `ipFamilies` or two `clusterIPs`, or is headless without a selector
/// (kubernetes: `initIPFamilyFields` in `pkg/registry/core/service/storage/alloc.go`; the field's documentation in
/// `staging/src/k8s.io/api/core/v1/types.go`).
fn families(object: &Object<k8s::Service>, spec: &k8s::ServiceSpec) -> Vec<Family> {
    let listed = spec.ip_families.as_deref().unwrap_or_default();
    let asked = spec.cluster_ips.as_deref().unwrap_or_default();
    let dual = match spec.ip_family_policy.as_deref() {
        Some(policy) => policy != "SingleStack",
        None => listed.len() > 1 || asked.len() > 1 || (is_headless(spec) && selector(object).is_none()),
    };
    if dual {
        return Family::BOTH.to_vec();
    }
    let by_name = listed.first().map(|family| if family == "IPv6" { Family::Ipv6 } else { Family::Ipv4 });
    let by_address = || spec.cluster_ip.as_deref()?.parse().ok().map(Family::of);
    vec![by_name.or_else(by_address).unwrap_or(Family::Ipv4)]
}

fn is_headless(spec: &k8s::ServiceSpec) -> bool {
    spec.cluster_ip.as_deref() == Some("None")
}

/// Finds the pods behind services.
struct Finder<'p> {
    pods: &'p [Pod],
    /// By namespace and one label.
    by_label: HashMap<(&'p str, &'p str, &'p str), Vec<usize>>,
    by_address: ByAddress,
    written: Endpoints,
    /// How many more services are reported with the pod that comes nearest to their selector.
    hints: Cell<usize>,
}

/// At most this many services are reported with the pod that comes nearest to their selector.
const HINTS: usize = 100;

impl<'p> Finder<'p> {
    fn new(pods: &'p [Pod], written: Endpoints) -> Self {
        let mut by_label: HashMap<_, Vec<usize>> = HashMap::new();
        for (i, pod) in pods.iter().enumerate() {
            for (key, value) in &pod.labels {
                by_label.entry((pod.name.namespace.as_str(), key.as_str(), value.as_str())).or_default().push(i);
            }
        }
        Self { pods, by_label, by_address: ByAddress::new(pods), written, hints: Cell::new(HINTS) }
    }

    /// The pods of a namespace that a selector selects, in order: those among the fewest that have one of its labels.
    fn selected(&self, namespace: &str, selector: &BTreeMap<String, String>) -> Vec<usize> {
        let having = selector.iter().map(|(key, value)| {
            self.by_label.get(&(namespace, key.as_str(), value.as_str())).map(Vec::as_slice).unwrap_or_default()
        });
        let fewest = having.min_by_key(|pods| pods.len()).unwrap_or_default();
        fewest.iter().copied().filter(|&i| selects(selector, &self.pods[i].labels)).collect()
    }

    fn ports(&self, object: &Object<k8s::Service>, spec: &k8s::ServiceSpec, faults: &mut Faults) -> Vec<ServicePort> {
        let pods = self.pods;
        let selected = selector(object).map(|selector| self.selected(&object.head.name.namespace, selector));
        if let (Some([]), Some(selector)) = (selected.as_deref(), selector(object)) {
            // Each looks through all pods.
            let left = self.hints.get().saturating_sub(1);
            let pods = if left > 0 { pods } else { &[] };
            self.hints.set(left);
            faults.warn(object, "spec.selector", no_pod(selector, &object.head.name.namespace, pods));
        }
        let of_pods = selected.iter().flatten().map(|&i| &pods[i]);
        if let Some(outside) = of_pods.clone().find(|pod| pod.is_external()) {
            let message = format!(
                "selects pod {}, which stands for a host outside the cluster: no Service leads there; change its labels, or write \
                 a ServiceEntry",
                outside.name.name
            );
            faults.error(object, "spec.selector", message);
        }
        let mut ports = Vec::new();
        for (i, port) in spec.ports.iter().flatten().enumerate() {
            let Ok(number) = u16::try_from(port.port) else { continue };
            let field = format!("spec.ports[{i}]");
            let (protocol, protocol_field) = protocol::of_service_port(port);
            let endpoints: Vec<_> = match &selected {
                Some(selected) => selected
                    .iter()
                    .filter_map(|&pod| Some(Endpoint { pod, port: target_port(port, number, &pods[pod])? }))
                    .collect(),
                None => self.written_for(object, port.name.as_deref().unwrap_or_default()),
            };
            let named = matches!(&port.target_port, Some(IntOrString::String(_)));
            if endpoints.is_empty() && named && selected.as_ref().is_some_and(|selected| !selected.is_empty()) {
                let names: Vec<_> = of_pods.clone().map(|pod| pod.name.name.as_str()).collect();
                let message = format!("no port of {} has this name: calls find no pod", names.join(", "));
                faults.warn(object, format!("{field}.targetPort"), message);
            }
            if endpoints.is_empty() && selected.is_none() {
                let message = "is missing, and no EndpointSlice or Endpoints has this port: calls find no pod";
                faults.warn(object, "spec.selector", message);
            }
            ports.push(ServicePort {
                name: port.name.clone().unwrap_or_default(),
                port: number,
                protocol,
                protocol_field,
                protocol_source: object.head.source.at(format!("{field}.{}", protocol_field.name())),
                endpoints,
            });
        }
        ports
    }

    fn written_for(&self, object: &Object<k8s::Service>, port_name: &str) -> Vec<Endpoint> {
        let written = self.written.of(&object.head.name, port_name);
        let mut endpoints: Vec<_> =
            written.filter_map(|(ip, port)| Some(Endpoint { pod: self.by_address.get(ip)?, port })).collect();
        endpoints.sort_by_key(|endpoint| (endpoint.pod, endpoint.port));
        endpoints.dedup();
        endpoints
    }
}

/// The port of a pod that a service's port leads to; `None` for a named port that the pod doesn't have.
fn target_port(port: &k8s::ServicePort, number: u16, pod: &Pod) -> Option<u16> {
    match &port.target_port {
        // The API server treats 0 as unset.
        None | Some(IntOrString::Int(0)) => Some(number),
        Some(IntOrString::Int(target)) => u16::try_from(*target).ok(),
        Some(IntOrString::String(name)) => pod
            .containers
            .iter()
            .flat_map(|container| &container.ports)
            // Of the same protocol (`FindPort` in Kubernetes' `pkg/api/v1/pod/util.go`).
            .find(|of_pod| {
                of_pod.name.as_deref() == Some(name) && of_pod.protocol == port.protocol.as_deref().unwrap_or("TCP")
            })
            .map(|port| port.port),
    }
}

/// The warning for a selector that selects nothing, with the closest pod.
fn no_pod(selector: &BTreeMap<String, String>, namespace: &str, pods: &[Pod]) -> String {
    let selector_text: Vec<_> = selector.iter().map(|(k, v)| format!("{k}={v}")).collect();
    let mut message = format!("finds no pod with {} in namespace {namespace}: calls fail", selector_text.join(","));
    let elsewhere = pods.iter().find(|pod| selects(selector, &pod.labels));
    let alike = pods.iter().find(|pod| {
        pod.name.namespace == namespace && selector.iter().any(|(k, v)| pod.labels.get(k).is_some_and(|own| own != v))
    });
    if let Some(pod) = elsewhere {
        message.push_str(&format!("; pod {} has these labels, but in namespace {}", pod.name.name, pod.name.namespace));
    } else if let Some(pod) = alike {
        let differing: Vec<_> =
            selector.keys().filter_map(|k| pod.labels.get(k).map(|own| format!("{k}={own}"))).collect();
        message.push_str(&format!("; pod {} has {}", pod.name.name, differing.join(",")));
    }
    message
}

#[cfg(test)]
mod tests;
