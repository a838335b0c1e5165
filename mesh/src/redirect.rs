//! The redirect rules of a pod: loaded by `iptables-restore` and `ip6tables-restore` as text, and evaluated by the prediction.
//!
//! Rules and order are Istio's in REDIRECT mode (`tools/istio-iptables/pkg/capture/run.go`), and its goldens are claims
//! in the tests. They are for a fresh pod, and to be loaded with `--noflush`.

mod evaluate;
mod identity;
mod rule;
mod rules;

pub use evaluate::{Packet, Verdict};
pub use identity::ProxyIdentity;
pub use rule::{Chain, Match, Rule, Target, Test, Why};
pub use rules::Rules;

#[cfg(test)]
mod tests;
