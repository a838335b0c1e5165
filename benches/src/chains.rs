//! Tables of filter chains, and connections that a chain is to be found for.

use std::net::SocketAddr;

use envoy_rules::{ChainTable, Connection, Match, Transport};
use serde_json::{Value, json};

#[cfg(test)]
mod tests;

/// What tells a table's chains apart, and the connection that is looked up in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Case {
    /// The best: chains by destination port, as Istio's inbound listener has them, and a connection to one of the ports.
    Port,
    /// Chains by server name, and a long name that none of them has: each of its suffixes is looked up.
    UnknownName,
    /// The worst: chains by destination network, and an address that is in none of them: each is looked at.
    UnknownNetwork,
}

impl Case {
    /// All, the best first.
    pub const ALL: [Self; 3] = [Self::Port, Self::UnknownName, Self::UnknownNetwork];

    /// Its name among the benches.
    pub fn name(self) -> &'static str {
        match self {
            Self::Port => "port",
            Self::UnknownName => "unknown name",
            Self::UnknownNetwork => "unknown network",
        }
    }

    /// What the chain of that index matches.
    fn matcher(self, index: usize) -> Value {
        match self {
            Self::Port => json!({"destination_port": 1000 + index, "transport_protocol": "tls"}),
            Self::UnknownName => json!({"server_names": [format!("*.service-{index}.svc.cluster.local")]}),
            Self::UnknownNetwork => {
                let address = format!("10.96.{}.{}", index / 256, index % 256);
                json!({"prefix_ranges": [{"address_prefix": address, "prefix_len": 32}]})
            }
        }
    }
}

/// A table, and a connection for it.
#[derive(Debug)]
pub struct Lookup {
    table: ChainTable,
    destination: SocketAddr,
    server_name: &'static str,
    protocols: Vec<String>,
}

impl Lookup {
    /// A case with so many chains, and one for every connection that they leave.
    ///
    /// # Panics
    /// With more than 60,000 chains: there are no more ports.
    pub fn new(case: Case, chains: usize) -> Self {
        let matchers = (0..chains).map(|index| case.matcher(index)).chain([json!({})]);
        let chain = |matcher| json!({"filter_chain_match": matcher, "filters": []});
        let listener = json!({
            "name": "virtualInbound",
            "address": {"socket_address": {"address": "0.0.0.0", "port_value": 15006}},
            "filter_chains": matchers.map(chain).collect::<Vec<_>>(),
        });
        let listener = envoy_api::read_value(listener).expect("it is a listener");
        let port = if case == Case::Port { 1000 + chains / 2 } else { 443 };
        Self {
            table: ChainTable::new(&listener).expect("no two chains match the same"),
            destination: SocketAddr::from(([10, 244, 0, 3], u16::try_from(port).expect("a port"))),
            server_name: if case == Case::UnknownName { "a.long.name.of.many.labels.svc.cluster.local" } else { "" },
            protocols: ["istio-peer-exchange", "istio"].map(str::to_owned).into(),
        }
    }

    /// Looks it up.
    pub fn find(&self) -> Match {
        self.table.find(&Connection {
            destination: self.destination,
            source: SocketAddr::from(([10, 244, 0, 9], 40000)),
            server_name: self.server_name,
            transport_protocol: Transport::Tls,
            application_protocols: &self.protocols,
        })
    }
}
