//! Services: virtual addresses, protocols, and the pods behind each port.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::IpAddr,
};

use k8s_openapi::{api::core::v1 as k8s, apimachinery::pkg::util::intstr::IntOrString};

use super::{addresses, protocol, selects};
use crate::{
    fault::Faults,
    manifests::{Manifests, Object},
    model::{Endpoint, Pod, Service, ServicePort},
};

/// All services in order of namespace and name.
pub(super) fn resolve(manifests: &Manifests, pods: &[Pod], faults: &mut Faults) -> Vec<Service> {
    let mut objects: Vec<_> = manifests.services.iter().collect();
    objects.sort_by(|a, b| a.head.name.cmp(&b.head.name));
    let taken = objects.iter().flat_map(|o| asked_addresses(o)).collect();
    let mut free = addresses::Services::new(taken);
    let mut services = Vec::with_capacity(objects.len());
    for object in objects {
        let Some(spec) = &object.body.spec else { continue };
        let Some(vips) = vips(object, spec, &mut free) else {
            faults.error(object, "", "there is no address left for it in 10.96.0.0/16");
            break;
        };
        let name = object.head.name.clone();
        services.push(Service {
            host: format!("{}.{}.svc.cluster.local", name.name, name.namespace),
            vips,
            ports: ports(object, spec, pods, faults),
            selector: spec.selector.clone().filter(|s| !s.is_empty()),
            age: object.head.age.clone(),
            entry: None,
            source: object.head.source.clone(),
            name,
        });
    }
    services
}

/// The virtual addresses that a service asks for by number, as far as they are of the range here.
fn asked_addresses(service: &Object<k8s::Service>) -> BTreeSet<IpAddr> {
    let Some(spec) = &service.body.spec else { return BTreeSet::new() };
    let asked = spec.cluster_ip.iter().chain(spec.cluster_ips.iter().flatten()).filter_map(|ip| ip.parse().ok());
    asked.filter(|ip| addresses::is_service_address(*ip)).collect()
}

/// A service's virtual addresses, IPv4 first: none when headless, those asked for, else new ones. A cluster of both
/// families is pictured whose default is `PreferDualStack`.
fn vips(object: &Object<k8s::Service>, spec: &k8s::ServiceSpec, free: &mut addresses::Services) -> Option<Vec<IpAddr>> {
    if spec.cluster_ip.as_deref() == Some("None") {
        return Some(Vec::new());
    }
    let asked = asked_addresses(object);
    if !asked.is_empty() {
        return Some(asked.into_iter().collect());
    }
    let (v4, v6) = free.next()?;
    let families = spec.ip_families.as_deref().unwrap_or_default();
    let single = match spec.ip_family_policy.as_deref() {
        Some("SingleStack") => true,
        Some(_) => false,
        None => families.len() == 1,
    };
    Some(match (single, families.first().map(String::as_str)) {
        (false, _) => vec![v4, v6],
        (true, Some("IPv6")) => vec![v6],
        (true, _) => vec![v4],
    })
}

fn ports(
    object: &Object<k8s::Service>,
    spec: &k8s::ServiceSpec,
    pods: &[Pod],
    faults: &mut Faults,
) -> Vec<ServicePort> {
    let empty = BTreeMap::new();
    let selector = spec.selector.as_ref().unwrap_or(&empty);
    let selected: Vec<usize> = match selector.is_empty() {
        true => Vec::new(),
        false => (0..pods.len())
            .filter(|&i| pods[i].name.namespace == object.head.name.namespace && selects(selector, &pods[i].labels))
            .collect(),
    };
    if selector.is_empty() {
        faults.warn(
            object,
            "spec.selector",
            "is missing, and Endpoints written by hand are not supported yet: calls find no pod",
        );
    } else if selected.is_empty() {
        faults.warn(object, "spec.selector", no_pod(selector, &object.head.name.namespace, pods));
    }
    if let Some(outside) = selected.iter().map(|&i| &pods[i]).find(|pod| pod.is_external()) {
        let message = format!(
            "selects pod {}, which stands for a host outside of the cluster: no Service leads there; change its labels, or write \
             a ServiceEntry",
            outside.name.name
        );
        faults.error(object, "spec.selector", message);
    }
    let mut ports = Vec::new();
    for (i, port) in spec.ports.iter().flatten().enumerate() {
        let Ok(number) = u16::try_from(port.port) else { continue };
        let field = format!("spec.ports[{i}]");
        let (protocol, decided_by) = protocol::of(port);
        let endpoints: Vec<_> = selected
            .iter()
            .filter_map(|&pod| Some(Endpoint { pod, port: target_port(port, number, &pods[pod])? }))
            .collect();
        let named = matches!(&port.target_port, Some(IntOrString::String(_)));
        if endpoints.is_empty() && !selected.is_empty() && named {
            let message = format!("no port of {} has this name: calls find no pod", names(&selected, pods));
            faults.warn(object, format!("{field}.targetPort"), message);
        }
        ports.push(ServicePort {
            name: port.name.clone().unwrap_or_default(),
            port: number,
            protocol,
            protocol_source: object.head.source.at(format!("{field}.{decided_by}")),
            endpoints,
        });
    }
    ports
}

/// The port of a pod that a service's port leads to; nothing when it goes by a name that the pod doesn't have.
fn target_port(port: &k8s::ServicePort, number: u16, pod: &Pod) -> Option<u16> {
    match &port.target_port {
        // The API server takes 0 as unset.
        None | Some(IntOrString::Int(0)) => Some(number),
        Some(IntOrString::Int(target)) => u16::try_from(*target).ok(),
        Some(IntOrString::String(name)) => pod
            .containers
            .iter()
            .flat_map(|container| &container.ports)
            .find(|port| port.name.as_deref() == Some(name))
            .map(|port| port.port),
    }
}

/// Says that a selector selects nothing, and which pod comes nearest.
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

fn names(indices: &[usize], pods: &[Pod]) -> String {
    let names: Vec<_> = indices.iter().map(|&i| pods[i].name.name.as_str()).collect();
    names.join(", ")
}

#[cfg(test)]
mod tests;
