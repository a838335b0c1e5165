//! Listeners and connections for tests.

use envoy_api::Listener;
use serde_json::{Value, json};

use crate::{ChainTable, Connection, Match, Stage, Transport};

/// A listener whose chains have these matches; `null` for a chain without one.
pub(crate) fn listener(matches: &[Value]) -> Listener {
    let chain = |(index, matcher): (usize, &Value)| {
        let mut chain = json!({"name": format!("chain-{index}"), "filters": []});
        if !matcher.is_null() {
            chain["filter_chain_match"] = matcher.clone();
        }
        chain
    };
    let chains: Vec<Value> = matches.iter().enumerate().map(chain).collect();
    envoy_api::read_value(json!({
        "name": "under-test",
        "address": {"socket_address": {"address": "0.0.0.0", "port_value": 15006}},
        "filter_chains": chains,
    }))
    .expect("a listener")
}

/// The table of such a listener.
pub(crate) fn table(matches: &[Value]) -> ChainTable {
    ChainTable::new(&listener(matches)).expect("a table")
}

/// A connection; by default in plaintext from 10.244.0.9:40000 to 10.244.0.3:8080.
#[derive(Clone)]
pub(crate) struct Incoming {
    pub(crate) destination: &'static str,
    pub(crate) source: &'static str,
    pub(crate) server_name: &'static str,
    pub(crate) transport: Transport,
    pub(crate) protocols: &'static [&'static str],
}

impl Default for Incoming {
    fn default() -> Self {
        Self {
            destination: "10.244.0.3:8080",
            source: "10.244.0.9:40000",
            server_name: "",
            transport: Transport::RawBuffer,
            protocols: &[],
        }
    }
}

impl Incoming {
    /// Looks it up in a table.
    pub(crate) fn meets(&self, table: &ChainTable) -> Match {
        let protocols: Vec<String> = self.protocols.iter().map(ToString::to_string).collect();
        table.find(&Connection {
            destination: self.destination.parse().expect("an address"),
            source: self.source.parse().expect("an address"),
            server_name: self.server_name,
            transport_protocol: self.transport,
            application_protocols: &protocols,
        })
    }
}

/// A connection to an address.
pub(crate) fn to(destination: &'static str) -> Incoming {
    Incoming { destination, ..Incoming::default() }
}

/// A connection from an address.
pub(crate) fn from(source: &'static str) -> Incoming {
    Incoming { source, ..Incoming::default() }
}

/// A TLS connection with SNI.
pub(crate) fn sni(server_name: &'static str) -> Incoming {
    Incoming { server_name, transport: Transport::Tls, ..Incoming::default() }
}

/// A TLS connection with ALPN.
pub(crate) fn tls(protocols: &'static [&'static str]) -> Incoming {
    Incoming { transport: Transport::Tls, protocols, ..Incoming::default() }
}

/// A plaintext connection in which the HTTP inspector detected these protocols.
pub(crate) fn raw(protocols: &'static [&'static str]) -> Incoming {
    Incoming { protocols, ..Incoming::default() }
}

/// The chain with this index.
pub(crate) const fn chain(index: usize) -> Match {
    Match::Chain(index)
}

/// No chain after this criterion.
pub(crate) const fn none(stage: Stage) -> Match {
    Match::None(stage)
}
