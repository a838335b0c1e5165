//! `/config_dump`: the current configuration in Envoy's format, without private keys.

use std::{collections::BTreeMap, sync::Arc};

use envoy_api::Resource;
use serde_json::{Map, Value, json};

use super::{
    certificates,
    clusters::{is_static, sorted},
};
use crate::{
    cluster::Cluster,
    config::Shared,
    http::Hcm,
    listener::{Listener, Terminal},
};

/// Placeholder for a secret.
const REDACTED: &str = "[redacted]";

pub(super) fn dump(shared: &Shared, include_endpoints: bool) -> Value {
    let mut configs = vec![
        typed("BootstrapConfigDump", json!({ "bootstrap": shared.bootstrap })),
        typed("ClustersConfigDump", clusters(shared)),
    ];
    if include_endpoints {
        configs.push(typed("EndpointsConfigDump", endpoints(shared)));
    }
    configs.push(typed("ListenersConfigDump", listeners(shared)));
    configs.push(typed("RoutesConfigDump", routes(shared)));
    configs.push(typed("SecretsConfigDump", secrets(shared)));
    let mut dump = json!({ "configs": configs });
    redact(&mut dump);
    dump
}

fn clusters(shared: &Shared) -> Value {
    let (fixed, followed): (Vec<_>, Vec<_>) = sorted(shared).into_iter().partition(|c| is_static(shared, c));
    let cluster = |config: &envoy_api::Cluster| json!({ "cluster": any(Resource::Cluster(config.clone())) });
    members(&[
        ("static_clusters", fixed.iter().map(|c| cluster(c.config())).collect()),
        ("dynamic_active_clusters", followed.iter().map(|c| cluster(c.config())).collect()),
    ])
}

fn endpoints(shared: &Shared) -> Value {
    let (fixed, followed): (Vec<_>, Vec<_>) =
        sorted(shared).into_iter().partition(|cluster| cluster.config().load_assignment.is_some());
    let config = |cluster: &Arc<Cluster>| {
        let assignment = cluster.assignment()?;
        Some(json!({ "endpoint_config": any(Resource::ClusterLoadAssignment((*assignment).clone())) }))
    };
    members(&[
        ("static_endpoint_configs", fixed.iter().filter_map(config).collect()),
        ("dynamic_endpoint_configs", followed.iter().filter_map(config).collect()),
    ])
}

fn listeners(shared: &Shared) -> Value {
    let all = shared.listeners.load();
    let fixed = &shared.bootstrap.static_resources.listeners;
    let (fixed, followed): (Vec<_>, Vec<_>) =
        all.all().iter().partition(|listener| fixed.iter().any(|configured| configured.name == *listener.name));
    let config = |listener: &Arc<Listener>| any(Resource::Listener(listener.config().clone()));
    members(&[
        ("static_listeners", fixed.into_iter().map(|l| json!({ "listener": config(l) })).collect()),
        (
            "dynamic_listeners",
            followed
                .into_iter()
                .map(|l| json!({ "name": &*l.name, "active_state": { "listener": config(l) } }))
                .collect(),
        ),
    ])
}

fn routes(shared: &Shared) -> Value {
    let all = shared.listeners.load();
    let managers: Vec<&Arc<Hcm>> = all
        .all()
        .iter()
        .flat_map(|listener| &listener.chains)
        .filter_map(|chain| match &chain.terminal {
            Terminal::Http(hcm) => Some(hcm),
            _ => None,
        })
        .collect();
    let config = |hcm: &Arc<Hcm>| any(Resource::RouteConfiguration(hcm.route_configuration()));
    let (followed, fixed): (Vec<_>, Vec<_>) = managers.into_iter().partition(|hcm| hcm.uses_rds());
    // Connection managers with the same file have the same routes.
    let followed: BTreeMap<String, &Arc<Hcm>> =
        followed.into_iter().map(|hcm| (hcm.route_configuration().name, hcm)).collect();
    let route = |hcm| json!({ "route_config": config(hcm) });
    members(&[
        ("static_route_configs", fixed.into_iter().map(route).collect()),
        ("dynamic_route_configs", followed.into_values().map(route).collect()),
    ])
}

fn secrets(shared: &Shared) -> Value {
    let received = certificates::received(shared);
    let secrets =
        received.into_iter().map(|secret| json!({ "name": secret.name, "secret": any(Resource::Secret(secret)) }));
    members(&[("dynamic_active_secrets", secrets.collect())])
}

/// An object with the lists that are not empty.
fn members(lists: &[(&str, Vec<Value>)]) -> Value {
    lists
        .iter()
        .filter(|(_, list)| !list.is_empty())
        .map(|(name, list)| ((*name).to_owned(), list.clone().into()))
        .collect::<Map<_, Value>>()
        .into()
}

/// A section of the dump, with its type.
fn typed(name: &str, fields: Value) -> Value {
    let mut part = json!({ "@type": format!("type.googleapis.com/envoy.admin.v3.{name}") });
    if let (Value::Object(part), Value::Object(fields)) = (&mut part, fields) {
        part.extend(fields);
    }
    part
}

fn any(resource: Resource) -> Value {
    serde_json::to_value(resource).unwrap_or_else(|error| json!(error.to_string()))
}

/// Redacts private keys.
fn redact(value: &mut Value) {
    match value {
        Value::Object(members) => {
            for (name, member) in members {
                match (name.as_str(), member) {
                    ("private_key", Value::Object(source)) if !source.contains_key("filename") => {
                        source.values_mut().for_each(|inline| *inline = REDACTED.into());
                    }
                    (_, member) => redact(member),
                }
            }
        }
        Value::Array(elements) => elements.iter_mut().for_each(redact),
        _ => {}
    }
}
