use pretty_assertions::assert_eq;
use rustls::version::{TLS12, TLS13};

use crate::testing::{Wire, tls_talk};
use crate::{Flow, Handshake, KeyLog, Keys, Tls};

mod refusals;
mod sessions;

fn outer(flow: &Flow) -> &Tls {
    flow.content.tls().next().expect("a TLS layer")
}

#[test]
fn mutual_tls13_is_opened_down_to_the_request() {
    let (talk, keys) = tls_talk(true, "TLS13_AES_256_GCM_SHA384", &TLS13);
    let flow = Wire::redirected().whole(&talk).flow(&keys);
    assert_eq!(flow.layers(), ["mtls", "http/1.1"]);
    assert!(flow.contains("marker-1"));
    let tls = outer(&flow);
    assert_eq!(tls.version.as_deref(), Some("TLSv1.3"));
    assert_eq!(tls.cipher_suite.as_deref(), Some("TLS_AES_256_GCM_SHA384"));
    assert_eq!(tls.group.as_deref(), Some("X25519MLKEM768"));
    assert_eq!(tls.sni.as_deref(), Some("server"));
    assert_eq!(tls.alpn_offered, ["istio-peer-exchange", "istio"]);
    assert_eq!(tls.alpn.as_deref(), Some("istio"));
    assert_eq!(tls.client_certificate_requested, Some(true));
    assert_eq!(tls.handshake, Handshake::Complete);
    assert_eq!(tls.keys, Keys::Found);
    assert_eq!(tls.unopened, Vec::<String>::new());
    let client = tls.client_certificate.as_ref().unwrap();
    assert_eq!(client.uri_sans, ["spiffe://cluster.local/ns/default/sa/client"]);
    assert_eq!((client.key.as_str(), client.chain_length), ("P-256", 2));
}

#[test]
fn every_aead_suite_of_both_versions_is_decrypted() {
    for (suite, version, name) in [
        ("TLS13_AES_128_GCM_SHA256", &TLS13, "TLS_AES_128_GCM_SHA256"),
        ("TLS13_AES_256_GCM_SHA384", &TLS13, "TLS_AES_256_GCM_SHA384"),
        ("TLS13_CHACHA20_POLY1305_SHA256", &TLS13, "TLS_CHACHA20_POLY1305_SHA256"),
        ("TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256", &TLS12, "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256"),
        ("TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384", &TLS12, "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384"),
        ("TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256", &TLS12, "TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256"),
    ] {
        for mutual in [true, false] {
            let (talk, keys) = tls_talk(mutual, suite, version);
            let flow = Wire::default().whole(&talk).flow(&keys);
            assert_eq!(flow.layers(), [if mutual { "mtls" } else { "tls" }, "http/1.1"], "{suite} {flow:#?}");
            let tls = outer(&flow);
            assert_eq!(tls.cipher_suite.as_deref(), Some(name));
            assert_eq!(tls.client_certificate_requested, Some(mutual));
            assert_eq!(tls.alpn.as_deref(), Some("istio"));
            assert!(tls.server_certificate.is_some() && tls.group.is_some());
            assert_eq!((tls.keys, tls.unopened.as_slice()), (Keys::Found, [].as_slice()));
        }
    }
}

#[test]
fn without_keys_the_missing_secrets_are_named() {
    let (talk, _) = tls_talk(true, "TLS13_AES_128_GCM_SHA256", &TLS13);
    let flow = Wire::default().whole(&talk).flow(&KeyLog::default());
    assert_eq!(flow.layers(), ["tls"]);
    let tls = outer(&flow);
    assert_eq!(tls.keys, Keys::Missing);
    assert!(tls.unopened[0].starts_with("the key log has no CLIENT_HANDSHAKE_TRAFFIC_SECRET"), "{:?}", tls.unopened);
    assert_eq!(tls.sni.as_deref(), Some("server"));
}

#[test]
fn damaged_messages_are_parsed_to_something() {
    // TLS 1.3 encrypts these messages, so damage on the wire would not get past decryption.
    for kind in 0..=30 {
        for fill in [0, 1, 2, 3, 0x30, 0x7f, 0xff] {
            for len in 0..80 {
                for version in [None, Some(super::messages::TLS12), Some(super::messages::TLS13)] {
                    let mut body = vec![fill; len];
                    body.iter_mut().step_by(3).for_each(|byte| *byte = 0);
                    super::messages::parse(kind, &body, version).name();
                }
            }
        }
    }
}
