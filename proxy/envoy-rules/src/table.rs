//! The table of a listener's filter chains.

use std::{collections::HashMap, fmt, net::SocketAddr};

use envoy_api::Listener;

use crate::{Connection, Transport, build::BuildError, prefixes::Prefixes};

/// A listener's filter chains, indexed for matching. Built once; [`find`](Self::find) allocates nothing.
#[derive(Clone, Debug, Default)]
pub struct ChainTable {
    pub(crate) ports: Ports,
    pub(crate) has_default: bool,
}

/// By destination port; 0 for chains that name none.
pub(crate) type Ports = HashMap<u16, Prefixes<ServerNames>>;
/// By server name in lower case; `.example.com` for `*.example.com`, empty for chains that name none.
pub(crate) type ServerNames = HashMap<Box<str>, Transports>;
/// By transport protocol; empty for chains that name none.
pub(crate) type Transports = HashMap<Box<str>, Protocols>;
/// By application protocol; empty for chains that name none.
pub(crate) type Protocols = HashMap<Box<str>, Sources>;

/// By where the peer is, then by its network.
#[derive(Clone, Debug, Default)]
pub(crate) struct Sources {
    pub(crate) any: Prefixes<SourcePorts>,
    pub(crate) local: Prefixes<SourcePorts>,
    pub(crate) external: Prefixes<SourcePorts>,
}

/// Chains by the peer's port; 0 for chains that name none.
pub(crate) type SourcePorts = HashMap<u16, usize>;

/// What was found for a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Match {
    /// An index into the listener's `filter_chains`.
    Chain(usize),
    /// None of these, so the listener's `default_filter_chain`.
    Default,
    /// None, and there is no default: the connection is closed, flag `NR`, details `filter_chain_not_found`.
    None(Stage),
}

/// The level of matching at which no chain was left.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Stage {
    /// No chain for the destination's port, and none for any port.
    DestinationPort,
    /// No chain for the destination's address.
    DestinationAddress,
    /// No chain for the server name, and none without one.
    ServerName,
    /// No chain for the transport protocol.
    TransportProtocol,
    /// No chain for any of the application protocols, and none without one.
    ApplicationProtocol,
    /// No chain for the peer's place, address or port.
    Source,
}

impl fmt::Display for Stage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::DestinationPort => "destination port",
            Self::DestinationAddress => "destination address",
            Self::ServerName => "server name",
            Self::TransportProtocol => "transport protocol",
            Self::ApplicationProtocol => "application protocol",
            Self::Source => "source",
        })
    }
}

impl ChainTable {
    /// The table of a listener's chains.
    ///
    /// # Errors
    /// When two chains match the same connections, a server name has a wildcard that is not its first label, or a
    /// network's prefix is longer than its address. Envoy refuses the same listeners.
    pub fn new(listener: &Listener) -> Result<Self, BuildError> {
        crate::build::table(listener)
    }

    /// The chain for a connection.
    pub fn find(&self, connection: &Connection<'_>) -> Match {
        match self.find_named(connection) {
            Ok(chain) => Match::Chain(chain),
            Err(_) if self.has_default => Match::Default,
            Err(stage) => Match::None(stage),
        }
    }

    /// The chain for a connection, the default chain left aside.
    ///
    /// Each level takes its most specific branch and never comes back to another one: a port that has chains of its own
    /// doesn't fall back to the chains for any port.
    ///
    /// # Errors
    /// The level at which no chain was left.
    pub fn find_named(&self, connection: &Connection<'_>) -> Result<usize, Stage> {
        let Connection { destination, source, .. } = connection;
        let prefixes = specific_or_any(&self.ports, destination.port()).ok_or(Stage::DestinationPort)?;
        let server_names = prefixes.find(destination.ip()).ok_or(Stage::DestinationAddress)?;
        let transports = by_server_name(server_names, connection.server_name).ok_or(Stage::ServerName)?;
        let protocols = by_transport(transports, connection.transport_protocol).ok_or(Stage::TransportProtocol)?;
        let sources = by_protocol(protocols, connection.application_protocols).ok_or(Stage::ApplicationProtocol)?;
        by_source(sources, connection.is_local(), *source).ok_or(Stage::Source)
    }
}

/// A port's own entry, else the entry for any port.
fn specific_or_any<T>(ports: &HashMap<u16, T>, port: u16) -> Option<&T> {
    ports.get(&port).or_else(|| ports.get(&0))
}

/// The exact name, else the longest wildcard, else the chains without a name (`findFilterChainForServerName`).
fn by_server_name<'a>(names: &'a ServerNames, name: &str) -> Option<&'a Transports> {
    // A dot at the end begins no suffix (Envoy stops before the last byte).
    let suffixes = name.char_indices().filter(|&(at, c)| c == '.' && at + 1 < name.len()).map(|(at, _)| &name[at..]);
    names.get(name).or_else(|| suffixes.into_iter().find_map(|suffix| names.get(suffix))).or_else(|| names.get(""))
}

fn by_transport(transports: &Transports, transport: Transport) -> Option<&Protocols> {
    transports.get(transport.as_str()).or_else(|| transports.get(""))
}

/// The first of the client's protocols that any chain names, else the chains that name none. What the chains prefer does
/// not matter.
fn by_protocol<'a>(protocols: &'a Protocols, offered: &[String]) -> Option<&'a Sources> {
    offered.iter().find_map(|protocol| protocols.get(protocol.as_str())).or_else(|| protocols.get(""))
}

/// The chains for the peer's place if there are any, else those for any place; then by network and port.
fn by_source(sources: &Sources, local: bool, source: SocketAddr) -> Option<usize> {
    let place = if local { &sources.local } else { &sources.external };
    let networks = if place.is_empty() { &sources.any } else { place };
    specific_or_any(networks.find(source.ip())?, source.port()).copied()
}

#[cfg(test)]
mod tests;
