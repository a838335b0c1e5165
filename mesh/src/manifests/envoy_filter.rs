//! EnvoyFilter, as far as it is read: patches of the clusters through which a sidecar reaches its own app.

use envoy_api::{ReadError, TransportSocket, TransportSocketConfig};
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
    /// In which order filters are applied: lower ones first.
    pub priority: i32,
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
    pub patch: Option<PatchSpec>,
}

/// `match` of a patch.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct MatchSpec {
    /// On which side of the sidecar.
    pub context: String,
    /// Which clusters.
    pub cluster: Option<ClusterMatchSpec>,
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
    pub value: Option<Map<String, Value>>,
    /// Where a filter is put among others.
    pub filter_class: String,
}

/// A patch that is applied: of the clusters through which a sidecar reaches its own app, their transport socket.
pub(crate) struct Applied {
    pub(crate) cluster: ClusterMatchSpec,
    pub(crate) transport_socket: Value,
}

impl ConfigPatchSpec {
    /// The patch, if it is of the supported form.
    ///
    /// # Errors
    /// The field that is not, and what is supported of it.
    pub(crate) fn applied(&self) -> Result<Applied, (String, String)> {
        let only = |field: &str, value: &str, supported: &str| match value == supported {
            true => Ok(()),
            false if value.is_empty() => Err((field.to_owned(), format!("is missing; {supported} is supported"))),
            false => Err((field.to_owned(), format!("{value} is not supported; {supported} is"))),
        };
        let unsupported =
            |field: &str, supported: &str| Err((field.to_owned(), format!("is not supported; {supported}")));
        let matcher = &self.matcher;
        only("applyTo", &self.apply_to, "CLUSTER")?;
        only("match.context", &matcher.context, "SIDECAR_INBOUND")?;
        let others = [("proxy", &matcher.proxy), ("waypoint", &matcher.waypoint)];
        if let Some((name, _)) = others.into_iter().find(|(_, value)| value.is_some()) {
            return unsupported(&format!("match.{name}"), "context and cluster are");
        }
        let cluster = matcher.cluster.clone().unwrap_or_default();
        if cluster.subset.is_some() {
            return unsupported("match.cluster.subset", "portNumber, service and name are");
        }
        let patch = self.patch.clone().unwrap_or_default();
        only("patch.operation", &patch.operation, "MERGE")?;
        let value = patch.value.unwrap_or_default();
        if let Some(name) = value.keys().find(|name| *name != "transport_socket") {
            return unsupported(&format!("patch.value.{name}"), "transport_socket is");
        }
        let Some(transport_socket) = value.get("transport_socket").cloned() else {
            return unsupported("patch.value", "one with transport_socket is");
        };
        let field = "patch.value.transport_socket";
        match envoy_api::read_value::<TransportSocket>(transport_socket.clone()) {
            Ok(TransportSocket { typed_config: TransportSocketConfig::DownstreamTls(_), .. }) => {
                let message =
                    "a DownstreamTlsContext is for a server; the sidecar is the app's client: UpstreamTlsContext";
                Err((format!("{field}.typed_config"), message.to_owned()))
            }
            Ok(_) => Ok(Applied { cluster, transport_socket }),
            Err(ReadError::Field { path, reason }) if path == "." => Err((field.to_owned(), reason)),
            Err(ReadError::Field { path, reason }) => Err((format!("{field}.{path}"), reason)),
            Err(error @ ReadError::NotJson(_)) => Err((field.to_owned(), error.to_string())),
        }
    }
}
