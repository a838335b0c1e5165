//! The administration interface of the running program.

use std::net::{SocketAddr, TcpStream};

use crate::support::{
    Mesh, Proxy, cluster, folder,
    http::{echo, get, hcm_chain, route, upstream},
    listener, loopback, resources, until,
};
use serde_json::{Value, json};

/// A sidecar that terminates mutual TLS, and originates it for cluster `server`.
fn sidecar() -> (Proxy, SocketAddr) {
    let (mesh, ip, files) = (Mesh::new(), loopback(), folder());
    let address: SocketAddr = (ip, 15006).into();
    mesh.secrets(files.path(), "spiffe://cluster.local/ns/default/sa/client");
    let mut chain = hcm_chain(files.path(), &[route("/", "server", &json!({}))], &json!({}));
    chain["transport_socket"] = Mesh::downstream(files.path(), "spiffe://cluster.local/");
    let mut server = cluster("server", (ip, 8080).into());
    server["transport_socket"] = Mesh::upstream(files.path(), "spiffe://cluster.local/ns/default/sa/server");
    resources(files.path(), "lds.json", &[listener("virtualInbound", address, &chain)]);
    resources(files.path(), "cds.json", &[server]);
    (Proxy::start(files, &["--concurrency", "1"]), address)
}

fn json_of(proxy: &Proxy, path: &str) -> Value {
    serde_json::from_str(&proxy.admin(path)).unwrap()
}

#[test]
fn the_dump_contains_everything_except_private_keys() {
    let (proxy, _) = sidecar();
    let text = proxy.admin("/config_dump?include_eds");
    assert!(!text.contains("PRIVATE KEY"), "the dump contains a private key");
    let dump: Value = serde_json::from_str(&text).unwrap();
    let part = |name: &str| {
        let url = format!("type.googleapis.com/envoy.admin.v3.{name}");
        dump["configs"].as_array().unwrap().iter().find(|part| part["@type"] == url.as_str()).unwrap().clone()
    };
    let listener = &part("ListenersConfigDump")["dynamic_listeners"][0];
    assert_eq!(listener["name"], "virtualInbound");
    assert_eq!(listener["active_state"]["listener"]["@type"], "type.googleapis.com/envoy.config.listener.v3.Listener");
    assert_eq!(part("ClustersConfigDump")["dynamic_active_clusters"][0]["cluster"]["name"], "server");
    assert_eq!(part("EndpointsConfigDump")["static_endpoint_configs"][0]["endpoint_config"]["cluster_name"], "server");
    assert_eq!(part("RoutesConfigDump")["static_route_configs"][0]["route_config"]["name"], "routes");
    let secrets = part("SecretsConfigDump");
    let own = &secrets["dynamic_active_secrets"].as_array().unwrap().iter().find(|s| s["name"] == "default").unwrap()["secret"];
    assert_eq!(own["tls_certificate"]["private_key"], json!({"inline_string": "[redacted]"}));
    assert!(
        own["tls_certificate"]["certificate_chain"]["inline_string"].as_str().unwrap().contains("BEGIN CERTIFICATE")
    );
}

#[test]
fn certificates_in_use_are_listed_with_their_names() {
    let (proxy, _) = sidecar();
    let certs = json_of(&proxy, "/certs");
    let svid = &certs["certificates"][0]["cert_chain"][0];
    assert_eq!(svid["subject_alt_names"], json!([{"uri": "spiffe://cluster.local/ns/default/sa/client"}]));
    assert!(certs["certificates"][0]["ca_cert"][0]["expiration_time"].is_string());
}

#[test]
fn listeners_clusters_and_statistics_are_reported() {
    let (ip, files) = (loopback(), folder());
    let (address, app): (SocketAddr, SocketAddr) = ((ip, 15001).into(), (ip, 8080).into());
    upstream(app, echo);
    let chain = hcm_chain(files.path(), &[route("/", "c", &json!({}))], &json!({}));
    resources(files.path(), "lds.json", &[listener("http", address, &chain)]);
    resources(files.path(), "cds.json", &[cluster("c", app)]);
    let proxy = Proxy::start(files, &["--concurrency", "1"]);
    get(address, "/");

    assert_eq!(proxy.admin("/ready"), "LIVE\n");
    assert_eq!(proxy.admin("/listeners"), format!("http::{address}\n"));
    assert!(proxy.admin("/clusters").contains(&format!("c::{app}::health_flags::healthy\n")));
    assert_eq!(proxy.stat("cluster.c.upstream_rq_200"), 1);
    assert_eq!(proxy.stat("http.test.downstream_rq_2xx"), 1);
    let prometheus = proxy.admin("/stats/prometheus");
    let line = "envoy_cluster_upstream_rq_xx{envoy_response_code_class=\"2\",envoy_cluster_name=\"c\"} 1\n";
    assert!(prometheus.contains(line), "{prometheus}");
    assert_eq!(json_of(&proxy, "/server_info")["state"], "LIVE");
    assert!(proxy.admin("/nope").starts_with("invalid path. admin commands are:\n"));
}

#[test]
fn changes_require_post() {
    let (mut proxy, _) = sidecar();
    assert_eq!(proxy.admin("/quitquitquit"), "Method GET not allowed, POST required.");
    assert_eq!(proxy.order("/quitquitquit"), "OK\n");
    assert!(proxy.wait().success());
}

#[test]
fn drained_listeners_accept_no_more_connections() {
    let (proxy, address) = sidecar();
    assert_eq!(proxy.order("/drain_listeners"), "OK\n");
    until("it no longer listens", || TcpStream::connect(address).is_err()); // another thread executes it
}
