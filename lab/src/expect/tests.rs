use mesh::account::Interface;
use pretty_assertions::assert_eq;

use super::*;
use crate::{facts::differences, fixtures::account};

#[test]
fn a_proxys_connection_to_its_app_is_optional_when_the_handshake_failed() {
    let mut predicted = account();
    predicted.legs[0].layers = vec![LayerKind::Tls];
    let mut dialled = predicted.legs[0].clone();
    (dialled.number, dialled.layers, dialled.interface) = (LegNumber::ToApp, vec![], Some(Interface::Lo));
    dialled.tls.clear();
    predicted.legs.push(dialled);
    let outcome = &mut predicted.outcome;
    (outcome.delivered, outcome.at) = (false, Some(Party::ClientSidecar));
    outcome.reason = Some(Reason::TlsHandshakeFailed);
    let mut too_early = predicted.clone();
    too_early.legs.truncate(1);
    let expected = Expectation::from_prediction(&predicted);
    assert_eq!(differences(&expected, &too_early), []);
    // What it sent there is not.
    predicted.legs[1].layers = vec![LayerKind::Tls];
    assert_ne!(differences(&expected, &predicted), []);
}
