use rustls::{CipherSuite, HandshakeKind, NamedGroup};

use super::{contexts::Contexts, *};

/// Performs two handshakes, since only the second can resume a session, and checks that they are of this kind.
fn check(kind: Kind, ends: &Ends) {
    ends.shake();
    let (client, server) = ends.shake();
    let group = match kind.group {
        Group::X25519 => NamedGroup::X25519,
        Group::PostQuantum => NamedGroup::X25519MLKEM768,
    };
    let handshake = if kind.resumed { HandshakeKind::Resumed } else { HandshakeKind::Full };
    assert_eq!(client.handshake_kind(), Some(handshake), "{kind}");
    assert_eq!(client.negotiated_key_exchange_group().unwrap().name(), group, "{kind}");
    assert_eq!(client.negotiated_cipher_suite().unwrap().suite(), CipherSuite::TLS13_AES_128_GCM_SHA256, "{kind}");
    assert_eq!(server.peer_certificates().is_some(), kind.mutual, "{kind}");
}

#[test]
fn handshakes_are_what_they_are_named_for() {
    for kind in Kind::all() {
        let contexts = Contexts::new(kind);
        check(kind, &contexts.ends());
        check(kind, &contexts.library());
    }
}

#[test]
fn no_two_kinds_have_one_name() {
    let mut names: Vec<String> = Kind::all().iter().map(ToString::to_string).collect();
    names.sort();
    names.dedup();
    assert_eq!(names.len(), Kind::all().len());
}
