use pretty_assertions::assert_eq;
use serde_json::{Value, json};

use super::*;
use crate::{load, model::Flavor, resolve};

/// A sidecar's dump with these resources.
fn dump(name: &str, ip: &str, lists: [(&str, &str, Vec<Value>); 4]) -> String {
    let mut configs = vec![json!({
        "@type": "type.googleapis.com/envoy.admin.v3.BootstrapConfigDump",
        "bootstrap": {"node": {
            "id": format!("sidecar~{ip}~{name}.shop~shop.svc.cluster.local"),
            "metadata": {
                "INSTANCE_IPS": ip, "NAMESPACE": "shop", "SERVICE_ACCOUNT": name, "APP_CONTAINERS": "main,helper",
                "LABELS": {"app": name}, "ANNOTATIONS": {
                    "traffic.sidecar.istio.io/excludeOutboundPorts": "9999", "prometheus.io/scrape": "true",
                },
            },
        }},
    })];
    for (section, list, resources) in lists {
        configs.push(json!({"@type": format!("type.googleapis.com/envoy.admin.v3.{section}"), list: resources}));
    }
    json!({ "configs": configs }).to_string()
}

fn tcp(cluster: &str) -> Value {
    let url = "type.googleapis.com/envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy";
    json!([{"filters": [{"name": "tcp", "typed_config": {"@type": url, "stat_prefix": "x", "cluster": cluster}}]}])
}

fn listener(name: &str, ip: &str, chains: &Value) -> Value {
    json!({"active_state": {"listener": {
        "name": name, "address": {"socket_address": {"address": ip, "port_value": 7000}}, "bind_to_port": false,
        "filter_chains": chains,
    }}})
}

fn cluster(name: &str) -> Value {
    json!({"cluster": {"name": name, "type": "EDS", "eds_cluster_config": {"eds_config": {"ads": {}}, "service_name": name}}})
}

const DB: &str = "outbound|7000||db.shop.svc.cluster.local";

fn endpoint(ip: &str) -> Value {
    json!({"endpoint": {"address": {"socket_address": {"address": ip, "port_value": 7070}}}, "health_status": "HEALTHY"})
}

/// A client that calls a service of two pods.
fn client(listeners: Vec<Value>) -> String {
    let sets = vec![json!({"endpoint_config": {
        "cluster_name": DB, "endpoints": [{"lb_endpoints": [endpoint("172.16.5.1"), endpoint("172.16.5.2")]}],
    }})];
    dump(
        "client",
        "172.16.5.9",
        [
            ("ListenersConfigDump", "dynamic_listeners", listeners),
            ("RoutesConfigDump", "dynamic_route_configs", vec![]),
            ("ClustersConfigDump", "dynamic_active_clusters", vec![cluster(DB)]),
            ("EndpointsConfigDump", "dynamic_endpoint_configs", sets),
        ],
    )
}

/// The pod behind the service.
fn db() -> String {
    let inbound = json!({"cluster": {"name": "inbound|7070||", "type": "ORIGINAL_DST"}});
    dump(
        "db",
        "172.16.5.1",
        [
            ("ListenersConfigDump", "dynamic_listeners", vec![listener("one", "0.0.0.0", &tcp("inbound|7070||"))]),
            ("RoutesConfigDump", "dynamic_route_configs", vec![]),
            ("ClustersConfigDump", "dynamic_active_clusters", vec![inbound]),
            ("EndpointsConfigDump", "dynamic_endpoint_configs", vec![]),
        ],
    )
}

fn client_of_vip() -> String {
    client(vec![listener("10.0.77.5_7000", "10.0.77.5", &tcp(DB))])
}

fn parse(text: &str) -> Runnable {
    Runnable::parse(text).expect("a dump that runs")
}

fn resolved(dumped: &DumpedMesh) -> Mesh {
    let loaded = load(&[dumped.manifests("<dumped>")]);
    assert!(!loaded.has_errors(), "{:?}", loaded.faults);
    Mesh::new(resolve(&loaded.manifests).expect("nothing is wrong with it").0.into(), Flavor::Istio)
}

#[test]
fn pods_and_services_are_derived_from_dumps() {
    let mesh = resolved(&DumpedMesh::new(vec![parse(&client_of_vip()), parse(&db())]).expect("one mesh"));
    let db = &mesh.pods[mesh.pod("db", "shop").expect("it was dumped")];
    let sidecar = db.sidecar.as_ref().expect("it had a sidecar");
    assert_eq!(sidecar.spiffe_id, "spiffe://cluster.local/ns/shop/sa/db");
    assert_eq!(db.containers[0].name, "main");
    assert_eq!(db.containers[0].ports[0].port, 7070);
    assert!(db.annotations.contains_key("traffic.sidecar.istio.io/excludeOutboundPorts"));
    assert!(!db.annotations.contains_key("prometheus.io/scrape"));
    let service = &mesh.services[0];
    assert_eq!(service.host, "db.shop.svc.cluster.local");
    let endpoints = &service.ports[0].endpoints;
    assert_eq!(endpoints.iter().map(|e| (&mesh.pods[e.pod].name.name[..], e.port)).collect::<Vec<_>>(), [("db", 7070)]);
}

#[test]
fn addresses_are_the_labs_and_pods_that_were_not_dumped_have_none() {
    let dumped = DumpedMesh::new(vec![parse(&client_of_vip()), parse(&db())]).expect("one mesh");
    let mesh = resolved(&dumped);
    let (pushed, left_out) = dumped.pushed(&mesh);
    let client = &pushed["client.shop"];
    let vip = mesh.services[0].vips[0];
    assert_eq!(client.listeners[0]["address"]["socket_address"]["address"], vip.to_string());
    assert_eq!(client.listeners[0]["name"], format!("{vip}_7000"));
    let db = mesh.pods[mesh.pod("db", "shop").unwrap()].ips.v4;
    let endpoints = &client.endpoints[0]["endpoints"][0]["lb_endpoints"];
    assert_eq!(endpoints.as_array().map(Vec::len), Some(1));
    assert_eq!(endpoints[0]["endpoint"]["address"]["socket_address"]["address"], db.to_string());
    let gone = format!(
        "client.shop: {DB}: 1 of its 2 endpoints are in no dumped pod, such as 172.16.5.2; the others get all calls"
    );
    assert!(left_out.contains(&gone), "{left_out:?}");
}

#[test]
fn addresses_of_the_dump_that_are_others_in_the_lab_are_not_confused() {
    // The lab gives the client 10.244.0.2, and the pod behind the service 10.244.0.3.
    let client = client_of_vip().replace("172.16.5.9", "10.244.0.3").replace("172.16.5.1\"", "10.244.0.2\"");
    let db = db().replace("172.16.5.1", "10.244.0.2");
    let dumped = DumpedMesh::new(vec![parse(&client), parse(&db)]).expect("one mesh");
    let mesh = resolved(&dumped);
    let (pushed, _) = dumped.pushed(&mesh);
    let endpoint = &pushed["client.shop"].endpoints[0]["endpoints"][0]["lb_endpoints"][0];
    let db = mesh.pods[mesh.pod("db", "shop").unwrap()].ips.v4.to_string();
    assert_eq!(endpoint["endpoint"]["address"]["socket_address"]["address"], db);
}

#[test]
fn what_cannot_run_is_listed() {
    let wasm = json!({"name": "wasm", "typed_config": {"@type": "type.googleapis.com/envoy.extensions.filters.network.wasm.v3.Wasm"}});
    let mut chains = tcp(DB);
    chains[0]["filters"].as_array_mut().unwrap().insert(0, wasm.clone());
    let cut = json!([{ "filters": [wasm] }]);
    let dump = parse(&client(vec![listener("one", "10.0.77.5", &chains), listener("two", "10.0.77.6", &cut)]));
    assert_eq!(dump.pushed.listeners.len(), 1);
    let lists = |text: &str| assert!(dump.left_out.iter().any(|line| line.starts_with(text)), "{:?}", dump.left_out);
    lists("envoy.extensions.filters.network.wasm.v3.Wasm (2 times) is left out");
    lists("listener two is left out: 1 of its filter chains end with a filter that is not supported");
}

#[test]
fn a_bound_listener_that_cannot_run_is_an_error() {
    let mut one = listener("virtualInbound", "0.0.0.0", &json!([{ "filters": [] }]));
    one["active_state"]["listener"]["bind_to_port"] = true.into();
    let error = Runnable::parse(&client(vec![one])).unwrap_err().to_string();
    assert!(error.starts_with("listener virtualInbound: 1 of its filter chains"), "{error}");
}

#[test]
fn dumps_without_endpoints_cannot_run() {
    let text = client_of_vip().replace("dynamic_endpoint_configs", "nothing");
    let error = Runnable::parse(&text).unwrap_err().to_string();
    assert!(error.starts_with("no endpoints") && error.contains("include_eds"), "{error}");
}

#[test]
fn dumps_of_two_meshes_are_not_mixed() {
    let refused = |dumps: Vec<Runnable>| DumpedMesh::new(dumps).unwrap_err().to_string();
    assert!(refused(vec![parse(&db()), parse(&db())]).starts_with("two of the dumps are of db.shop"));
    let other = client_of_vip().replace("172.16.5.9", "172.16.5.1");
    assert!(refused(vec![parse(&db()), parse(&other)]).contains("had the same address 172.16.5.1"));
    let other = client_of_vip().replace("\"NAMESPACE\"", "\"MESH_ID\":\"other.example\",\"NAMESPACE\"");
    assert!(refused(vec![parse(&db()), parse(&other)]).contains("other.example"));
}
