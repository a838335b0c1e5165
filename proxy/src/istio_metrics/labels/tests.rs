use pretty_assertions::assert_eq;
use serde_json::json;

use super::*;

fn workload(metadata: &Value) -> Option<Workload> {
    Workload::of_node(&serde_json::from_value(json!({"metadata": metadata})).unwrap())
}

#[test]
fn a_node_that_names_no_workload_is_no_sidecar() {
    assert_eq!(workload(&json!({"NAME": "a"})), None);
}

#[test]
fn the_canonical_service_is_a_label_else_the_app_else_the_workload() {
    let service = |labels: Value| workload(&json!({"WORKLOAD_NAME": "w", "LABELS": labels})).unwrap().canonical_service;
    assert_eq!(service(json!({"service.istio.io/canonical-name": "c", "app": "a"})), "c");
    assert_eq!(service(json!({"app": "a"})), "a");
    assert_eq!(service(json!({})), "w");
}

#[test]
fn of_the_peer_only_its_certificate_is_known() {
    let labels = Labels {
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
