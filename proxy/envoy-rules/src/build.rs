//! Building the table of filter chains, with Envoy's validation.

use envoy_api::{CidrRange, FilterChainMatch, Listener, SourceType};
use ipnet::IpNet;
use thiserror::Error;

use crate::{
    ChainTable,
    table::{Protocols, SourcePorts, Sources},
};

/// An error in a listener's filter chains.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum BuildError {
    /// Two chains have the same match.
    #[error("{path} ({chain:?}) has the same filter_chain_match as filter chain {other:?}: make one of them narrower")]
    SameMatch {
        /// Path of the match, such as `filter_chains[3].filter_chain_match`.
        path: String,
        /// Name of the chain.
        chain: String,
        /// Name of the earlier chain.
        other: String,
    },
    /// The matches of two chains overlap.
    #[error(
        "{path} ({chain:?}) matches connections that filter chain {other:?} also matches: make one of them narrower"
    )]
    Overlap {
        /// Path of the match.
        path: String,
        /// Name of the chain.
        chain: String,
        /// Name of the earlier chain.
        other: String,
    },
    /// A server name contains `*` other than as its whole first label.
    #[error("{path}: {name:?}: a wildcard must be the whole first label, such as \"*.example.com\"")]
    PartialWildcard {
        /// Path of the name, such as `filter_chains[3].filter_chain_match.server_names[0]`.
        path: String,
        /// The server name.
        name: String,
    },
    /// A prefix is longer than its address.
    #[error("{path}: prefix_len {length} is longer than the address {address} has bits")]
    Prefix {
        /// Path of the range, such as `filter_chains[3].filter_chain_match.prefix_ranges[0]`.
        path: String,
        /// Address of the network.
        address: std::net::IpAddr,
        /// Length of the prefix, in bits.
        length: u8,
    },
}

impl ChainTable {
    /// Indexes a listener's chains.
    ///
    /// # Errors
    /// If the matches of two chains overlap, a server name has a wildcard that is not its first label, or a prefix is longer than
    /// its address. Envoy refuses the same listeners.
    pub fn new(listener: &Listener) -> Result<Self, BuildError> {
        let mut table = Self { has_default: listener.default_filter_chain.is_some(), ..Self::default() };
        let any = FilterChainMatch::default();
        let matcher = |chain: usize| listener.filter_chains[chain].filter_chain_match.as_ref().unwrap_or(&any);
        let name = |chain: usize| listener.filter_chains[chain].name.clone();
        for chain in 0..listener.filter_chains.len() {
            let path = format!("filter_chains[{chain}].filter_chain_match");
            if let Err(other) = add(&mut table, matcher(chain), chain, &path)? {
                let same = matcher(chain) == matcher(other);
                let (chain, other) = (name(chain), name(other));
                return Err(match same {
                    true => BuildError::SameMatch { path, chain, other },
                    false => BuildError::Overlap { path, chain, other },
                });
            }
        }
        Ok(table)
    }
}

/// Adds a chain under each combination of its values. The inner error is an earlier chain with the same combination.
fn add(
    table: &mut ChainTable,
    matcher: &FilterChainMatch,
    chain: usize,
    path: &str,
) -> Result<Result<(), usize>, BuildError> {
    let destinations = networks(&matcher.prefix_ranges, &format!("{path}.prefix_ranges"))?;
    let peers = networks(&matcher.source_prefix_ranges, &format!("{path}.source_prefix_ranges"))?;
    let names = server_names(&matcher.server_names, path)?;
    let by_address = table.ports.entry(matcher.destination_port.unwrap_or(0)).or_default();
    for &destination in &destinations {
        for name in &names {
            let by_transport = by_address.entry(destination).entry(name.clone()).or_default();
            let by_protocol = by_transport.entry(matcher.transport_protocol.as_str().into()).or_default();
            if let Err(other) = add_protocols(by_protocol, matcher, &peers, chain) {
                return Ok(Err(other));
            }
        }
    }
    Ok(Ok(()))
}

fn add_protocols(
    by_protocol: &mut Protocols,
    matcher: &FilterChainMatch,
    peers: &[Option<IpNet>],
    chain: usize,
) -> Result<(), usize> {
    let ports = if matcher.source_ports.is_empty() { &[0][..] } else { &matcher.source_ports };
    for protocol in or_any(&matcher.application_protocols) {
        let sources: &mut Sources = by_protocol.entry(protocol.into()).or_default();
        let place = match matcher.source_type.unwrap_or(SourceType::Any) {
            SourceType::Any => &mut sources.any,
            SourceType::SameIpOrLoopback => &mut sources.local,
            SourceType::External => &mut sources.external,
        };
        for &peer in peers {
            let by_port: &mut SourcePorts = place.entry(peer);
            for &port in ports {
                if let Some(&other) = by_port.get(&port) {
                    return Err(other);
                }
                by_port.insert(port, chain);
            }
        }
    }
    Ok(())
}

/// A chain's values for one criterion, or the empty string, the key of chains without any.
fn or_any(values: &[String]) -> Vec<&str> {
    if values.is_empty() { vec![""] } else { values.iter().map(String::as_str).collect() }
}

/// Names in the form of the table: lower case, with `*.example.com` as `.example.com`.
fn server_names(names: &[String], path: &str) -> Result<Vec<Box<str>>, BuildError> {
    let key = |(index, name): (usize, &str)| {
        let suffix = name.strip_prefix('*').filter(|suffix| suffix.starts_with('.'));
        if suffix.is_none() && name.contains('*') {
            let path = format!("{path}.server_names[{index}]");
            return Err(BuildError::PartialWildcard { path, name: name.into() });
        }
        Ok(suffix.unwrap_or(name).to_ascii_lowercase().into())
    };
    or_any(names).into_iter().enumerate().map(key).collect()
}

/// Networks in the form of the table, or `None`, which contains every address, if there are none.
fn networks(ranges: &[CidrRange], path: &str) -> Result<Vec<Option<IpNet>>, BuildError> {
    if ranges.is_empty() {
        return Ok(vec![None]);
    }
    let network = |(index, range): (usize, &CidrRange)| {
        let &CidrRange { address_prefix: address, prefix_len: length } = range;
        IpNet::new(address, length).map(Some).map_err(|_| BuildError::Prefix {
            path: format!("{path}[{index}]"),
            address,
            length,
        })
    };
    ranges.iter().enumerate().map(network).collect()
}

#[cfg(test)]
mod tests;
