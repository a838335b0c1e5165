//! EnvoyFilter, as far as it is read: patches of the clusters through which a sidecar reaches its own app.

use serde::Deserialize;
use serde_json::{Map, Value};

use super::istio::LabelsSelector;

/// `spec` of an EnvoyFilter (`networking.istio.io/v1alpha3`).
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct EnvoyFilterSpec {
    /// Which pods' sidecars; all of the namespace if unset.
    pub workload_selector: Option<LabelsSelector>,
    /// What is changed.
    pub config_patches: Vec<ConfigPatchSpec>,
    /// In which order filters are applied.
    pub priority: Option<Value>,
    /// Gateways and services that it is for.
    pub target_refs: Option<Value>,
}

/// One of `configPatches`.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ConfigPatchSpec {
    /// What kind of thing is changed.
    pub apply_to: String,
    /// Which of them.
    #[serde(rename = "match")]
    pub matcher: MatchSpec,
    /// How.
    pub patch: PatchSpec,
}

/// `match` of a patch.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct MatchSpec {
    /// On which side of the sidecar.
    pub context: String,
    /// Which clusters.
    pub cluster: ClusterMatchSpec,
    /// Which proxies.
    pub proxy: Option<Value>,
    /// Which listeners.
    pub listener: Option<Value>,
    /// Which routes.
    pub route_configuration: Option<Value>,
    /// Which waypoint.
    pub waypoint: Option<Value>,
}

/// `match.cluster` of a patch; what is unset matches all.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ClusterMatchSpec {
    /// The container's port.
    pub port_number: Option<i64>,
    /// A service that has the port, by its full name.
    pub service: Option<String>,
    /// The cluster's own name, such as `inbound|8443||`. With it nothing else is looked at.
    pub name: Option<String>,
    /// A subset of a DestinationRule.
    pub subset: Option<Value>,
}

/// `patch` of a patch.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct PatchSpec {
    /// What is done with the value.
    pub operation: String,
    /// A part of Envoy's configuration, in its own field names.
    pub value: Map<String, Value>,
    /// Where a filter is put among others.
    pub filter_class: Option<Value>,
}
