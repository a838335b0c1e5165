//! Which endpoint a hash leads to, and which ones are ejected.

use std::net::IpAddr;

use envoy_api::{Cluster, RouteConfiguration};
use envoy_rules::{
    hash,
    hash_table::HashTable,
    outlier::{Detection, Monitor, Sign},
};

use pretty_assertions::assert_eq;

use super::*;

/// Endpoints on which nothing listens: which one is chosen is logged nevertheless.
fn endpoints(count: u8) -> Vec<(String, u32)> {
    (1..=count).map(|i| (format!("127.1.0.{i}:1"), 1)).collect()
}

fn cluster_of(name: &str, endpoints: &[(String, u32)], fields: &Value) -> Value {
    let endpoint = |(address, weight): &(String, u32)| {
        let (host, port) = address.rsplit_once(':').expect("an address");
        let socket = json!({"address": host, "port_value": port.parse::<u16>().expect("a port")});
        json!({"endpoint": {"address": {"socket_address": socket}}, "load_balancing_weight": weight})
    };
    let endpoints: Vec<_> = endpoints.iter().map(endpoint).collect();
    let mut cluster = json!({"name": name, "connect_timeout": "5s", "load_assignment": {
        "cluster_name": name, "endpoints": [{"lb_endpoints": endpoints}]}});
    for (field, value) in fields.as_object().expect("fields") {
        cluster[field] = value.clone();
    }
    cluster
}

/// A listener whose only route leads to a cluster of its name, and that logs which endpoint was chosen.
fn balanced(name: &str, hash_policy: &Value) -> Value {
    let route = json!({"match": {"prefix": "/"}, "route": {"cluster": name, "hash_policy": hash_policy}});
    let mut listener = listener(name, &configuration(name, &[route]), &[]);
    let manager = &mut listener["filter_chains"][0]["filters"][0]["typed_config"];
    manager["delayed_close_timeout"] = "0s".into();
    manager["access_log"][0]["typed_config"]["log_format"] =
        json!({"text_format_source": {"inline_string": "%UPSTREAM_HOST%\n"}});
    listener
}

fn rules(name: &str, hash_policy: &Value) -> Vec<envoy_api::HashPolicy> {
    let listener = balanced(name, hash_policy);
    let routes = listener["filter_chains"][0]["filters"][0]["typed_config"]["route_config"].clone();
    let routes: RouteConfiguration = envoy_api::read_value(routes).expect("routes");
    routes.virtual_hosts[0].routes[0].route.clone().expect("an action").hash_policy
}

#[test]
fn envoy_chooses_the_same_endpoint_by_a_hash() {
    if !has_envoy() {
        return;
    }
    let equal = endpoints(5);
    let mut weighted = endpoints(3);
    (weighted[0].1, weighted[2].1) = (3, 7);
    weighted.reverse();
    let clusters = [
        ("ring", &equal, json!({"lb_policy": "RING_HASH", "ring_hash_lb_config": {"minimum_ring_size": 1024}})),
        ("small-ring", &weighted, json!({"lb_policy": "RING_HASH", "ring_hash_lb_config": {"minimum_ring_size": 7}})),
        ("maglev", &equal, json!({"lb_policy": "MAGLEV"})),
        ("small-maglev", &weighted, json!({"lb_policy": "MAGLEV", "maglev_lb_config": {"table_size": 101}})),
    ];
    let policies = [
        json!([{"header": {"header_name": "X-User"}}]),
        json!([{"query_parameter": {"name": "k"}}]),
        json!([{"cookie": {"name": "c", "path": "/"}}]),
        json!([{"connection_properties": {"source_ip": true}}, {"header": {"header_name": ":path"}}]),
    ];
    let name = |cluster: &str, policy: usize| format!("{cluster}-{policy}");
    let each = || clusters.iter().flat_map(|cluster| (0..policies.len()).map(move |policy| (cluster, policy)));
    let listeners: Vec<_> =
        each().map(|((cluster, ..), policy)| balanced(&name(cluster, policy), &policies[policy])).collect();
    let configured: Vec<_> = each()
        .map(|((cluster, endpoints, fields), policy)| cluster_of(&name(cluster, policy), endpoints, fields))
        .collect();
    let mut envoy = Envoy::start(&listeners, &configured);
    for (i, ((cluster, endpoints, _), policy)) in each().enumerate() {
        let name = name(cluster, policy);
        let address = format!("127.0.0.1:{}", envoy.port(&name));
        let read: Cluster = envoy_api::read_value(configured[i].clone()).expect("a cluster");
        let table = HashTable::new(&read, endpoints).expect("a table");
        let policies = rules(&name, &policies[policy]);
        for value in 0..25 {
            let path = format!("/p{value}?a=1&k={value}&k=2");
            let raw = format!("x-user: u{value}\r\nx-user: a\r\ncookie: b=1; c=\"v{value}\"\r\n");
            get(&address, "h", &path, &raw);
            let mut headers = HeaderMap::new();
            headers.append("x-user", HeaderValue::from_str(&format!("u{value}")).expect("a value"));
            headers.append("x-user", HeaderValue::from_static("a"));
            headers.append("cookie", HeaderValue::from_str(&format!("b=1; c=\"v{value}\"")).expect("a value"));
            let head = RequestHead { authority: "h", path: &path, method: "GET", scheme: "http", headers: &headers };
            let client = IpAddr::from(Ipv4Addr::LOCALHOST);
            let hash = hash::of_request(&policies, &head, client, |_| None).expect("a hash");
            assert_eq!(envoy.logged(), endpoints[table.choose(hash, 0)].0, "{name}: {path}");
        }
    }
}

#[test]
fn envoy_sets_the_same_cookie() {
    if !has_envoy() {
        return;
    }
    let policy = json!([{"cookie": {"name": "c", "path": "/p", "ttl": "60s", "attributes": [
        {"name": "SameSite", "value": "Strict"}, {"name": "Secure"}]}}]);
    let port = answers("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n");
    let upstream = cluster_of("c", &[(format!("127.0.0.1:{port}"), 1)], &json!({"lb_policy": "RING_HASH"}));
    let envoy = Envoy::start(&[balanced("c", &policy)], &[upstream]);
    let address = format!("127.0.0.1:{}", envoy.port("c"));
    let mut stream = TcpStream::connect(&address).expect("it listens");
    let own = stream.local_addr().expect("an address").to_string();
    stream.write_all(b"GET / HTTP/1.1\r\nhost: h\r\nconnection: close\r\n\r\n").expect("it is sent");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("an answer");
    let envoy_api::HashPolicy::Cookie(cookie) = &rules("c", &policy)[0] else { panic!("a cookie") };
    let expected = hash::set_cookie(cookie, &hash::cookie_of_connection(&own, &address));
    assert!(answer.contains(&format!("set-cookie: {expected}\r\n")), "{expected} is not in {answer}");
}

#[test]
fn envoy_ejects_as_many_endpoints() {
    if !has_envoy() {
        return;
    }
    let settings = [(2, 50), (2, 49), (3, 10), (3, 33), (3, 34), (3, 66), (3, 67), (3, 100)];
    let name = |(count, percent): (u8, u32)| format!("{count}-of-{percent}");
    let fields = |percent: u32| {
        json!({"common_lb_config": {"healthy_panic_threshold": {}}, "outlier_detection": {
            "consecutive_5xx": 2, "enforcing_success_rate": 0, "max_ejection_percent": percent}})
    };
    let clusters: Vec<_> = settings
        .iter()
        .map(|&(count, percent)| cluster_of(&name((count, percent)), &endpoints(count), &fields(percent)))
        .collect();
    let listeners: Vec<_> = settings.iter().map(|setting| balanced(&name(*setting), &json!([]))).collect();
    let envoy = Envoy::start(&listeners, &clusters);
    for (i, &(count, percent)) in settings.iter().enumerate() {
        let read: Cluster = envoy_api::read_value(clusters[i].clone()).expect("a cluster");
        let detection = Detection::new(&read).expect("supported").expect("there is one");
        // Each endpoint fails twice in a row.
        let mut ejected = 0;
        for _ in 0..count {
            let mut monitor = Monitor::default();
            assert_eq!(detection.observe(&mut monitor, Sign::Failed), None);
            detection.observe(&mut monitor, Sign::Failed).expect("the second failure counts");
            ejected += usize::from(detection.may_eject(ejected, usize::from(count)));
        }
        let name = name((count, percent));
        let address = format!("127.0.0.1:{}", envoy.port(&name));
        for _ in 0..6 * count {
            get(&address, "h", "/", "");
        }
        let path = format!("/stats?filter=cluster\\.{name}\\.outlier_detection\\.ejections_active");
        let (_, stats) = get(&envoy.admin, "admin", &path, "");
        let expected = format!("cluster.{name}.outlier_detection.ejections_active: {ejected}");
        assert!(stats.contains(&expected), "{expected}, not {stats}");
    }
}
