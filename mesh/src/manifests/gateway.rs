//! Gateway (`networking/v1alpha3/gateway.proto` in istio/api).

use std::collections::BTreeMap;

use serde::Deserialize;

use super::sidecar::{ServerTls, SidecarPort};

/// `spec` of a Gateway.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct GatewaySpec {
    /// What the gateways open.
    pub servers: Vec<Server>,
    /// The labels of the gateways' pods, in any namespace; every gateway if empty.
    pub selector: BTreeMap<String, String>,
}

/// `Server`.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Server {
    /// A port of the gateway's Service, or of its pods.
    pub port: Option<SidecarPort>,
    /// The address that it listens at; all if empty.
    pub bind: String,
    /// `HOST` or `NAMESPACE/HOST`: the hosts that VirtualServices of a namespace may be for.
    pub hosts: Vec<String>,
    /// TLS that the gateway terminates or passes on.
    pub tls: Option<ServerTls>,
    /// Reserved: istiod does not read it.
    pub default_endpoint: String,
    /// A prefix of statistics.
    pub name: String,
}
