//! Replacing files while connections are open.

use std::{
    io::{Read, Write},
    net::SocketAddr,
};

use crate::support::{
    Mesh, Proxy, cluster, folder, listener, loopback, resources,
    tcp::{connect, echo, end, named, ping},
    tcp_chain, until,
};
use serde_json::{Value, json};

fn greeting(address: SocketAddr) -> String {
    let mut text = String::new();
    connect(address).read_to_string(&mut text).unwrap();
    text
}

fn assignment(endpoint: SocketAddr) -> Value {
    let mut assignment = cluster("c", endpoint)["load_assignment"].clone();
    assignment["@type"] = json!("type.googleapis.com/envoy.config.endpoint.v3.ClusterLoadAssignment");
    assignment
}

/// A proxy with endpoints from `eds.json`.
fn with_eds(address: SocketAddr, endpoint: SocketAddr) -> Proxy {
    let files = folder();
    resources(files.path(), "eds.json", &[assignment(endpoint)]);
    resources(files.path(), "lds.json", &[listener("l", address, &tcp_chain(files.path(), "c", ""))]);
    resources(
        files.path(),
        "cds.json",
        &[json!({
            "@type": "type.googleapis.com/envoy.config.cluster.v3.Cluster", "name": "c", "type": "EDS",
            "eds_cluster_config": {"eds_config": {"path_config_source": {"path": files.path().join("eds.json")}}},
        })],
    );
    Proxy::start(files, &["-l", "warning"])
}

#[test]
fn endpoints_change_while_connections_are_open() {
    let ip = loopback();
    let (old, new, address) = ((ip, 8080).into(), (ip, 8081).into(), (ip, 15001).into());
    echo(old);
    named(new, "new");
    let proxy = with_eds(address, old);
    let mut open = connect(address);
    ping(&mut open, b"before");
    proxy.replace("eds.json", &[assignment(new)], "cluster.c.update_success");
    assert_eq!(greeting(address), "new");
    ping(&mut open, b"after");
}

#[test]
fn an_invalid_file_changes_nothing_and_is_counted() {
    let ip = loopback();
    let (app, address) = ((ip, 8080).into(), (ip, 15001).into());
    named(app, "still here");
    let proxy = with_eds(address, app);
    let mut odd = assignment(app);
    odd["no_such_field"] = json!(1);
    proxy.replace("eds.json", &[odd], "cluster.c.update_rejected");
    proxy.replace(
        "cds.json",
        &[json!({"@type": "type.googleapis.com/no.such.Type"})],
        "cluster_manager.cds.update_rejected",
    );
    proxy.replace("lds.json", &[assignment(app)], "listener_manager.lds.update_rejected");
    assert_eq!(greeting(address), "still here");
}

#[test]
fn writing_a_file_in_place_is_not_noticed() {
    let ip = loopback();
    let (app, other, address) = ((ip, 8080).into(), (ip, 8081).into(), (ip, 15001).into());
    named(app, "app");
    let proxy = with_eds(address, app);
    let text = json!({"resources": [assignment(other)]}).to_string();
    std::fs::write(proxy.folder.path().join("eds.json"), text).unwrap();
    // A later move of another file is noticed, so the previous write would have been by now.
    proxy.replace(
        "lds.json",
        &[listener("l", address, &tcp_chain(proxy.folder.path(), "c", ""))],
        "listener_manager.lds.update_success",
    );
    assert_eq!(greeting(address), "app");
    assert_eq!(proxy.stat("cluster.c.update_success"), 1);
}

#[test]
fn listeners_are_added_and_removed() {
    let ip = loopback();
    let (app, one, two) = ((ip, 8080).into(), (ip, 15001).into(), (ip, 15002).into());
    named(app, "app");
    let files = folder();
    let chain = tcp_chain(files.path(), "c", "");
    resources(files.path(), "lds.json", &[listener("one", one, &chain)]);
    resources(files.path(), "cds.json", &[cluster("c", app)]);
    let proxy = Proxy::start(files, &["-l", "warning", "--concurrency", "2"]);
    assert_eq!(greeting(one), "app");
    proxy.replace("lds.json", &[listener("two", two, &chain)], "listener_manager.lds.update_success");
    assert_eq!(greeting(two), "app");
    until("it no longer listens", || std::net::TcpStream::connect(one).is_err());
}

#[test]
fn a_removed_chain_drains_and_then_ends_its_connections() {
    let ip = loopback();
    let (app, address) = ((ip, 8080).into(), (ip, 15001).into());
    echo(app);
    let files = folder();
    let mesh = Mesh::new();
    mesh.secrets(files.path(), "spiffe://cluster.local/ns/default/sa/server");
    let permissive = listener("l", address, &tcp_chain(files.path(), "c", "%RESPONSE_FLAGS%"));
    resources(files.path(), "lds.json", std::slice::from_ref(&permissive));
    resources(files.path(), "cds.json", &[cluster("c", app)]);
    let proxy = Proxy::start(files, &["-l", "warning", "--drain-time-s", "5"]);
    let mut open = connect(address);
    ping(&mut open, b"before");
    let mut strict = permissive;
    strict["filter_chains"][0]["transport_socket"] = Mesh::downstream(proxy.folder.path(), "spiffe://");
    proxy.replace("lds.json", &[strict], "listener_manager.lds.update_success");
    ping(&mut open, b"while it drains");
    assert_eq!(end(&mut open), Ok(()), "it ends with FIN, not a reset");
}

#[test]
fn an_unchanged_chain_keeps_its_connections() {
    let ip = loopback();
    let (app, address) = ((ip, 8080).into(), (ip, 15001).into());
    echo(app);
    let files = folder();
    let before = listener("l", address, &tcp_chain(files.path(), "c", "%RESPONSE_FLAGS%"));
    resources(files.path(), "lds.json", std::slice::from_ref(&before));
    resources(files.path(), "cds.json", &[cluster("c", app)]);
    let proxy = Proxy::start(files, &["-l", "warning", "--drain-time-s", "0"]);
    let mut open = connect(address);
    ping(&mut open, b"before");
    let mut after = before;
    let mut more = tcp_chain(proxy.folder.path(), "c", "");
    more["filter_chain_match"] = json!({"destination_port": 1});
    after["filter_chains"].as_array_mut().unwrap().push(more);
    proxy.replace("lds.json", &[after], "listener_manager.lds.update_success");
    ping(&mut open, b"after");
}

#[test]
fn a_rotated_certificate_is_used_for_new_connections_and_closes_none() {
    let ip = loopback();
    let (app, inbound, address) = ((ip, 8080).into(), (ip, 15006).into(), (ip, 15001).into());
    echo(app);
    let mesh = Mesh::new();
    let prefix = "spiffe://cluster.local/";
    let server = folder();
    mesh.secrets(server.path(), "spiffe://cluster.local/ns/default/sa/server");
    let mut chain = tcp_chain(server.path(), "c", "%DOWNSTREAM_PEER_URI_SAN%");
    chain["transport_socket"] = Mesh::downstream(server.path(), prefix);
    resources(server.path(), "lds.json", &[listener("l", inbound, &chain)]);
    resources(server.path(), "cds.json", &[cluster("c", app)]);
    let server = Proxy::start(server, &["-l", "warning"]);

    let client = folder();
    mesh.secrets(client.path(), "spiffe://cluster.local/ns/default/sa/old");
    let mut to_server = cluster("s", inbound);
    to_server["transport_socket"] = Mesh::upstream(client.path(), prefix);
    resources(client.path(), "lds.json", &[listener("l", address, &tcp_chain(client.path(), "s", ""))]);
    resources(client.path(), "cds.json", &[to_server]);
    let client = Proxy::start(client, &["-l", "warning"]);

    let mut open = connect(address);
    ping(&mut open, b"before");
    ping(&mut connect(address), b"before");
    assert_eq!(client.stat("sidelab.tls_contexts_built"), 1, "none for a connection");
    let before = client.stat("sds.default.update_success");
    mesh.secrets(client.folder.path(), "spiffe://cluster.local/ns/default/sa/new");
    client.wait_for("sds.default.update_success", before + 1);
    let mut later = connect(address);
    ping(&mut later, b"after");
    ping(&mut open, b"after");
    drop((open, later));
    server.wait_for("tcp.c.downstream_cx_total", 3);
    drop(client); // ends open connections
    let mut peers = server.log();
    peers.sort();
    peers.dedup();
    assert_eq!(peers, ["spiffe://cluster.local/ns/default/sa/new", "spiffe://cluster.local/ns/default/sa/old"]);
}

#[test]
fn an_update_of_a_secret_is_counted_once_and_after_all_its_users_have_it() {
    let ip = loopback();
    let (app, address) = ((ip, 8080).into(), (ip, 15001).into());
    echo(app);
    let (mesh, files) = (Mesh::new(), folder());
    mesh.secrets(files.path(), "spiffe://cluster.local/ns/default/sa/old");
    let mut chain = tcp_chain(files.path(), "c", "");
    chain["transport_socket"] = Mesh::downstream(files.path(), "spiffe://");
    let mut with_tls = cluster("s", app);
    with_tls["transport_socket"] = Mesh::upstream(files.path(), "spiffe://");
    resources(files.path(), "lds.json", &[listener("l", address, &chain)]);
    resources(files.path(), "cds.json", &[cluster("c", app), with_tls]);
    let proxy = Proxy::start(files, &["-l", "warning"]);
    assert_eq!((proxy.stat("sds.default.update_success"), proxy.stat("sidelab.tls_contexts_built")), (1, 2));
    mesh.secrets(proxy.folder.path(), "spiffe://cluster.local/ns/default/sa/new");
    proxy.wait_for("sds.default.update_success", 2);
    assert!(proxy.stat("sidelab.tls_contexts_built") >= 4, "both contexts have it");
}

#[test]
fn a_key_that_does_not_match_its_certificate_is_refused_and_the_old_one_is_kept() {
    let ip = loopback();
    let (app, address) = ((ip, 8080).into(), (ip, 15001).into());
    echo(app);
    let (mesh, files) = (Mesh::new(), folder());
    mesh.secrets(files.path(), "spiffe://cluster.local/ns/default/sa/server");
    let mut chain = tcp_chain(files.path(), "c", "");
    chain["transport_socket"] = Mesh::downstream(files.path(), "spiffe://");
    resources(files.path(), "lds.json", &[listener("l", address, &chain)]);
    resources(files.path(), "cds.json", &[cluster("c", app)]);
    let proxy = Proxy::start(files, &["-l", "off"]);
    let before = proxy.admin("/certs");
    let (certificate, _) = mesh.svid("spiffe://cluster.local/ns/default/sa/other");
    let (_, key) = mesh.svid("spiffe://cluster.local/ns/default/sa/another");
    let secret = Mesh::secret("default", &certificate, &key);
    proxy.replace("default.json", &[secret], "sds.default.update_rejected");
    assert_eq!(proxy.admin("/certs"), before);
}

#[test]
fn routes_change_on_an_open_connection() {
    let ip = loopback();
    let address = (ip, 15001).into();
    let files = folder();
    let answering = |body: &str| {
        json!({
            "@type": "type.googleapis.com/envoy.config.route.v3.RouteConfiguration", "name": "r",
            "virtual_hosts": [{"name": "v", "domains": ["*"], "routes": [
                {"match": {"prefix": "/"}, "direct_response": {"status": 200, "body": {"inline_string": body}}}
            ]}],
        })
    };
    resources(files.path(), "rds.json", &[answering("before")]);
    resources(
        files.path(),
        "lds.json",
        &[listener(
            "l",
            address,
            &json!({"filters": [{"name": "http", "typed_config": {
                "@type": "type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager",
                "stat_prefix": "h",
                "rds": {"route_config_name": "r", "config_source": {"path_config_source": {"path": files.path().join("rds.json")}}},
                "http_filters": [{"name": "router", "typed_config":
                    {"@type": "type.googleapis.com/envoy.extensions.filters.http.router.v3.Router"}}],
            }}]}),
        )],
    );
    resources(files.path(), "cds.json", &[]);
    let proxy = Proxy::start(files, &["-l", "warning"]);
    let mut open = connect(address);
    let mut ask = || {
        open.write_all(b"GET / HTTP/1.1\r\nhost: a\r\n\r\n").unwrap();
        let mut answer = String::new();
        while !answer.ends_with("before") && !answer.ends_with("after") {
            let mut byte = [0];
            open.read_exact(&mut byte).unwrap();
            answer.push(byte[0].into());
        }
        answer
    };
    assert!(ask().ends_with("before"));
    proxy.replace("rds.json", &[answering("after")], "http.h.rds.r.update_success");
    assert!(ask().ends_with("after"));
}
