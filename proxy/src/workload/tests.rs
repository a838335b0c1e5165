use pretty_assertions::assert_eq;

use super::*;

/// `google.protobuf.Struct` of a sidecar's metadata, with the OWNER that Istio's sidecars add.
const ENCODED: &str = "ChoKCkNMVVNURVJfSUQSDBoKS3ViZXJuZXRlcwqLAQoGTEFCRUxTEoABKn4KEAoDYXBwEgkaB3JhdGluZ3MKLAofc2VydmljZS5pc3Rpby5pby9jYW5vbmljYWwtbmFtZRIJGgdyYXRpbmdzCisKI3NlcnZpY2UuaXN0aW8uaW8vY2Fub25pY2FsLXJldmlzaW9uEgQaAnYxCg8KB3ZlcnNpb24SBBoCdjEKFgoETkFNRRIOGgxyYXRpbmdzLXYxLTAKEwoJTkFNRVNQQUNFEgYaBHNob3AKSwoFT1dORVISQhpAa3ViZXJuZXRlczovL2FwaXMvYXBwcy92MS9uYW1lc3BhY2VzL3Nob3AvZGVwbG95bWVudHMvcmF0aW5ncy12MQodCg1XT1JLTE9BRF9OQU1FEgwaCnJhdGluZ3MtdjE=";

fn ratings() -> Workload {
    let text = |text: &str| Some(text.to_owned());
    Workload {
        instance: text("ratings-v1-0"),
        name: text("ratings-v1"),
        namespace: text("shop"),
        app: text("ratings"),
        version: text("v1"),
        canonical_service: text("ratings"),
        canonical_revision: text("v1"),
        cluster: text("Kubernetes"),
    }
}

#[test]
fn a_peers_workload_is_read_with_and_without_padding() {
    assert_eq!(Workload::decode(ENCODED.as_bytes()), Some(ratings()));
    assert_eq!(Workload::decode(ENCODED.trim_end_matches('=').as_bytes()), Some(ratings()));
}

#[test]
fn a_workload_is_encoded_as_it_is_read() {
    assert_eq!(Workload::decode(ratings().encode().as_bytes()), Some(ratings()));
    let unnamed = Workload { name: None, app: None, ..ratings() };
    assert_eq!(Workload::decode(unnamed.encode().as_bytes()), Some(unnamed));
}

#[test]
fn what_is_no_workload_is_none() {
    for text in ["", "!", "AAAA", "ChoK"] {
        assert_eq!(Workload::decode(text.as_bytes()).unwrap_or_default(), Workload::default(), "{text:?}");
    }
}

#[test]
fn a_node_without_canonical_names_gets_them_from_its_labels() {
    let node = |metadata: serde_json::Value| -> Node {
        serde_json::from_value(serde_json::json!({"id": "x", "cluster": "y", "metadata": metadata})).expect("a node")
    };
    let own = Workload::of_node(&node(serde_json::json!({"WORKLOAD_NAME": "web-7", "LABELS": {"version": "v2"}})));
    let own = own.expect("a sidecar");
    assert_eq!(own.canonical_service.as_deref(), Some("web-7"));
    assert_eq!(own.canonical_revision.as_deref(), Some("v2"));
    assert_eq!(Workload::of_node(&node(serde_json::json!({}))), None);
}
