//! The table of a listener's filter chains.

use std::{collections::HashMap, fmt, net::SocketAddr};

use crate::{Connection, Transport, prefixes::Prefixes};

/// A listener's filter chains, indexed for matching. Built once; [`find`](Self::find) allocates nothing.
#[derive(Clone, Debug, Default)]
pub struct ChainTable {
    pub(crate) ports: Ports,
    pub(crate) has_default: bool,
}

/// By destination port; 0 for chains without one.
pub(crate) type Ports = HashMap<u16, Prefixes<ServerNames>>;
/// By server name in lower case; `.example.com` for `*.example.com`, empty for chains without one.
pub(crate) type ServerNames = HashMap<Box<str>, Transports>;
/// By transport protocol; empty for chains without one.
pub(crate) type Transports = HashMap<Box<str>, Protocols>;
/// By application protocol; empty for chains without one.
pub(crate) type Protocols = HashMap<Box<str>, Sources>;

/// By type of source, then by the peer's network.
#[derive(Clone, Debug, Default)]
pub(crate) struct Sources {
    pub(crate) any: Prefixes<SourcePorts>,
    pub(crate) local: Prefixes<SourcePorts>,
    pub(crate) external: Prefixes<SourcePorts>,
}

/// Chains by the peer's port; 0 for chains without one.
pub(crate) type SourcePorts = HashMap<u16, usize>;

/// The result of a lookup.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Match {
    /// An index into the listener's `filter_chains`.
    Chain(usize),
    /// No chain matches, so the listener's `default_filter_chain` is used.
    Default,
    /// No chain matches, and there is no default: the connection is closed with flag `NR` and details `filter_chain_not_found`.
    None(Stage),
}

/// The criterion after which no chain was left.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Stage {
    /// No chain for the destination port, and none for any port.
    DestinationPort,
    /// No chain for the destination address.
    DestinationAddress,
    /// No chain for the server name, and none without one.
    ServerName,
    /// No chain for the transport protocol.
    TransportProtocol,
    /// No chain for any of the application protocols, and none without one.
    ApplicationProtocol,
    /// No chain for the peer's source type, address or port.
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
    /// The chain for a connection, or the default chain.
    pub fn find(&self, connection: &Connection<'_>) -> Match {
        match self.find_named(connection) {
            Ok(chain) => Match::Chain(chain),
            Err(_) if self.has_default => Match::Default,
            Err(stage) => Match::None(stage),
        }
    }

    /// The chain for a connection, without the default chain.
    ///
    /// Each criterion selects the most specific branch without backtracking: a port with its own chains does not fall back to
    /// the chains for any port.
    ///
    /// # Errors
    /// The criterion after which no chain was left.
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

/// The entry of a port, or else the one for any port.
fn specific_or_any<T>(ports: &HashMap<u16, T>, port: u16) -> Option<&T> {
    ports.get(&port).or_else(|| ports.get(&0))
}

/// The exact name, or else the longest wildcard, or the chains without a name (`findFilterChainForServerName`).
fn by_server_name<'a>(names: &'a ServerNames, name: &str) -> Option<&'a Transports> {
    // A trailing dot does not start a suffix: like Envoy, stops before the last byte.
    let suffixes = name.char_indices().filter(|&(at, c)| c == '.' && at + 1 < name.len()).map(|(at, _)| &name[at..]);
    names.get(name).or_else(|| suffixes.into_iter().find_map(|suffix| names.get(suffix))).or_else(|| names.get(""))
}

fn by_transport(transports: &Transports, transport: Transport) -> Option<&Protocols> {
    transports.get(transport.as_str()).or_else(|| transports.get(""))
}

/// The first of the client's protocols that any chain has, or else the chains without one. The order of the chains does not
/// matter.
fn by_protocol<'a>(protocols: &'a Protocols, offered: &[String]) -> Option<&'a Sources> {
    offered.iter().find_map(|protocol| protocols.get(protocol.as_str())).or_else(|| protocols.get(""))
}

/// The chains for the peer's source type, or else those for any type; then by network and port.
fn by_source(sources: &Sources, local: bool, source: SocketAddr) -> Option<usize> {
    let place = if local { &sources.local } else { &sources.external };
    let networks = if place.is_empty() { &sources.any } else { place };
    specific_or_any(networks.find(source.ip())?, source.port()).copied()
}

#[cfg(test)]
mod tests;
