//! What policies and Telemetries select, and are attached to (`pilot/pkg/model/policyattachment.go`).

use std::collections::BTreeMap;

use super::pod::Pod;
use crate::manifests::authorization_policy::TargetRef;

/// The label of a pod that is an instance of a Gateway of the Gateway API.
const GATEWAY_NAME: &str = "gateway.networking.k8s.io/gateway-name";

/// Whether an object of a namespace is for a pod that it covers, by what it selects or is attached to.
pub(super) fn is_attached(
    namespace: &str,
    selector: &BTreeMap<String, String>,
    targets: &[TargetRef],
    pod: &Pod,
) -> bool {
    let attached = |gateway: &String| {
        let is_it = |target: &TargetRef| {
            target.group == "gateway.networking.k8s.io" && target.kind == "Gateway" && target.name == *gateway
        };
        pod.name.namespace == namespace && targets.iter().any(is_it)
    };
    match pod.labels.get(GATEWAY_NAME) {
        Some(gateway) if !targets.is_empty() => attached(gateway),
        _ => targets.is_empty() && selector.iter().all(|(key, value)| pod.labels.get(key) == Some(value)),
    }
}
