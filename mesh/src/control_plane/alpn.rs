//! Replaces the filter `istio.alpn`, which stock Envoy lacks: clusters that speak one version of HTTP name its ALPN; if the version
//! depends on the client, each version gets a filter chain that names its ALPN. The compiler writes its files in the same way.

use std::collections::BTreeSet;

use envoy_api::{APPLICATION_PROTOCOLS, AlpnFilter, Resource};
use envoy_rules::{
    codec::HttpVersion,
    upstream::{alpn_override, http_version},
};
use serde_json::{Value, json};

use crate::model::Pushed;

const FILTER: &str = "type.googleapis.com/istio.envoy.config.filter.http.alpn.v2alpha1.FilterConfig";
const SET_FILTER_STATE: &str = "type.googleapis.com/envoy.extensions.filters.network.set_filter_state.v3.Config";

/// The versions of HTTP, as the HTTP inspector names them.
const VERSIONS: [(&str, HttpVersion); 2] = [("http/1.1", HttpVersion::Http1), ("h2c", HttpVersion::Http2)];

/// Makes clusters and chains name the ALPN that the filter would choose.
pub(super) fn name_it_elsewhere(written: &mut Pushed) {
    let Some(filter) = written.listeners.iter().find_map(find) else { return };
    let of_tcp: BTreeSet<String> = written.listeners.iter().flat_map(relayed_to).collect();
    let mut by_downstream = BTreeSet::new();
    for cluster in &mut written.clusters {
        let Ok(Resource::Cluster(read)) = envoy_api::read_value(cluster.clone()) else { continue };
        let [one, other] = VERSIONS.map(|(_, version)| http_version(&read, version));
        match alpn_override(&filter, read.metadata.as_ref(), one) {
            Some(offered) if one == other && !of_tcp.contains(&read.name) => offer(cluster, offered),
            Some(_) if one != other => _ = by_downstream.insert(read.name),
            _ => {}
        }
    }
    // Route configurations all of whose clusters speak the client's version; a chain can't offer by cluster.
    let all_by_downstream = |routes: &&Value| {
        let clusters = routed_to(routes);
        !clusters.is_empty() && clusters.iter().all(|cluster| by_downstream.contains(cluster))
    };
    let names = written.routes.iter().filter(all_by_downstream).filter_map(|routes| routes["name"].as_str());
    let names: BTreeSet<String> = names.map(str::to_owned).collect();
    for listener in &mut written.listeners {
        if let Some(chains) = listener["filter_chains"].as_array_mut() {
            *chains = chains.drain(..).flat_map(|chain| by_version(chain, &filter, &names)).collect();
        }
    }
}

/// The filter, which has the same configuration throughout a sidecar.
fn find(value: &Value) -> Option<AlpnFilter> {
    match value {
        Value::Object(fields) if fields.get("@type").is_some_and(|url| url == FILTER) => {
            let mut fields = fields.clone();
            fields.shift_remove("@type");
            envoy_api::read_value(Value::Object(fields)).ok()
        }
        Value::Object(fields) => fields.values().find_map(find),
        Value::Array(items) => items.iter().find_map(find),
        _ => None,
    }
}

/// The clusters that a listener relays bytes to.
fn relayed_to(value: &Value) -> Vec<String> {
    match value {
        Value::Object(fields) => {
            let is_proxy = fields.get("@type").and_then(Value::as_str).is_some_and(|url| url.ends_with(".TcpProxy"));
            let own = fields.get("cluster").and_then(Value::as_str).filter(|_| is_proxy).map(str::to_owned);
            own.into_iter().chain(fields.values().flat_map(relayed_to)).collect()
        }
        Value::Array(items) => items.iter().flat_map(relayed_to).collect(),
        _ => vec![],
    }
}

/// The clusters that a route configuration leads to, except those without TLS for destinations of no service.
fn routed_to(value: &Value) -> Vec<String> {
    let clusters = strings(value, "cluster");
    clusters.into_iter().filter(|cluster| cluster != "PassthroughCluster").collect()
}

/// The route configurations that a chain names.
fn route_names(chain: &Value) -> Vec<String> {
    strings(chain, "route_config_name")
}

/// The strings in all fields with this name.
fn strings(value: &Value, name: &str) -> Vec<String> {
    match value {
        Value::Object(fields) => {
            let own = fields.get(name).and_then(Value::as_str).map(str::to_owned);
            own.into_iter().chain(fields.values().flat_map(|field| strings(field, name))).collect()
        }
        Value::Array(items) => items.iter().flat_map(|item| strings(item, name)).collect(),
        _ => vec![],
    }
}

/// Sets the ALPN of a cluster's TLS contexts, if they offer any.
fn offer(value: &mut Value, offered: &[String]) {
    match value {
        Value::Object(fields) => {
            for (name, field) in fields {
                if name == "alpn_protocols" {
                    *field = json!(offered);
                } else {
                    offer(field, offered);
                }
            }
        }
        Value::Array(items) => items.iter_mut().for_each(|item| offer(item, offered)),
        _ => {}
    }
}

/// One chain for each version of HTTP that a chain with the filter matches; the chain itself if it names no version.
fn by_version(chain: Value, filter: &AlpnFilter, routes: &BTreeSet<String>) -> Vec<Value> {
    let Some(protocols) = chain["filter_chain_match"]["application_protocols"].as_array() else { return vec![chain] };
    let known = VERSIONS.iter().filter(|(name, _)| protocols.iter().any(|protocol| protocol == name));
    let known: Vec<_> = known.collect();
    let is_meant = route_names(&chain).iter().any(|name| routes.contains(name));
    if known.len() != protocols.len() || !is_meant {
        return vec![chain];
    }
    let of = |(name, version): &&(&str, HttpVersion)| {
        let mut chain = chain.clone();
        chain["filter_chain_match"]["application_protocols"] = json!([name]);
        // A cluster's own metadata can't turn it off here: the chain does not know the cluster.
        let offered = alpn_override(filter, None, *version).map(|offered| offered.join(","));
        if let (Some(offered), Some(filters)) = (offered, chain["filters"].as_array_mut()) {
            let state = json!({
                "object_key": APPLICATION_PROTOCOLS,
                "format_string": {"text_format_source": {"inline_string": offered}},
                "shared_with_upstream": "ONCE",
            });
            let config = json!({"@type": SET_FILTER_STATE, "on_new_connection": [state]});
            filters.insert(0, json!({"name": "envoy.filters.network.set_filter_state", "typed_config": config}));
        }
        chain
    };
    known.iter().map(of).collect()
}
