//! ServiceEntries: a service for each host (`pilot/pkg/serviceregistry/serviceentry/conversion.go`).

use std::{collections::BTreeMap, net::IpAddr};

use ipnet::IpNet;
use serde_json::Value;

use super::{
    protocol,
    workload_entry::{Program, Programs},
};
use crate::{
    manifests::{
        Manifests, Object,
        service_entry::{EntryPort, Location, ResolutionSpec, ServiceEntrySpec, WorkloadEntrySpec},
    },
    model::{
        Age, Entry, EntryEndpoint, Family, MeshConfig, NotModelled, ObjectName, Protocol, ProtocolField, Resolution,
        Service, ServicePort,
    },
};

/// The services of all entries, the oldest first: where two want one listener, the older has it.
pub(super) fn resolve(manifests: &Manifests, config: &MeshConfig, programs: &Programs<'_>) -> Vec<Service> {
    let mut objects: Vec<_> = manifests.service_entries.iter().collect();
    objects.sort_by_key(|object| &object.head.age);
    objects.into_iter().flat_map(|object| of_entry(object, config, programs)).collect()
}

fn of_entry(object: &Object<ServiceEntrySpec>, config: &MeshConfig, programs: &Programs<'_>) -> Vec<Service> {
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
            external_ips: vec![],
            families: Family::BOTH.to_vec(),
            ports: spec.ports.iter().enumerate().filter_map(|(i, port)| one_port(object, i, port)).collect(),
            selector: spec.workload_selector.as_ref().map(|selector| selector.labels.clone()),
            workloads: vec![],
            entry: Some(Entry {
                external: spec.location == Location::MeshExternal,
                resolution,
                ranges,
                endpoints: endpoints(object, &host, resolution, programs),
                target_ports: if resolution == Resolution::None { target_ports(spec) } else { BTreeMap::new() },
                subject_alt_names: spec.subject_alt_names.clone(),
            }),
            export_to: config.export_to.of_service(spec.export_to.iter().cloned().collect()),
            source: object.head.source.clone(),
            host,
        }
    });
    services.collect()
}

/// The resolution of a ServiceEntry's hosts; DYNAMIC_DNS is taken for NONE.
fn resolution(written: ResolutionSpec) -> Resolution {
    match written {
        ResolutionSpec::None | ResolutionSpec::DynamicDns => Resolution::None,
        ResolutionSpec::Static => Resolution::Static,
        ResolutionSpec::Dns => Resolution::Dns,
        ResolutionSpec::DnsRoundRobin => Resolution::DnsRoundRobin,
    }
}

/// The hosts whose resolution is taken for another.
pub(super) fn not_modelled(manifests: &Manifests) -> impl Iterator<Item = NotModelled> {
    let is_dynamic = |object: &&Object<ServiceEntrySpec>| object.body.resolution == ResolutionSpec::DynamicDns;
    manifests.service_entries.iter().filter(is_dynamic).flat_map(|object| {
        let ObjectName { namespace, .. } = &object.head.name;
        object.body.hosts.iter().map(move |host| NotModelled {
            kind: "ServiceEntry".into(),
            name: ObjectName { namespace: namespace.clone(), name: host.to_ascii_lowercase() },
            may_change: "with DYNAMIC_DNS the sidecar resolves the host of each request; here the call goes on to where it was going",
            spec: Value::Null,
            source: object.head.source.at("spec.resolution"),
        })
    })
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

/// An entry's endpoints: those that it lists or selects, or with DNS and neither the host itself.
fn endpoints(
    object: &Object<ServiceEntrySpec>,
    host: &str,
    resolution: Resolution,
    programs: &Programs<'_>,
) -> Vec<EntryEndpoint> {
    let spec = &object.body;
    let namespace = &object.head.name.namespace;
    let resolves_names = matches!(resolution, Resolution::Dns | Resolution::DnsRoundRobin);
    let found = match (&spec.workload_selector, spec.endpoints.as_deref().unwrap_or_default()) {
        (Some(selector), _) => programs.selected(namespace, &selector.labels, resolves_names),
        (None, []) if resolves_names => {
            let itself = WorkloadEntrySpec { address: host.to_owned(), ..WorkloadEntrySpec::default() };
            vec![Program::listed(&itself, object.head.source.at("spec.hosts"))]
        }
        (None, _) if resolution == Resolution::None => vec![],
        (None, listed) => {
            let source = |i: usize| object.head.source.at(format!("spec.endpoints[{i}]"));
            listed.iter().enumerate().map(|(i, endpoint)| Program::listed(endpoint, source(i))).collect()
        }
    };
    let of_port = |port: &EntryPort, program: &Program| {
        let own = program.spec.ports.get(&port.name).copied();
        let target = own.or(Some(port.target_port).filter(|target| *target != 0)).unwrap_or(port.number);
        let (number, target) = (u16::try_from(port.number).ok()?, u16::try_from(target).ok()?);
        Some(programs.endpoint(program, namespace, number, target))
    };
    found.iter().flat_map(|program| spec.ports.iter().filter_map(|port| of_port(port, program))).collect()
}

#[cfg(test)]
mod tests;
