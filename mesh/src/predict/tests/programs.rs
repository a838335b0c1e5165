//! What is assumed of programs that are not known, and what `demo-server` answers.

use pretty_assertions::assert_eq;

use super::*;
use crate::testing::{INJECTED, mesh};

/// `client`, which has a sidecar, and what else there is.
fn with(more: &str) -> Mesh {
    let client = "---
apiVersion: v1
kind: Pod
metadata: {name: client}
spec: {containers: [{name: app, image: any}]}
";
    mesh(&format!("{INJECTED}{client}{more}"))
}

/// A host outside the cluster, as `explain` and `run` assume one.
fn host(name: &str) -> String {
    format!(
        "---
apiVersion: v1
kind: Pod
metadata: {{name: {name}, namespace: outside, annotations: {{sidelab.io/external-host: {name}, sidelab.io/app-speaks: '80=http,443=https'}}}}
spec: {{containers: [{{name: host, image: unknown}}]}}
"
    )
}

/// A ServiceEntry with these ports, whose clients originate TLS.
fn originated(ports: &str) -> String {
    format!(
        "---
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {{name: api}}
spec: {{hosts: [api.example.org], ports: [{ports}], resolution: DNS}}
---
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {{name: api}}
spec: {{host: api.example.org, trafficPolicy: {{tls: {{mode: SIMPLE}}}}}}
"
    )
}

/// `server` without a sidecar, of an unknown image, behind a Service with one port.
fn server(container: &str, port: &str) -> String {
    format!(
        "---
apiVersion: v1
kind: Pod
metadata: {{name: server, labels: {{app: server, sidecar.istio.io/inject: 'false'}}}}
spec: {{containers: [{{name: app, {container}}}]}}
---
apiVersion: v1
kind: Service
metadata: {{name: server}}
spec: {{selector: {{app: server}}, ports: [{port}]}}
"
    )
}

fn tls(mode: &str) -> String {
    format!(
        "---
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {{name: server}}
spec: {{host: server, trafficPolicy: {{tls: {{mode: {mode}}}}}}}
"
    )
}

/// <https://github.com/istio/istio/issues/50126>
#[test]
fn a_host_outside_has_a_certificate_for_its_own_name_alone() {
    let route = "---
apiVersion: v1
kind: Service
metadata: {name: internal}
spec: {selector: {app: none}, ports: [{name: http, port: 80}]}
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: internal}
spec:
  hosts: [internal]
  http: [{route: [{destination: {host: api.example.org, port: {number: 80}}}]}]
";
    let entry = originated("{number: 80, name: http, protocol: HTTP, targetPort: 443}");
    let mesh = with(&(host("api.example.org") + &entry + route));
    let account = call(&mesh, "client", "internal", 80, AppProtocol::Http).account();
    let Outcome { status, response_flags, details, .. } = &account.outcome;
    assert_eq!((*status, response_flags.to_string().as_str()), (Some(503), "URX,UF"));
    assert!(details.to_string().contains("CERTIFICATE_VERIFY_FAILED"), "{details}");
    assert_eq!(account.assumes.as_deref(), Some("the host's certificate is for api.example.org"));
    assert_eq!(brief(&call(&mesh, "client", "api.example.org", 80, AppProtocol::Http).outcome()), "200");
}

/// <https://github.com/istio/istio/issues/30771>
#[test]
fn the_apps_own_tls_is_for_a_name_too() {
    let mesh = with(&(host("a.example.org") + &host("b.example.org")));
    let asked = |sni: &str| {
        let mut calling = call(&mesh, "client", "a.example.org", 443, AppProtocol::Https);
        calling.call.sni = Some(sni.into());
        brief(&calling.outcome())
    };
    assert_eq!(asked("a.example.org"), "200");
    assert!(asked("b.example.org").ends_with("-> not_valid_for_name"), "{}", asked("b.example.org"));
}

#[test]
fn an_unknown_program_speaks_what_its_services_port_says() {
    for (mode, port) in [("SIMPLE", "{name: http, port: 8080}"), ("ISTIO_MUTUAL", "{port: 8080, appProtocol: http}")] {
        let mesh = with(&(server("image: nginx", port) + &tls(mode)));
        let account = call(&mesh, "client", "server", 8080, AppProtocol::Http).account();
        let details = account.outcome.details.to_string();
        assert!(details.contains("WRONG_VERSION_NUMBER"), "{mode}: {details}");
        assert_eq!(account.assumes.as_deref(), Some("the app speaks HTTP on 8080, as its Service's port says"));
    }
    let to = |port: &str, app| {
        let mesh = with(&server("image: any", port));
        call(&mesh, "client", "server", 8080, app).account().outcome.app_sees.to_string()
    };
    assert_eq!(to("{name: http, port: 8080}", AppProtocol::Https), "not_tls");
    assert_eq!(to("{name: mysql, port: 8080}", AppProtocol::Http), "http_parse");
    assert_eq!(to("{name: web, port: 8080}", AppProtocol::Http), "200");
    // What is inside TLS nobody says.
    assert_eq!(to("{name: tls, port: 8080}", AppProtocol::Https), "200");
}

#[test]
fn an_unknown_program_answers_its_probes() {
    let probed = "image: any, readinessProbe: {httpGet: {port: 8080, scheme: HTTPS}}";
    let mesh = with(&server(probed, "{name: web, port: 8080}"));
    let account = call(&mesh, "client", "server", 8080, AppProtocol::Http).account();
    assert_eq!(account.assumes.as_deref(), Some("the app speaks HTTP inside TLS on 8080, as its probe says"));
    assert!(!account.outcome.delivered);
}

#[test]
fn a_host_outside_speaks_the_protocol_of_its_service_entrys_port() {
    let to = |port: &str, number| {
        let mesh = with(&(host("api.example.org") + &originated(port)));
        brief(&call(&mesh, "client", "api.example.org", number, AppProtocol::Http).outcome())
    };
    let plaintext = to("{number: 8080, name: http, protocol: HTTP}", 8080);
    assert!(plaintext.contains("WRONG_VERSION_NUMBER"), "{plaintext}");
    // TLS is originated for what is HTTP.
    let to_tls = to("{number: 8443, name: https, protocol: HTTPS}", 8443);
    assert!(to_tls.ends_with("-> http_parse"), "{to_tls}");
    // Another target port is one to which clients' sidecars may originate TLS.
    assert_eq!(to("{number: 8080, name: http, protocol: HTTP, targetPort: 8443}", 8080), "200");
}

/// <https://github.com/istio/istio/issues/40104>
#[test]
fn an_app_of_http_1_alone_fails_on_a_port_named_http2() {
    let mesh = with(&server("image: nginx", "{name: http2, port: 80}"));
    assert_eq!(brief(&call(&mesh, "client", "server", 80, AppProtocol::Http).outcome()), "200");
    let outcome = call(&mesh, "client", "server", 80, AppProtocol::Http).to(Speaks::Http1).outcome();
    assert_eq!((outcome.at, outcome.status), (Some(Party::ServerApp), Some(503)));
}

/// <https://github.com/istio/istio/issues/50980>
#[test]
fn an_upgrade_to_anything_but_a_websocket_is_refused() {
    let mesh = with(&server("image: any", "{name: http, port: 80}"));
    let mut calling = call(&mesh, "client", "server", 80, AppProtocol::Http);
    calling.call.headers.insert("connection", "upgrade".parse().expect("a value"));
    calling.call.headers.insert("upgrade", "tailscale-control-protocol".parse().expect("a value"));
    assert_eq!(brief(&calling.outcome()), "client sidecar protocol_error - upgrade_failed -> 403");
    calling.call.headers.insert("upgrade", "WebSocket".parse().expect("a value"));
    assert_eq!(brief(&calling.outcome()), "200");
}

/// <https://github.com/istio/istio/issues/16327>
#[test]
fn the_status_that_a_path_requests_is_retried_as_the_route_says() {
    let demo = server("image: sidelab/demo-server, args: [--http, '80']", "{name: http, port: 80}");
    let route = "---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: server}
spec: {hosts: [server], http: [{route: [{destination: {host: server}}], retries: {attempts: 2, retryOn: 5xx}}]}
";
    for (more, flags) in [("", "-"), (route, "URX")] {
        let mesh = with(&(demo.clone() + more));
        let mut calling = call(&mesh, "client", "server", 80, AppProtocol::Http);
        calling.call.path = Some("/status/503".into());
        let Outcome { delivered, at, reason, response_flags, status, .. } = calling.outcome();
        assert_eq!((delivered, at, reason, status), (false, None, None, Some(503)));
        assert_eq!(response_flags.to_string(), flags);
    }
}

#[test]
fn the_demo_server_has_no_other_methods_of_grpc_than_its_own() {
    let of = |args: &str, port: &str, path: &str| {
        let mesh = with(&server(&format!("image: sidelab/demo-server, args: [{args}, '80']"), port));
        let mut calling = call(&mesh, "client", "server", 80, AppProtocol::H2);
        (calling.call.speaks, calling.call.path) = (Some(AppSpeaks::Grpc), Some(path.into()));
        let Outcome { delivered, status, grpc_status, app_sees, .. } = calling.outcome();
        (delivered, status, grpc_status, app_sees.to_string())
    };
    let grpc = "{name: grpc, port: 80}";
    assert_eq!(of("--http2", grpc, "/sidelab.Echo/Unary"), (true, Some(200), Some(0), "200".into()));
    assert_eq!(of("--http2", grpc, "/a.B/C"), (false, Some(200), Some(12), "UNIMPLEMENTED".into()));
    // Over HTTP/1.1 there is no gRPC.
    let http = of("--http", "{name: http, port: 80}", "/sidelab.Echo/Unary");
    assert_eq!(http, (false, Some(505), Some(2), "UNKNOWN".into()));
}

/// <https://github.com/istio/istio/issues/27078>
#[test]
fn a_websocket_over_http_2_ends_the_connection() {
    let to = |inject: &str| {
        let server = server("image: any", "{name: http2, port: 80}").replace("inject: 'false'", inject);
        let mesh = with(&server);
        let mut calling = call(&mesh, "client", "server", 80, AppProtocol::Http);
        calling.call.speaks = Some(AppSpeaks::Websocket);
        let account = calling.account();
        (layers(&account, 2), brief(&account.outcome))
    };
    let closed = "server sidecar protocol_error DPE http2.invalid.header.field -> 503";
    assert_eq!(to("inject: 'true'"), ("mtls,h2".into(), closed.into()));
    let reset = "server app protocol_error UPE upstream_reset_before_response_started{protocol_error} -> 502";
    assert_eq!(to("inject: 'false'"), ("h2".into(), reset.into()));
}

/// <https://github.com/istio/istio/issues/17613>
#[test]
fn an_answer_after_the_routes_timeout_comes_too_late() {
    let demo = server("image: sidelab/demo-server, args: [--http, '80']", "{name: http, port: 80}");
    let of = |inject: &str, path: &str, limits: &str| {
        let route = format!(
            "---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {{name: server}}
spec: {{hosts: [server], http: [{{route: [{{destination: {{host: server}}}}], {limits}}}]}}
"
        );
        let mesh = with(&(demo.replace("inject: 'false'", inject) + &route));
        let mut calling = call(&mesh, "client", "server", 80, AppProtocol::Http);
        calling.call.path = Some(path.into());
        brief(&calling.outcome())
    };
    let [with_sidecar, without] = ["inject: 'true'", "inject: 'false'"];
    for server in [with_sidecar, without] {
        assert_eq!(of(server, "/delay/2", "timeout: 0.5s"), "client sidecar timeout UT response_timeout -> 504");
    }
    assert_eq!(of(without, "/delay/2", "timeout: 3s"), "200");
    assert_eq!(of(without, "/delay/2", "retries: {attempts: 2}"), "200");
    let together = of(without, "/delay/3", "timeout: 1s, retries: {attempts: 3, perTryTimeout: 500ms, retryOn: 5xx}");
    assert_eq!(together, "client sidecar timeout UT response_timeout -> 504");
    let per_try = of(without, "/delay/2", "retries: {attempts: 2, perTryTimeout: 1s, retryOn: 5xx}");
    assert!(
        per_try.starts_with("client sidecar timeout ") && per_try.contains("upstream_per_try_timeout"),
        "{per_try}"
    );
}

/// <https://github.com/istio/istio/issues/23675>: a headless service's clients connect to its own port, whatever its `targetPort` is.
#[test]
fn a_program_does_not_listen_on_a_services_port_that_leads_to_another() {
    const HEADLESS: &str = "---
apiVersion: v1
kind: Pod
metadata: {name: db, labels: {app: db}}
spec: {containers: [{name: db, image: any}]}
---
apiVersion: v1
kind: Service
metadata: {name: db}
spec: {clusterIP: None, selector: {app: db}, ports: [{name: http, port: 80, targetPort: 8080}]}
";
    let answers = |manifests: &str| {
        let mesh = with(manifests);
        let account = call(&mesh, "client", "db", 80, AppProtocol::Http).account();
        (account.outcome.status, account.assumes.unwrap_or_default())
    };
    let (status, assumed) = answers(HEADLESS);
    assert_eq!(status, Some(503));
    assert!(assumed.contains("does not listen on 80"), "{assumed}");
    assert_eq!(answers(&HEADLESS.replace("clusterIP: None, ", "")).0, Some(200));
    let said = HEADLESS.replace("labels:", "annotations: {sidelab.io/app-speaks: 80=http}, labels:");
    assert_eq!(answers(&said).0, Some(200));
}
