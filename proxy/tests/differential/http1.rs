//! Hostile and unusual HTTP/1 requests: the response, what the upstream receives, and the log entry.

use std::{
    collections::BTreeSet,
    io::{Read as _, Write as _},
    net::{IpAddr, SocketAddr, TcpListener, TcpStream},
    path::Path,
    sync::{Arc, Mutex},
    thread,
    time::Duration,
};

use serde_json::{Value, json};

use crate::{
    compare::{Facts, compare, on_lanes},
    planes::{ENDS, Kind, Plane, lines_of},
    rows::{self, Row},
    support::{cluster, loopback},
    wire::{self, Patience, short, text},
};

const LANES: usize = 8;
const FORMAT: &str = "%REQ(:METHOD)% %REQ(:PATH)% %REQ(:AUTHORITY)% %PROTOCOL% %RESPONSE_CODE% %RESPONSE_FLAGS% \
    %RESPONSE_CODE_DETAILS% %BYTES_RECEIVED% %BYTES_SENT%";
/// How long the upstream may take to record what it received.
const SETTLED: Duration = Duration::from_millis(120);

#[test]
fn http1_requests_are_accepted_and_refused_like_by_envoy() {
    compare("http1", include_str!("http1.rows"), play);
}

/// A connection manager with Istio's options for inbound listeners, as far as they affect bytes.
pub(crate) fn manager(log: &str, cluster: &str) -> Value {
    json!({"filters": [{"name": "http", "typed_config": {
        "@type": "type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager",
        "stat_prefix": cluster,
        "route_config": {"name": "routes", "validate_clusters": false, "virtual_hosts": [{"name": "all", "domains": ["*"],
            "routes": [{"match": {"prefix": "/"}, "route": {"cluster": cluster, "timeout": "0s"}}]}]},
        "http_filters": [{"name": "router", "typed_config":
            {"@type": "type.googleapis.com/envoy.extensions.filters.http.router.v3.Router"}}],
        "use_remote_address": false, "normalize_path": true, "stream_idle_timeout": "0s",
        "upgrade_configs": [{"upgrade_type": "websocket"}],
        "access_log": [{"name": "file", "typed_config": {
            "@type": "type.googleapis.com/envoy.extensions.access_loggers.file.v3.FileAccessLog",
            "path": log, "log_format": {"text_format_source": {"inline_string": format!("{FORMAT}{ENDS}")}},
        }}],
    }}]})
}

/// Listeners from port 10000, each with a separate cluster and app.
pub(crate) fn lanes(ip: IpAddr, log: &str, app: impl Fn(usize) -> SocketAddr) -> Value {
    let without_type = |mut value: Value| {
        value.as_object_mut().unwrap().remove("@type");
        value
    };
    let listener = |i: usize| {
        json!({
            "name": format!("lane{i}"),
            "address": {"socket_address": {"address": ip, "port_value": 10_000 + i}},
            "filter_chains": [manager(log, &format!("app{i}"))],
        })
    };
    json!({
        "listeners": (0..LANES).map(listener).collect::<Vec<_>>(),
        "clusters": (0..LANES).map(|i| without_type(cluster(&format!("app{i}"), app(i)))).collect::<Vec<_>>(),
    })
}

fn play(kind: Kind, envoy: &Path, rows: &[Row], patience: Patience) -> Vec<Facts> {
    let ip = loopback();
    let app = |lane: usize| SocketAddr::new(ip, 20_000 + lane as u16);
    let seen: Vec<Seen> = (0..LANES).map(|lane| serve(app(lane))).collect();
    let plane = Plane::start(kind, envoy, |ip, log| lanes(ip, log, app));
    let played = on_lanes(LANES, rows, |lane, row| {
        seen[lane].lock().unwrap().clear();
        let address = SocketAddr::new(plane.ip, 10_000 + lane as u16);
        let heard = wire::talk(address, &rows::parts(&row.columns[0]), patience);
        thread::sleep(SETTLED);
        (heard, seen[lane].lock().unwrap().clone())
    });
    let log = plane.end();
    let facts = played.into_iter().map(|(heard, seen)| -> Facts {
        vec![
            ("answer", short(&answers(&heard.bytes))),
            ("end", heard.how.into()),
            ("upstream", short(&seen.join(" & "))),
            ("log", short(&lines_of(&log, &heard).join(" & "))),
        ]
    });
    facts.collect()
}

/// The responses, with sorted heads and without values that differ each time.
pub(crate) fn answers(bytes: &[u8]) -> String {
    let mut out = String::new();
    let all = text(bytes);
    let mut rest = all.as_str();
    while let Some((head, after)) = rest.split_once("\r\n\r\n").filter(|_| rest.starts_with("HTTP/1")) {
        out.push_str(&normalized(head));
        out.push('\n');
        let next = after.find("HTTP/1.").unwrap_or(after.len());
        out.push_str(&after[..next]);
        rest = &after[next..];
    }
    out.push_str(rest);
    out.replace('\r', "\\r").replace('\n', "\\n")
}

/// A head with its lines sorted.
pub(crate) fn normalized(head: &str) -> String {
    let mut lines = head.split("\r\n");
    let first = lines.next().unwrap_or_default();
    let changing = |line: &str| {
        let line = line.to_owned();
        let (name, _) = line.split_once(": ").unwrap_or((&line, ""));
        match name.to_ascii_lowercase().as_str() {
            "date" if line.ends_with("GMT") => "date: now".into(),
            "x-envoy-upstream-service-time" => "x-envoy-upstream-service-time: some".into(),
            "x-request-id" if line.len() == "x-request-id: ".len() + 36 => "x-request-id: some".into(),
            _ => line,
        }
    };
    let rest: BTreeSet<String> = lines.map(changing).collect();
    [vec![first.to_owned()], rest.into_iter().collect()].concat().join("; ")
}

type Seen = Arc<Mutex<Vec<String>>>;

/// A strict minimal app, which records what it receives and responds `ok`.
fn serve(address: SocketAddr) -> Seen {
    let listener = TcpListener::bind(address).unwrap();
    let seen = Seen::default();
    let notes = seen.clone();
    thread::spawn(move || {
        for stream in listener.incoming() {
            let notes = notes.clone();
            thread::spawn(move || answer_all(&stream.unwrap(), &notes));
        }
    });
    seen
}

fn answer_all(mut stream: &TcpStream, notes: &Seen) {
    let mut buffer = Vec::new();
    while let Some(request) = read_request(stream, &mut buffer) {
        notes.lock().unwrap().push(request);
        if stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok").is_err() {
            break;
        }
    }
    if !buffer.is_empty() {
        notes.lock().unwrap().push(format!("cut: {}", text(&buffer)));
    }
}

/// A request in the recorded form; `None` at the end, or if it is incomplete.
fn read_request(stream: &TcpStream, buffer: &mut Vec<u8>) -> Option<String> {
    let line = |buffer: &mut Vec<u8>, end: &[u8]| -> Option<Vec<u8>> {
        loop {
            if let Some(at) = buffer.windows(end.len()).position(|window| window == end) {
                let line = buffer[..at].to_vec();
                buffer.drain(..at + end.len());
                return Some(line);
            }
            more(stream, buffer)?;
        }
    };
    let head = line(buffer, b"\r\n\r\n")?;
    let head = text(&head);
    let lower = head.to_ascii_lowercase();
    let mut body = Vec::new();
    if lower.contains("\r\ntransfer-encoding: chunked") {
        loop {
            let size = usize::from_str_radix(&text(&line(buffer, b"\r\n")?), 16).ok()?;
            while buffer.len() < size + 2 {
                more(stream, buffer)?;
            }
            body.extend(buffer.drain(..size));
            buffer.drain(..2);
            if size == 0 {
                break;
            }
        }
    } else if let Some(length) = lower.lines().find_map(|line| line.strip_prefix("content-length: ")?.parse().ok()) {
        while buffer.len() < length {
            let before = buffer.len();
            if more(stream, buffer).is_none() {
                let cut = text(buffer);
                buffer.clear();
                buffer.extend(format!("{before} of {length} bytes: {cut}").into_bytes());
                return None;
            }
        }
        body.extend(buffer.drain(..length));
    }
    Some(format!("{} [{}]", normalized(&head), short(&text(&body))))
}

fn more(mut stream: &TcpStream, buffer: &mut Vec<u8>) -> Option<()> {
    let mut bytes = [0; 16 * 1024];
    match stream.read(&mut bytes) {
        Ok(count @ 1..) => {
            buffer.extend_from_slice(&bytes[..count]);
            Some(())
        }
        _ => None,
    }
}
