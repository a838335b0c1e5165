//! Resolves what manifests leave open: namespaces, addresses, pods, sidecars, endpoints, modes.

mod addresses;
mod authorization_policy;
mod capture;
mod containers;
mod contradictions;
mod destination_rule;
mod drafts;
mod endpoints;
mod envoy_filter;
mod external_hosts;
mod gateway;
mod index;
mod injection;
mod mesh_config;
mod peer_authentication;
mod pods;
mod protocol;
mod proxy_configs;
mod service_entry;
mod services;
mod sidecar_scope;
mod telemetry;
mod tls_to_app;
mod virtual_service;
mod webhooks;
mod workload_entry;

use std::collections::BTreeMap;

pub use self::addresses::Addresses;
pub(crate) use self::{
    addresses::is_service_address, protocol::of_entry_port as protocol_of_entry, protocol::of_name as protocol_of_name,
    tls_to_app::TLS_TO_APP,
};
use crate::{
    fault::{Fault, Faults},
    manifests::{Manifests, SetAside},
    model::{KnownHosts, Namespace, Resolved},
};

/// Resolves what manifests leave open, and returns the warnings found on the way.
///
/// Addresses are assigned in order of names, so that the same manifests always give the same mesh.
///
/// # Errors
/// All faults, if one of them is an error: such as a traffic annotation that does not parse, which makes injection fail.
pub fn resolve(manifests: &Manifests) -> Result<(Resolved, Vec<Fault>), Vec<Fault>> {
    resolve_at(manifests, &Addresses::default())
}

/// [`resolve`] for a mesh that runs, whose pods and services keep their addresses.
///
/// # Errors
/// As [`resolve`].
pub fn resolve_at(manifests: &Manifests, kept: &Addresses) -> Result<(Resolved, Vec<Fault>), Vec<Fault>> {
    let mut faults = Faults::default();
    let config = mesh_config::resolve(manifests, &mut faults);
    let mut pods = pods::resolve(manifests, &config, kept, &mut faults);
    let mut services = services::resolve(manifests, &config, &mut pods, kept, &mut faults);
    contradictions::warn(&services, &pods, &mut faults);
    let programs = workload_entry::Programs::new(manifests, &config, &pods);
    programs.add_to(&mut services, &manifests.services);
    let mut entries = service_entry::resolve(manifests, &config, &programs);
    workload_entry::warn(manifests, &programs, &mut faults);
    let external_names = services::external_names(manifests);
    services::add_aliases(services.iter_mut().chain(&mut entries), &external_names);
    let hosts = KnownHosts { services: &services, entries: &entries, external_names: &external_names };
    authorization_policy::warn(manifests, &config, &pods, hosts, &mut faults);
    proxy_configs::warn(manifests, &pods, &mut faults);
    peer_authentication::warn(manifests, &config, &pods, &services, &mut faults);
    let webhooks = webhooks::resolve(manifests, &services, &mut faults);
    let namespaces = namespaces(manifests);
    let index = index::Index::new(manifests);
    let mode = |name: &String| (name.clone(), peer_authentication::of_namespace(&index, &config, name));
    let namespace_modes = namespaces.keys().map(mode).collect();
    let mesh = Resolved {
        authorization_policies: authorization_policy::resolve(manifests, &config, hosts),
        destination_rules: destination_rule::resolve(manifests, &config),
        telemetries: telemetry::resolve(manifests),
        virtual_services: virtual_service::resolve(manifests, &config, &mut faults),
        envoy_filters: envoy_filter::resolve(manifests, &config),
        gateways: gateway::resolve(manifests),
        sidecar_scopes: sidecar_scope::resolve(manifests),
        config,
        pods,
        services,
        entries,
        secrets: containers::secrets(manifests),
        namespaces,
        namespace_modes,
        external_names,
        webhooks,
        policies: peer_authentication::heads(manifests),
        not_modelled: manifests
            .set_aside
            .iter()
            .filter_map(SetAside::not_modelled)
            .chain(service_entry::not_modelled(manifests))
            .collect(),
    };
    destination_rule::checks::check(manifests, &mesh, &mut faults);
    virtual_service::checks::check(&mesh, &mut faults);
    gateway::warn(&mesh, &mut faults);
    sidecar_scope::warn(manifests, &mesh, &mut faults);
    telemetry::warn(manifests, &mesh, &mut faults);
    envoy_filter::check(manifests, &mesh, &mut faults);
    tls_to_app::check(&mesh, &mut faults);
    let faults = faults.sorted();
    if faults.iter().any(Fault::is_error) {
        return Err(faults);
    }
    Ok((mesh, faults))
}

/// All namespaces that documents refer to, and `default`.
fn namespaces(manifests: &Manifests) -> BTreeMap<String, Namespace> {
    let mut namespaces: BTreeMap<_, _> =
        manifests.heads().map(|head| (head.name.namespace.clone(), Namespace::default())).collect();
    namespaces.remove("");
    namespaces.entry("default".into()).or_default();
    for namespace in &manifests.namespaces {
        let labels = namespace.head.labels.clone();
        namespaces.insert(namespace.head.name.name.clone(), Namespace { labels });
    }
    namespaces
}

/// Whether a selector selects labels: all its entries are among them.
fn selects(selector: &BTreeMap<String, String>, labels: &BTreeMap<String, String>) -> bool {
    selector.iter().all(|(key, value)| labels.get(key) == Some(value))
}

#[cfg(test)]
mod tests;
