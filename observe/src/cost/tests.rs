use pretty_assertions::assert_eq;

use crate::testing::{Wire, http_talk, nested};

#[test]
fn the_bytes_of_each_layer_add_up_to_the_payload_of_the_one_around_it() {
    let (talk, keys) = nested(2);
    let cost = Wire::default().whole(&talk).flow(&keys).cost();
    let names: Vec<_> = cost.layers.iter().map(|layer| layer.layer).collect();
    assert_eq!(names, ["mtls", "tls", "http/1.1"]);
    let mut carried = cost.wire_bytes;
    for layer in &cost.layers {
        assert_eq!(layer.handshake_bytes + layer.overhead_bytes + layer.payload_bytes, carried, "{}", layer.layer);
        carried = layer.payload_bytes;
    }
    let written: usize = http_talk().iter().map(|(_, bytes)| bytes.len()).sum();
    assert_eq!(cost.inside_bytes, written as u64);
}

#[test]
fn a_second_tls_layer_costs_another_handshake_and_overhead_on_every_record() {
    let (talk, keys) = nested(2);
    let cost = Wire::default().whole(&talk).flow(&keys).cost();
    let [outer, inner, _] = cost.layers.as_slice() else { panic!("{cost:?}") };
    assert!(outer.handshake_bytes > 1000 && inner.handshake_bytes > 500, "{cost:?}");
    // The outer layer has records for the inner handshake's flights in addition to its own.
    assert!(outer.records > inner.records && inner.overhead_bytes > 0, "{cost:?}");
}

#[test]
fn bytes_that_could_not_be_decrypted_are_counted() {
    let (talk, _) = nested(1);
    let cost = Wire::default().whole(&talk).flow(&crate::KeyLog::default()).cost();
    let [sealed] = cost.layers.as_slice() else { panic!("{cost:?}") };
    assert_eq!(sealed.handshake_bytes + sealed.unopened_bytes, cost.wire_bytes);
    assert_eq!((sealed.payload_bytes, cost.inside_bytes), (0, sealed.unopened_bytes));
}

#[test]
fn plaintext_has_no_overhead() {
    let cost = Wire::default().whole(&http_talk()).flow(&crate::KeyLog::default()).cost();
    assert_eq!((cost.layers.len(), cost.inside_bytes), (1, cost.wire_bytes));
}
