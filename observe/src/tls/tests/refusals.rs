//! Handshakes that fail.

use std::sync::Arc;

use pretty_assertions::assert_eq;
use rustls::crypto::aws_lc_rs;
use rustls::version::{TLS12, TLS13};

use super::outer;
use crate::testing::{
    Pki, SharedLog, Wire, client_config, connect, http_talk, provider, server_config, server_says, tls_talk,
};
use crate::{End, Flow, Handshake, KeyLog, Keys, Side};

const SUITE: &str = "TLS13_AES_128_GCM_SHA256";

/// A client's first flight.
fn client_hello() -> Vec<u8> {
    tls_talk(true, SUITE, &TLS13).0.remove(0).1
}

/// Connects a client and a server with incompatible configurations.
fn refused(
    edit: impl Fn(&mut rustls::ClientConfig, &mut rustls::ServerConfig),
    mutual: (bool, bool),
    roots: bool,
) -> Flow {
    let (pki, other) = (Pki::new("root"), Pki::new("other"));
    let log = Arc::new(SharedLog::default());
    let mut client = client_config(if roots { &pki } else { &other }, mutual.0, provider(SUITE), &[&TLS13], &log);
    let mut server = server_config(&pki, mutual.1, provider(SUITE), &[&TLS13], &log);
    edit(&mut client, &mut server);
    let talk = connect(client, server, &http_talk());
    Wire::default().whole(&talk).flow(&log.keys())
}

fn refused_by(by: Side, alert: &str) -> Handshake {
    Handshake::Refused { by, alert: alert.to_owned() }
}

#[test]
fn a_server_that_requires_a_client_certificate_refuses_after_the_handshake_seems_complete() {
    let flow = refused(|_, _| {}, (false, true), true);
    let tls = outer(&flow);
    assert_eq!(tls.handshake, refused_by(Side::Server, "certificate_required"));
    assert_eq!((tls.client_certificate_requested, &tls.client_certificate), (Some(true), &None));
    assert!(!tls.mutual && tls.alerts[0].encrypted);
    assert_eq!(flow.layers()[0], "tls");
}

#[test]
fn a_client_that_does_not_trust_the_root_refuses() {
    let flow = refused(|_, _| {}, (false, false), false);
    let tls = outer(&flow);
    assert_eq!(tls.handshake, refused_by(Side::Client, "unknown_ca"));
    assert!(tls.server_certificate.is_some());
    assert_eq!(flow.layers(), ["tls"]);
}

#[test]
fn no_common_alpn_protocol_is_refused() {
    let flow = refused(|client, _| client.alpn_protocols = vec![b"h2".to_vec()], (true, true), true);
    let tls = outer(&flow);
    assert_eq!(tls.handshake, refused_by(Side::Server, "no_application_protocol"));
    assert_eq!((tls.keys, tls.alerts[0].encrypted), (Keys::Found, true));
}

#[test]
fn no_common_version_is_refused_in_the_clear() {
    let (pki, log) = (Pki::new("root"), Arc::new(SharedLog::default()));
    let client = client_config(&pki, true, Arc::new(aws_lc_rs::default_provider()), &[&TLS12], &log);
    let server = server_config(&pki, true, Arc::new(aws_lc_rs::default_provider()), &[&TLS13], &log);
    let flow = Wire::default().whole(&connect(client, server, &http_talk())).flow(&log.keys());
    let tls = outer(&flow);
    assert_eq!(tls.handshake, refused_by(Side::Server, "protocol_version"));
    assert_eq!((tls.keys, tls.alerts[0].encrypted), (Keys::NotNeeded, false));
    assert_eq!((tls.version.as_deref(), tls.unopened.len()), (None, 0));
}

#[test]
fn a_plaintext_answer_to_a_hello_is_quoted() {
    let talk = vec![(Side::Client, client_hello()), server_says("HTTP/1.1 400 Bad Request\r\ncontent-length: 11\r\n")];
    let flow = Wire::default().whole(&talk).flow(&KeyLog::default());
    let sent = "HTTP/1.1 400 Bad Request".to_owned();
    assert_eq!(outer(&flow).handshake, Handshake::NotTls { by: Side::Server, sent });
    assert_eq!(flow.layers(), ["tls"]);
}

#[test]
fn the_side_that_closes_during_the_handshake_is_named() {
    for (end, how) in [(Wire::fin as fn(&mut Wire, Side), End::Fin), (Wire::rst, End::Rst)] {
        let mut wire = Wire::default();
        wire.open();
        wire.send(Side::Client, &client_hello());
        end(&mut wire, Side::Server);
        wire.fin(Side::Client);
        let flow = wire.flow(&KeyLog::default());
        let after = "ClientHello".to_owned();
        assert_eq!(outer(&flow).handshake, Handshake::Closed { by: Side::Server, how, after });
        let sentence = outer(&flow).handshake.to_string();
        assert!(sentence.ends_with(" by the server after ClientHello"), "{sentence}");
    }
}

#[test]
fn a_hello_without_an_answer_is_unfinished() {
    let mut wire = Wire::default();
    wire.open();
    wire.send(Side::Client, &client_hello());
    let flow = wire.flow(&KeyLog::default());
    assert_eq!(outer(&flow).handshake, Handshake::Unfinished { after: "ClientHello".to_owned() });
}

#[test]
fn garbage_on_a_tls_port_is_opaque() {
    // Half a megabyte of bytes without a known start.
    let garbage: Vec<u8> = (0..500_000_u32).map(|at| (at.wrapping_mul(2_654_435_761) >> 13) as u8 | 0x80).collect();
    let talk = vec![(Side::Client, garbage), server_says("?")];
    let flow = Wire::default().whole(&talk).flow(&KeyLog::default());
    assert_eq!((flow.layers(), flow.sent.bytes), (vec!["tcp"], 500_000));
}

#[test]
fn garbage_that_starts_like_a_record_is_reported_as_not_tls() {
    // A header of application data for 1000 bytes, and then half a megabyte of noise.
    let mut garbage = vec![0x17, 3, 3, 3, 0xe8];
    garbage.extend((0..500_000_u32).map(|at| (at.wrapping_mul(2_654_435_761) >> 13) as u8 | 0x80));
    let flow = Wire::default().whole(&vec![(Side::Client, garbage)]).flow(&KeyLog::default());
    let unopened = outer(&flow).unopened.join("; ");
    assert!(unopened.contains("byte 1005 from the client is not the start of a TLS record"), "{unopened}");
    assert!(!matches!(outer(&flow).handshake, Handshake::Complete));
}

#[test]
fn garbage_after_a_hello_is_reported_as_not_tls() {
    let mut hello = client_hello();
    let len = hello.len();
    hello.extend([0xff; 100]);
    let flow = Wire::default().whole(&vec![(Side::Client, hello)]).flow(&KeyLog::default());
    let unopened = outer(&flow).unopened.join("; ");
    assert!(unopened.contains(&format!("byte {len} from the client is not the start of a TLS record")), "{unopened}");
}

#[test]
fn a_suite_without_aead_is_named_as_unsupported() {
    let (mut talk, keys) = tls_talk(false, "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256", &TLS12);
    // The suite follows the record and message headers, version, random, and an empty or 32-byte session id.
    let hello = &mut talk[1].1;
    let at = 5 + 4 + 2 + 32;
    let suite = at + 1 + usize::from(hello[at]);
    hello[suite..suite + 2].copy_from_slice(&[0xc0, 0x09]);
    let flow = Wire::default().whole(&talk).flow(&keys);
    let tls = outer(&flow);
    assert_eq!(tls.cipher_suite.as_deref(), Some("TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA"));
    assert_eq!(tls.unopened, ["cipher suite TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA is not supported"]);
}
