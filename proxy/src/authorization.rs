//! The RBAC filters: rules that are enforced, rules that are only counted, and their statistics.

use std::net::SocketAddr;

use envoy_api::{HttpRbac, NetworkRbac, Rbac};
use envoy_rules::{
    rbac::{Facts, Peer, Rules},
    route::RequestHead,
};

use crate::{
    config::{At as _, Invalid},
    stats::{Counter, Scope, ScopedStats, Stats},
    stream_info::ConnectionInfo,
};

#[cfg(test)]
mod tests;

/// A configured RBAC filter.
#[derive(Debug)]
pub struct Authorization {
    rules: Option<Rules>,
    shadow_rules: Option<Rules>,
    enforced: Counted,
    shadow: Counted,
}

/// The first filter that denies a connection or request, and why.
#[derive(Debug)]
pub struct Denied {
    /// As it is logged: `rbac_access_denied_matched_policy[NAME]`.
    pub details: String,
}

/// How many were allowed, and how many denied.
#[derive(Debug)]
struct Counted {
    allowed: Counter,
    denied: Counter,
}

impl Authorization {
    /// A filter for the requests of a connection manager, which has these statistics.
    ///
    /// # Errors
    /// If Envoy would refuse its rules.
    pub fn of_requests(config: &HttpRbac, stats: &ScopedStats) -> Result<Self, Invalid> {
        let counter = |name: &str| stats.counter(&format!("rbac.{name}"));
        Self::new([&config.rules, &config.shadow_rules], counter, &config.shadow_rules_stat_prefix)
    }

    /// A filter for connections.
    ///
    /// # Errors
    /// If Envoy would refuse its rules.
    pub fn of_connections(config: &NetworkRbac, stats: &Stats) -> Result<Self, Invalid> {
        let root = stats.scope(Scope::Root);
        let prefix = config.stat_prefix.trim_end_matches('.');
        let counter = |name: &str| root.counter(&format!("{prefix}.rbac.{name}"));
        Self::new([&config.rules, &config.shadow_rules], counter, &config.shadow_rules_stat_prefix)
    }

    fn new(
        [rules, shadow_rules]: [&Option<Rbac>; 2],
        counter: impl Fn(&str) -> Counter,
        shadow_prefix: &str,
    ) -> Result<Self, Invalid> {
        // Envoy sets a prefix apart by a dot.
        let dot = if shadow_prefix.is_empty() || shadow_prefix.ends_with('.') { "" } else { "." };
        let shadow = |name: &str| counter(&format!("{shadow_prefix}{dot}shadow_{name}"));
        let compiled = |rules: &Option<Rbac>| rules.as_ref().map(Rules::new).transpose();
        Ok(Self {
            rules: compiled(rules).at("rules")?,
            shadow_rules: compiled(shadow_rules).at("shadow_rules")?,
            enforced: Counted { allowed: counter("allowed"), denied: counter("denied") },
            shadow: Counted { allowed: shadow("allowed"), denied: shadow("denied") },
        })
    }

    /// Counts and decides.
    fn check(&self, facts: &Facts<'_>) -> Result<(), Denied> {
        if let Some(rules) = &self.shadow_rules {
            self.shadow.count(rules.evaluate(facts).allowed);
        }
        let Some(rules) = &self.rules else { return Ok(()) };
        let verdict = rules.evaluate(facts);
        self.enforced.count(verdict.allowed);
        if verdict.allowed { Ok(()) } else { Err(Denied { details: verdict.details() }) }
    }
}

impl Counted {
    fn count(&self, allowed: bool) {
        if allowed { &self.allowed } else { &self.denied }.inc();
    }
}

/// Passes a connection, or a request on it, through filters. The first that denies it ends that.
///
/// # Errors
/// The denial.
pub fn check(
    filters: &[Authorization],
    connection: &ConnectionInfo,
    client: Option<SocketAddr>,
    request: Option<RequestHead<'_>>,
) -> Result<(), Denied> {
    if filters.is_empty() {
        return Ok(());
    }
    let nameless = Peer::default();
    let peer = connection.tls.as_ref().map(|tls| match &tls.peer {
        Some(peer) => Peer { uri_sans: &peer.uri_sans, dns_sans: &peer.dns_sans, subject: &peer.subject },
        None => nameless,
    });
    let facts = Facts {
        destination: connection.local.0,
        peer_address: connection.remote.0.ip(),
        client_address: client.unwrap_or(connection.remote.0).ip(),
        peer,
        server_name: &connection.server_name,
        request,
    };
    filters.iter().try_for_each(|filter| filter.check(&facts))
}
