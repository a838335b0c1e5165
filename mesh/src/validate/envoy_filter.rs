//! EnvoyFilter: the one use of it that is supported, a transport socket for the sidecar's way to its own app.
//!
//! Istio's webhook lets nearly everything pass (`pkg/config/validation/envoyfilter`), and what matches nothing is skipped
//! without a word. So what is not supported of a cluster's patch is an error here; patches of anything else are set aside by name.

use envoy_api::{ReadError, TransportSocket, TransportSocketConfig};
use serde_json::Value;

use super::Checked;
use crate::{
    fault::Faults,
    manifests::{
        Object,
        envoy_filter::{ConfigPatchSpec, EnvoyFilterSpec},
    },
};

#[cfg(test)]
mod tests;

pub(super) fn validate(filter: &Object<EnvoyFilterSpec>, faults: &mut Faults) {
    let mut checked = Checked::of(filter, faults);
    let spec = &filter.body;
    for (field, value) in [("priority", &spec.priority), ("targetRefs", &spec.target_refs)] {
        if value.is_some() {
            checked.error(format!("spec.{field}"), "is not supported; expected workloadSelector or configPatches");
        }
    }
    if let Some(selector) = &spec.workload_selector {
        for (key, value) in &selector.labels {
            if key.is_empty() || key.contains('*') || value.contains('*') {
                let message = "an empty key or a wildcard is not allowed in a selector; labels must be equal";
                checked.error(format!("spec.workloadSelector.labels[{key}]"), message);
            }
        }
    }
    if spec.config_patches.is_empty() {
        checked.error("spec.configPatches", "is empty; say what to patch");
    }
    for (i, one) in spec.config_patches.iter().enumerate() {
        config_patch(&mut checked, &format!("spec.configPatches[{i}]"), one);
    }
}

/// What a patch may apply to besides (`EnvoyFilter.ApplyTo`, istio: api/networking/v1alpha3/envoy_filter.proto).
const SET_ASIDE: [&str; 10] = [
    "BOOTSTRAP",
    "EXTENSION_CONFIG",
    "FILTER_CHAIN",
    "HTTP_FILTER",
    "HTTP_ROUTE",
    "LISTENER",
    "LISTENER_FILTER",
    "NETWORK_FILTER",
    "ROUTE_CONFIGURATION",
    "VIRTUAL_HOST",
];

fn config_patch(checked: &mut Checked<'_>, field: &str, patch: &ConfigPatchSpec) {
    if SET_ASIDE.contains(&patch.apply_to.as_str()) {
        let message = format!("{}: the patch is set aside; it may change what is answered here", patch.apply_to);
        return checked.set_aside(&format!("{field}.applyTo"), message);
    }
    only(checked, &format!("{field}.applyTo"), &patch.apply_to, "CLUSTER");
    only(checked, &format!("{field}.match.context"), &patch.matcher.context, "SIDECAR_INBOUND");
    let matcher = &patch.matcher;
    let cluster = &matcher.cluster;
    for (name, value, supported) in [
        ("match.proxy", &matcher.proxy, "expected context or cluster"),
        ("match.listener", &matcher.listener, "expected context or cluster"),
        ("match.routeConfiguration", &matcher.route_configuration, "expected context or cluster"),
        ("match.waypoint", &matcher.waypoint, "expected context or cluster"),
        ("match.cluster.subset", &cluster.subset, "expected portNumber, service or name"),
        ("patch.filterClass", &patch.patch.filter_class, "expected operation or value"),
    ] {
        if value.is_some() {
            checked.error(format!("{field}.{name}"), format!("is not supported; {supported}"));
        }
    }
    if let Some(port) = cluster.port_number
        && !(1..=65535).contains(&port)
    {
        let message = format!("{port} is out of range; a port is a number from 1 to 65535");
        checked.error(format!("{field}.match.cluster.portNumber"), message);
    }
    only(checked, &format!("{field}.patch.operation"), &patch.patch.operation, "MERGE");
    for (name, value) in &patch.patch.value {
        let field = format!("{field}.patch.value.{name}");
        if name == "transport_socket" {
            transport_socket(checked, &field, value);
        } else {
            checked.error(field, "is not supported; transport_socket is");
        }
    }
    if patch.patch.value.is_empty() {
        checked.error(format!("{field}.patch.value"), "is empty; give a transport_socket");
    }
}

/// The one value that is supported.
fn only(checked: &mut Checked<'_>, field: &str, value: &str, supported: &str) {
    if value.is_empty() {
        checked.error(field, format!("is missing; {supported} is what is supported"));
    } else if value != supported {
        checked.error(field, format!("{value:?} is not supported; {supported} is"));
    }
}

fn transport_socket(checked: &mut Checked<'_>, field: &str, value: &Value) {
    match envoy_api::read_value::<TransportSocket>(value.clone()) {
        Ok(TransportSocket { typed_config: TransportSocketConfig::DownstreamTls(_), .. }) => {
            let message = "a DownstreamTlsContext is for a server; the sidecar is the app's client: UpstreamTlsContext";
            checked.error(format!("{field}.typed_config"), message);
        }
        Ok(_) => {}
        Err(ReadError::Field { path, reason }) if path == "." => checked.error(field, reason),
        Err(ReadError::Field { path, reason }) => checked.error(format!("{field}.{path}"), reason),
        Err(error @ ReadError::NotJson(_)) => checked.error(field, error.to_string()),
    }
}
