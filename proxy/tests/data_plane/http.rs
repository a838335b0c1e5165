//! HTTP/1.1 chains of the running program. Expected statuses, bodies, flags and details are Envoy 1.40's.

use std::{
    io::{self, Read, Write},
    net::{SocketAddr, TcpStream},
    sync::atomic::Ordering,
    time::Duration,
};

use crate::support::{
    LONG, Mesh, Proxy, cluster, folder,
    http::{echo, get, hcm_chain, read_request, route, status_and_body, talk, upstream},
    listener, loopback, resources,
    tcp::connect,
};
use serde_json::{Value, json};
use socket2::SockRef;

/// A proxy with one connection manager, and its address.
fn proxy(routes: &[Value], clusters: &[Value], options: &Value) -> (Proxy, SocketAddr) {
    let (files, address) = (folder(), (loopback(), 15001).into());
    let chain = hcm_chain(files.path(), routes, options);
    resources(files.path(), "lds.json", &[listener("http", address, &chain)]);
    resources(files.path(), "cds.json", clusters);
    (Proxy::start(files, &["--concurrency", "1"]), address)
}

/// A proxy that forwards everything to one upstream.
fn proxy_to(upstream: SocketAddr, action: &Value) -> (Proxy, SocketAddr) {
    proxy(&[route("/", "c", action)], &[cluster("c", upstream)], &json!({}))
}

fn reset(stream: &TcpStream) {
    SockRef::from(stream).set_linger(Some(Duration::ZERO)).unwrap();
}

/// Responds to every request with these bytes, and closes.
fn once(bytes: &'static [u8]) -> impl Fn(TcpStream) + Send + Sync {
    move |mut stream| {
        read_request(&mut stream);
        let _ = stream.write_all(bytes);
    }
}

/// Reads a request and never responds.
fn never(mut stream: TcpStream) {
    read_request(&mut stream);
    let _ = stream.read(&mut [0]); // until the proxy closes, too
}

#[test]
fn a_request_through_two_sidecars_identifies_the_caller_to_the_app() {
    let (mesh, ip) = (Mesh::new(), loopback());
    let (outbound, inbound, app): (SocketAddr, SocketAddr, SocketAddr) =
        ((ip, 15001).into(), (ip, 15006).into(), (ip, 8080).into());
    upstream(app, echo);

    let server = folder();
    mesh.secrets(server.path(), "spiffe://cluster.local/ns/default/sa/server");
    let mut chain = hcm_chain(
        server.path(),
        &[route("/", "inbound|8080||", &json!({}))],
        &json!({
            "server_name": "istio-envoy", "use_remote_address": false,
            "forward_client_cert_details": "APPEND_FORWARD",
            "set_current_client_cert_details": {"subject": true, "uri": true, "dns": true},
        }),
    );
    chain["transport_socket"] = Mesh::downstream(server.path(), "spiffe://cluster.local/");
    resources(server.path(), "lds.json", &[listener("virtualInbound", inbound, &chain)]);
    resources(server.path(), "cds.json", &[cluster("inbound|8080||", app)]);

    let client = folder();
    mesh.secrets(client.path(), "spiffe://cluster.local/ns/default/sa/client");
    let mut to_server = cluster("outbound|8080||server", inbound);
    to_server["transport_socket"] = Mesh::upstream(client.path(), "spiffe://cluster.local/ns/default/sa/server");
    let chain = hcm_chain(client.path(), &[route("/", "outbound|8080||server", &json!({}))], &json!({}));
    resources(client.path(), "lds.json", &[listener("outbound", outbound, &chain)]);
    resources(client.path(), "cds.json", &[to_server]);

    let (client, server) = (Proxy::start(client, &[]), Proxy::start(server, &[]));
    let answer = get(outbound, "/a?b=c");
    let (status, seen_by_app) = status_and_body(&answer);
    assert_eq!(status, 200, "{answer}");
    assert!(answer.contains("server: envoy\r\n"), "the client's sidecar names itself: {answer}");
    assert!(seen_by_app.starts_with("GET /a?b=c HTTP/1.1\r\n"), "{seen_by_app}");
    assert!(seen_by_app.contains("x-forwarded-proto: http\r\n"), "{seen_by_app}");
    let cert = seen_by_app.lines().find(|line| line.starts_with("x-forwarded-client-cert: ")).unwrap();
    assert!(cert.contains("By=spiffe://cluster.local/ns/default/sa/server;Hash="), "{cert}");
    assert!(cert.ends_with(";Subject=\"\";URI=spiffe://cluster.local/ns/default/sa/client"), "{cert}");
    assert_eq!(client.log(), ["GET /a?b=c HTTP/1.1 200 - via_upstream"]);
    assert_eq!(server.log(), ["GET /a?b=c HTTP/1.1 200 - via_upstream"]);
}

#[test]
fn upstream_failures_are_reported_like_by_envoy() {
    const RESET: &str = "upstream connect error or disconnect/reset before headers. reset reason: ";
    let ip = loopback();
    upstream((ip, 1).into(), |mut stream| drop(read_request(&mut stream)));
    upstream((ip, 2).into(), |mut stream| {
        read_request(&mut stream);
        reset(&stream);
    });
    upstream((ip, 3).into(), once(b"garbage garbage\r\n\r\n"));
    upstream((ip, 4).into(), once(b"\x15\x03\x01\x00\x02\x02\x46"));
    upstream((ip, 5).into(), never);
    let mut clusters = vec![
        cluster("refused", (ip, 9).into()),
        json!({
            "@type": "type.googleapis.com/envoy.config.cluster.v3.Cluster", "name": "empty", "type": "STATIC",
        }),
    ];
    clusters.extend((1..=5_u16).map(|port| cluster(&port.to_string(), (ip, port).into())));
    let retried = json!({"retry_policy": {"retry_on": "connect-failure,refused-stream,unavailable", "num_retries": 2}});
    let mut routes: Vec<_> = ["refused", "empty", "missing", "1", "2", "3", "4"]
        .map(|name| route(&format!("/{name}/"), name, &json!({})))
        .into();
    routes.push(route("/5/", "5", &json!({"timeout": "0.2s"})));
    routes.push(route("/retried/", "refused", &retried));
    routes.push(
        json!({"match": {"path": "/direct"}, "direct_response": {"status": 403, "body": {"inline_string": "no"}}}),
    );
    let (proxy, address) = proxy(&routes, &clusters, &json!({}));

    let failed = "upstream_reset_before_response_started";
    let refused = "delayed_connect_error:_Connection_refused";
    let expected = [
        ("/refused/", 503, format!("{RESET}remote connection failure"), format!("UF {failed}{{remote_connection_failure|{refused}}}")),
        ("/1/", 503, format!("{RESET}connection termination"), format!("UC {failed}{{connection_termination}}")),
        ("/2/", 503, format!("{RESET}connection termination"), format!("UC {failed}{{connection_termination}}")),
        ("/3/", 502, format!("{RESET}protocol error"), format!("UPE {failed}{{protocol_error}}")),
        ("/4/", 502, format!("{RESET}protocol error"), format!("UPE {failed}{{protocol_error}}")),
        ("/5/", 504, "upstream request timeout".into(), "UT response_timeout".into()),
        ("/empty/", 503, "no healthy upstream".into(), "UH no_healthy_upstream".into()),
        ("/missing/", 503, String::new(), "NC cluster_not_found".into()),
        ("/nowhere", 404, String::new(), "NR route_not_found".into()),
        ("/direct", 403, "no".into(), "- direct_response".into()),
        (
            "/retried/",
            503,
            "upstream connect error or disconnect/reset before headers. retried and the latest reset reason: remote connection failure".into(),
            format!("URX,UF {failed}{{remote_connection_failure|{refused}}}"),
        ),
    ];
    for (path, status, body, _) in &expected {
        assert_eq!(status_and_body(&get(address, path)), (*status, body.as_str()), "{path}");
    }
    let lines = expected.iter().map(|(path, status, _, rest)| format!("GET {path} HTTP/1.1 {status} {rest}"));
    assert_eq!(proxy.log(), lines.collect::<Vec<_>>());
}

#[test]
fn a_request_that_is_not_http_is_answered_with_400_in_plaintext() {
    let (proxy, address) = proxy(&[], &[], &json!({}));
    let client_hello = [&b"\x16\x03\x01\x00\xc8\x01\x00\x00\xc4\x03\x03"[..], &[0x55; 190]].concat();
    for bytes in [&client_hello[..], b"garbage\r\n\r\n", b"GET / HTTP/1.1\r\nhost: a\r\nno colon\r\n\r\n"] {
        let answer = talk(address, bytes);
        assert!(
            answer.starts_with("HTTP/1.1 400 Bad Request\r\ncontent-length: 11\r\ncontent-type: text/plain\r\n"),
            "{answer}"
        );
        assert!(answer.ends_with("\r\nserver: envoy\r\nconnection: close\r\n\r\nBad Request"), "{answer}");
    }
    assert_eq!(proxy.log(), ["- - HTTP/1.1 400 DPE http1.codec_error"; 3]);
}

#[test]
fn garbage_after_a_request_does_not_affect_its_response() {
    let app = (loopback(), 8080).into();
    upstream(app, echo);
    let (proxy, address) = proxy_to(app, &json!({}));
    let mut stream = TcpStream::connect(address).unwrap();
    stream.write_all(b"GET /1 HTTP/1.1\r\nhost: a\r\n\r\n").unwrap();
    let mut first = [0; 64];
    stream.read_exact(&mut first).unwrap();
    assert!(first.starts_with(b"HTTP/1.1 200 OK"));
    stream.write_all(b"\x16\x03\x01garbage\r\n\r\n").unwrap();
    let mut rest = String::new();
    stream.read_to_string(&mut rest).unwrap();
    assert!(rest.ends_with("\r\n\r\nBad Request"), "{rest}");
    assert_eq!(proxy.log(), ["GET /1 HTTP/1.1 200 - via_upstream", "- - HTTP/1.1 400 DPE http1.codec_error"]);
}

#[test]
fn a_client_that_closes_is_logged_as_dc() {
    let app = (loopback(), 8080).into();
    let (asked, wait) = std::sync::mpsc::channel();
    upstream(app, move |mut stream| {
        read_request(&mut stream);
        asked.send(()).unwrap();
        let _ = stream.read(&mut [0]); // until the proxy closes, too
    });
    let (proxy, address) = proxy_to(app, &json!({}));
    let mut stream = TcpStream::connect(address).unwrap();
    stream.write_all(b"GET /slow HTTP/1.1\r\nhost: a\r\n\r\n").unwrap();
    wait.recv_timeout(LONG).unwrap();
    drop(stream);
    assert_eq!(proxy.log(), ["GET /slow HTTP/1.1 0 DC downstream_remote_disconnect"]);
}

#[test]
fn a_truncated_response_is_truncated_downstream() {
    let app = (loopback(), 8080).into();
    upstream(app, once(b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\npartial"));
    let (proxy, address) = proxy_to(app, &json!({}));
    let answer = get(address, "/");
    assert_eq!(status_and_body(&answer), (200, "partial"));
    assert_eq!(proxy.log(), ["GET / HTTP/1.1 200 UPE upstream_reset_after_response_started{protocol_error}"]);
}

#[test]
fn upstream_connections_are_reused() {
    let app = (loopback(), 8080).into();
    let connections = upstream(app, echo);
    let (_proxy, address) = proxy_to(app, &json!({}));
    for _ in 0..5 {
        assert_eq!(status_and_body(&get(address, "/")).0, 200);
    }
    assert_eq!(connections.load(Ordering::SeqCst), 1);
}

#[test]
fn a_retry_sends_the_body_again() {
    let app = (loopback(), 8080).into();
    let tries = std::sync::atomic::AtomicUsize::new(0);
    upstream(app, move |mut stream| {
        let request = read_request(&mut stream).unwrap();
        let body = &request[request.len() - 5..];
        let status = if tries.fetch_add(1, Ordering::SeqCst) == 0 { "503 Busy" } else { "200 OK" };
        let _ =
            stream.write_all(&[format!("HTTP/1.1 {status}\r\ncontent-length: 5\r\n\r\n").as_bytes(), body].concat());
    });
    let policy = json!({"retry_on": "retriable-status-codes", "retriable_status_codes": [503]});
    let (proxy, address) = proxy_to(app, &json!({"retry_policy": policy}));
    let answer = talk(address, b"POST / HTTP/1.1\r\nhost: a\r\nconnection: close\r\ncontent-length: 5\r\n\r\nhello");
    assert_eq!(status_and_body(&answer), (200, "hello"));
    assert_eq!(proxy.log(), ["POST / HTTP/1.1 200 - via_upstream"]);
}

#[test]
fn a_websocket_passes_if_allowed() {
    let app = (loopback(), 8080).into();
    upstream(app, |mut stream| {
        read_request(&mut stream);
        stream
            .write_all(b"HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n")
            .unwrap();
        let mut message = [0; 5];
        stream.read_exact(&mut message).unwrap();
        stream.write_all(&message).unwrap();
    });
    let request = b"GET / HTTP/1.1\r\nhost: a\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\nhello";
    let allowed = json!({"upgrade_configs": [{"upgrade_type": "websocket"}]});
    let (allowing, address) = proxy(&[route("/", "c", &json!({}))], &[cluster("c", app)], &allowed);
    let answer = talk(address, request);
    assert_eq!(status_and_body(&answer), (101, "hello"));
    assert_eq!(
        allowing.log(),
        ["GET / HTTP/1.1 101 UC upstream_reset_after_response_started{connection_termination}"],
        "as in Envoy, an app that ends a websocket terminates the connection"
    );

    let (refusing, address) = proxy_to(app, &json!({}));
    assert_eq!(status_and_body(&talk(address, request)), (403, ""));
    assert_eq!(refusing.log(), ["GET / HTTP/1.1 403 - upgrade_failed"]);
}

#[test]
fn an_idle_stream_times_out() {
    let app = (loopback(), 8080).into();
    upstream(app, never);
    let action = json!({"timeout": "0s"});
    let (proxy, address) =
        proxy(&[route("/", "c", &action)], &[cluster("c", app)], &json!({"stream_idle_timeout": "0.2s"}));
    assert_eq!(status_and_body(&get(address, "/")), (504, "stream timeout"));
    assert_eq!(proxy.log(), ["GET / HTTP/1.1 504 SI stream_idle_timeout"]);
}

#[test]
fn a_request_without_a_host_is_refused() {
    let (proxy, address) = proxy(&[], &[], &json!({}));
    assert_eq!(status_and_body(&talk(address, b"GET /x HTTP/1.1\r\n\r\n")), (400, ""));
    assert_eq!(status_and_body(&talk(address, b"GET /x HTTP/1.0\r\n\r\n")).0, 426);
    assert_eq!(proxy.log(), ["GET /x HTTP/1.1 400 - missing_host_header", "- - HTTP/1.1 426 DPE low_version"]);
}

#[test]
fn a_draining_proxy_answers_once_more_on_each_connection() {
    let app = (loopback(), 8080).into();
    upstream(app, echo);
    let (files, address) = (folder(), (loopback(), 15001).into());
    let chain = hcm_chain(files.path(), &[route("/", "c", &json!({}))], &json!({}));
    resources(files.path(), "lds.json", &[listener("http", address, &chain)]);
    resources(files.path(), "cds.json", &[cluster("c", app)]);
    let mut proxy = Proxy::start(files, &["--concurrency", "1", "--drain-time-s", "10"]);
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(LONG)).unwrap();
    let mut first = vec![0; 17];
    stream.write_all(b"GET /1 HTTP/1.1\r\nhost: a\r\n\r\n").unwrap();
    stream.read_exact(&mut first).unwrap();
    assert_eq!(first, b"HTTP/1.1 200 OK\r\n");
    proxy.signal_term();
    proxy.wait_for("http.test.downstream_cx_drain_close", 1);
    stream.write_all(b"GET /2 HTTP/1.1\r\nhost: a\r\n\r\n").unwrap();
    let mut rest = String::new();
    stream.read_to_string(&mut rest).unwrap();
    let (_, second) = rest.rsplit_once("HTTP/1.1 200 OK\r\n").unwrap();
    assert!(second.contains("connection: close\r\n"), "{second}");
    assert!(proxy.wait().success());
}

/// An app that sends the chunked body of one request a connection to a channel, and responds `ok`.
fn chunked(sender: std::sync::mpsc::Sender<String>) -> impl Fn(TcpStream) + Send + Sync {
    move |mut stream| {
        let mut request = Vec::new();
        while !request.ends_with(b"\r\n0\r\n\r\n") {
            let mut byte = [0];
            stream.read_exact(&mut byte).unwrap();
            request.push(byte[0]);
        }
        sender.send(String::from_utf8(request).unwrap()).unwrap();
        stream.write_all(b"HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 2\r\n\r\nok").unwrap();
    }
}

#[test]
fn a_body_reaches_the_app_with_any_method() {
    let (app, (sender, seen)) = ((loopback(), 8080).into(), std::sync::mpsc::channel());
    upstream(app, chunked(sender));
    let (_proxy, address) = proxy_to(app, &json!({}));
    for method in ["GET", "HEAD", "DELETE", "POST"] {
        let head = format!("{method} / HTTP/1.1\r\nhost: a\r\nconnection: close\r\ntransfer-encoding: chunked\r\n\r\n");
        let answer = talk(address, format!("{head}5\r\nhello\r\n0\r\n\r\n").as_bytes());
        assert_eq!(status_and_body(&answer), (200, if method == "HEAD" { "" } else { "ok" }), "{method}");
        let request = seen.recv_timeout(LONG).unwrap();
        assert!(request.starts_with(&format!("{method} / HTTP/1.1\r\n")), "{request}");
        assert!(request.ends_with("\r\n\r\n5\r\nhello\r\n0\r\n\r\n"), "{request}");
    }
}

#[test]
fn a_truncated_request_is_not_answered() {
    let app = (loopback(), 8080).into();
    upstream(app, never);
    let (proxy, address) = proxy_to(app, &json!({}));
    for (head, part) in [("content-length: 10", "abc"), ("transfer-encoding: chunked", "5\r\nab")] {
        let mut stream = TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(LONG)).unwrap();
        write!(stream, "POST / HTTP/1.1\r\nhost: a\r\n{head}\r\n\r\n{part}").unwrap();
        stream.shutdown(std::net::Shutdown::Write).unwrap();
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer); // a reset ends it, too
        assert_eq!(String::from_utf8(answer).unwrap(), "", "{head}");
    }
    assert_eq!(proxy.log(), ["POST / HTTP/1.1 0 DC downstream_remote_disconnect"; 2]);
}

#[test]
fn an_upstream_with_two_lengths_is_a_protocol_error() {
    let app = (loopback(), 8080).into();
    upstream(
        app,
        once(b"HTTP/1.1 200 OK\r\ncontent-length: 3\r\ntransfer-encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n"),
    );
    let (proxy, address) = proxy_to(app, &json!({}));
    assert_eq!(status_and_body(&get(address, "/")).0, 502);
    assert_eq!(proxy.log(), ["GET / HTTP/1.1 502 UPE upstream_reset_before_response_started{protocol_error}"]);
}

#[test]
fn a_pipelined_request_has_the_same_limits() {
    let app = (loopback(), 8080).into();
    upstream(app, echo);
    let (proxy, address) = proxy_to(app, &json!({}));
    let large = format!("GET /2 HTTP/1.1\r\nhost: a\r\nx: {}\r\n\r\n", "a".repeat(100_000));
    let answer = talk(address, format!("GET /1 HTTP/1.1\r\nhost: a\r\n\r\n{large}").as_bytes());
    assert!(answer.contains("HTTP/1.1 431 Request Header Fields Too Large\r\n"), "{answer}");
    assert_eq!(proxy.log(), ["GET /1 HTTP/1.1 200 - via_upstream", "- - HTTP/1.1 431 DPE http1.headers_too_large"]);
}

#[test]
fn a_response_before_the_end_of_the_request_is_forwarded_and_ends_the_connection() {
    let app = (loopback(), 8080).into();
    upstream(app, |mut stream| {
        let mut head = [0; 10];
        stream.read_exact(&mut head).unwrap();
        stream.write_all(b"HTTP/1.1 413 Too Large\r\ncontent-length: 4\r\n\r\nlate").unwrap();
        let _ = io::copy(&mut stream, &mut io::sink()); // closing it with unread bytes would reset it
    });
    let (proxy, address) = proxy_to(app, &json!({}));
    let answer = talk(address, b"POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 1000000\r\n\r\nnot all of it");
    assert_eq!(status_and_body(&answer), (413, "late"));
    assert!(answer.contains("\r\nconnection: close\r\n"), "{answer}");
    assert_eq!(proxy.log(), ["POST / HTTP/1.1 413 - via_upstream"]);
}

#[test]
fn a_response_goes_on_after_the_client_has_caught_up_while_its_request_is_incomplete() {
    const LENGTH: usize = 64 << 20;
    let app = (loopback(), 8080).into();
    upstream(app, |mut stream| {
        let mut head = [0; 10];
        stream.read_exact(&mut head).unwrap();
        write!(stream, "HTTP/1.1 200 OK\r\ncontent-length: {LENGTH}\r\n\r\n").unwrap();
        let _ = stream.write_all(&vec![b'x'; LENGTH]);
        let _ = io::copy(&mut stream, &mut io::sink()); // closing it with unread bytes would reset it
    });
    let (_proxy, address) = proxy_to(app, &json!({}));
    let mut stream = connect(address);
    stream.write_all(b"POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 10\r\n\r\nabc").unwrap();
    let (mut received, mut buffer) = (0, vec![0; 8 << 20]);
    while received < LENGTH {
        let count = stream.read(&mut buffer).unwrap_or_else(|error| panic!("after {received} bytes: {error}"));
        assert!(count > 0, "the end after {received} bytes");
        received += count;
    }
}
