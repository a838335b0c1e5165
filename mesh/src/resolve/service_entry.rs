//! ServiceEntries: a service for each host (`pilot/pkg/serviceregistry/serviceentry/conversion.go`).

use std::{collections::BTreeMap, net::IpAddr};

use ipnet::IpNet;

use super::{index::Index, peer_authentication, protocol};
use crate::{
    manifests::{
        Manifests, Object,
        service_entry::{EntryPort, Location, ResolutionSpec, ServiceEntrySpec, WorkloadEntrySpec},
    },
    model::{
        Age, Entry, EntryEndpoint, Family, MeshConfig, MtlsMode, ObjectName, Protocol, ProtocolField, Resolution,
        Service, ServicePort, Source, TLS_MODE_ISTIO, TLS_MODE_LABEL,
    },
};

/// The services of all entries, the oldest first: where two want one listener, the older has it.
pub(super) fn resolve(manifests: &Manifests, config: &MeshConfig) -> Vec<Service> {
    let index = Index::new(manifests);
    let mut objects: Vec<_> = manifests.service_entries.iter().collect();
    objects.sort_by_key(|object| &object.head.age);
    objects.into_iter().flat_map(|object| of_entry(object, &index, config)).collect()
}

fn of_entry(object: &Object<ServiceEntrySpec>, index: &Index<'_>, config: &MeshConfig) -> Vec<Service> {
    let services = object.body.hosts.iter().map(|host| {
        let host = host.to_ascii_lowercase();
        let spec = &object.body;
        let (vips, ranges) = addresses(spec);
        let resolution = resolution(spec.resolution);
        let name = ObjectName { namespace: object.head.name.namespace.clone(), name: host.clone() };
        Service {
            age: Age { of: name.clone(), ..object.head.age.clone() },
            name,
            aliases: vec![],
            vips,
            families: Family::BOTH.to_vec(),
            ports: spec.ports.iter().enumerate().filter_map(|(i, port)| one_port(object, i, port)).collect(),
            selector: None,
            entry: Some(Entry {
                external: spec.location == Location::MeshExternal,
                resolution,
                ranges,
                endpoints: endpoints(object, &host, resolution, index, config),
                target_ports: if resolution == Resolution::None { target_ports(spec) } else { BTreeMap::new() },
                subject_alt_names: spec.subject_alt_names.clone(),
            }),
            export_to: spec.export_to.iter().cloned().collect(),
            source: object.head.source.clone(),
            host,
        }
    });
    services.collect()
}

/// The resolution of a ServiceEntry's hosts. Unsupported ones were rejected before.
fn resolution(written: ResolutionSpec) -> Resolution {
    match written {
        ResolutionSpec::None | ResolutionSpec::DynamicDns => Resolution::None,
        ResolutionSpec::Static => Resolution::Static,
        ResolutionSpec::Dns => Resolution::Dns,
        ResolutionSpec::DnsRoundRobin => Resolution::DnsRoundRobin,
    }
}

/// Single addresses, and ranges. A range of one address is a single address.
fn addresses(spec: &ServiceEntrySpec) -> (Vec<IpAddr>, Vec<IpNet>) {
    let (mut single, mut ranges) = (vec![], vec![]);
    for text in &spec.addresses {
        if let Ok(ip) = text.parse::<IpAddr>() {
            single.push(ip);
        } else if let Ok(range) = text.parse::<IpNet>() {
            match range.prefix_len() == range.max_prefix_len() {
                true => single.push(range.addr()),
                false => ranges.push(range.trunc()),
            }
        }
    }
    (single, ranges)
}

fn one_port(object: &Object<ServiceEntrySpec>, index: usize, port: &EntryPort) -> Option<ServicePort> {
    Some(ServicePort {
        name: port.name.clone(),
        port: u16::try_from(port.number).ok()?,
        protocol: protocol::of_entry_port(&port.protocol).unwrap_or(Protocol::Auto),
        protocol_field: ProtocolField::Protocol,
        protocol_source: object.head.source.at(format!("spec.ports[{index}].protocol")),
        endpoints: vec![],
    })
}

fn target_ports(spec: &ServiceEntrySpec) -> BTreeMap<u16, u16> {
    let number = |port: i64| u16::try_from(port).ok().filter(|port| *port != 0);
    let of = |port: &EntryPort| Some((number(port.number)?, number(port.target_port)?));
    spec.ports.iter().filter_map(of).collect()
}

/// An entry's endpoints: those that it lists, or with DNS and none listed the host itself.
fn endpoints(
    object: &Object<ServiceEntrySpec>,
    host: &str,
    resolution: Resolution,
    index: &Index<'_>,
    config: &MeshConfig,
) -> Vec<EntryEndpoint> {
    let spec = &object.body;
    let listed = spec.endpoints.as_deref().unwrap_or_default();
    let itself = WorkloadEntrySpec { address: host.to_owned(), ..WorkloadEntrySpec::default() };
    let source = |i: usize| object.head.source.at(format!("spec.endpoints[{i}]"));
    let found: Vec<(&WorkloadEntrySpec, Source)> = match (resolution, listed) {
        (Resolution::None, _) => vec![],
        (Resolution::Dns | Resolution::DnsRoundRobin, []) => vec![(&itself, object.head.source.at("spec.hosts"))],
        (_, listed) => listed.iter().enumerate().map(|(i, endpoint)| (endpoint, source(i))).collect(),
    };
    let of_port = |port: &EntryPort, endpoint: &WorkloadEntrySpec, source: &Source| {
        let own = endpoint.ports.get(&port.name).copied();
        let target = own.or(Some(port.target_port).filter(|target| *target != 0)).unwrap_or(port.number);
        let labels = endpoint.labels.clone();
        let target = u16::try_from(target).ok()?;
        let says_mtls = match labels.get(TLS_MODE_LABEL) {
            Some(mode) => mode == TLS_MODE_ISTIO,
            None => !endpoint.service_account.is_empty(),
        };
        let namespace = &object.head.name.namespace;
        let modes = || peer_authentication::effective(index, config, namespace, &labels);
        Some(EntryEndpoint {
            for_port: u16::try_from(port.number).ok()?,
            address: endpoint.address.to_ascii_lowercase(),
            port: target,
            service_account: endpoint.service_account.clone(),
            says_mtls,
            takes_mtls: says_mtls && modes().on_port(target).mode != MtlsMode::Disable,
            labels,
            source: source.clone(),
        })
    };
    found
        .iter()
        .flat_map(|(endpoint, source)| spec.ports.iter().filter_map(|port| of_port(port, endpoint, source)))
        .collect()
}

#[cfg(test)]
mod tests;
