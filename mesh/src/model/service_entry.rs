//! ServiceEntries: hosts that no Service has, as Istio's registry knows them.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::IpAddr,
};

use ipnet::IpNet;

use super::object::Source;

/// What is known of a [`super::Service`] that a ServiceEntry makes, beside what every service has.
#[derive(Clone, Debug)]
pub struct Entry {
    /// Whether it is outside of the mesh: then automatic mTLS leaves it alone.
    pub external: bool,
    /// How its endpoints are found.
    pub resolution: Resolution,
    /// Ranges of addresses that stand for it.
    pub ranges: Vec<IpNet>,
    /// Its endpoints; none where the connection itself says where it goes.
    pub endpoints: Vec<EntryEndpoint>,
    /// The port that connections go on to by port of the entry, where it is another one and nothing is resolved.
    pub target_ports: BTreeMap<u16, u16>,
    /// Names of which a server's certificate must have one, where a DestinationRule has none of its own.
    pub subject_alt_names: Vec<String>,
    /// To which namespaces: `.`, `*` or names; empty is all.
    pub export_to: BTreeSet<String>,
}

/// How the endpoints of a ServiceEntry's hosts are found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Resolution {
    /// They are not: a connection goes on to where it was going.
    None,
    /// They are addresses that the entry lists.
    Static,
    /// All addresses that the names resolve to.
    Dns,
    /// The first address that the name resolves to, when a connection is made.
    DnsRoundRobin,
}

/// An endpoint of a ServiceEntry.
#[derive(Clone, Debug)]
pub struct EntryEndpoint {
    /// For which port of the entry.
    pub for_port: u16,
    /// An address, or a name that the sidecar resolves.
    pub address: String,
    /// The port there.
    pub port: u16,
    /// Its labels, for subsets.
    pub labels: BTreeMap<String, String>,
    /// Whether it says that it takes mTLS: by its label, or by its service account.
    pub takes_mtls: bool,
    /// Where it stands.
    pub source: Source,
}

impl Entry {
    /// The endpoints of a port.
    pub fn endpoints_of(&self, port: u16) -> impl Iterator<Item = &EntryEndpoint> {
        self.endpoints.iter().filter(move |endpoint| endpoint.for_port == port)
    }

    /// Whether sidecars of a namespace know it, which stands in a namespace of its own.
    pub fn is_seen_from(&self, namespace: &str, own: &str) -> bool {
        let names = &self.export_to;
        let at_home = namespace == own && names.contains(".");
        names.is_empty() || names.contains("*") || names.contains(namespace) || at_home
    }

    /// Whether one of its ranges holds an address.
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
