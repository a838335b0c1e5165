use std::sync::Arc;

use pretty_assertions::assert_eq;
use rustls::version::{TLS12, TLS13};
use serde_json::json;

use crate::testing::{
    Pki, SharedLog, Talk, Wire, client_config, client_says, connect, http_talk, provider, server_config, server_says,
};
use crate::{Flow, KeyLog};

/// TLS in TLS, as deep as `payloads` of layers asked for: mutual on the outside.
fn nested(depth: usize) -> (Talk, KeyLog) {
    let log = Arc::new(SharedLog::default());
    let mut talk = http_talk();
    for layer in (0..depth).rev() {
        let pki = Pki::new("root");
        let (suite, version) = match layer % 2 {
            0 => ("TLS13_AES_128_GCM_SHA256", &TLS13),
            _ => ("TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384", &TLS12),
        };
        let client = client_config(&pki, layer == 0, provider(suite), &[version], &log);
        let server = server_config(&pki, layer == 0, provider(suite), &[version], &log);
        talk = connect(client, server, &talk);
    }
    (talk, log.keys())
}

#[test]
fn tls_inside_mutual_tls_is_opened_down_to_the_request() {
    let (talk, keys) = nested(2);
    let flow = Wire::default().whole(&talk).flow(&keys);
    assert_eq!(flow.layers(), ["mtls", "tls", "http/1.1"]);
    assert!(flow.contains("marker-1"));
    let layers: Vec<_> = flow.content.tls().collect();
    assert_eq!(layers[1].version.as_deref(), Some("TLSv1.2"));
    assert_eq!(layers[1].sni.as_deref(), Some("server"));
    // Each layer's bytes are the payload of the one around it.
    assert_eq!(layers[0].client.payload_bytes, layers[1].client.bytes);
    assert_eq!(layers[0].server.payload_bytes, layers[1].server.bytes);
    assert_eq!(flow.sent.bytes, layers[0].client.bytes);
    assert_eq!(layers[1].client.payload_bytes, http_talk()[0].1.len() as u64);
    for layer in layers {
        assert_eq!(layer.client.bytes, layer.client.handshake_bytes + layer.client.data_bytes);
        assert_eq!(layer.client.data_bytes, layer.client.payload_bytes + layer.client.overhead_bytes);
    }
}

#[test]
fn layers_are_opened_to_a_depth_of_four() {
    let (talk, keys) = nested(4);
    let flow = Wire::default().whole(&talk).flow(&keys);
    assert_eq!(flow.layers(), ["mtls", "tls", "tls", "tls", "http/1.1"]);

    let (talk, keys) = nested(5);
    let flow = Wire::default().whole(&talk).flow(&keys);
    assert_eq!(flow.layers(), ["mtls", "tls", "tls", "tls", "tcp"]);
}

#[test]
fn a_connection_that_carries_nothing_is_empty_tcp() {
    let flow = Wire::default().whole(&Talk::new()).flow(&KeyLog::default());
    assert_eq!(flow.layers(), ["tcp"]);
}

#[test]
fn a_server_that_speaks_first_is_opaque_and_its_marker_found() {
    let talk = vec![server_says("220 smtp marker-9\r\n"), client_says("EHLO x\r\n")];
    let flow = Wire::default().whole(&talk).flow(&KeyLog::default());
    assert_eq!(flow.layers(), ["tcp"]);
    assert!(flow.contains("marker-9") && !flow.contains("marker-8"));
}

fn json_of(flow: &Flow) -> serde_json::Value {
    serde_json::to_value(flow).unwrap()
}

#[test]
fn json_names_are_stable() {
    let (talk, keys) = nested(1);
    let flow = json_of(&Wire::redirected().whole(&talk).flow(&keys));
    assert_eq!(flow["layers"], json!(["mtls", "http/1.1"]));
    assert_eq!(flow["interface"], json!({"host": "client.default", "name": "lo"}));
    assert_eq!(
        flow["redirect"],
        json!({"original_destination": "10.96.0.10:8080", "redirected_to": "127.0.0.1:15001"})
    );
    assert_eq!((&flow["opening"], &flow["sent"]["end"]), (&json!("established"), &json!("fin")));
    let tls = &flow["content"][0];
    assert_eq!((&tls["layer"], &tls["mutual"], &tls["keys"]), (&json!("tls"), &json!(true), &json!("found")));
    assert_eq!(tls["handshake"], json!({"state": "complete"}));
    assert_eq!(tls["alerts"][0]["from"], json!("client"));
    let http1 = &flow["content"][1];
    assert_eq!(http1["layer"], json!("http/1.1"));
    assert_eq!(http1["exchanges"][0]["request"]["method"], json!("GET"));
    assert_eq!(http1["exchanges"][0]["response"]["body_start"], json!("hello"));
}
