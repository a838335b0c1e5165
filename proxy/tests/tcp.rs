//! TCP chains, through the running program.

mod support;

use std::{
    io::{Read, Write},
    net::{Shutdown, SocketAddr, TcpListener, TcpStream},
    thread,
};

use serde_json::{Value, json};
use support::{LONG, Mesh, Proxy, cluster, folder, listener, loopback, resources, tcp_chain};

/// A server that answers each connection with what it got, once the client has said all.
fn echo_after_end(address: SocketAddr) {
    let server = TcpListener::bind(address).unwrap();
    thread::spawn(move || {
        for connection in server.incoming() {
            let mut connection = connection.unwrap();
            thread::spawn(move || {
                let mut all = Vec::new();
                connection.read_to_end(&mut all).unwrap();
                connection.write_all(&all).unwrap();
            });
        }
    });
}

fn connect(address: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(LONG)).unwrap();
    stream
}

fn exchange(address: SocketAddr, message: &[u8]) -> Vec<u8> {
    let mut stream = connect(address);
    let mut writer = stream.try_clone().unwrap();
    let message = message.to_vec();
    let writing = thread::spawn(move || {
        writer.write_all(&message).unwrap();
        writer.shutdown(Shutdown::Write).unwrap();
    });
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).unwrap();
    writing.join().unwrap();
    answer
}

/// Two proxies: one that originates mutual TLS, one that terminates it.
fn two_sidecars(format: &str) -> (Proxy, Proxy, SocketAddr) {
    let mesh = Mesh::new();
    let ip = loopback();
    let (outbound, inbound, app) = ((ip, 15001).into(), (ip, 15006).into(), (ip, 8080).into());
    echo_after_end(app);

    let server = folder();
    mesh.secrets(server.path(), "spiffe://cluster.local/ns/default/sa/server");
    let mut chain = tcp_chain(server.path(), "inbound|8080||", format);
    chain["transport_socket"] = Mesh::downstream(server.path(), "spiffe://cluster.local/");
    resources(server.path(), "lds.json", &[listener("virtualInbound", inbound, &chain)]);
    resources(server.path(), "cds.json", &[cluster("inbound|8080||", app)]);

    let client = folder();
    mesh.secrets(client.path(), "spiffe://cluster.local/ns/default/sa/client");
    let mut to_server = cluster("outbound|8080||server", inbound);
    to_server["transport_socket"] = Mesh::upstream(client.path(), "spiffe://cluster.local/ns/default/sa/server");
    let chain = tcp_chain(client.path(), "outbound|8080||server", format);
    resources(client.path(), "lds.json", &[listener("outbound", outbound, &chain)]);
    resources(client.path(), "cds.json", &[to_server]);

    (Proxy::start(client, &[]), Proxy::start(server, &[]), outbound)
}

#[test]
fn bytes_pass_two_sidecars_and_a_half_closed_client_is_answered() {
    let format = "%RESPONSE_FLAGS% %BYTES_RECEIVED% %BYTES_SENT% %DOWNSTREAM_TLS_VERSION% %DOWNSTREAM_PEER_URI_SAN% %UPSTREAM_CLUSTER%";
    let (client, server, address) = two_sidecars(format);
    let message: Vec<u8> = (0..1_000_000_u32).map(|i| (i % 251) as u8).collect();
    assert!(exchange(address, &message) == message);
    assert_eq!(client.log(), ["- 1000000 1000000 - - outbound|8080||server"]);
    let peer = "spiffe://cluster.local/ns/default/sa/client";
    assert_eq!(server.log(), [format!("- 1000000 1000000 TLSv1.3 {peer} inbound|8080||")]);
}

#[test]
fn plain_to_plain_goes_through() {
    let (ip, files) = (loopback(), folder());
    let (address, app): (SocketAddr, SocketAddr) = ((ip, 15001).into(), (ip, 8080).into());
    echo_after_end(app);
    let chain = tcp_chain(files.path(), "c", "%RESPONSE_FLAGS% %BYTES_RECEIVED% %UPSTREAM_HOST%");
    resources(files.path(), "lds.json", &[listener("l", address, &chain)]);
    resources(files.path(), "cds.json", &[cluster("c", app)]);
    let proxy = Proxy::start(files, &["--concurrency", "2"]);
    let message = vec![7; 3_000_000];
    assert!(exchange(address, &message) == message);
    assert_eq!(proxy.log(), [format!("- 3000000 {app}")]);
}

#[test]
fn a_refused_upstream_is_logged_as_uf_and_retries_exhausted() {
    let (ip, files) = (loopback(), folder());
    let address = (ip, 15001).into();
    let chain = tcp_chain(files.path(), "c", "%RESPONSE_FLAGS% %UPSTREAM_TRANSPORT_FAILURE_REASON%");
    resources(files.path(), "lds.json", &[listener("l", address, &chain)]);
    resources(files.path(), "cds.json", &[cluster("c", (ip, 1).into())]);
    let proxy = Proxy::start(files, &[]);
    assert_eq!(exchange(address, b""), b"");
    assert_eq!(proxy.log(), ["UF,URX delayed_connect_error:_Connection_refused"]);
}

#[test]
fn a_file_that_is_not_supported_ends_the_program_with_its_path() {
    let files = folder();
    let mut odd: Value = listener("l", (loopback(), 15001).into(), &tcp_chain(files.path(), "c", ""));
    odd["no_such_field"] = json!(true);
    resources(files.path(), "lds.json", &[odd]);
    resources(files.path(), "cds.json", &[]);
    let bootstrap = support::write(files.path(), "bootstrap.json", &support::bootstrap(files.path()).to_string());
    let ended = support::run(&["-c", bootstrap.to_str().unwrap()]);
    let message = String::from_utf8(ended.stderr).unwrap();
    assert_eq!(ended.status.code(), Some(2));
    assert!(message.contains("lds.json") && message.contains("no_such_field"), "{message}");
}
