use serde_json::json;

use super::*;

fn chain(of: &Value, filter: &Value) -> Value {
    json!({ "filter_chain_match": of, "filters": [filter] })
}

fn rds(name: &str) -> Value {
    json!({ "name": HTTP, "typed_config": { "rds": { "route_config_name": name } } })
}

fn tcp(cluster: &str) -> Value {
    json!({ "name": TCP, "typed_config": { "cluster": cluster } })
}

fn listener(address: &str, port: u16, chains: &[Value]) -> Value {
    json!({ "address": { "socket_address": { "address": address, "port_value": port } }, "filter_chains": chains })
}

#[test]
fn a_chain_is_described_in_istioctls_words() {
    let of = json!({ "transport_protocol": "tls", "destination_port": 8080,
        "application_protocols": ["http/1.0", "http/1.1", "h2c", "istio-http/1.0", "istio-http/1.1", "istio-h2"] });
    assert_eq!(chain_match(&chain(&of, &tcp("a"))), "Trans: tls; App: HTTP TLS; Addr: *:8080");
    let of = json!({ "server_names": ["a", "b"], "prefix_ranges": [{ "address_prefix": "10.0.0.0", "prefix_len": 8 }, { "address_prefix": "0.0.0.0" }] });
    assert_eq!(chain_match(&chain(&of, &tcp("a"))), "SNI: a,b; Addr: 10.0.0.0/8,0.0.0.0/0");
    assert_eq!(chain_match(&json!({})), "ALL");
    assert_eq!(destination(&chain(&json!({}), &rds("8080"))), "Route: 8080");
    assert_eq!(destination(&chain(&json!({}), &tcp("PassthroughCluster"))), "PassthroughCluster");
    assert_eq!(destination(&chain(&json!({}), &tcp("BlackHoleCluster"))), "Non-HTTP/Non-TCP");
    assert_eq!(destination(&chain(&json!({}), &tcp("outbound|80||a"))), "Cluster: outbound|80||a");
    let inline = json!({ "name": HTTP, "typed_config": { "route_config": { "virtual_hosts": [
        { "domains": ["*"], "routes": [{ "match": { "prefix": "/" }, "route": { "cluster": "inbound|8080||" } }] }] } } });
    assert_eq!(destination(&chain(&json!({}), &inline)), "Cluster: inbound|8080||");
}

#[test]
fn listeners_are_listed_by_port_with_a_line_for_each_chain() {
    let both = [
        listener("0.0.0.0", 15001, &[chain(&json!({}), &tcp("PassthroughCluster"))]),
        listener(
            "10.96.0.10",
            9000,
            &[
                chain(&json!({}), &tcp("outbound|9000||s")),
                chain(&json!({"transport_protocol": "raw_buffer"}), &rds("9000")),
            ],
        ),
    ];
    let shown = listener_table(&listeners(both.iter().collect(), &ListenerFilter::default()));
    assert_eq!(
        shown,
        "ADDRESSES  PORT  MATCH             DESTINATION\n\
         10.96.0.10 9000  Trans: raw_buffer Route: 9000\n\
         10.96.0.10 9000  ALL               Cluster: outbound|9000||s\n\
         0.0.0.0    15001 ALL               PassthroughCluster\n"
    );
    let of_kind = |kind: &str| {
        let filter = ListenerFilter { kind: Some(kind.into()), ..ListenerFilter::default() };
        listeners(both.iter().collect(), &filter).len()
    };
    assert_eq!(["http", "tcp", "HTTP+TCP"].map(of_kind), [0, 1, 1]);
}

#[test]
fn clusters_are_taken_apart_and_sorted_by_host() {
    let named = |name: &str| json!({ "name": name, "type": "EDS" });
    let rule = json!({ "name": "outbound|80|v1|a.default.svc.cluster.local", "type": "EDS", "metadata": { "filter_metadata": {
        "istio": { "config": "/apis/networking.istio.io/v1alpha3/namespaces/default/destination-rule/a" } } } });
    let all = [named("outbound|8080||b"), named("outbound|80||b"), rule, json!({ "name": "agent" })];
    let shown = cluster_table(&clusters(all.iter().collect(), &ClusterFilter::default()));
    let lines: Vec<Vec<&str>> = shown.lines().map(|line| line.split_whitespace().collect()).collect();
    assert_eq!(lines[1], ["a.default.svc.cluster.local", "80", "v1", "outbound", "EDS", "a.default"]);
    assert_eq!(lines[2], ["agent", "-", "-", "-", "STATIC"]);
    assert_eq!((lines[3][1], lines[4][1]), ("80", "8080"));
    let filter = ClusterFilter { port: Some(80), ..ClusterFilter::default() };
    assert_eq!(clusters(all.iter().collect(), &filter).len(), 2, "not 8080");
}

#[test]
fn a_hosts_domains_are_cut_as_istioctl_cuts_them() {
    let all = [
        "a",
        "a:80",
        "a.default",
        "a.default:80",
        "a.default.svc",
        "a.default.svc.cluster.local",
        "10.96.0.1",
        "10.96.0.1:80",
    ];
    assert_eq!(domains(&all), "a, a.default + 1 more...");
    assert_eq!(domains(&["*"]), "*");
    let routes = json!({ "name": "80", "virtual_hosts": [
        { "name": "allow_any", "domains": ["*"], "routes": [{ "match": { "prefix": "/" }, "route": { "cluster": "PassthroughCluster" } }] },
        { "name": "a:80", "domains": ["a"], "routes": [{ "match": { "prefix": "/x" }, "route": { "cluster": "outbound|80||a" } }] },
        { "name": "none", "domains": ["b"] },
    ] });
    let shown = route_table(&[&routes]);
    let lines: Vec<Vec<&str>> = shown.lines().skip(1).map(|line| line.split_whitespace().collect()).collect();
    assert_eq!(lines, [vec!["80", "a:80", "a", "/x*"], vec!["80", "none", "b", "/*", "404"]]);
}

#[test]
fn endpoints_are_listed_by_address_with_their_health() {
    let host = |address: &str, port: u16| json!({ "address": { "socket_address": { "address": address, "port_value": port } }, "health_status": { "eds_health_status": "HEALTHY" } });
    let statuses = json!({ "cluster_statuses": [
        { "name": "b", "host_statuses": [host("10.0.0.2", 80), host("10.0.0.1", 81)] },
        { "name": "a", "host_statuses": [host("10.0.0.1", 81)] },
        { "name": "empty" },
    ] });
    let shown = endpoint_table(&statuses, &EndpointFilter::default());
    let lines: Vec<Vec<&str>> = shown.lines().skip(1).map(|line| line.split_whitespace().collect()).collect();
    assert_eq!(
        lines,
        [
            ["10.0.0.1:81", "HEALTHY", "OK", "a"],
            ["10.0.0.1:81", "HEALTHY", "OK", "b"],
            ["10.0.0.2:80", "HEALTHY", "OK", "b"]
        ]
    );
    let filter = EndpointFilter { port: Some(80), ..EndpointFilter::default() };
    assert_eq!(clusters_with_endpoints(&statuses, &filter).len(), 1);
}
