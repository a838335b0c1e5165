//! The picture of a call: pods as boxes, the legs between app, sidecar, sidecar and app, and the refusal where it
//! happened.

use std::{collections::BTreeMap, net::SocketAddr};

use maud::{Markup, html};
use mesh::account::{Account, Leg, LegNumber, Logged, Party, Reason};
use observe::{Flow, Handshake, Opening};

use super::{layers, listed};
use crate::{data_plane::DataPlane, observe_call::Seen, run_report::ProbeReport};

/// The pictures of a call in one mesh: one if all data planes did the same, else one for each.
pub(super) fn pictures(probe: &ProbeReport) -> Markup {
    let mut alike: Vec<(Vec<DataPlane>, &Seen)> = Vec::new();
    for (plane, seen) in &probe.seen {
        match alike.iter_mut().find(|(_, other)| drawn(&other.account) == drawn(&seen.account)) {
            Some((planes, _)) => planes.push(*plane),
            None => alike.push((vec![*plane], seen)),
        }
    }
    html! {
        @for (planes, seen) in &alike {
            @let planes: Vec<String> = planes.iter().map(ToString::to_string).collect();
            (Picture::new(probe, &seen.account, Some(seen)).render(&format!("seen with {}", listed(&planes))))
        }
        @if let (true, Some(predicted)) = (alike.is_empty(), &probe.predicted) {
            (Picture::new(probe, predicted, None).render("predicted; nothing was seen"))
        }
    }
}

/// The parts of an account that a picture shows; accounts with equal parts are drawn once.
fn drawn(account: &Account) -> impl PartialEq + '_ {
    let legs: Vec<_> = account.legs.iter().map(|leg| (leg.number, &leg.layers)).collect();
    (legs, &account.read_by, &account.outcome)
}

struct Picture<'a> {
    account: &'a Account,
    flows: Option<&'a BTreeMap<LegNumber, Flow>>,
    /// The client's error message.
    client_error: Option<String>,
    client: Side<'a>,
    /// Whether leg 2 leads to a gateway.
    has_gateway: bool,
    server: Side<'a>,
}

/// A pod of the picture.
struct Side<'a> {
    name: &'a str,
    sidecar: Sidecar,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Sidecar {
    /// The call goes through it.
    OnTheWay,
    /// It exists, but the call bypasses it.
    Bypassed,
    None,
}

impl Sidecar {
    fn new(on_the_way: bool, there: bool) -> Self {
        match (on_the_way, there) {
            (true, _) => Self::OnTheWay,
            (false, true) => Self::Bypassed,
            (false, false) => Self::None,
        }
    }
}

impl<'a> Picture<'a> {
    fn new(probe: &'a ProbeReport, account: &'a Account, seen: Option<&'a Seen>) -> Self {
        let planned = probe.predicted.as_ref().unwrap_or(account);
        let has = |number| [planned, account].iter().any(|account| account.leg(number).is_some());
        let leg2 = planned.leg(LegNumber::BetweenPods).or(account.leg(LegNumber::BetweenPods));
        let last = planned.leg(LegNumber::FromGateway).or(account.leg(LegNumber::FromGateway)).or(leg2);
        let to_sidecar = last.is_some_and(|leg| leg.path.reaches_sidecar());
        let through_server = to_sidecar || has(LegNumber::ToApp) || account.outcome.at == Some(Party::ServerSidecar);
        // If the called pod has redirect rules, they apply, even to a port that they exempt.
        let beside_server = planned.steps.iter().any(|step| step.at == Party::ServerSidecar);
        Self {
            account,
            flows: seen.map(|seen| &seen.evidence.flows),
            client_error: seen.and_then(|seen| seen.evidence.client.error.as_ref()).map(|error| error.message.clone()),
            has_gateway: leg2.is_some_and(|leg| leg.path.reaches_gateway()),
            client: Side {
                name: &account.from.pod,
                sidecar: Sidecar::new(has(LegNumber::ToSidecar), account.from.sidecar),
            },
            server: Side {
                name: account.to.pod.as_ref().or(planned.to.pod.as_ref()).unwrap_or(&account.to.host),
                sidecar: Sidecar::new(through_server, beside_server),
            },
        }
    }

    fn render(&self, caption: &str) -> Markup {
        let outcome = &self.account.outcome;
        let unknown = !outcome.delivered && outcome.at.is_none() && outcome.status.is_none();
        html! {
            figure .picture {
                div .pic {
                    div .pod {
                        div .podname { (self.client.name) }
                        div .hops {
                            (self.node("app", Party::ClientApp, false))
                            @if self.client.sidecar == Sidecar::OnTheWay { (self.leg(LegNumber::ToSidecar)) }
                            @if self.client.sidecar != Sidecar::None {
                                (self.node("sidecar", Party::ClientSidecar, self.client.sidecar == Sidecar::Bypassed))
                            }
                        }
                        (self.app_sees())
                        @if unknown { p .refusal { b { "✗ ended" } " and the evidence does not show by whom" } }
                    }
                    div .net {
                        (self.leg(LegNumber::BetweenPods))
                        @if self.has_gateway {
                            (self.node("gateway", Party::Gateway, false))
                            (self.leg(LegNumber::FromGateway))
                        }
                        @if outcome.at == Some(Party::Node) { (self.refusal(Party::Node)) }
                    }
                    div .pod {
                        div .podname { (self.server.name) }
                        div .hops {
                            @if self.server.sidecar != Sidecar::None {
                                (self.node("sidecar", Party::ServerSidecar, self.server.sidecar == Sidecar::Bypassed))
                            }
                            @if self.server.sidecar == Sidecar::OnTheWay { (self.leg(LegNumber::ToApp)) }
                            (self.node("app", Party::ServerApp, false))
                        }
                        (self.app_gets())
                    }
                }
                figcaption { (caption) }
            }
        }
    }

    /// A participant, with the refusal if it refused.
    fn node(&self, name: &str, party: Party, bypassed: bool) -> Markup {
        let refuses = self.account.outcome.at == Some(party);
        html! {
            div .node .(name) .bypassed[bypassed] .refuses[refuses] data-party=(party) {
                (name)
                @if self.account.read_by.contains(&party) { span .reads { "reads it" } }
            }
            @if refuses { (self.refusal(party)) }
        }
    }

    fn refusal(&self, party: Party) -> Markup {
        let outcome = &self.account.outcome;
        let at = if matches!(party, Party::ClientApp | Party::ServerSidecar) { "at-start" } else { "at-end" };
        html! {
            div .refusal .(at) data-party=(party) {
                p { b { "✗ refused here" } ", by the " (party) }
                @if let Some(reason) = outcome.reason { p .reason { (words(reason)) } }
                @if let Some(failure) = self.handshake() { p { (failure) } }
                @let logged: Vec<&str> = [&outcome.response_flags, &outcome.details].into_iter().filter_map(Logged::get).collect();
                @if !logged.is_empty() {
                    p { "logged: " @for code in logged { code { (code) } " " } }
                }
            }
        }
    }

    /// What went wrong with the handshake nearest to the called app, if one did.
    fn handshake(&self) -> Option<String> {
        let nearest = |flow: &Flow| handshakes(Some(flow)).find_map(broken);
        self.flows?.iter().rev().find_map(|(number, flow)| Some(format!("leg {number}: handshake {}", nearest(flow)?)))
    }

    fn app_sees(&self) -> Markup {
        let outcome = &self.account.outcome;
        html! {
            p .sees {
                "the app sees " b .(if outcome.delivered { "ok" } else { "bad" }) { (outcome.app_sees) }
                @if let Some(error) = &self.client_error { span .remark { (error) } }
                @if let Some(admission) = outcome.admission { span .remark { "the object is " b { (admission) } } }
            }
        }
    }

    fn app_gets(&self) -> Markup {
        let last = match (self.server.sidecar, self.has_gateway) {
            (Sidecar::OnTheWay, _) => LegNumber::ToApp,
            (_, true) => LegNumber::FromGateway,
            (_, false) => LegNumber::BetweenPods,
        };
        let reached = self.account.leg(last).filter(|leg| !leg.layers.is_empty());
        let path = |leg: &Leg| leg.layers.iter().copied().map(layers::label).collect::<Vec<_>>().join(" › ");
        html! {
            p .sees {
                @match reached {
                    Some(leg) => { "the app gets " b { (path(leg)) } }
                    None => "no byte reaches the app",
                }
            }
        }
    }

    fn leg(&self, number: LegNumber) -> Markup {
        let leg = self.account.leg(number);
        let flow = self.flows.and_then(|flows| flows.get(&number));
        let interface = leg.and_then(|leg| leg.interface);
        html! {
            div .leg .idle[leg.is_none_or(|leg| leg.layers.is_empty())] data-leg=(number) {
                div .cap { "leg " (number) @if let Some(interface) = interface { " · " (interface) } }
                div .way { div .tube { (tube(leg, flow)) } }
                @if let Some(leg) = leg { (dials(leg)) }
            }
        }
    }
}

fn tube(leg: Option<&Leg>, flow: Option<&Flow>) -> Markup {
    let Some(leg) = leg else { return html! { span .l.none { "not reached" } } };
    if leg.layers.is_empty() {
        let refused = flow.is_some_and(|flow| flow.opening == Opening::Refused);
        return html! { span .l.none { (if refused { "connection refused" } else { "nothing sent" }) } };
    }
    let broken: Vec<bool> = handshakes(flow).map(|handshake| broken(handshake).is_some()).collect();
    layers::nest(&leg.layers, &broken)
}

fn handshakes(flow: Option<&Flow>) -> impl Iterator<Item = &Handshake> {
    flow.into_iter().flat_map(|flow| flow.content.tls()).map(|tls| &tls.handshake)
}

/// What went wrong with a handshake.
fn broken(handshake: &Handshake) -> Option<String> {
    match handshake {
        Handshake::Complete | Handshake::Unknown { .. } => None,
        broken => Some(broken.to_string()),
    }
}

fn dials(leg: &Leg) -> Markup {
    html! {
        div .dials {
            @if let Some(dials) = leg.dials { (address(dials)) }
            @if let Some(port) = leg.redirected_to { div { "redirected to " (port) } }
            @if let (LegNumber::ToApp, Some(source)) = (leg.number, leg.source) { div { "from " (source) } }
        }
    }
}

/// An address that can wrap before its port.
fn address(address: SocketAddr) -> Markup {
    let text = address.to_string();
    let port = text.rfind(':').unwrap_or(text.len());
    html! { (text[..port]) wbr; (text[port..]) }
}

/// A reason in words: `no filter chain match`.
pub(super) fn words(reason: Reason) -> String {
    reason.to_string().replace('_', " ").replace("tls", "TLS")
}
