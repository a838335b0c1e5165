use std::time::Duration;

use mesh::{
    account::{LayerKind, Party, Reason},
    model::Family,
};
use pretty_assertions::assert_eq;

use super::*;
use crate::{fixtures, verdict::Verdict};

fn probe(name: &str, mesh: Flavor, account: &Account) -> ProbeReport {
    ProbeReport {
        scenario: "strict".into(),
        title: "t".into(),
        probe: name.into(),
        mesh,
        cell: None,
        claims: vec![],
        signatures: vec![],
        url: "http://server:8080".into(),
        family: Family::Ipv4,
        expected: Expectation::default(),
        predicted: None,
        seen: [(DataPlane::Native, fixtures::seen(account.clone()))].into(),
        verdict: Verdict::default(),
    }
}

fn page(calls: &[(&str, Account, Account)]) -> String {
    let probes = calls.iter().flat_map(|(name, textbook, istio)| {
        [probe(name, Flavor::Textbook, textbook), probe(name, Flavor::Istio, istio)]
    });
    render(&RunReport::new(jiff::Timestamp::UNIX_EPOCH, Duration::ZERO, probes.collect()))
}

fn rows_of(page: &str) -> Vec<&str> {
    page.lines().filter(|line| line.starts_with("| ") && !line.starts_with("| textbook")).collect()
}

fn with_last_leg(source: &str, dials: &str) -> Account {
    let mut account = fixtures::account();
    let mut leg = account.legs[0].clone();
    (leg.number, leg.layers, leg.tls) = (LegNumber::ToApp, vec![LayerKind::Http1], vec![]);
    (leg.source, leg.dials) = (Some(source.parse().unwrap()), Some(dials.parse().unwrap()));
    account.legs.push(leg);
    account
}

#[test]
fn calls_in_which_the_meshes_agree_are_only_counted() {
    let page = page(&[("one", fixtures::account(), fixtures::account())]);
    assert_eq!(rows_of(&page), Vec::<&str>::new());
    assert!(page.ends_with("Of 1 calls that were made in both meshes, 0 differ in something.\n"), "{page}");
}

#[test]
fn calls_that_differ_in_the_same_way_share_a_row_without_addresses() {
    let call = |name| (name, with_last_leg("127.0.0.1", "127.0.0.1:80"), with_last_leg("127.0.0.6", "10.244.0.9:80"));
    let page = page(&["a", "b", "c", "d"].map(call));
    assert_eq!(
        rows_of(&page),
        ["| from 127.0.0.1 to 127.0.0.1 | from 127.0.0.6 to the pod's own address | `strict` (a; b; c; and 1 more) |"]
    );
    assert!(!page.contains("10.244"), "{page}");
}

#[test]
fn what_a_failed_handshake_let_through_is_left_out() {
    let refused = |layers: &[LayerKind], flags: &str| {
        let mut account = fixtures::account();
        account.legs[0].layers = layers.to_vec();
        let outcome = &mut account.outcome;
        (outcome.delivered, outcome.at) = (false, Some(Party::ServerSidecar));
        (outcome.reason, outcome.status) = (Some(Reason::TlsHandshakeFailed), Some(503));
        (outcome.response_flags, outcome.app_sees) = (flags.into(), "503".into());
        account
    };
    let one = page(&[("a", fixtures::account(), refused(&[LayerKind::Tls], "UF"))]);
    let other = page(&[("a", fixtures::account(), refused(&[LayerKind::Tls, LayerKind::Http1], "UC"))]);
    assert_eq!(one, other);
    assert_eq!(
        rows_of(&one),
        [
            "| leg 2 mtls \\> http/1.1<br>200 | leg 2 a handshake that fails<br>503, refused by the server sidecar (tls handshake failed) | `strict` (a) |"
        ]
    );
}
