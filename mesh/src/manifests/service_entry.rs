//! ServiceEntry (`networking/v1alpha3/service_entry.proto` in istio/api).

use std::collections::BTreeMap;

use serde::Deserialize;

use super::istio::LabelsSelector;

/// `spec` of a ServiceEntry.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ServiceEntrySpec {
    /// The hosts that it is for.
    pub hosts: Vec<String>,
    /// Virtual addresses, or ranges of them.
    pub addresses: Vec<String>,
    /// The ports of these hosts.
    pub ports: Vec<EntryPort>,
    /// Whether the hosts are part of the mesh.
    pub location: Location,
    /// How endpoints are found.
    pub resolution: ResolutionSpec,
    /// The endpoints; an empty list is not the same as none.
    pub endpoints: Option<Vec<WorkloadEntrySpec>>,
    /// Selects pods and WorkloadEntries as endpoints.
    pub workload_selector: Option<LabelsSelector>,
    /// To which namespaces: `.`, `*` or names; `*` by default.
    pub export_to: Vec<String>,
    /// Names of which the server's certificate must have one.
    pub subject_alt_names: Vec<String>,
}

/// `ServicePort`.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct EntryPort {
    /// What callers dial.
    pub number: i64,
    /// What it speaks.
    #[serde(default)]
    pub protocol: String,
    pub name: String,
    /// The port of the endpoints; 0 is as if unset.
    #[serde(default)]
    pub target_port: i64,
}

/// An endpoint, as a WorkloadEntry has it (`networking/v1alpha3/workload_entry.proto`).
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct WorkloadEntrySpec {
    /// An address, a name, or `unix://PATH`.
    pub address: String,
    /// Ports of the endpoint, by the name of the entry's port.
    pub ports: BTreeMap<String, i64>,
    /// Labels, for subsets.
    pub labels: BTreeMap<String, String>,
    /// The network that it is in.
    pub network: Option<String>,
    /// Where it is, for locality load balancing.
    pub locality: Option<String>,
    /// Its share of calls.
    pub weight: Option<i64>,
    /// The service account that it runs as, if it has a sidecar.
    pub service_account: String,
}

/// `ServiceEntry.Location`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Location {
    /// Outside of the mesh: automatic mTLS leaves it alone.
    #[default]
    MeshExternal,
    /// A part of it.
    MeshInternal,
}

/// `ServiceEntry.Resolution`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum ResolutionSpec {
    /// Connections go on to where they were going.
    #[default]
    None,
    /// To the addresses listed.
    Static,
    /// To all addresses that the names resolve to.
    Dns,
    /// To the first address that the name resolves to.
    DnsRoundRobin,
    /// To the address that the host of each request resolves to.
    DynamicDns,
}
