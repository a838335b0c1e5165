use mesh::account::{Admission, LayerKind, Party, Reason};
use pretty_assertions::assert_eq;

use super::*;
use crate::fixtures;

#[test]
fn a_call_that_is_served_ends_with_what_the_app_sees() {
    assert_eq!(line(&fixtures::account()), "leg 2 mtls > http/1.1: 200");
}

#[test]
fn a_call_that_is_refused_says_by_whom_and_why() {
    let mut account = fixtures::account();
    account.legs[0].layers = vec![LayerKind::Http1];
    account.outcome.delivered = false;
    account.outcome.at = Some(Party::ServerSidecar);
    account.outcome.reason = Some(Reason::NoFilterChainMatch);
    account.outcome.app_sees = "503".into();
    assert_eq!(line(&account), "leg 2 http/1.1: 503, refused by the server sidecar (no filter chain match)");
}

#[test]
fn a_leg_without_bytes_carried_nothing() {
    let mut account = fixtures::account();
    account.legs[0].layers.clear();
    assert_eq!(layers(&account.legs[0]), "nothing");
}

#[test]
fn a_webhook_call_includes_the_admission() {
    let mut account = fixtures::account();
    account.outcome.admission = Some(Admission::Patched);
    assert_eq!(end(&account), "200, patched");
}
