//! Tables of filter chains, and connections to look up in them.

use std::net::SocketAddr;

use envoy_rules::{ChainTable, Connection, Match, Transport};
use serde_json::{Value, json};

#[cfg(test)]
mod tests;

/// The criterion by which a table's chains differ, and the connection that is looked up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Case {
    /// Best case: chains by destination port, as in Istio's inbound listener, and a connection to one of the ports.
    Port,
    /// Chains by server name, and a long name that matches none of them: each of its suffixes is looked up.
    UnknownName,
    /// Worst case: chains by destination network, and an address that is in none of them: each is compared.
    UnknownNetwork,
}

impl Case {
    /// All cases, best first.
    pub const ALL: [Self; 3] = [Self::Port, Self::UnknownName, Self::UnknownNetwork];

    pub fn name(self) -> &'static str {
        match self {
            Self::Port => "port",
            Self::UnknownName => "unknown name",
            Self::UnknownNetwork => "unknown network",
        }
    }

    /// The `filter_chain_match` of the chain with this index.
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

/// A table, and a connection to look up in it.
#[derive(Debug)]
pub struct Lookup {
    table: ChainTable,
    destination: SocketAddr,
    server_name: &'static str,
    protocols: Vec<String>,
}

impl Lookup {
    /// A table with this number of chains, and a last one that matches everything else.
    ///
    /// # Panics
    /// With more than 60,000 chains, which would exceed the range of ports.
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

    /// Looks up the connection.
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
