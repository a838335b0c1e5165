//! Limits of clusters. Expected statuses, bodies, flags and details are Envoy 1.40's.

use std::{
    io::{Read, Write},
    net::{SocketAddr, TcpStream},
    sync::{
        Arc, Mutex,
        atomic::Ordering,
        mpsc::{Receiver, Sender, channel},
    },
    thread,
};

use pretty_assertions::assert_eq;
use serde_json::{Value, json};

use crate::support::{
    LONG, Proxy, cluster, folder,
    http::{echo, get, hcm_chain, read_request, route, status_and_body, upstream},
    listener, loopback, resources, tcp_chain,
};

/// A proxy that forwards requests to one upstream, whose cluster has these fields.
fn proxy_to(upstream: SocketAddr, fields: &Value, action: &Value) -> (Proxy, SocketAddr) {
    let (files, address) = (folder(), (loopback(), 15001).into());
    let chain = hcm_chain(files.path(), &[route("/", "c", action)], &json!({}));
    resources(files.path(), "lds.json", &[listener("http", address, &chain)]);
    resources(files.path(), "cds.json", &[limited(upstream, fields)]);
    (Proxy::start(files, &["--concurrency", "1"]), address)
}

fn limited(upstream: SocketAddr, fields: &Value) -> Value {
    let mut cluster = cluster("c", upstream);
    cluster.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
    cluster
}

fn thresholds(limits: &Value) -> Value {
    json!({"circuit_breakers": {"thresholds": [limits]}})
}

/// An upstream that answers each request on demand.
fn on_demand(address: SocketAddr) -> Sender<()> {
    let (go, wait): (Sender<()>, Receiver<()>) = channel();
    let wait = Arc::new(Mutex::new(wait));
    upstream(address, move |mut stream| {
        while read_request(&mut stream).is_some() {
            if wait.lock().unwrap().recv().is_err() {
                return;
            }
            stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").unwrap();
        }
    });
    go
}

fn in_background(address: SocketAddr, path: &'static str) -> thread::JoinHandle<u16> {
    thread::spawn(move || status_and_body(&get(address, path)).0)
}

#[test]
fn a_request_beyond_those_that_may_wait_is_answered_with_503_and_flag_uo() {
    let app: SocketAddr = (loopback(), 8080).into();
    let go = on_demand(app);
    let limits = thresholds(&json!({"max_connections": 1, "max_pending_requests": 1}));
    let (proxy, address) = proxy_to(app, &limits, &json!({"retry_policy": {"retry_on": "5xx", "num_retries": 2}}));
    let first = in_background(address, "/first");
    proxy.wait_for("cluster.c.upstream_cx_active", 1);
    let second = in_background(address, "/second");
    proxy.wait_for("cluster.c.upstream_rq_pending_active", 1);
    let answer = get(address, "/third");
    let body = "upstream connect error or disconnect/reset before headers. reset reason: overflow";
    assert_eq!(status_and_body(&answer), (503, body));
    assert!(answer.contains("x-envoy-overloaded: true\r\n"), "{answer}");
    assert_eq!(proxy.stat("cluster.c.circuit_breakers.default.cx_open"), 1);
    assert_eq!(proxy.stat("cluster.c.circuit_breakers.default.rq_pending_open"), 1);
    go.send(()).unwrap();
    go.send(()).unwrap();
    assert_eq!((first.join().unwrap(), second.join().unwrap()), (200, 200));
    assert_eq!(proxy.stat("cluster.c.upstream_cx_total"), 1, "the second request got the connection of the first");
    assert_eq!(proxy.stat("cluster.c.upstream_rq_pending_overflow"), 1);
    assert_eq!(proxy.stat("cluster.c.upstream_rq_retry"), 0, "nothing is retried that there is no room for");
    let log = proxy.log();
    let line = "GET /third HTTP/1.1 503 UO upstream_reset_before_response_started{overflow}";
    assert!(log.iter().any(|logged| logged == line), "{log:?}");
}

#[test]
fn a_request_beyond_those_in_flight_is_answered_with_503() {
    let app: SocketAddr = (loopback(), 8080).into();
    let go = on_demand(app);
    let (proxy, address) = proxy_to(app, &thresholds(&json!({"max_requests": 1})), &json!({}));
    let first = in_background(address, "/first");
    proxy.wait_for("cluster.c.circuit_breakers.default.rq_open", 1);
    assert_eq!(status_and_body(&get(address, "/second")).0, 503);
    go.send(()).unwrap();
    assert_eq!(first.join().unwrap(), 200);
    go.send(()).unwrap();
    assert_eq!(status_and_body(&get(address, "/third")).0, 200, "there is room again");
}

#[test]
fn without_room_for_retries_the_failure_is_final() {
    let app: SocketAddr = (loopback(), 8080).into();
    let action = json!({"retry_policy": {"retry_on": "connect-failure", "num_retries": 2}});
    let (proxy, address) = proxy_to(app, &thresholds(&json!({"max_retries": 0})), &action);
    assert_eq!(status_and_body(&get(address, "/")).0, 503, "nothing listens there");
    assert_eq!(proxy.stat("cluster.c.upstream_rq_retry_overflow"), 1);
    let log = proxy.log();
    assert!(log[0].contains(" 503 UF,UO ") || log[0].contains(" 503 UO,UF "), "{log:?}");
}

#[test]
fn a_session_beyond_the_connections_is_closed_with_flag_uo() {
    let app: SocketAddr = (loopback(), 9000).into();
    upstream(app, |mut stream| drop(stream.read(&mut [0])));
    let (files, address) = (folder(), SocketAddr::from((loopback(), 15001)));
    let chain = tcp_chain(files.path(), "c", "%RESPONSE_FLAGS% %UPSTREAM_HOST%");
    resources(files.path(), "lds.json", &[listener("tcp", address, &chain)]);
    resources(files.path(), "cds.json", &[limited(app, &thresholds(&json!({"max_connections": 1})))]);
    let proxy = Proxy::start(files, &["--concurrency", "1"]);
    let first = TcpStream::connect(address).unwrap();
    proxy.wait_for("cluster.c.upstream_cx_active", 1);
    let mut second = TcpStream::connect(address).unwrap();
    second.set_read_timeout(Some(LONG)).unwrap();
    assert_eq!(second.read(&mut [0]).unwrap_or(0), 0);
    assert_eq!(proxy.stat("cluster.c.upstream_cx_overflow"), 1);
    drop(first);
    let log = proxy.log();
    assert_eq!(log[0], "UO -");
}

#[test]
fn a_connection_serves_as_many_requests_as_it_may() {
    let app: SocketAddr = (loopback(), 8080).into();
    let connections = upstream(app, echo);
    let options = json!({"typed_extension_protocol_options": {
    "envoy.extensions.upstreams.http.v3.HttpProtocolOptions": {
        "@type": "type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions",
        "explicit_http_config": {"http_protocol_options": {}},
        "common_http_protocol_options": {"max_requests_per_connection": 2},
    }}});
    let (proxy, address) = proxy_to(app, &options, &json!({}));
    for _ in 0..4 {
        assert_eq!(status_and_body(&get(address, "/")).0, 200);
    }
    assert_eq!(connections.load(Ordering::SeqCst), 2);
    assert_eq!(proxy.stat("cluster.c.upstream_cx_max_requests"), 2);
}
