//! What a person expects of a call.
//!
//! A field that an expectation leaves out can have any value.

use std::{
    collections::BTreeMap,
    net::{IpAddr, SocketAddr},
};

use mesh::account::{
    Account, Admission, AppSees, Interface, LayerKind, Leg, LegNumber, Logged, Outcome, Party, Reason,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use self::tls::ExpectedTls;
use self::tls::{OneOrMore, merged, one_or_more};

mod tls;

#[cfg(test)]
mod tests;

/// The expected account of a call.
#[derive(Clone, Debug, Default, PartialEq, Eq, JsonSchema, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Expectation {
    /// By leg: 1, 2, 3.
    #[serde(default)]
    pub legs: BTreeMap<LegNumber, ExpectedLeg>,
    /// The sidecars that read the request in plaintext; an empty list expects that neither does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub read_by: Option<Vec<Party>>,
    #[serde(default)]
    pub outcome: ExpectedOutcome,
}

/// The expected contents of a leg.
#[derive(Clone, Debug, Default, PartialEq, Eq, JsonSchema, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct ExpectedLeg {
    /// Its layers, outermost first; an empty list expects that no byte is sent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub layers: Option<Vec<LayerKind>>,
    /// The interface that it crosses.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub interface: Option<Interface>,
    /// The source address of the connection.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<IpAddr>,
    /// The destination, before redirects.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dials: Option<SocketAddr>,
    /// The port that iptables redirects it to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub redirected_to: Option<u16>,
    /// Its TLS layers, outermost first. A single one, without a list, is the outermost.
    #[schemars(with = "OneOrMore")]
    #[serde(default, skip_serializing_if = "Vec::is_empty", deserialize_with = "one_or_more")]
    pub tls: Vec<ExpectedTls>,
}

/// The expected end of a call.
#[derive(Clone, Debug, Default, PartialEq, Eq, JsonSchema, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct ExpectedOutcome {
    /// Whether the app gets an answer from the server's app.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub delivered: Option<bool>,
    /// The party that refuses.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at: Option<Party>,
    /// The reason of the refusal.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<Reason>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub response_flags: Option<Logged>,
    /// Envoy's response code details.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub details: Option<Logged>,
    /// The SNI that the client's sidecar reads from the app's TLS; `-` if it reads none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub requested_server_name: Option<Logged>,
    /// The HTTP status that the app gets.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<u16>,
    /// The status of gRPC that the app gets.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub grpc_status: Option<u8>,
    /// What the API server concludes from a webhook's answer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub admission: Option<Admission>,
    /// The result as the app sees it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub app_sees: Option<AppSees>,
}

impl Expectation {
    /// Everything that an account contains.
    pub fn exactly(account: &Account) -> Self {
        let legs = account.legs.iter().map(|leg| (leg.number, ExpectedLeg::exactly(leg))).collect();
        Self { legs, read_by: Some(account.read_by.clone()), outcome: ExpectedOutcome::exactly(&account.outcome) }
    }

    /// Everything that a prediction contains, as an expectation of what is seen, except for races, which can go either way.
    pub fn from_prediction(account: &Account) -> Self {
        let mut all = Self::exactly(account);
        let outcome = &account.outcome;
        if outcome.delivered {
            return all;
        }
        let by_proxy = matches!(outcome.at, Some(Party::ServerSidecar | Party::Gateway));
        if by_proxy && outcome.reason == Some(Reason::TlsHandshakeFailed) {
            // In TLS 1.3 the client is done before the server verifies its certificate (RFC 8446, section 2): how
            // much it has sent by then, and whether its sidecar calls the end a failed connection or a lost one, is open.
            let behind_gateway = all.legs.contains_key(&LegNumber::FromGateway);
            let refused = if behind_gateway { LegNumber::FromGateway } else { LegNumber::BetweenPods };
            if let Some(leg) = all.legs.get_mut(&refused) {
                leg.layers = None;
                leg.tls.truncate(1);
            }
            all.outcome.response_flags = None;
            all.outcome.details = None;
        }
        if outcome.reason == Some(Reason::TlsHandshakeFailed)
            && let Some(leg) =
                all.legs.get_mut(&LegNumber::ToApp).filter(|leg| leg.layers.as_ref().is_some_and(Vec::is_empty))
        {
            // A TCP proxy connects to its app during the handshake: whether it had when that failed is open.
            (leg.interface, leg.source, leg.dials) = (None, None, None);
        }
        if outcome.status.is_none() {
            // Whether a raw connection ends by FIN or RST depends on what was still unread, and whether the app had sent
            // its bytes by then on who was faster.
            all.outcome.app_sees = None;
            if let Some(leg) = all.legs.get_mut(&LegNumber::ToSidecar) {
                leg.layers = None;
            }
        }
        all
    }

    /// This expectation of a call that went `way`, one of several `ways` that it may go. An address that is expected of a leg is replaced by
    /// the one of this way if the configuration leaves open which of them is dialled.
    #[must_use]
    pub fn along(mut self, way: &Account, ways: &[Account]) -> Self {
        for (number, leg) in &mut self.legs {
            let Some(taken) = way.leg(*number) else { continue };
            let Some(expected) = leg.dials.filter(|dials| taken.may_dial.contains(dials)) else { continue };
            let mut others = ways.iter().filter_map(|way| way.leg(*number));
            let other = others.find(|other| other.dials == Some(expected));
            if leg.source.is_some() && other.is_some_and(|other| other.source == leg.source) {
                leg.source = taken.source;
            }
            leg.dials = taken.dials;
        }
        self
    }

    /// This expectation, overridden by the fields of another.
    pub fn merged_with(mut self, over: Self) -> Self {
        for (number, leg) in over.legs {
            let merged = self.legs.remove(&number).unwrap_or_default().merged_with(leg);
            self.legs.insert(number, merged);
        }
        let read_by = over.read_by.or(self.read_by);
        Self { legs: self.legs, read_by, outcome: self.outcome.merged_with(over.outcome) }
    }

    /// Whether every account fits.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Checks that it expects at least the layers of a leg, and whether the call is delivered.
    ///
    /// # Errors
    /// What is missing.
    pub fn check(&self) -> Result<(), &'static str> {
        if self.outcome.delivered.is_none() {
            return Err("the outcome (`outcome.delivered`)");
        }
        if self.legs.values().all(|leg| leg.layers.is_none()) {
            return Err("any leg (`legs.2.layers`)");
        }
        Ok(())
    }
}

impl ExpectedLeg {
    fn exactly(leg: &Leg) -> Self {
        Self {
            layers: Some(leg.layers.clone()),
            interface: leg.interface,
            source: leg.source,
            dials: leg.dials,
            redirected_to: leg.redirected_to,
            tls: leg.tls.iter().map(ExpectedTls::exactly).collect(),
        }
    }

    fn merged_with(self, over: Self) -> Self {
        Self {
            layers: over.layers.or(self.layers),
            interface: over.interface.or(self.interface),
            source: over.source.or(self.source),
            dials: over.dials.or(self.dials),
            redirected_to: over.redirected_to.or(self.redirected_to),
            tls: merged(self.tls, over.tls),
        }
    }
}

impl ExpectedOutcome {
    fn exactly(outcome: &Outcome) -> Self {
        let Outcome {
            delivered,
            at,
            reason,
            response_flags,
            details,
            requested_server_name,
            status,
            grpc_status,
            admission,
            app_sees,
        } = outcome.clone();
        Self {
            delivered: Some(delivered),
            at,
            reason,
            response_flags: Some(response_flags),
            details: Some(details),
            requested_server_name: Some(requested_server_name),
            status,
            grpc_status,
            admission,
            app_sees: Some(app_sees),
        }
    }

    fn merged_with(self, over: Self) -> Self {
        Self {
            delivered: over.delivered.or(self.delivered),
            at: over.at.or(self.at),
            reason: over.reason.or(self.reason),
            response_flags: over.response_flags.or(self.response_flags),
            details: over.details.or(self.details),
            requested_server_name: over.requested_server_name.or(self.requested_server_name),
            status: over.status.or(self.status),
            grpc_status: over.grpc_status.or(self.grpc_status),
            admission: over.admission.or(self.admission),
            app_sees: over.app_sees.or(self.app_sees),
        }
    }
}
