use std::sync::Arc;

use rustls::{ClientConfig, ClientConnection, RootCertStore, crypto::aws_lc_rs};

use super::*;

/// The ClientHello of our own provider, with a post-quantum key share.
fn client_hello(name: &str, alpn: &[&str]) -> Vec<u8> {
    let mut config = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(RootCertStore::empty())
        .with_no_client_auth();
    config.alpn_protocols = alpn.iter().map(|protocol| protocol.as_bytes().to_vec()).collect();
    let mut connection = ClientConnection::new(Arc::new(config), name.to_owned().try_into().unwrap()).unwrap();
    let mut bytes = Vec::new();
    connection.write_tls(&mut bytes).unwrap();
    bytes
}

#[test]
fn name_in_lower_case_and_protocols_in_the_clients_order() {
    let hello = Inspector::default().look(&client_hello("A.Example", &["istio", "h2"])).unwrap().unwrap();
    assert_eq!(hello, Hello { server_name: "a.example".into(), alpn: vec!["istio".into(), "h2".into()] });
}

#[test]
fn bytes_may_come_one_by_one() {
    let bytes = client_hello("a.example", &[]);
    let mut inspector = Inspector::default();
    for end in 1..bytes.len() {
        assert_eq!(inspector.look(&bytes[..end]), None, "after {end} bytes");
    }
    assert_eq!(inspector.look(&bytes).unwrap().unwrap().server_name, "a.example");
}

#[test]
fn plaintext_is_known_by_five_bytes() {
    assert_eq!(Inspector::default().look(b"abcd"), None);
    assert_eq!(Inspector::default().look(b"abcde"), Some(None));
}

#[test]
fn a_handshake_record_that_holds_no_hello_is_no_tls() {
    assert_eq!(Inspector::default().look(b"\x16\x03\x01\x00\x05hello"), Some(None));
}

#[test]
fn the_largest_hello_of_our_own_provider_fits_the_first_look() {
    let protocols = ["istio-peer-exchange", "istio-http/1.1", "istio", "h2", "http/1.1"];
    let name = "outbound_.8080_._.server.a-rather-long-namespace-name.svc.cluster.local";
    assert!(client_hello(name, &protocols).len() <= 2048);
}
