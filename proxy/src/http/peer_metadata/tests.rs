use pretty_assertions::assert_eq;
use serde_json::json;

use super::*;

fn exchange(config: Value) -> PeerExchange {
    PeerExchange::new(&serde_json::from_value(config).expect("a configuration"))
}

/// As istiod configures the sidecar of a caller.
fn caller() -> PeerExchange {
    exchange(json!({
        "upstream_discovery": [{"istio_headers": {}}, {"workload_discovery": {}}],
        "upstream_propagation": [{"istio_headers": {"skip_external_clusters": true}}],
    }))
}

/// As istiod configures the sidecar of the called app.
fn called() -> PeerExchange {
    exchange(json!({
        "downstream_discovery": [{"istio_headers": {}}, {"workload_discovery": {}}],
        "downstream_propagation": [{"istio_headers": {}}],
    }))
}

fn own(name: &str) -> (Workload, Introduction) {
    let workload = Workload { name: Some(name.into()), namespace: Some("shop".into()), ..Workload::default() };
    let node = serde_json::from_value(json!({"id": format!("sidecar~10.0.0.1~{name}.shop~x"), "cluster": name}));
    let introduction = Introduction::new(&node.expect("a node"), &workload).expect("a header");
    (workload, introduction)
}

fn cluster(name: &str, istio: &Value) -> Cluster {
    let metadata = json!({"filter_metadata": {"istio": istio}});
    serde_json::from_value(json!({"name": name, "type": "STATIC", "metadata": metadata})).expect("a cluster")
}

#[test]
fn both_sidecars_learn_who_the_other_is_and_their_apps_see_nothing() {
    let (client, introduces_client) = own("client");
    let (server, introduces_server) = own("server");
    let mut request = HeaderMap::new();
    caller().introduce(&mut request, &introduces_client, &cluster("c", &json!({})));
    assert_eq!(request[ID], "sidecar~10.0.0.1~client.shop~x");
    let (received, found) = called().read_request(&mut request);
    assert_eq!((found, request), (Some(client), HeaderMap::new()));

    let mut response = HeaderMap::new();
    called().answer(&mut response, &introduces_server, received);
    assert_eq!(response[ID], "sidecar~10.0.0.1~server.shop~x");
    assert_eq!((caller().read_response(&mut response), response), (Some(server), HeaderMap::new()));
}

#[test]
fn a_caller_that_does_not_introduce_itself_is_not_answered() {
    let (received, found) = called().read_request(&mut HeaderMap::new());
    let mut response = HeaderMap::new();
    called().answer(&mut response, &own("server").1, received);
    assert_eq!((found, response), (None, HeaderMap::new()));
}

#[test]
fn hosts_outside_the_mesh_are_told_nothing_if_so_configured() {
    let told = |exchange: &PeerExchange, name: &str, istio: Value| {
        let mut request = HeaderMap::new();
        exchange.introduce(&mut request, &own("client").1, &cluster(name, &istio));
        !request.is_empty()
    };
    let all = exchange(json!({"upstream_propagation": [{"istio_headers": {}}]}));
    for (name, istio, by_caller, by_all) in [
        ("c", json!({}), true, true),
        ("c", json!({"external": true}), false, true),
        ("PassthroughCluster", json!({}), false, true),
        ("c", json!({"disable_mx": true}), false, false),
    ] {
        assert_eq!((told(&caller(), name, istio.clone()), told(&all, name, istio)), (by_caller, by_all), "{name}");
    }
}
