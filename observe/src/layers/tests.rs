use pretty_assertions::assert_eq;
use serde_json::json;

use crate::testing::{Talk, Wire, client_says, http_talk, nested, nested_apart, server_says};
use crate::{Flow, Handshake, KeyLog, Keys};

#[test]
fn tls_inside_mutual_tls_is_opened_down_to_the_request() {
    let (talk, keys) = nested(2);
    let flow = Wire::default().whole(&talk).flow(&keys);
    assert_eq!(flow.layers(), ["mtls", "tls", "http/1.1"]);
    assert!(flow.contains("marker-1"));
    let layers: Vec<_> = flow.content.tls().collect();
    assert_eq!(layers[1].version.as_deref(), Some("TLSv1.2"));
    assert_eq!(layers[1].sni.as_deref(), Some("server"));
    // The payload of each layer is the content of the next.
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
fn the_apps_own_hello_is_read_inside_mutual_tls() {
    let (talk, keys) = nested(2);
    let flow = Wire::default().whole(&talk).flow(&keys);
    let [mesh, app] = flow.content.tls().collect::<Vec<_>>()[..] else { panic!("{:?}", flow.layers()) };
    assert_eq!(mesh.alpn_offered, ["istio-peer-exchange", "istio"]);
    assert_eq!((app.sni.as_deref(), app.alpn.as_deref()), (Some("server"), Some("http/1.1")));
    assert_eq!(app.alpn_offered, ["h2", "http/1.1"]);
    assert_ne!(mesh.client_random, app.client_random);
}

/// As a sidecar sees an app's TLS that it tunnels, or an eavesdropper who has only the mesh's keys.
#[test]
fn tls_inside_tls_is_recognized_without_its_keys() {
    let (talk, logs) = nested_apart(2);
    let flow = Wire::default().whole(&talk).flow(&KeyLog::parse(&logs[0]));
    assert_eq!(flow.layers(), ["mtls", "tls"]);
    let app = flow.content.tls().nth(1).unwrap();
    assert_eq!((app.sni.as_deref(), app.keys), (Some("server"), Keys::Missing));
    assert_eq!(app.alpn_offered, ["h2", "http/1.1"]);
    assert!(app.unopened[0].starts_with("the key log has no CLIENT_RANDOM for client random "), "{:?}", app.unopened);
    assert!(!flow.contains("marker-1"));
}

#[test]
fn without_the_outer_keys_nothing_inside_is_visible() {
    let (talk, logs) = nested_apart(2);
    let flow = Wire::default().whole(&talk).flow(&KeyLog::parse(&logs[1]));
    assert_eq!(flow.layers(), ["tls"]);
    assert!(matches!(flow.content.tls().next().unwrap().handshake, Handshake::Unknown { .. }));
}

/// The app's hello is split on every level: into records, outer records, and segments.
#[test]
fn an_inner_hello_split_over_outer_records_and_segments_is_joined() {
    let (talk, keys) = nested(2);
    let flow = Wire { mss: 11, ..Wire::default() }.whole(&talk).flow(&keys);
    assert_eq!(flow.layers(), ["mtls", "tls", "http/1.1"]);
}

/// The inner layer reports the truncation, too, not only the outer one.
#[test]
fn a_capture_cut_inside_an_inner_record_is_reported_for_both_layers() {
    let (talk, keys) = nested(2);
    let mut wire = Wire { mss: 20, ..Wire::default() };
    wire.open();
    // Without the close_notify alerts, and without the last packet of the response.
    wire.talk(&talk[..talk.len() - 4].to_vec());
    wire.packets.pop();
    let flow = wire.flow(&keys);
    assert_eq!(flow.layers(), ["mtls", "tls", "http/1.1"]);
    for tls in flow.content.tls() {
        let unopened = tls.unopened.join("; ");
        assert!(unopened.contains("record is cut"), "{unopened:?}");
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
fn a_connection_without_payload_is_empty_tcp() {
    let flow = Wire::default().whole(&Talk::new()).flow(&KeyLog::default());
    assert_eq!(flow.layers(), ["tcp"]);
}

#[test]
fn a_server_that_speaks_first_is_opaque_and_its_marker_is_found() {
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
