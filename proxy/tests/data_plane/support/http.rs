//! HTTP as raw bytes, so that nothing but the proxy affects what is sent.

use std::{
    io::{Read, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
};

use serde_json::{Value, json};

use super::{LONG, access_log};

/// The log format of the tests.
pub(crate) const FORMAT: &str =
    "%REQ(:METHOD)% %REQ(:PATH)% %PROTOCOL% %RESPONSE_CODE% %RESPONSE_FLAGS% %RESPONSE_CODE_DETAILS%";

/// A chain with a connection manager and these routes.
pub(crate) fn hcm_chain(folder: &Path, routes: &[Value], options: &Value) -> Value {
    let mut manager = json!({
        "@type": "type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager",
        "stat_prefix": "test",
        "route_config": {"name": "routes", "validate_clusters": false,
            "virtual_hosts": [{"name": "all", "domains": ["*"], "routes": routes}]},
        "http_filters": [{"name": "router", "typed_config":
            {"@type": "type.googleapis.com/envoy.extensions.filters.http.router.v3.Router"}}],
        "access_log": [access_log(folder, FORMAT)],
    });
    for (name, value) in options.as_object().unwrap() {
        manager[name] = value.clone();
    }
    json!({"filters": [{"name": "http", "typed_config": manager}]})
}

/// A route from a prefix to a cluster, with additional fields for its action.
pub(crate) fn route(prefix: &str, cluster: &str, more: &Value) -> Value {
    let mut action = json!({"cluster": cluster});
    for (name, value) in more.as_object().unwrap() {
        action[name] = value.clone();
    }
    json!({"match": {"prefix": prefix}, "route": action})
}

/// An upstream that handles each connection with `serve`. Returns the number of connections.
pub(crate) fn upstream(address: SocketAddr, serve: impl Fn(TcpStream) + Send + Sync + 'static) -> Arc<AtomicUsize> {
    let listener = TcpListener::bind(address).unwrap();
    let connections = Arc::new(AtomicUsize::new(0));
    let (serve, counter) = (Arc::new(serve), connections.clone());
    thread::spawn(move || {
        for stream in listener.incoming() {
            let (stream, serve) = (stream.unwrap(), serve.clone());
            counter.fetch_add(1, Ordering::SeqCst);
            thread::spawn(move || serve(stream));
        }
    });
    connections
}

/// Echoes each request of a connection.
pub(crate) fn echo(mut stream: TcpStream) {
    while let Some(request) = read_request(&mut stream) {
        let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n", request.len());
        stream.write_all(&[head.as_bytes(), &request].concat()).unwrap();
    }
}

/// Reads a request with its body; `None` at the end of the connection.
pub(crate) fn read_request(stream: &mut TcpStream) -> Option<Vec<u8>> {
    let mut request = Vec::new();
    let mut byte = [0];
    while !request.ends_with(b"\r\n\r\n") {
        if stream.read(&mut byte).ok()? == 0 {
            return None;
        }
        request.push(byte[0]);
    }
    let head = String::from_utf8_lossy(&request).to_lowercase();
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")?.trim().parse().ok()).unwrap_or(0);
    let mut body = vec![0; length];
    stream.read_exact(&mut body).ok()?;
    request.extend(body);
    Some(request)
}

/// Sends bytes and returns everything that is received until the proxy closes.
pub(crate) fn talk(address: SocketAddr, bytes: &[u8]) -> String {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(LONG)).unwrap();
    stream.write_all(bytes).unwrap();
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer); // a reset ends it, too
    String::from_utf8_lossy(&answer).into_owned()
}

/// `GET` of a path on a new connection.
pub(crate) fn get(address: SocketAddr, path: &str) -> String {
    talk(address, format!("GET {path} HTTP/1.1\r\nhost: server:8080\r\nconnection: close\r\n\r\n").as_bytes())
}

/// Status and body of a response.
pub(crate) fn status_and_body(answer: &str) -> (u16, &str) {
    let status = answer.get(9..12).and_then(|status| status.parse().ok()).unwrap_or(0);
    (status, answer.split_once("\r\n\r\n").map_or("", |(_, body)| body))
}
