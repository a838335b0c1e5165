//! The RBAC filters of a sidecar: what they decide, and which policy decides it.

use std::{fmt::Write as _, net::IpAddr};

use envoy_api::{Rbac, RbacAction};
use envoy_rules::{
    rbac::{Facts, Peer, Rules as Compiled, Verdict},
    route::RequestHead,
};

use super::{
    CallError,
    place::Place,
    sidecar::Sidecar,
    simulate::Simulation,
    trace::{Log, Role},
};
use crate::{
    account::{Decision, Reason, TlsFacts},
    compile::{Provenance, Resource},
    model::Source,
};

mod why;

/// The rules of a filter: those that are enforced, and those that are not.
pub(super) type Rules<'a> = [&'a Option<Rbac>; 2];

/// What is known of a connection, and of a request on it.
pub(super) struct Asks<'a> {
    /// The TLS that the sidecar terminated, if it did.
    pub(super) tls: Option<&'a TlsFacts>,
    /// The SNI that an inspector read.
    pub(super) server_name: &'a str,
    /// The request, and the address of its client; none for a connection.
    pub(super) request: Option<(RequestHead<'a>, IpAddr)>,
}

impl Simulation<'_> {
    /// Passes a connection or a request through the filters of a sidecar, in their order. Returns the details of the denial if one
    /// of them denies it.
    pub(super) fn authorized(
        &mut self,
        at: &Place,
        filters: &[Rules<'_>],
        asks: &Asks<'_>,
    ) -> Result<Option<String>, CallError> {
        if filters.is_empty() {
            return Ok(None);
        }
        let names: Vec<String> = asks.tls.and_then(|tls| tls.client_identity.clone()).into_iter().collect();
        let facts = Facts {
            destination: at.arrival.destination,
            peer_address: at.arrival.source,
            client_address: asks.request.map_or(at.arrival.source, |(_, client)| client),
            peer: asks.tls.map(|_| Peer { uri_sans: &names, ..Peer::default() }),
            server_name: asks.server_name,
            request: asks.request.map(|(request, _)| request),
        };
        let wording = Wording { sidecar: self.world.sidecar(at.host)?, filters, facts: &facts };
        let mut because = Vec::new();
        let mut source = None;
        let mut denied = None;
        for [rules, shadow_rules] in filters {
            if let Some(rules) = shadow_rules {
                let (words, by) = wording.decision(rules, &compiled(rules)?.evaluate(&facts), true);
                because.push(format!("dry run: {words}"));
                source = source.or(by);
            }
            let Some(rules) = rules else { continue };
            let compiled = compiled(rules)?;
            let verdict = compiled.evaluate(&facts);
            let (words, by) = wording.decision(rules, &verdict, false);
            because.push(words);
            // What decides last decides; before that, what matches.
            source = by.or(source);
            if !verdict.allowed {
                denied = Some(verdict.details());
                break;
            }
        }
        let choice = if denied.is_some() { "deny" } else { "allow" };
        self.trace.step(at.role.party(), Decision::Authorization, choice, because.join("; "), source.as_ref());
        Ok(denied)
    }

    /// A connection that is denied at its first bytes.
    pub(super) fn denied_connection(&mut self, role: Role, details: &str) {
        self.trace.refuse(role.party(), Reason::RbacDenied);
        self.trace.log(role, Log::of_denied_connection(details));
    }
}

/// Rules as Envoy compiles them.
fn compiled(rules: &Rbac) -> Result<Compiled, CallError> {
    Compiled::new(rules)
        .map_err(|error| CallError::Unread { resource: "rules of authorization".to_owned(), reason: error.to_string() })
}

/// What there is to tell of decisions.
struct Wording<'a> {
    sidecar: &'a Sidecar,
    filters: &'a [Rules<'a>],
    facts: &'a Facts<'a>,
}

impl Wording<'_> {
    /// What rules decide, in words, and the document that does.
    fn decision(&self, rules: &Rbac, verdict: &Verdict<'_>, dry_run: bool) -> (String, Option<Source>) {
        let matched = verdict.policy;
        let would = |plain: &'static str, dry: &'static str| if dry_run { dry } else { plain };
        let words = match (rules.action, matched) {
            (RbacAction::Allow, Some(rule)) => format!("{} {} it", self.name(rule), would("allows", "would allow")),
            (RbacAction::Deny, Some(rule)) => format!("{} {} it", self.name(rule), would("denies", "would deny")),
            (RbacAction::Log, Some(rule)) => format!("{} audits it", self.name(rule)),
            (RbacAction::Log, None) => "no AUDIT rule matches".to_owned(),
            (RbacAction::Deny, None) => {
                format!("no DENY rule {} ({})", would("matches", "would match"), self.names(rules))
            }
            (RbacAction::Allow, None) => {
                let mut text = format!("no ALLOW rule {}", would("matches", "would match"));
                for (name, policy) in &rules.policies {
                    let _ = write!(text, ": {}: {}", self.name(name), why::not(policy, self.facts));
                }
                for dropped in self.dropped() {
                    let _ = write!(text, ": {}: it has fields of HTTP, which a TCP port has not", dropped.because);
                }
                text
            }
        };
        let first = || match rules.action {
            RbacAction::Allow => rules.policies.keys().next(),
            RbacAction::Deny | RbacAction::Log => None,
        };
        let source = match matched.or_else(|| first().map(String::as_str)) {
            Some(rule) => self.why(rule),
            None if rules.action == RbacAction::Allow => self.dropped().next(),
            None => None,
        };
        (words, source.map(|why| why.source.clone()))
    }

    fn why(&self, rule: &str) -> Option<&Provenance> {
        let of_connections = || self.sidecar.why(&Resource::AuthorizationOfConnections(rule.to_owned()));
        let reduced = self.facts.request.is_none().then(of_connections).flatten();
        reduced.or_else(|| self.sidecar.why(&Resource::Authorization(rule.to_owned())))
    }

    /// A rule as a person calls it.
    fn name(&self, rule: &str) -> String {
        self.why(rule).map_or_else(|| rule.to_owned(), |why| why.because.clone())
    }

    /// Rules as a person calls them, the first few.
    fn names(&self, rules: &Rbac) -> String {
        const SHOWN: usize = 3;
        let mut names: Vec<_> = rules.policies.keys().take(SHOWN).map(|rule| self.name(rule)).collect();
        if rules.policies.len() > SHOWN {
            names.push(format!("{} more", rules.policies.len() - SHOWN));
        }
        names.join(", ")
    }

    /// The rules of the manifests that no filter here has: ALLOW rules with fields of HTTP, on a TCP port.
    fn dropped(&self) -> impl Iterator<Item = &Provenance> {
        let has = |rule: &String| {
            self.filters
                .iter()
                .flatten()
                .filter_map(|rules| rules.as_ref())
                .any(|rules| rules.policies.contains_key(rule))
        };
        self.sidecar.rules_of_manifests().filter(move |(rule, _)| !has(rule)).map(|(_, why)| why)
    }
}
