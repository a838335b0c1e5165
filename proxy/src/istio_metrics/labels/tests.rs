use pretty_assertions::assert_eq;
use serde_json::{Value, json};

use super::*;

fn workload(metadata: &Value) -> Option<Workload> {
    Workload::of_node(&serde_json::from_value(json!({"metadata": metadata})).unwrap())
}

#[test]
fn of_a_peer_without_metadata_only_its_certificate_is_known() {
    let labels = Labels {
        peer: None,
        side: Side::Destination,
        source_principal: Some("spiffe://cluster.local/ns/shop/sa/client".into()),
        destination_principal: None,
        service: Service { host: Some("server.default.svc.cluster.local".into()), ..Service::default() },
        protocol: "http",
        response: Some((200, String::new())),
        flags: "-".into(),
        security: "mutual_tls",
    };
    let own = workload(&json!({"WORKLOAD_NAME": "server", "NAMESPACE": "default"})).unwrap();
    let all = labels.all(&own);
    let value = |name: &str| all.iter().find(|(label, _)| label == name).map(|(_, value)| value.as_str());
    assert_eq!(value("reporter"), Some("destination"));
    assert_eq!((value("source_workload"), value("source_workload_namespace")), (Some("unknown"), Some("shop")));
    assert_eq!((value("destination_workload"), value("destination_principal")), (Some("server"), Some("unknown")));
    assert_eq!((value("response_code"), value("grpc_response_status")), (Some("200"), Some("")));
}

#[test]
fn the_labels_of_a_peer_are_those_that_its_sidecar_says() {
    let peer = workload(&json!({"WORKLOAD_NAME": "client", "NAMESPACE": "shop", "LABELS": {"app": "c"}})).unwrap();
    let labels = Labels {
        peer: Some(peer.into()),
        side: Side::Destination,
        source_principal: None,
        destination_principal: None,
        service: Service::default(),
        protocol: "http",
        response: Some((200, String::new())),
        flags: "-".into(),
        security: "none",
    };
    let all = labels.all(&workload(&json!({"WORKLOAD_NAME": "server"})).unwrap());
    let value = |name: &str| all.iter().find(|(label, _)| label == name).map(|(_, value)| value.as_str());
    assert_eq!((value("source_workload"), value("source_workload_namespace")), (Some("client"), Some("shop")));
    assert_eq!((value("source_app"), value("source_canonical_revision")), (Some("c"), Some("latest")));
    assert_eq!((value("destination_workload"), value("source_version")), (Some("server"), Some("unknown")));
}
