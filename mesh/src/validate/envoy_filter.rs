//! EnvoyFilter, by the rules of Istio's webhook (`pkg/config/validation/envoyfilter`), which let nearly everything pass.
//!
//! One form of patch is applied ([`ConfigPatchSpec::applied`]). The others are set aside by name.

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

/// What a patch applies to: the name, and the part of `match` that goes with it (`EnvoyFilter.ApplyTo`, istio/api:
/// `networking/v1alpha3/envoy_filter.proto`).
static APPLY_TO: [(&str, Option<&str>); 11] = [
    ("BOOTSTRAP", None),
    ("CLUSTER", Some("cluster")),
    ("EXTENSION_CONFIG", None),
    ("FILTER_CHAIN", Some("listener")),
    ("HTTP_FILTER", Some("listener")),
    ("HTTP_ROUTE", Some("routeConfiguration")),
    ("LISTENER", Some("listener")),
    ("LISTENER_FILTER", None),
    ("NETWORK_FILTER", Some("listener")),
    ("ROUTE_CONFIGURATION", Some("routeConfiguration")),
    ("VIRTUAL_HOST", Some("routeConfiguration")),
];
const CONTEXTS: [&str; 5] = ["ANY", "SIDECAR_INBOUND", "SIDECAR_OUTBOUND", "GATEWAY", "WAYPOINT"];
const OPERATIONS: [&str; 7] = ["MERGE", "ADD", "REMOVE", "INSERT_BEFORE", "INSERT_AFTER", "INSERT_FIRST", "REPLACE"];
const FILTER_CLASSES: [&str; 4] = ["UNSPECIFIED", "AUTHN", "AUTHZ", "STATS"];

pub(super) fn validate(filter: &Object<EnvoyFilterSpec>, faults: &mut Faults) {
    let mut checked = Checked::of(filter, faults);
    let spec = &filter.body;
    if let Some(selector) = &spec.workload_selector {
        checked.selector_labels("spec.workloadSelector.labels", &selector.labels);
        if selector.labels.is_empty() {
            checked.warn("spec.workloadSelector", "has no labels: the filter is for all pods of the namespace");
        }
    }
    if spec.target_refs.is_some() {
        checked.set_aside(
            "spec.targetRefs",
            "the filter is set aside: it is for gateways and waypoints of the Gateway API",
        );
    }
    for (i, one) in spec.config_patches.iter().enumerate() {
        config_patch(&mut checked, &format!("spec.configPatches[{i}]"), one);
    }
    for (i, one) in spec.config_patches.iter().enumerate().filter(|_| spec.target_refs.is_none()) {
        if let Err((field, message)) = one.applied() {
            let message = match field == "applyTo" {
                true => format!("{}: the patch is set aside; it may change what is answered here", one.apply_to),
                false => format!("{message}: the patch is set aside; it may change what is answered here"),
            };
            checked.set_aside(&format!("spec.configPatches[{i}].{field}"), message);
        }
    }
}

fn config_patch(checked: &mut Checked<'_>, field: &str, patch: &ConfigPatchSpec) {
    let at = |name: &str| format!("{field}.{name}");
    let matcher = &patch.matcher;
    let given = [
        ("cluster", matcher.cluster.is_some()),
        ("listener", matcher.listener.is_some()),
        ("routeConfiguration", matcher.route_configuration.is_some()),
        ("waypoint", matcher.waypoint.is_some()),
    ];
    let given: Vec<&str> = given.into_iter().filter(|(_, is_given)| *is_given).map(|(name, _)| name).collect();
    if given.len() > 1 {
        checked.error(at("match"), format!("may have only one of {}; keep one", given.join(", ")));
    }
    checked.one_of(&at("match.context"), Some(&matcher.context), &CONTEXTS);
    let port = matcher.cluster.as_ref().and_then(|cluster| cluster.port_number);
    match port {
        Some(port) if !(0..=i64::from(u32::MAX)).contains(&port) => {
            checked.error(at("match.cluster.portNumber"), format!("{port} is out of range; a port is from 1 to 65535"));
        }
        Some(port) if port > i64::from(u16::MAX) => {
            checked
                .warn(at("match.cluster.portNumber"), format!("no cluster has port {port}: the patch never applies"));
        }
        _ => {}
    }
    if matcher.context == "WAYPOINT" {
        return;
    }
    let apply_to = APPLY_TO.iter().find(|(name, _)| *name == patch.apply_to);
    let Some((_, goes_with)) = apply_to else {
        let known: Vec<&str> = APPLY_TO.iter().map(|(name, _)| *name).collect();
        return match patch.apply_to.as_str() {
            "" | "INVALID" => checked.error(at("applyTo"), format!("is missing; expected one of {}", known.join(", "))),
            _ => checked.one_of(&at("applyTo"), Some(&patch.apply_to), &known),
        };
    };
    let Some(how) = &patch.patch else {
        return checked.error(at("patch"), "is missing; it has an operation, and a value for most");
    };
    checked.one_of(&at("patch.filterClass"), Some(&how.filter_class), &FILTER_CLASSES);
    match how.operation.as_str() {
        "" | "INVALID" => {
            return checked
                .error(at("patch.operation"), format!("is missing; expected one of {}", OPERATIONS.join(", ")));
        }
        operation => checked.one_of(&at("patch.operation"), Some(operation), &OPERATIONS),
    }
    if how.value.is_none() && how.operation != "REMOVE" {
        return checked.error(at("patch.value"), format!("is missing; {} needs one", how.operation));
    }
    if let (Some(goes_with), [other]) = (goes_with, given.as_slice())
        && other != goes_with
    {
        let message = format!("{} goes with match.{goes_with}, not with match.{other}", patch.apply_to);
        return checked.error(at("applyTo"), message);
    }
    if let (Some("listener"), Some(filter)) =
        (goes_with, matcher.listener.as_ref().and_then(|l| l.pointer("/filterChain/filter")))
    {
        filter_match(checked, &at("match.listener.filterChain.filter"), &patch.apply_to, filter);
    }
}

/// A match of a network filter, perhaps with one of an HTTP filter in it.
fn filter_match(checked: &mut Checked<'_>, field: &str, apply_to: &str, filter: &Value) {
    let name = |value: &Value| value.get("name").and_then(Value::as_str).unwrap_or_default().to_owned();
    if matches!(apply_to, "LISTENER" | "FILTER_CHAIN") {
        checked.warn(field, format!("has no effect on {apply_to}"));
    }
    if name(filter).is_empty() {
        return checked.error(format!("{field}.name"), "is missing; a filter is matched by its name");
    }
    let Some(sub_filter) = filter.get("subFilter").filter(|sub_filter| !sub_filter.is_null()) else { return };
    let field = format!("{field}.subFilter");
    let of_http = ["envoy.filters.network.http_connection_manager", "envoy.http_connection_manager"];
    if apply_to != "HTTP_FILTER" {
        checked.error(field, format!("goes with applyTo HTTP_FILTER, not with {apply_to}"));
    } else if !of_http.contains(&name(filter).as_str()) {
        checked.error(field, format!("needs a match of the filter {}", of_http[0]));
    } else if name(sub_filter).is_empty() {
        checked.error(format!("{field}.name"), "is missing; a filter is matched by its name");
    }
}
