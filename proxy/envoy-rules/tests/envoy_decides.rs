//! Compares the rules of `envoy-rules` with the behaviour of the real Envoy.

use std::{
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::{Ipv4Addr, TcpListener, TcpStream},
    path::{Path, PathBuf},
    process::{Child, ChildStdout, Command, Stdio},
    sync::mpsc,
    thread,
    time::Duration,
};

use envoy_api::{RouteConfiguration, StringMatcher, UpstreamTlsContext};
use envoy_rules::{
    codec::HttpVersion,
    outcome::{ConnectError, Flag, Flags, Logged, Outcome, UpstreamReset},
    retry::RetryPolicy,
    route::{RequestHead, RouteTable},
    upstream::{Hello, HelloFacts, http_options, http_version},
};
use http::{HeaderMap, HeaderName, HeaderValue};
use pretty_assertions::assert_eq;
use serde_json::{Value, json};

#[path = "envoy_decides/authorization.rs"]
mod authorization;
#[path = "envoy_decides/balancing.rs"]
mod balancing;
#[path = "envoy_decides/client_hello.rs"]
mod client_hello;
#[path = "envoy_decides/paths.rs"]
mod paths;

/// Long enough that only a bug reaches it.
const PATIENCE: Duration = Duration::from_secs(20);
const LOCALHOST: (Ipv4Addr, u16) = (Ipv4Addr::LOCALHOST, 0);
const HCM: &str =
    "type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager";
const ROUTER: &str = "type.googleapis.com/envoy.extensions.filters.http.router.v3.Router";
const FILE_LOG: &str = "type.googleapis.com/envoy.extensions.access_loggers.file.v3.FileAccessLog";
const FILTER_STATE: &str = "type.googleapis.com/envoy.extensions.filters.network.set_filter_state.v3.Config";
const TLS: &str = "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext";
const HTTP_OPTIONS: &str = "type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions";

/// Path of the real Envoy: `SIDELAB_ENVOY`, or else the one that `scripts/envoy` installed.
fn envoy() -> Option<PathBuf> {
    let named = std::env::var_os("SIDELAB_ENVOY").map(PathBuf::from);
    let cache = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../.cache");
    let installed = || Some(std::fs::read_dir(cache).ok()?.flatten().map(|entry| entry.path().join("envoy")));
    named.or_else(|| installed()?.find(|path| path.is_file() && path.to_string_lossy().contains("/envoy-")))
}

/// Whether Envoy is installed. If not, the test prints that it is skipped; with `CI` set it fails.
fn has_envoy() -> bool {
    let there = envoy().is_some();
    assert!(there || std::env::var_os("CI").is_none(), "in CI this test needs the real Envoy: run scripts/envoy");
    if !there {
        eprintln!("skipped: needs the real Envoy: run scripts/envoy");
    }
    there
}

/// A running Envoy, whose access log is its standard output.
struct Envoy {
    process: Child,
    log: BufReader<ChildStdout>,
    admin: String,
    _folder: tempfile::TempDir,
}

impl Drop for Envoy {
    fn drop(&mut self) {
        let _ = self.process.kill().and_then(|()| self.process.wait()); // it may have exited
    }
}

impl Envoy {
    fn command(folder: &tempfile::TempDir, listeners: &[Value], clusters: &[Value]) -> Command {
        let bootstrap = json!({
            "admin": {"address": {"socket_address": {"address": "127.0.0.1", "port_value": 0}}},
            "static_resources": {"listeners": listeners, "clusters": clusters},
        });
        let path = folder.path().join("bootstrap.json");
        std::fs::write(&path, bootstrap.to_string()).expect("a file is written");
        let mut command = Command::new(envoy().expect("it is there"));
        command.arg("-c").arg(path).args(["--disable-hot-restart", "--concurrency", "1"]);
        command.args(["--file-flush-interval-msec", "20"]);
        command
    }

    /// Starts Envoy, and waits until it serves.
    fn start(listeners: &[Value], clusters: &[Value]) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let admin = folder.path().join("admin");
        let mut command = Self::command(&folder, listeners, clusters);
        command.arg("--admin-address-path").arg(&admin).args(["-l", "info"]);
        let mut process = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("Envoy starts");
        let mut said = BufReader::new(process.stderr.take().expect("a pipe")).lines().map_while(Result::ok);
        assert!(said.by_ref().any(|line| line.contains("starting workers")), "Envoy does not serve");
        thread::spawn(move || said.count()); // drains the pipe
        let admin = std::fs::read_to_string(admin).expect("the address of its admin interface");
        let log = BufReader::new(process.stdout.take().expect("a pipe"));
        Self { process, log, admin, _folder: folder }
    }

    fn accepts(listeners: &[Value]) -> bool {
        let folder = tempfile::tempdir().expect("a folder");
        let mut command = Self::command(&folder, listeners, &[]);
        command.args(["--mode", "validate"]).output().expect("Envoy runs").status.success()
    }

    fn port(&self, listener: &str) -> u16 {
        let (_, listeners) = get(&self.admin, "admin", "/listeners?format=json", "");
        let listeners: Value = serde_json::from_str(&listeners).expect("JSON");
        let all = listeners["listener_statuses"].as_array().expect("a list");
        let named = all.iter().find(|status| status["name"] == listener).expect("a listener of that name");
        let port = named["local_address"]["socket_address"]["port_value"].as_u64().expect("a port");
        u16::try_from(port).expect("a port")
    }

    fn logged(&mut self) -> String {
        let mut line = String::new();
        self.log.read_line(&mut line).expect("a line");
        line.trim_end().to_owned()
    }
}

/// Sends an HTTP/1.1 request. Returns the response's status and body.
fn get(address: &str, host: &str, path: &str, headers: &str) -> (u16, String) {
    let mut stream = TcpStream::connect(address).expect("it listens");
    stream.set_read_timeout(Some(PATIENCE)).expect("a timeout");
    let request = format!("GET {path} HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\n{headers}\r\n");
    stream.write_all(request.as_bytes()).expect("the request is sent");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("an answer");
    let (head, body) = answer.split_once("\r\n\r\n").expect("a head");
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).expect("a status");
    // Chunked responses contain JSON in a single chunk.
    let body = if head.contains("chunked") { body.split("\r\n").nth(1).unwrap_or_default() } else { body };
    (status, body.to_owned())
}

/// A listener with these routes, and with these filters before the connection manager.
fn listener(name: &str, routes: &Value, filters: &[Value]) -> Value {
    let format = "%RESPONSE_FLAGS% %RESPONSE_CODE% %RESPONSE_CODE_DETAILS% %UPSTREAM_TRANSPORT_FAILURE_REASON%\n";
    let log = json!({"@type": FILE_LOG, "path": "/dev/stdout",
                     "log_format": {"text_format_source": {"inline_string": format}}});
    let manager = json!({
        "@type": HCM, "stat_prefix": name, "route_config": routes,
        "http_filters": [{"name": "router", "typed_config": {"@type": ROUTER}}],
        "access_log": [{"name": "log", "typed_config": log}],
    });
    let filters: Vec<_> = filters.iter().cloned().chain([json!({"name": "http", "typed_config": manager})]).collect();
    json!({"name": name, "address": {"socket_address": {"address": "127.0.0.1", "port_value": 0}},
           "filter_chains": [{"filters": filters}]})
}

/// A route that responds with its own name.
fn named(name: &str, matcher: &Value) -> Value {
    json!({"name": name, "match": matcher, "direct_response": {"status": 200, "body": {"inline_string": name}}})
}

fn configuration(name: &str, routes: &[Value]) -> Value {
    json!({"name": name, "virtual_hosts": [{"name": "all", "domains": ["*"], "routes": routes}]})
}

fn expected_route(configured: &Value, authority: &str, path: &str, headers: &HeaderMap) -> String {
    let configured: RouteConfiguration = envoy_api::read_value(configured.clone()).expect("routes");
    let table = RouteTable::new(&configured).expect("a table");
    let index = table.find(&RequestHead { authority, path, method: "GET", scheme: "http", headers }).expect("a route");
    configured.virtual_hosts[index.virtual_host].routes[index.route].name.clone()
}

#[test]
fn envoy_refuses_the_same_string_matchers() {
    if !has_envoy() {
        return;
    }
    for (matcher, expected) in [
        (json!({}), false),
        (json!({"ignore_case": true}), false),
        (json!({"prefix": ""}), false),
        (json!({"suffix": ""}), false),
        (json!({"contains": ""}), false),
        (json!({"exact": ""}), true),
        (json!({"prefix": "a", "ignore_case": true}), true),
    ] {
        let matched = json!({"prefix": "/", "headers": [{"name": "x", "string_match": matcher}]});
        let accepted = Envoy::accepts(&[listener("under-test", &configuration("r", &[named("a", &matched)]), &[])]);
        let read = envoy_api::read_value::<StringMatcher>(matcher.clone());
        assert_eq!((accepted, read.is_ok()), (expected, expected), "{matcher}");
    }
}

#[test]
fn envoy_selects_the_same_routes() {
    if !has_envoy() {
        return;
    }
    let domains = ["::1", "[::1]", ":", "a", "a:", "fd00:", "[fd00::1]", "*", "a:b", "*.x", "*.y.x", "x.*", "q:80"];
    let host =
        |domain: &str| json!({"name": domain, "domains": [domain], "routes": [named(domain, &json!({"prefix": "/"}))]});
    let hosts: Vec<Value> = domains.iter().map(|domain| host(domain)).collect();
    let with_port = json!({"name": "with-port", "virtual_hosts": hosts});
    let without_port = json!({"name": "without-port", "virtual_hosts": hosts, "ignore_port_in_host_matching": true});
    let on =
        |name: &str, exact: &str| json!({"prefix": "/", "headers": [{"name": name, "string_match": {"exact": exact}}]});
    let paths = configuration(
        "paths",
        &[
            named("query", &json!({"prefix": "/a?b"})),
            named("prefix", &json!({"prefix": "/pre"})),
            named("exact", &json!({"path": "/exact"})),
            named("both", &on("x", "a,b")),
            named("second", &on("x", "b")),
            named("empty", &on("x", "")),
            named("authority", &on(":authority", "zz:1")),
            named("host", &on("host", "yy")),
            named("path", &on(":path", "/?q")),
            named(
                "folded",
                &json!({"prefix": "/", "headers": [{"name": "y", "string_match": {"exact": "AB", "ignore_case": true}}]}),
            ),
            named("rest", &json!({"prefix": "/"})),
        ],
    );
    let configured = [("with-port", &with_port), ("without-port", &without_port), ("paths", &paths)];
    let envoy = Envoy::start(&configured.map(|(name, routes)| listener(name, routes, &[])), &[]);
    let check = |(name, routes): (&str, &Value), host: &str, path: &str, headers: &[(&'static str, &'static str)]| {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.append(HeaderName::from_static(name), HeaderValue::from_static(value));
        }
        let text: String = headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
        let (_, answered) = get(&format!("127.0.0.1:{}", envoy.port(name)), host, path, &text);
        assert_eq!(answered, expected_route(routes, host, path, &map), "{name}: {host} {path} {headers:?}");
    };
    for host in [
        "::1",
        "[::1]",
        "[::1]:80",
        "a",
        "A",
        "a:80",
        "a:",
        "a:b",
        "fd00::1",
        "[fd00::1]",
        "[fd00::1]:1",
        "b.x",
        "b.x:9",
        "b.y.x",
        ".x",
        "x.com",
        "x.com:8",
        ":80",
        "q:80",
        "q:81",
        "[::1]:",
    ] {
        check(configured[0], host, "/", &[]);
        check(configured[1], host, "/", &[]);
    }
    for path in ["/a?b", "/a?bc", "/pre?x", "/prefix", "/pr?e", "/exact?x", "/exact/", "/?q"] {
        check(configured[2], "h", path, &[]);
    }
    for host in ["zz:1", "yy", "zz"] {
        check(configured[2], host, "/", &[]);
    }
    for headers in [
        &[("x", "a"), ("x", "b")][..],
        &[("x", "b"), ("x", "a")],
        &[("x", "a,b")],
        &[("x", "a, b")],
        &[("x", "")],
        &[("y", "aB")],
    ] {
        check(configured[2], "h", "/", headers);
    }
}

/// An upstream that handles each connection with `serve`.
fn upstream(serve: impl Fn(TcpStream) + Send + 'static) -> u16 {
    let listener = TcpListener::bind(LOCALHOST).expect("a port");
    let port = listener.local_addr().expect("an address").port();
    // The thread ends with the test's process.
    thread::spawn(move || listener.incoming().flatten().for_each(&serve));
    port
}

/// An upstream that reads a request, and sends a fixed response.
fn answers(with: &'static str) -> u16 {
    upstream(move |mut stream| {
        let _ = stream.read(&mut [0; 4096]); // the peer may be gone
        let _ = stream.write_all(with.as_bytes());
    })
}

fn cluster(name: &str, port: u16) -> Value {
    let address = json!({"address": {"socket_address": {"address": "127.0.0.1", "port_value": port}}});
    json!({"name": name, "connect_timeout": "5s", "load_assignment": {"cluster_name": name, "endpoints": [
        {"lb_endpoints": [{"endpoint": address}]},
    ]}})
}

#[test]
fn envoy_retries_logs_and_answers_according_to_the_rules() {
    if !has_envoy() {
        return;
    }
    // A port on which nothing listens any more.
    let closed = TcpListener::bind(LOCALHOST).and_then(|listener| listener.local_addr()).expect("a port").port();
    let silent = upstream(std::mem::forget);
    let refused = || ConnectError::Refused("delayed_connect_error:_Connection_refused".into());
    let upstreams = [
        ("garbage", answers("garbage\r\n\r\n"), Outcome::UpstreamReset(UpstreamReset::ProtocolError), true),
        ("closes", answers(""), Outcome::UpstreamReset(UpstreamReset::ConnectionTermination), true),
        ("refuses", closed, Outcome::ConnectFailed(refused()), false),
        ("silent", silent, Outcome::ResponseTimeout, true),
    ];
    let responses = [
        ("500", answers("HTTP/1.1 500 x\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"), 500),
        ("503", answers("HTTP/1.1 503 x\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"), 503),
        ("409", answers("HTTP/1.1 409 x\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"), 409),
    ];
    let conditions = [
        "5xx",
        "gateway-error",
        "reset",
        "reset-before-request",
        "connect-failure",
        "refused-stream",
        "retriable-4xx",
        "retriable-status-codes",
        "unavailable",
    ];
    let names = upstreams.iter().map(|(name, ..)| name).chain(responses.iter().map(|(name, ..)| name));
    let policy = |condition: &str, retries: u32| json!({"retry_on": condition, "num_retries": retries, "retriable_status_codes": [503]});
    let routes = names.flat_map(|name| {
        conditions.iter().flat_map(move |condition| {
            [0, 1].map(|retries| {
                let timeout = if *name == "silent" { "0.2s" } else { "20s" };
                let action = json!({"cluster": name, "timeout": timeout, "retry_policy": policy(condition, retries)});
                json!({"match": {"path": format!("/{name}/{condition}/{retries}")}, "route": action})
            })
        })
    });
    let routes = configuration("r", &routes.collect::<Vec<_>>());
    let clusters = upstreams.iter().map(|(name, port, ..)| cluster(name, *port));
    let clusters: Vec<_> = clusters.chain(responses.iter().map(|(name, port, _)| cluster(name, *port))).collect();
    let mut envoy = Envoy::start(&[listener("under-test", &routes, &[])], &clusters);
    let address = format!("127.0.0.1:{}", envoy.port("under-test"));

    let mut check = |name: &str, outcome: &Outcome, status: Option<u16>, sent: bool| {
        for (condition, retries) in conditions.iter().flat_map(|condition| [(condition, 0), (condition, 1)]) {
            // A silent upstream uses up the route's timeout, so testing more of these would only take longer.
            if name == "silent" && retries == 0 {
                continue;
            }
            let configured = envoy_api::read_value(policy(condition, retries)).expect("a policy");
            let policy = RetryPolicy::new(&configured);
            let retried = match status {
                Some(status) => policy.retries_response(status, None),
                None => policy.retries_failure(outcome, sent),
            };
            let answer = outcome.answer(retried && retries > 0, true);
            let expected = (
                status.or(answer.as_ref().map(|answer| answer.status)).expect("a status"),
                answer.map(|answer| answer.body.into_owned()).unwrap_or_default(),
            );
            assert_eq!(
                get(&address, "h", &format!("/{name}/{condition}/{retries}"), ""),
                expected,
                "{name} {condition}"
            );

            let line = envoy.logged();
            let [flags, _, details, transport_failure] = line.split(' ').collect::<Vec<_>>()[..] else {
                panic!("{line}")
            };
            let exhausted = if retried { Flag::UpstreamRetryLimitExceeded.into() } else { Flags::NONE };
            let expected = (exhausted.union(outcome.flags()).to_string(), outcome.details().replace(' ', "_"));
            assert_eq!((flags.to_owned(), details.to_owned()), expected, "{name} {condition} {retries}");
            let read = Outcome::read(Logged { flags, details, transport_failure });
            assert_eq!(read.as_ref(), Some(outcome), "{line}");
        }
    };
    for (name, _, outcome, sent) in &upstreams {
        check(name, outcome, None, *sent);
    }
    for (name, _, status) in &responses {
        check(name, &Outcome::Answered, Some(*status), true);
    }
}

type Offered = (Option<String>, Vec<String>);
