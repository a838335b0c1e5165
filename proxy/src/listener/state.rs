//! The configuration, filter chains and statistics of listeners.

use std::{net::SocketAddr, sync::Arc};

use envoy_api::FilterChain;
use envoy_rules::{ChainTable, ListenerTable, Match};

use super::{chain::Chain, inspect::Inspectors};
use crate::{
    access_log::AccessLogs,
    config::{At as _, Builder, Invalid, require_ip},
    stats::{Counter, Gauge, Scope},
};

/// A listener in use.
#[derive(Debug)]
pub struct Listener {
    /// Name from its configuration.
    pub name: Arc<str>,
    /// Addresses to listen on; empty if it is not bound.
    pub addresses: Vec<SocketAddr>,
    /// Filter chains, in the order of the configuration, with the default one last.
    pub chains: Vec<Arc<Chain>>,
    pub(super) config: envoy_api::Listener,
    table: ChainTable,
    pub(super) inspectors: Inspectors,
    pub(super) access_log: Arc<AccessLogs>,
    pub(super) stats: ListenerStats,
}

/// Statistics of a listener.
#[derive(Debug)]
pub(super) struct ListenerStats {
    pub(super) cx_total: Counter,
    pub(super) cx_active: Gauge,
    pub(super) no_filter_chain_match: Counter,
    pub(super) pre_cx_timeout: Counter,
    pub(super) filter_remote_close: Counter,
}

#[derive(Debug, Default)]
pub struct Listeners {
    all: Vec<Arc<Listener>>,
    by_destination: ListenerTable,
}

impl Listener {
    /// Builds a listener. Chains that `earlier` has with the same configuration are reused.
    ///
    /// # Errors
    /// If something is not supported or can't be read. The message starts with the path of the field.
    pub fn new(
        config: &envoy_api::Listener,
        earlier: Option<&Self>,
        builder: &mut Builder<'_>,
    ) -> Result<Self, Invalid> {
        let addresses = addresses(config)?;
        let table = ChainTable::new(config)?;
        let scope = builder.stats.scope(Scope::Listener(stat_name(config)));
        builder.direction = config.traffic_direction;
        let mut chains = Vec::with_capacity(config.filter_chains.len() + 1);
        for (path, chain) in configured_chains(config) {
            chains.push(match earlier.and_then(|earlier| earlier.built_from(chain)) {
                Some(kept) => kept.clone(),
                None => Arc::new(Chain::new(chain, &scope, builder).at(path)?),
            });
        }
        Ok(Self {
            name: config.name.as_str().into(),
            addresses,
            chains,
            table,
            inspectors: Inspectors::new(config),
            access_log: Arc::new(AccessLogs::new(&config.access_log, builder.log_files)?),
            stats: ListenerStats {
                cx_total: scope.counter("downstream_cx_total"),
                cx_active: scope.gauge("downstream_cx_active"),
                no_filter_chain_match: scope.counter("no_filter_chain_match"),
                pre_cx_timeout: scope.counter("downstream_pre_cx_timeout"),
                filter_remote_close: scope.counter("downstream_listener_filter_remote_close"),
            },
            config: config.clone(),
        })
    }

    /// The configuration that it was built from.
    pub fn config(&self) -> &envoy_api::Listener {
        &self.config
    }

    /// The chain with this configuration, if any.
    fn built_from(&self, config: &FilterChain) -> Option<&Arc<Chain>> {
        configured_chains(&self.config).zip(&self.chains).find(|((_, own), _)| *own == config).map(|(_, chain)| chain)
    }

    pub(super) fn chain(&self, connection: &envoy_rules::Connection<'_>) -> Result<&Arc<Chain>, envoy_rules::Stage> {
        match self.table.find(connection) {
            Match::Chain(index) => Ok(&self.chains[index]),
            Match::Default => self.chains.last().ok_or(envoy_rules::Stage::DestinationPort),
            Match::None(stage) => Err(stage),
        }
    }
}

impl Listeners {
    pub fn new(all: Vec<Arc<Listener>>) -> Self {
        let by_destination = ListenerTable::new(all.iter().map(|listener| &listener.config));
        Self { all, by_destination }
    }

    /// All listeners, in the order of their configuration.
    pub fn all(&self) -> &[Arc<Listener>] {
        &self.all
    }

    pub fn named(&self, name: &str) -> Option<&Arc<Listener>> {
        self.all.iter().find(|listener| &*listener.name == name)
    }

    /// The listener for connections with this original destination.
    pub(super) fn of_destination(&self, destination: SocketAddr) -> Option<&Arc<Listener>> {
        self.by_destination.find(destination).map(|index| &self.all[index])
    }
}

/// The chains of a listener, each with the path of its field. The default chain is last.
fn configured_chains(config: &envoy_api::Listener) -> impl Iterator<Item = (String, &FilterChain)> {
    let named = config.filter_chains.iter().enumerate().map(|(i, chain)| (format!("filter_chains[{i}]"), chain));
    named.chain(config.default_filter_chain.as_deref().map(|chain| ("default_filter_chain".to_owned(), chain)))
}

/// The addresses to bind.
fn addresses(config: &envoy_api::Listener) -> Result<Vec<SocketAddr>, Invalid> {
    let address = |a: &envoy_api::Address| require_ip(a).map(|ip| SocketAddr::new(ip, a.socket_address.port_value));
    let mut addresses = vec![address(&config.address).at("address")?];
    for (i, more) in config.additional_addresses.iter().enumerate() {
        addresses.push(address(&more.address).at(format_args!("additional_addresses[{i}]"))?);
    }
    if config.bind_to_port == Some(false) {
        addresses.clear();
    }
    Ok(addresses)
}

/// Prefix of its statistics. Like Envoy's, it is the address, with `_` instead of `:` before the port.
fn stat_name(config: &envoy_api::Listener) -> String {
    if config.stat_prefix.is_empty() {
        config.address.to_string().replace(':', "_")
    } else {
        config.stat_prefix.clone()
    }
}
