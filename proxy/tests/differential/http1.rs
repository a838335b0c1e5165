//! Hostile and unusual HTTP/1 requests: the response, what the upstream receives, and the log entry.

use std::{
    net::{IpAddr, SocketAddr},
    path::Path,
    sync::Arc,
};

use serde_json::{Value, json};

use crate::{
    app::{App, normalized},
    compare::{Facts, compare, on_lanes},
    planes::{ENDS, Kind, Plane, lines_of},
    rows::{self, Row},
    support::{cluster, loopback},
    wire::{self, Patience, short, text},
};

const LANES: usize = 8;
const FORMAT: &str = "%REQ(:METHOD)% %REQ(:PATH)% %REQ(:AUTHORITY)% %PROTOCOL% %RESPONSE_CODE% %RESPONSE_FLAGS% \
    %RESPONSE_CODE_DETAILS% %BYTES_RECEIVED% %BYTES_SENT%";

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

/// The port of a listener.
pub(crate) fn port(listener: usize) -> u16 {
    10_000 + u16::try_from(listener).unwrap()
}

/// The address of the app behind a listener.
pub(crate) fn behind(ip: IpAddr, listener: usize) -> SocketAddr {
    SocketAddr::new(ip, 20_000 + u16::try_from(listener).unwrap())
}

/// Listeners, each with a separate cluster and app on address `apps`.
pub(crate) fn listeners(ip: IpAddr, log: &str, count: usize, apps: IpAddr) -> Value {
    let without_type = |mut value: Value| {
        value.as_object_mut().unwrap().remove("@type");
        value
    };
    let listener = |i: usize| {
        json!({
            "name": format!("l{i}"),
            "address": {"socket_address": {"address": ip, "port_value": port(i)}},
            "filter_chains": [manager(log, &format!("app{i}"))],
        })
    };
    json!({
        "listeners": (0..count).map(listener).collect::<Vec<_>>(),
        "clusters": (0..count).map(|i| without_type(cluster(&format!("app{i}"), behind(apps, i)))).collect::<Vec<_>>(),
    })
}

fn play(kind: Kind, envoy: &Path, rows: &[Row], patience: Patience) -> Vec<Facts> {
    let (heard, seen, log) =
        play_rows(kind, envoy, rows, |address, row, _| wire::talk(address, &rows::parts(&row.columns[0]), patience));
    let facts = heard.into_iter().zip(seen).map(|(heard, seen)| -> Facts {
        vec![
            ("answer", short(&answers(&heard.bytes))),
            ("end", heard.how.into()),
            ("upstream", short(&seen.join(" & "))),
            ("log", short(&lines_of(&log, &heard).join(" & "))),
        ]
    });
    facts.collect()
}

/// Plays each row on a listener with a separate app, so that what an app receives belongs to a row. Returns the results, what
/// each app has received, and the access log.
pub(crate) fn play_rows<T: Send>(
    kind: Kind,
    envoy: &Path,
    rows: &[Row],
    talk: impl Fn(SocketAddr, &Row, &App) -> T + Sync,
) -> (Vec<T>, Vec<Vec<String>>, Vec<String>) {
    let ip = loopback();
    let apps: Vec<Arc<App>> = (0..rows.len()).map(|row| App::serve(behind(ip, row))).collect();
    let plane = Plane::start(kind, envoy, |address, log| listeners(address, log, rows.len(), ip));
    let played = on_lanes(LANES, rows, |row, number| talk(SocketAddr::new(plane.ip, port(number)), row, &apps[number]));
    plane.wait_until_idle();
    let log = plane.end();
    (played, apps.iter().map(|app| app.seen()).collect(), log)
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
