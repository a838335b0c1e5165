//! Predicates of listener filters.

use std::net::SocketAddr;

use envoy_api::ListenerFilterChainMatchPredicate as Predicate;

/// Whether a listener filter's `filter_disabled` disables it for a connection to `destination`.
pub fn disabled(predicate: &Predicate, destination: SocketAddr) -> bool {
    match predicate {
        Predicate::OrMatch(set) => set.rules.iter().any(|rule| disabled(rule, destination)),
        Predicate::AndMatch(set) => set.rules.iter().all(|rule| disabled(rule, destination)),
        Predicate::NotMatch(rule) => !disabled(rule, destination),
        Predicate::AnyMatch(any) => *any,
        Predicate::DestinationPortRange(range) => (range.start..range.end).contains(&i32::from(destination.port())),
    }
}

#[cfg(test)]
mod tests;
