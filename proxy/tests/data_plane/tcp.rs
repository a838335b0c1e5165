//! TCP chains of the running program.

use std::{
    io::{ErrorKind, Read, Write},
    net::{Shutdown, SocketAddr},
    sync::mpsc,
};

use crate::support::{
    Mesh, Proxy, cluster, folder, listener, loopback, resources,
    tcp::{connect, echo, echo_after_end, end, exchange, named, ping, reset, serve},
    tcp_chain,
};
use serde_json::json;

/// A proxy between a listener and an endpoint.
fn one(app: SocketAddr, address: SocketAddr, format: &str) -> Proxy {
    let files = folder();
    resources(files.path(), "lds.json", &[listener("l", address, &tcp_chain(files.path(), "c", format))]);
    resources(files.path(), "cds.json", &[cluster("c", app)]);
    Proxy::start(files, &["-l", "warning"])
}

/// Two proxies between a listener and an endpoint: one that originates mutual TLS, one that terminates it.
fn two(app: SocketAddr, address: SocketAddr, format: &str) -> (Proxy, Proxy) {
    sidecars(app, address, format, true)
}

fn sidecars(app: SocketAddr, address: SocketAddr, format: &str, resumption: bool) -> (Proxy, Proxy) {
    let mesh = Mesh::new();
    let inbound = (address.ip(), 15006).into();

    let server = folder();
    mesh.secrets(server.path(), "spiffe://cluster.local/ns/default/sa/server");
    let mut chain = tcp_chain(server.path(), "inbound|8080||", format);
    chain["transport_socket"] = Mesh::downstream(server.path(), "spiffe://cluster.local/");
    for kind in ["stateless", "stateful"] {
        chain["transport_socket"]["typed_config"][format!("disable_{kind}_session_resumption")] = json!(!resumption);
    }
    resources(server.path(), "lds.json", &[listener("virtualInbound", inbound, &chain)]);
    resources(server.path(), "cds.json", &[cluster("inbound|8080||", app)]);

    let client = folder();
    mesh.secrets(client.path(), "spiffe://cluster.local/ns/default/sa/client");
    let mut to_server = cluster("outbound|8080||server", inbound);
    to_server["transport_socket"] = Mesh::upstream(client.path(), "spiffe://cluster.local/ns/default/sa/server");
    let chain = tcp_chain(client.path(), "outbound|8080||server", format);
    resources(client.path(), "lds.json", &[listener("outbound", address, &chain)]);
    resources(client.path(), "cds.json", &[to_server]);

    (Proxy::start(client, &["-l", "warning"]), Proxy::start(server, &["-l", "warning"]))
}

fn addresses() -> (SocketAddr, SocketAddr) {
    let ip = loopback();
    ((ip, 8080).into(), (ip, 15001).into())
}

#[test]
fn bytes_pass_two_sidecars_and_a_half_closed_client_gets_a_response() {
    let (app, address) = addresses();
    echo_after_end(app);
    let format = "%RESPONSE_FLAGS% %BYTES_RECEIVED% %BYTES_SENT% %DOWNSTREAM_TLS_VERSION% %DOWNSTREAM_PEER_URI_SAN% %UPSTREAM_CLUSTER%";
    let (client, server) = two(app, address, format);
    let message: Vec<u8> = (0..1_000_000_u32).map(|i| (i % 251) as u8).collect();
    assert!(exchange(address, &message) == message);
    assert_eq!(client.log(), ["- 1000000 1000000 - - outbound|8080||server"]);
    let peer = "spiffe://cluster.local/ns/default/sa/client";
    assert_eq!(server.log(), [format!("- 1000000 1000000 TLSv1.3 {peer} inbound|8080||")]);
}

#[test]
fn plaintext_bulk_data_is_spliced() {
    let (app, address) = addresses();
    echo_after_end(app);
    let proxy = one(app, address, "%RESPONSE_FLAGS% %BYTES_RECEIVED% %BYTES_SENT% %UPSTREAM_HOST%");
    let message = vec![7; 3_000_000];
    assert!(exchange(address, &message) == message);
    let (spliced, copied) = (proxy.stat("sidelab.splice_bytes"), proxy.stat("sidelab.copy_bytes"));
    assert_eq!(spliced + copied, 6_000_000);
    assert!(spliced > copied, "{copied} bytes were copied");
    assert_eq!(proxy.log(), [format!("- 3000000 3000000 {app}")]);
}

#[test]
fn data_with_tls_on_one_side_is_copied() {
    let (app, address) = addresses();
    echo_after_end(app);
    let (client, _server) = two(app, address, "");
    exchange(address, &[7; 1000]);
    assert_eq!((client.stat("sidelab.splice_bytes"), client.stat("sidelab.copy_bytes")), (0, 2000));
}

#[test]
fn a_returning_peer_is_not_verified_again() {
    let (app, address) = addresses();
    echo_after_end(app);
    // A resumed session needs no certificate at all.
    let (client, server) = sidecars(app, address, "", false);
    for connections in 0..3 {
        exchange(address, &[7; 1000]);
        assert_eq!(client.stat("sidelab.tls_known_chains"), connections);
        assert_eq!(server.stat("sidelab.tls_known_chains"), connections);
    }
}

#[test]
fn a_server_that_has_sent_fin_can_still_receive() {
    let (app, address) = addresses();
    let (heard, hears) = mpsc::channel();
    serve(app, move |mut connection| {
        connection.shutdown(Shutdown::Write).unwrap();
        let mut all = String::new();
        connection.read_to_string(&mut all).unwrap();
        heard.send(all).unwrap();
    });
    let (_client, _server) = two(app, address, "");
    let mut stream = connect(address);
    assert_eq!(end(&mut stream), Ok(()));
    stream.write_all(b"and another thing").unwrap();
    drop(stream);
    assert_eq!(hears.recv_timeout(crate::support::LONG).unwrap(), "and another thing");
}

#[test]
fn a_reset_by_the_client_reaches_the_server_as_a_reset() {
    let (app, address) = addresses();
    let (ended, ends) = mpsc::channel();
    serve(app, move |mut connection| {
        let mut first = [0];
        connection.read_exact(&mut first).unwrap();
        connection.write_all(&first).unwrap();
        ended.send(end(&mut connection)).unwrap();
    });
    let proxy = one(app, address, "%RESPONSE_FLAGS%");
    let mut stream = connect(address);
    ping(&mut stream, b"x");
    reset(stream);
    assert_eq!(ends.recv_timeout(crate::support::LONG).unwrap(), Err(ErrorKind::ConnectionReset));
    assert_eq!(proxy.log(), ["-"]);
}

#[test]
fn a_reset_by_the_server_reaches_the_client_through_both_sidecars() {
    let (app, address) = addresses();
    serve(app, |mut connection| {
        connection.read_exact(&mut [0]).unwrap();
        reset(connection);
    });
    let (client, server) = two(app, address, "%RESPONSE_FLAGS%");
    let mut stream = connect(address);
    stream.write_all(b"x").unwrap();
    assert_eq!(end(&mut stream), Err(ErrorKind::ConnectionReset));
    assert_eq!((client.log(), server.log()), (vec!["UR".to_owned()], vec!["UR".to_owned()]));
}

#[test]
fn a_server_that_speaks_first_is_relayed() {
    let (app, address) = addresses();
    named(app, "220 ready");
    let (_client, _server) = two(app, address, "");
    let mut greeting = String::new();
    connect(address).read_to_string(&mut greeting).unwrap();
    assert_eq!(greeting, "220 ready");
}

#[test]
fn a_refused_upstream_is_logged_as_uf_and_retries_exhausted() {
    let (app, address) = addresses();
    let proxy = one(app, address, "%RESPONSE_FLAGS% %UPSTREAM_TRANSPORT_FAILURE_REASON%");
    assert_eq!(exchange(address, b""), b"");
    assert_eq!(proxy.log(), ["UF,URX delayed_connect_error:_Connection_refused"]);
}

#[test]
fn a_cluster_without_endpoints_is_logged_as_uh() {
    let (_, address) = addresses();
    let files = folder();
    let chain = tcp_chain(files.path(), "BlackHoleCluster", "%RESPONSE_FLAGS% %UPSTREAM_CLUSTER%");
    resources(files.path(), "lds.json", &[listener("l", address, &chain)]);
    resources(
        files.path(),
        "cds.json",
        &[json!({
            "@type": "type.googleapis.com/envoy.config.cluster.v3.Cluster", "name": "BlackHoleCluster", "type": "STATIC"
        })],
    );
    let proxy = Proxy::start(files, &[]);
    assert_eq!(exchange(address, b""), b"");
    assert_eq!(proxy.log(), ["UH BlackHoleCluster"]);
}

#[test]
fn plaintext_under_strict_finds_no_chain_and_is_reset() {
    let (app, address) = addresses();
    let (mesh, files) = (Mesh::new(), folder());
    mesh.secrets(files.path(), "spiffe://cluster.local/ns/default/sa/server");
    let mut chain = tcp_chain(files.path(), "c", "%FILTER_CHAIN_NAME%");
    chain["transport_socket"] = Mesh::downstream(files.path(), "spiffe://cluster.local/");
    chain["filter_chain_match"] = json!({"transport_protocol": "tls"});
    let mut strict = listener("l", address, &chain);
    strict["listener_filters"] = json!([{"name": "tls", "typed_config":
        {"@type": "type.googleapis.com/envoy.extensions.filters.listener.tls_inspector.v3.TlsInspector"}}]);
    let format = "%RESPONSE_FLAGS% %RESPONSE_CODE_DETAILS% %DOWNSTREAM_LOCAL_ADDRESS%";
    strict["access_log"] = json!([crate::support::access_log(files.path(), format)]);
    strict["access_log"][0]["filter"] = json!({"response_flag_filter": {"flags": ["NR"]}});
    resources(files.path(), "lds.json", &[strict]);
    resources(files.path(), "cds.json", &[cluster("c", app)]);
    let proxy = Proxy::start(files, &[]);
    let mut stream = connect(address);
    stream.write_all(b"GET / HTTP/1.1\r\n\r\n").unwrap();
    assert_eq!(end(&mut stream), Err(ErrorKind::ConnectionReset));
    let counter = format!("listener.{}_15001.no_filter_chain_match", address.ip());
    assert_eq!(proxy.stat(&counter), 1);
    assert_eq!(proxy.log(), [format!("NR filter_chain_not_found {address}")]);
}

#[test]
fn ipv6_behaves_like_ipv4() {
    let app = std::net::TcpListener::bind("[::1]:0").unwrap().local_addr().unwrap();
    let address = std::net::TcpListener::bind("[::1]:0").unwrap().local_addr().unwrap();
    echo(app);
    let proxy = one(app, address, "%UPSTREAM_HOST% %DOWNSTREAM_LOCAL_ADDRESS%");
    let mut stream = connect(address);
    ping(&mut stream, b"six");
    drop(stream);
    proxy.wait_for("tcp.c.downstream_cx_total", 1);
    assert_eq!(proxy.log(), [format!("{app} {address}")]);
}

#[test]
fn idle_connections_hold_no_buffers() {
    let (app, address) = addresses();
    echo(app);
    let (client, _server) = two(app, address, "");
    let open = |count: usize| -> Vec<_> {
        let open = |_| {
            let mut stream = connect(address);
            ping(&mut stream, &[1; 20_000]);
            stream
        };
        (0..count).map(open).collect()
    };
    let _warm = open(10);
    let before = client.resident();
    let _idle = open(100);
    let each = client.resident().saturating_sub(before) / 100;
    // A buffer of the relay is 64 KiB. The rest belongs to rustls and Tokio.
    assert!(each < 32 * 1024, "{each} bytes a connection");
}
