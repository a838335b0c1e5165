//! The records of a simulated call: legs, decisions, log lines, and the refusal.

use std::{
    net::{IpAddr, SocketAddr},
    time::Duration,
};

use envoy_rules::outcome::{Flag, Flags, Outcome};

use crate::{
    account::{
        AppGets, Decision, Interface, LayerKind, Leg, LegEnd, LegNumber, LegPath, Party, Reason, RouteTaken, Step,
        TlsFacts,
    },
    model::Source,
};

use super::wire::{Reply, Sent, Version};

/// The records of one call.
#[derive(Clone, Debug, Default)]
pub(super) struct Trace {
    pub(super) legs: Vec<Leg>,
    pub(super) steps: Vec<Step>,
    /// The log lines of the client's sidecar, the server's and a gateway.
    pub(super) logs: [Option<Log>; 3],
    /// The SNI that the client's sidecar read.
    pub(super) requested_server_name: Option<String>,
    /// The first refusal, which is the one nearest to the called app.
    pub(super) refusal: Option<(Party, Reason)>,
    /// The sidecars that read the request.
    pub(super) read_by: Vec<Party>,
    /// The route that the client's sidecar chose.
    pub(super) route: Option<RouteTaken>,
    /// The request as the called app gets it.
    pub(super) app_gets: Option<AppGets>,
    /// The status of gRPC that a sidecar or the called app answers with, where that of HTTP does not decide it.
    pub(super) grpc_status: Option<u32>,
    /// How long the called app takes to answer.
    pub(super) delay: Duration,
    /// Whether the called app got what the calling app sent.
    pub(super) reached_app: bool,
    /// The pod whose app or sidecar the call reached, and the port there.
    pub(super) callee: Option<(usize, u16)>,
}

/// A sidecar's log line for a connection or request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Log {
    pub(super) flags: String,
    pub(super) details: String,
}

impl Log {
    /// A line without flags or details: a TCP connection that ran its course.
    pub(super) fn plain() -> Self {
        Self::of_session(&Outcome::Done)
    }

    /// The line of a request with this outcome. `exhausted`: whether its route's retries are used up.
    pub(super) fn of_request(outcome: &Outcome, exhausted: bool) -> Self {
        let exhausted = if exhausted { Flag::UpstreamRetryLimitExceeded.into() } else { Flags::NONE };
        Self { flags: exhausted.union(outcome.flags()).to_string(), details: logged(&outcome.details()) }
    }

    /// The line of a connection that is denied: its details are those of its end.
    pub(super) fn of_denied_connection(details: &str) -> Self {
        Self { details: details.to_owned(), ..Self::plain() }
    }

    /// The same line, with a flag that was set before the outcome was known.
    pub(super) fn with(self, flag: Flag) -> Self {
        let flags = Flags::from(flag).union(Flags::read(&self.flags)).to_string();
        Self { flags, ..self }
    }

    /// The line of a connection with this outcome.
    pub(super) fn of_session(outcome: &Outcome) -> Self {
        let details = if *outcome == Outcome::NoFilterChainMatch { outcome.details() } else { "".into() };
        Self { flags: outcome.session_flags().to_string(), details: logged(&details) }
    }
}

/// Text as access logs print it.
fn logged(text: &str) -> String {
    if text.is_empty() { "-".to_owned() } else { text.replace(' ', "_") }
}

/// A proxy's role in a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Role {
    /// The calling app's.
    Client,
    /// The called app's.
    Server,
    /// A gateway's proxy.
    Gateway,
}

impl Role {
    pub(super) fn party(self) -> Party {
        match self {
            Self::Client => Party::ClientSidecar,
            Self::Server => Party::ServerSidecar,
            Self::Gateway => Party::Gateway,
        }
    }
}

/// A leg that begins.
#[derive(Clone, Copy, Debug)]
pub(super) struct NewLeg<'a> {
    pub(super) number: LegNumber,
    pub(super) path: LegPath,
    pub(super) interface: Interface,
    pub(super) source: IpAddr,
    pub(super) dials: SocketAddr,
    pub(super) may_dial: &'a [SocketAddr],
    pub(super) redirected_to: Option<u16>,
}

impl Trace {
    /// Records a decision.
    pub(super) fn step(
        &mut self,
        at: Party,
        what: Decision,
        choice: impl Into<String>,
        because: impl Into<String>,
        source: Option<&Source>,
    ) {
        self.steps.push(Step { at, what, choice: choice.into(), because: because.into(), source: source.cloned() });
    }

    /// Records who refused the call, unless it is known already.
    pub(super) fn refuse(&mut self, party: Party, reason: Reason) {
        self.refusal.get_or_insert((party, reason));
    }

    /// Records that a sidecar read the request.
    pub(super) fn read(&mut self, party: Party) {
        if !self.read_by.contains(&party) {
            self.read_by.push(party);
        }
    }

    /// Records a sidecar's log line. A connection that reaches the same sidecar twice has two lines: the outer one, which ends
    /// last, counts.
    pub(super) fn log(&mut self, role: Role, log: Log) {
        self.logs[role as usize] = Some(log);
    }

    /// Begins a leg; its contents are known once there is an answer.
    pub(super) fn begin(&mut self, leg: NewLeg<'_>) -> usize {
        let NewLeg { number, path, interface, source, dials, may_dial, redirected_to } = leg;
        self.legs.push(Leg {
            interface: Some(interface),
            source: Some(source),
            dials: Some(dials),
            may_dial: may_dial.to_vec(),
            redirected_to,
            ..Leg::silent(number, path)
        });
        self.legs.len() - 1
    }

    /// Adds the existing legs on which nothing was sent.
    pub(super) fn add_silent_legs(&mut self, to_sidecar: bool) {
        if self.leg(LegNumber::BetweenPods).is_none() {
            let path = LegPath::between(LegEnd::Sidecar, LegEnd::of_pod(to_sidecar));
            self.legs.push(Leg::silent(LegNumber::BetweenPods, path));
        }
        if self.leg(LegNumber::ToApp).is_none() && self.reached_sidecar() {
            self.legs.push(Leg::silent(LegNumber::ToApp, LegPath::SidecarToApp));
        }
    }

    /// Whether the last leg between pods came to a sidecar.
    pub(super) fn reached_sidecar(&self) -> bool {
        let last = self.leg(LegNumber::FromGateway).or_else(|| self.leg(LegNumber::BetweenPods));
        last.is_some_and(|leg| leg.path.reaches_sidecar())
    }

    /// Whether a proxy is the first on the way, whose route and SNI an account shows.
    pub(super) fn is_first(&self, role: Role) -> bool {
        match role {
            Role::Client => true,
            Role::Gateway => self.leg(LegNumber::ToSidecar).is_none(),
            Role::Server => false,
        }
    }

    pub(super) fn leg(&self, number: LegNumber) -> Option<&Leg> {
        self.legs.iter().find(|leg| leg.number == number)
    }

    /// Ends a leg on which `sent` was sent, and `reply` came back.
    pub(super) fn end(&mut self, leg: usize, sent: &[Sent], reply: &Reply) {
        if matches!(reply, Reply::Refused | Reply::Unreachable) {
            return;
        }
        let (layers, tls) = carried(sent, reply);
        self.legs[leg].layers = layers;
        self.legs[leg].tls = tls;
    }
}

fn layer_of(version: Version) -> LayerKind {
    match version {
        Version::Http1 => LayerKind::Http1,
        Version::Http2 => LayerKind::H2,
    }
}

/// The layers that were sent: the inside TLS is sent only after the handshake.
fn carried(sent: &[Sent], mut reply: &Reply) -> (Vec<LayerKind>, Vec<TlsFacts>) {
    let (mut layers, mut tls) = (vec![], vec![]);
    for layer in sent {
        match (layer, reply) {
            (Sent::Tls(_), Reply::Tunnel(session, inner)) => {
                layers.push(if session.mutual { LayerKind::Mtls } else { LayerKind::Tls });
                tls.push(session.facts.clone());
                reply = inner;
            }
            (Sent::Tls(_), Reply::Broken(session, broken)) => {
                layers.push(if session.mutual { LayerKind::Mtls } else { LayerKind::Tls });
                tls.push(session.facts.clone());
                if !broken.is_late(session) {
                    break;
                }
                reply = &Reply::Closed;
            }
            (Sent::Tls(hello), _) => {
                layers.push(LayerKind::Tls);
                tls.push(hello.unanswered().facts);
                break;
            }
            (Sent::Http(version, _), _) => layers.push(layer_of(*version)),
            (Sent::Bytes, _) | (Sent::Nothing, Reply::Echo) => layers.push(LayerKind::Tcp),
            (Sent::Nothing, _) => {}
        }
    }
    (layers, tls)
}
