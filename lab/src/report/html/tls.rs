//! The results of a call's TLS handshakes, and the cost of each layer in bytes.

use std::collections::{BTreeMap, BTreeSet};

use maud::{Markup, html};
use mesh::account::{LayerKind, LegNumber};
use observe::{Certificate, Flow, LayerCost, Tls};

use super::{
    accounts::{Row, beside},
    layers,
};
use crate::{observe_call::layer_kind, run_report::ProbeReport};

/// The TLS facts of a call in one mesh; `None` if no leg carried TLS.
pub(super) fn render(probe: &ProbeReport) -> Option<Markup> {
    let heads: Vec<String> = probe.seen.keys().map(ToString::to_string).collect();
    let columns: Vec<&BTreeMap<LegNumber, Flow>> = probe.seen.values().map(|seen| &seen.evidence.flows).collect();
    let rows = rows(&columns);
    if rows.is_empty() {
        return None;
    }
    Some(html! {
        (beside(&heads, &rows, None))
        (costs(&heads, &columns))
    })
}

/// A row for each fact of each TLS layer of each leg.
fn rows(columns: &[&BTreeMap<LegNumber, Flow>]) -> Vec<Row> {
    let mut rows = Vec::new();
    for leg in LegNumber::ALL {
        let layers: Vec<Vec<&Tls>> = columns
            .iter()
            .map(|flows| flows.get(&leg).into_iter().flat_map(|flow| flow.content.tls()).collect())
            .collect();
        let depth = layers.iter().map(Vec::len).max().unwrap_or(0);
        for layer in 0..depth {
            let tls: Vec<Option<&Tls>> = layers.iter().map(|layers| layers.get(layer).copied()).collect();
            let mutual = tls.iter().flatten().any(|tls| tls.mutual);
            let place = if depth == 1 {
                ""
            } else if layer == 0 {
                ", outer"
            } else {
                ", inside it"
            };
            let group = format!("leg {leg}: {}{place}", if mutual { "mTLS" } else { "TLS" });
            for (name, fact) in FACTS {
                let values: Vec<Option<String>> = tls.iter().map(|tls| tls.and_then(fact)).collect();
                if values.iter().any(Option::is_some) {
                    rows.push(Row { group: group.clone(), name: (*name).into(), values, wrong: BTreeSet::new() });
                }
            }
        }
    }
    rows
}

type Fact = fn(&Tls) -> Option<String>;

/// The facts of a layer, in the order of the handshake.
const FACTS: &[(&str, Fact)] = &[
    ("handshake", |tls| Some(tls.handshake.to_string())),
    ("version", |tls| tls.version.clone()),
    ("cipher suite", |tls| tls.cipher_suite.clone()),
    ("group", |tls| tls.group.clone()),
    ("SNI", |tls| Some(tls.sni.clone().unwrap_or_else(|| "none".into()))),
    ("ALPN offered", |tls| Some(list(&tls.alpn_offered))),
    ("ALPN chosen", |tls| tls.version.as_ref().map(|_| tls.alpn.clone().unwrap_or_else(|| "none".into()))),
    ("client is", |tls| tls.client_certificate.as_ref().map(identity).or_else(|| asked(tls))),
    ("server is", |tls| tls.server_certificate.as_ref().map(identity)),
    ("session", |tls| tls.resumed.then(|| "resumed".into())),
    ("alerts", |tls| (!tls.alerts.is_empty()).then(|| alerts(tls))),
    ("not opened", |tls| (!tls.unopened.is_empty()).then(|| tls.unopened.join("; "))),
];

fn list(items: &[String]) -> String {
    if items.is_empty() { "none".into() } else { items.join(", ") }
}

fn asked(tls: &Tls) -> Option<String> {
    match tls.client_certificate_requested? {
        true => Some("asked for a certificate, presents none".into()),
        false => Some("not asked for a certificate".into()),
    }
}

/// The identity in a certificate: the SPIFFE id, else the DNS name, else the subject.
fn identity(certificate: &Certificate) -> String {
    let name = certificate.uri_sans.first().or(certificate.dns_sans.first()).unwrap_or(&certificate.subject);
    format!("{name} ({}, until {})", certificate.key, certificate.not_after)
}

fn alerts(tls: &Tls) -> String {
    tls.alerts
        .iter()
        .map(|alert| format!("{} from the {}", alert.name, alert.from.name()))
        .collect::<Vec<_>>()
        .join(", ")
}

/// The meaning of a section of the bytes on the wire.
struct Share {
    class: &'static str,
    label: String,
    bytes: u64,
}

/// For each leg with TLS and each data plane a bar of all TCP payload, both directions, by what it was spent on.
fn costs(heads: &[String], columns: &[&BTreeMap<LegNumber, Flow>]) -> Markup {
    html! {
        div .costs {
            @for leg in LegNumber::ALL {
                @for (head, flows) in heads.iter().zip(columns) {
                    @if let Some(flow) = flows.get(&leg).filter(|flow| flow.content.tls().next().is_some()) {
                        (cost(leg, head, flow))
                    }
                }
            }
        }
    }
}

fn cost(leg: LegNumber, plane: &str, flow: &Flow) -> Markup {
    let cost = flow.cost();
    let layers: Vec<(LayerKind, &LayerCost)> = flow.content.iter().map(layer_kind).zip(&cost.layers).collect();
    let shares = shares(&layers);
    let tls = layers.iter().filter(|(_, cost)| cost.records > 0);
    let records: Vec<String> =
        tls.map(|(kind, cost)| format!("{} {} records", cost.records, layers::label(*kind))).collect();
    html! {
        div .cost {
            p { b { "leg " (leg) ", " (plane) } ": " (grouped(cost.wire_bytes)) " bytes on the wire, " (records.join(", ")) }
            div .bar aria-hidden="true" {
                @for share in shares.iter().filter(|share| share.bytes > 0) {
                    span class={ "seg " (share.class) } style={ "flex-grow:" (share.bytes) } {}
                }
            }
            ul .shares {
                @for share in &shares {
                    li { span class={ "dot " (share.class) } {} (share.label) " " b { (grouped(share.bytes)) } }
                }
            }
        }
    }
}

/// The breakdown of a connection's bytes, both directions: for each TLS layer its handshake (including hellos, tickets and
/// alerts) and the overhead of its records, and finally the payload.
fn shares(layers: &[(LayerKind, &LayerCost)]) -> Vec<Share> {
    let mut shares = Vec::new();
    for (kind, cost) in layers {
        let name = layers::label(*kind);
        let share = |class, what: &str, bytes| Share { class, label: format!("{name} {what}"), bytes };
        let records = match kind {
            LayerKind::Mtls => "mtls thin",
            LayerKind::Tls => "tls thin",
            LayerKind::Http1 | LayerKind::H2 | LayerKind::Tcp => {
                shares.push(share(layers::class(*kind), "inside", cost.payload_bytes));
                continue;
            }
        };
        shares.push(share(layers::class(*kind), "handshake", cost.handshake_bytes));
        shares.push(share(records, "records", cost.overhead_bytes));
        if cost.unopened_bytes > 0 {
            shares.push(share(layers::class(LayerKind::Tcp), "not opened", cost.unopened_bytes));
        }
    }
    shares
}

/// `12345` as `12 345`.
fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            text.push('\u{202f}');
        }
        text.push(digit);
    }
    text
}
