//! Building the table, with the checks that Envoy makes.

use envoy_api::{CidrRange, FilterChainMatch, Listener, SourceType};
use ipnet::IpNet;
use thiserror::Error;

use crate::{
    ChainTable,
    table::{Protocols, SourcePorts, Sources},
};

/// Why a listener's chains make no table.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum BuildError {
    /// Two chains have the same match.
    #[error("{path} ({chain:?}) has the same filter_chain_match as filter chain {other:?}: make one of them narrower")]
    SameMatch {
        /// Where, such as `filter_chains[3].filter_chain_match`.
        path: String,
        /// The chain's name.
        chain: String,
        /// The name of the chain that came first.
        other: String,
    },
    /// Two chains match some connections both.
    #[error(
        "{path} ({chain:?}) matches connections that filter chain {other:?} matches too: make one of them narrower"
    )]
    Overlap {
        /// Where.
        path: String,
        /// The chain's name.
        chain: String,
        /// The name of the chain that came first.
        other: String,
    },
    /// A `*` that is not the whole first label of a server name.
    #[error("{path}: {name:?}: a wildcard must be the whole first label, such as \"*.example.com\"")]
    PartialWildcard {
        /// Where, such as `filter_chains[3].filter_chain_match.server_names[0]`.
        path: String,
        /// The server name.
        name: String,
    },
    /// A prefix that is longer than its address.
    #[error("{path}: prefix_len {length} is longer than the address {address} has bits")]
    Prefix {
        /// Where, such as `filter_chains[3].filter_chain_match.prefix_ranges[0]`.
        path: String,
        /// The network's address.
        address: std::net::IpAddr,
        /// The length.
        length: u8,
    },
}

/// The table of a listener's chains.
pub(crate) fn table(listener: &Listener) -> Result<ChainTable, BuildError> {
    let mut table = ChainTable { has_default: listener.default_filter_chain.is_some(), ..ChainTable::default() };
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

/// Adds a chain under every combination of its values; the inner error is a chain that has one of them already.
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

/// A chain's values at a level; the empty string, which is the key of chains without any, if it has none.
fn or_any(values: &[String]) -> Vec<&str> {
    if values.is_empty() { vec![""] } else { values.iter().map(String::as_str).collect() }
}

/// Names as the table has them: in lower case, `*.example.com` as `.example.com`.
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

/// Networks as the table has them; `None`, which is every address, if there are none.
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
