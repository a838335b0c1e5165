//! ServiceEntries: hosts that no Service has, as Istio's registry knows them.

use std::{collections::BTreeMap, net::IpAddr};

use ipnet::IpNet;

use super::object::Source;

/// The properties of a [`super::Service`] that only a ServiceEntry defines.
#[derive(Clone, Debug)]
pub struct Entry {
    /// Whether it is outside the mesh: automatic mTLS then does not apply.
    pub external: bool,
    /// How its endpoints are found.
    pub resolution: Resolution,
    /// Address ranges that belong to it.
    pub ranges: Vec<IpNet>,
    /// Its endpoints; empty if connections go to their original destination.
    pub endpoints: Vec<EntryEndpoint>,
    /// The target port by port of the entry, if they differ; only without resolution.
    pub target_ports: BTreeMap<u16, u16>,
    /// Names of which a server's certificate must have one, unless a DestinationRule sets such names.
    pub subject_alt_names: Vec<String>,
}

/// How the endpoints of a ServiceEntry's hosts are found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Resolution {
    /// Not at all: a connection goes to its original destination.
    None,
    /// The entry lists addresses.
    Static,
    /// All addresses that the names resolve to.
    Dns,
    /// The first address that the name resolves to, when a connection is made.
    DnsRoundRobin,
}

/// An endpoint of a ServiceEntry.
#[derive(Clone, Debug)]
pub struct EntryEndpoint {
    /// The entry's port that it serves.
    pub for_port: u16,
    /// An address, or a name that the sidecar resolves.
    pub address: String,
    /// The port of the endpoint.
    pub port: u16,
    /// The pod that has the address.
    pub pod: Option<usize>,
    /// Its labels, for subsets.
    pub labels: BTreeMap<String, String>,
    /// The service account that it runs as; empty if it names none.
    pub service_account: String,
    /// Whether it declares mTLS, by its label or by its service account.
    pub says_mtls: bool,
    /// Whether it declares mTLS, and no PeerAuthentication of its namespace disables it.
    pub takes_mtls: bool,
    /// Its place in the manifests.
    pub source: Source,
}

impl EntryEndpoint {
    /// Whether it is an address or a socket's path rather than a name.
    pub fn is_address(&self) -> bool {
        self.address.starts_with("unix://") || self.address.parse::<IpAddr>().is_ok()
    }
}

impl Entry {
    /// Whether one of its ranges contains an address.
    pub fn covers(&self, ip: IpAddr) -> bool {
        self.ranges.iter().any(|range| range.contains(&ip))
    }
}

impl Resolution {
    /// As manifests write it.
    pub fn name(self) -> &'static str {
        match self {
            Self::None => "NONE",
            Self::Static => "STATIC",
            Self::Dns => "DNS",
            Self::DnsRoundRobin => "DNS_ROUND_ROBIN",
        }
    }
}
