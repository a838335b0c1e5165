//! Dumps as Envoy prints them, of sidecars that the compiler configured, with what a real istiod adds.

use pretty_assertions::assert_eq;
use serde_json::{Value, json};

use super::*;
use crate::{
    account::AppProtocol,
    compile::compile,
    model::Mesh,
    predict::{predict, world::nowhere},
    testing,
};

fn mesh() -> Mesh {
    testing::mesh(&format!(
        "{}---
apiVersion: v1
kind: Pod
metadata: {{name: client}}
spec: {{containers: [{{name: app, image: any}}]}}
---
apiVersion: v1
kind: Pod
metadata: {{name: server, labels: {{app: server}}}}
spec: {{containers: [{{name: app, image: any}}]}}
---
apiVersion: v1
kind: Service
metadata: {{name: server}}
spec: {{selector: {{app: server}}, ports: [{{name: http, port: 80}}, {{name: tcp, port: 70}}]}}
---
apiVersion: security.istio.io/v1
kind: PeerAuthentication
metadata: {{name: default, namespace: istio-system}}
spec: {{mtls: {{mode: STRICT}}}}
",
        testing::INJECTED
    ))
}

/// What Envoy's `/config_dump?include_eds` prints of a compiled sidecar.
fn dumped(mesh: &Mesh, pod: usize) -> Value {
    let config = compile(mesh, pod, &nowhere());
    let wrap = |field: &str, resources: Value| -> Vec<Value> {
        resources.as_array().expect("a list").iter().map(|resource| json!({(field): resource})).collect()
    };
    let kind = |name: &str| format!("type.googleapis.com/envoy.admin.v3.{name}");
    let listeners: Vec<Value> = wrap("listener", json!(config.listeners))
        .into_iter()
        .map(|state| json!({"name": state["listener"]["name"], "active_state": state}))
        .collect();
    json!({"configs": [
        {"@type": kind("BootstrapConfigDump"), "bootstrap": config.bootstrap},
        {"@type": kind("ClustersConfigDump"), "dynamic_active_clusters": wrap("cluster", json!(config.clusters))},
        {"@type": kind("EndpointsConfigDump"), "dynamic_endpoint_configs": wrap("endpoint_config", json!(config.endpoints))},
        {"@type": kind("ListenersConfigDump"), "dynamic_listeners": listeners},
        {"@type": kind("RoutesConfigDump"), "dynamic_route_configs": wrap("route_config", json!(config.routes))},
    ]})
}

fn parse(dump: &Value) -> EnvoyDump {
    EnvoyDump::parse(&dump.to_string()).expect("a dump")
}

fn call(port: u16, app: AppProtocol) -> Call {
    Call::new(0, "server", port, app)
}

#[test]
fn dumps_predict_what_the_manifests_do() {
    let mesh = mesh();
    let [client, server] = [0, 1].map(|pod| parse(&dumped(&mesh, pod)));
    for (port, app) in [(80, AppProtocol::Http), (70, AppProtocol::Tcp), (80, AppProtocol::Https)] {
        let by_manifests = predict(&mesh, &call(port, app)).expect("a prediction");
        let by_dumps = predict_dumps(&client, &server, &call(port, app)).expect("a prediction");
        let legs = |account: &Account| {
            account
                .legs
                .iter()
                .map(|leg| (leg.number, leg.layers.clone(), leg.tls.clone(), leg.source))
                .collect::<Vec<_>>()
        };
        assert_eq!(by_dumps.outcome, by_manifests.outcome, "{app} to {port}");
        assert_eq!(legs(&by_dumps), legs(&by_manifests), "{app} to {port}");
        assert_eq!(by_dumps.to.host, by_manifests.to.host);
    }
}

#[test]
fn without_endpoints_the_servers_pod_is_guessed() {
    let mesh = mesh();
    let mut dump = dumped(&mesh, 0);
    dump["configs"].as_array_mut().expect("a list").retain(|config| config["dynamic_endpoint_configs"].is_null());
    let client = parse(&dump);
    assert!(client.warnings.iter().any(|warning| warning.contains("include_eds")), "{:?}", client.warnings);
    let account =
        predict_dumps(&client, &parse(&dumped(&mesh, 1)), &call(80, AppProtocol::Http)).expect("a prediction");
    assert!(account.outcome.delivered, "{:?}", account.outcome);
}

#[test]
fn istios_own_filter_decides_the_alpn_of_http() {
    let mesh = mesh();
    let mut dump = dumped(&mesh, 0);
    // As istiod has it: the cluster offers TCP's ALPN, and the filter replaces it.
    for entry in dump["configs"][1]["dynamic_active_clusters"].as_array_mut().expect("a list") {
        for socket in entry["cluster"]["transport_socket_matches"].as_array_mut().into_iter().flatten() {
            if let Some(common) = socket["transport_socket"]["typed_config"].get_mut("common_tls_context") {
                common["alpn_protocols"] = json!(["istio-peer-exchange", "istio"]);
            }
        }
    }
    let filter = json!({"name": "istio.alpn", "typed_config": {
        "@type": "type.googleapis.com/istio.envoy.config.filter.http.alpn.v2alpha1.FilterConfig",
        "alpn_override": [
            {"alpn_override": ["istio-http/1.0", "istio", "http/1.0"]},
            {"upstream_protocol": "HTTP11", "alpn_override": ["istio-http/1.1", "istio", "http/1.1"]},
            {"upstream_protocol": "HTTP2", "alpn_override": ["istio-h2", "istio", "h2"]},
        ],
    }});
    for state in dump["configs"][3]["dynamic_listeners"].as_array_mut().expect("a list") {
        for chain in state["active_state"]["listener"]["filter_chains"].as_array_mut().into_iter().flatten() {
            for one in chain["filters"].as_array_mut().into_iter().flatten() {
                if let Some(filters) = one["typed_config"]["http_filters"].as_array_mut() {
                    filters.insert(0, filter.clone());
                }
            }
        }
    }
    let (client, server) = (parse(&dump), parse(&dumped(&mesh, 1)));
    let offered = |port, app| {
        let account = predict_dumps(&client, &server, &call(port, app)).expect("a prediction");
        assert!(account.outcome.delivered, "{:?}", account.outcome);
        account.legs[1].tls[0].alpn_offered.join(",")
    };
    assert_eq!(offered(80, AppProtocol::Http), "istio-http/1.1,istio,http/1.1");
    assert_eq!(offered(70, AppProtocol::Tcp), "istio-peer-exchange,istio");
}

#[test]
fn a_call_to_what_could_not_be_read_says_so() {
    let mesh = mesh();
    let mut dump = dumped(&mesh, 0);
    for entry in dump["configs"][1]["dynamic_active_clusters"].as_array_mut().expect("a list") {
        entry["cluster"]["transport_socket_matches"] = json!([{"name": 1}]);
    }
    let client = parse(&dump);
    let error =
        predict_dumps(&client, &parse(&dumped(&mesh, 1)), &call(80, AppProtocol::Http)).unwrap_err().to_string();
    let expected =
        "the call reaches outbound|80||server.default.svc.cluster.local, which could not be read from the dump: ";
    assert!(error.starts_with(expected), "{error}");
}

#[test]
fn a_host_that_the_client_does_not_know_is_an_error() {
    let mesh = mesh();
    let dumps = [0, 1].map(|pod| parse(&dumped(&mesh, pod)));
    let call = Call { host: "nobody".into(), ..call(80, AppProtocol::Http) };
    assert!(matches!(predict_dumps(&dumps[0], &dumps[1], &call), Err(CallError::UnknownHost { .. })));
}
