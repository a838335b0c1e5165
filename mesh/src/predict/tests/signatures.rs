//! The failure signatures that are known of real meshes, by their numbers in docs/signatures.md: who refuses, why, what the
//! sidecar logs, and what the calling app sees.

use super::*;

const HTTPS: Speaks = Speaks::Https { mutual: false };

/// Calls from `from` to a port of `server`, whose app is `speaks`, and the outcome in one line.
#[track_caller]
fn ends(mesh: &Mesh, from: &str, port: u16, app: AppProtocol, speaks: Speaks, expected: &str) -> Account {
    let account = call(mesh, from, "server", port, app).to(speaks).account();
    assert_eq!(brief(&account.outcome), expected);
    account
}

/// An Istio mesh whose sidecars speak plaintext to a STRICT server.
fn plaintext_to_strict() -> Mesh {
    mesh_of(Flavor::Istio, &format!("{}{}", policy("STRICT"), mesh_config("enableAutoMtls: false")))
}

#[test]
fn f1_plaintext_under_strict_finds_no_chain() {
    let refused = "server sidecar no_filter_chain_match NR filter_chain_not_found -> connection_reset";
    for (port, app) in [(80, AppProtocol::Http), (83, AppProtocol::H2), (70, AppProtocol::Tcp), (81, AppProtocol::Http)]
    {
        let account = ends(&istio("STRICT"), "outsider", port, app, Speaks::Anything, refused);
        assert_eq!((layers(&account, 3).as_str(), leg(&account, 3).dials), ("", None), "nothing reaches the app");
    }
}

#[test]
fn f2_a_sidecar_that_sends_plaintext_to_strict_answers_503() {
    let refused = "server sidecar no_filter_chain_match NR filter_chain_not_found -> 503";
    let account = ends(&plaintext_to_strict(), "client", 80, AppProtocol::Http, Speaks::Http, refused);
    assert_eq!((layers(&account, 1).as_str(), layers(&account, 2).as_str()), ("http/1.1", "http/1.1"));
}

#[test]
fn f3_a_reset_of_plaintext_to_strict_comes_through_to_the_app() {
    let refused = "server sidecar no_filter_chain_match NR filter_chain_not_found -> connection_reset";
    ends(&plaintext_to_strict(), "client", 70, AppProtocol::Tcp, Speaks::Tcp, refused);
}

#[test]
fn f6_mtls_to_a_port_that_is_not_captured_meets_the_app_itself() {
    let annotation = "metadata: {name: server, labels: {app: server}, \
                      annotations: {sidelab.io/app-speaks: any, traffic.sidecar.istio.io/excludeInboundPorts: '80,70,82'}}";
    let yaml = PODS.replace(SERVER, annotation);
    let mesh = mesh_with_warnings(&yaml, Flavor::Istio).0;

    let wrong_version = "upstream_reset_before_response_started{remote_connection_failure|\
                         TLS_error:|268435703:SSL_routines:OPENSSL_internal:WRONG_VERSION_NUMBER:TLS_error_end}";
    let http = format!("client sidecar tls_handshake_failed URX,UF {wrong_version} -> 503");
    let account = ends(&mesh, "client", 80, AppProtocol::Http, Speaks::Http, &http);
    assert_eq!((leg(&account, 2).path, layers(&account, 2).as_str()), (LegPath::SidecarToApp, "tls"));
    let step = step(&account, Party::ServerSidecar, Decision::Redirect);
    assert_eq!(step.choice, "not captured");
    assert!(step.source.as_ref().is_some_and(|source| source.field.ends_with("/excludeInboundPorts]")), "{step:?}");

    ends(
        &mesh,
        "client",
        70,
        AppProtocol::Tcp,
        Speaks::Tcp,
        "client sidecar tls_handshake_failed UF,URX - -> connection_reset",
    );
    ends(&mesh, "outsider", 80, AppProtocol::Http, Speaks::Http, "200");
    ends(&mesh, "outsider", 82, AppProtocol::Https, HTTPS, "200");
}

#[test]
fn f7_foreign_tls_under_strict_meets_the_sidecars_certificate() {
    for port in [70, 80, 81, 82] {
        let refused = "client app tls_handshake_failed - - -> unknown_issuer";
        let account = ends(&istio("STRICT"), "outsider", port, AppProtocol::Https, HTTPS, refused);
        let tls = &leg(&account, 2).tls[0];
        assert_eq!(tls.server_identity.as_deref(), Some("spiffe://cluster.local/ns/default/sa/server"));
        assert_eq!((layers(&account, 2).as_str(), layers(&account, 3).as_str()), ("tls", ""));
    }
}

#[test]
fn f8_foreign_tls_under_permissive_is_passed_on_to_the_app() {
    for port in [70, 81, 82] {
        let account = ends(&istio("PERMISSIVE"), "outsider", port, AppProtocol::Https, HTTPS, "200");
        assert_eq!((layers(&account, 2).as_str(), layers(&account, 3).as_str()), ("tls,http/1.1", "tls,http/1.1"));
    }
}

#[test]
fn f9_foreign_tls_to_an_http_port_finds_no_chain_even_under_permissive() {
    let refused = "server sidecar no_filter_chain_match NR filter_chain_not_found -> connection_reset";
    ends(&istio("PERMISSIVE"), "outsider", 80, AppProtocol::Https, HTTPS, refused);
}

#[test]
fn f10_tls_to_an_http_port_without_mtls_is_answered_in_plaintext() {
    let refused = "server sidecar protocol_error DPE http1.codec_error -> not_tls";
    ends(&istio("DISABLE"), "outsider", 80, AppProtocol::Https, HTTPS, refused);
}

#[test]
fn f11_tls_to_an_http_port_leaves_the_client_as_it_is_and_breaks_at_the_server() {
    for (mode, ended) in [
        ("PERMISSIVE", "server sidecar no_filter_chain_match NR filter_chain_not_found -> connection_reset"),
        ("STRICT", "client app tls_handshake_failed - - -> unknown_issuer"),
        ("DISABLE", "server sidecar protocol_error DPE http1.codec_error -> not_tls"),
    ] {
        let account = ends(&istio(mode), "client", 80, AppProtocol::Https, HTTPS, ended);
        assert_eq!(step(&account, Party::ClientSidecar, Decision::Cluster).choice, "PassthroughCluster");
        assert_eq!(leg(&account, 2).dials, Some("10.96.0.10:80".parse().unwrap()), "the address that the app dialled");
    }
}

#[test]
fn f11_tls_to_an_http_port_reaches_a_server_without_a_sidecar() {
    let bare = "metadata: {name: server, labels: {app: server, sidecar.istio.io/inject: 'false'}}";
    let yaml = PODS.replace(SERVER, bare);
    let mesh = mesh_with_warnings(&yaml, Flavor::Istio).0;
    ends(&mesh, "client", 80, AppProtocol::Https, HTTPS, "200");
}

#[test]
fn f12_registry_only_closes_tls_to_an_http_port() {
    let mesh = mesh_of(Flavor::Istio, &mesh_config("outboundTrafficPolicy: {mode: REGISTRY_ONLY}"));
    let refused = "client sidecar no_healthy_upstream UH - -> connection_reset";
    let account = ends(&mesh, "client", 80, AppProtocol::Https, HTTPS, refused);
    assert_eq!(layers(&account, 2), "");
}

#[test]
fn f13_http_into_a_tls_app_is_a_502() {
    let account = ends(
        &istio("STRICT"),
        "client",
        80,
        AppProtocol::Http,
        HTTPS,
        "server app protocol_error - via_upstream -> 502",
    );
    assert_eq!((layers(&account, 2).as_str(), layers(&account, 3).as_str()), ("mtls,http/1.1", "http/1.1"));

    let at_the_server = "server app protocol_error UPE upstream_reset_before_response_started{protocol_error} -> 502";
    ends(&istio("PERMISSIVE"), "outsider", 80, AppProtocol::Http, HTTPS, at_the_server);
}

#[test]
fn f14_plaintext_into_a_tls_app_on_an_opaque_port_brings_an_alert_back() {
    ends(&istio("STRICT"), "client", 82, AppProtocol::Http, HTTPS, "server app protocol_error - - -> http_parse");
    ends(&istio("STRICT"), "client", 70, AppProtocol::Tcp, HTTPS, "server app protocol_error - - -> echo_mismatch");
}

#[test]
fn f19_an_app_on_loopback_alone_is_not_there_for_istio() {
    let istio = istio("STRICT");
    let account = call(&istio, "client", "server", 80, AppProtocol::Http).on_loopback().account();
    assert_eq!(brief(&account.outcome), "server app connection_refused - via_upstream -> 503");
    let leg3 = leg(&account, 3);
    assert_eq!((leg3.source, leg3.dials), ("127.0.0.6".parse().ok(), "10.244.0.4:80".parse().ok()));
    assert_eq!(layers(&account, 3), "");

    let textbook = mesh_of(Flavor::Textbook, &policy("STRICT"));
    let account = call(&textbook, "client", "server", 80, AppProtocol::Http).on_loopback().account();
    assert_eq!((brief(&account.outcome).as_str(), leg(&account, 3).dials), ("200", "127.0.0.1:80".parse().ok()));
}

#[test]
fn f19_without_a_sidecar_at_the_client_the_servers_line_counts() {
    let outcome = call(&istio("PERMISSIVE"), "outsider", "server", 80, AppProtocol::Http).on_loopback().outcome();
    let refused = "upstream_reset_before_response_started{remote_connection_failure|\
                   delayed_connect_error:_Connection_refused}";
    assert_eq!(brief(&outcome), format!("server app connection_refused URX,UF {refused} -> 503"));
}

#[test]
fn f23_nobody_gets_through_the_sidecars_own_ports() {
    let mesh = istio("PERMISSIVE");
    for (port, flags) in [(15001, "UC"), (15006, "UH")] {
        // To 15001 the inbound listener passes the connection on, and the outbound one has a black hole for it.
        let outcome = call(&mesh, "outsider", "10.244.0.4", port, AppProtocol::Http).outcome();
        assert_eq!((outcome.delivered, outcome.reason), (false, Some(Reason::NoHealthyUpstream)), "{port}");
        assert_eq!(outcome.response_flags, flags, "{port}");
    }
}

#[test]
fn f24_a_wrong_version_of_http_is_no_http() {
    // gRPC ports are HTTP/2 upstream whatever came in; an HTTP/1.1 port turns HTTP/2 into HTTP/1.1.
    let account = ends(&istio("STRICT"), "client", 83, AppProtocol::H2, Speaks::Http, "200");
    assert_eq!((layers(&account, 2).as_str(), layers(&account, 3).as_str()), ("mtls,h2", "h2"));
    let account = ends(&istio("STRICT"), "client", 80, AppProtocol::H2, Speaks::Http, "200");
    assert_eq!((layers(&account, 1).as_str(), layers(&account, 3).as_str()), ("h2", "http/1.1"));
}

#[test]
fn f26_app_tls_reaches_a_plaintext_app_through_a_working_tunnel() {
    let refused = "client app tls_handshake_failed - - -> not_tls";
    let account = ends(&istio("STRICT"), "client", 82, AppProtocol::Https, Speaks::Http, refused);
    assert_eq!((layers(&account, 2).as_str(), layers(&account, 3).as_str()), ("mtls,tls", "tls"));
}

#[test]
fn raw_bytes_on_an_http_port_are_no_request() {
    ends(
        &istio("PERMISSIVE"),
        "outsider",
        80,
        AppProtocol::Tcp,
        Speaks::Http,
        "server sidecar protocol_error DPE http1.codec_error -> echo_mismatch",
    );
}

#[test]
fn an_app_that_echoes_a_request_speaks_no_http() {
    let refused = "server app protocol_error - via_upstream -> 502";
    ends(&istio("STRICT"), "client", 80, AppProtocol::Http, Speaks::Tcp, refused);
}

#[test]
fn double_encryption_is_tls_in_mtls() {
    for flavor in [Flavor::Textbook, Flavor::Istio] {
        let mesh = mesh_of(flavor, &policy("STRICT"));
        let account = ends(&mesh, "client", 82, AppProtocol::Https, HTTPS, "200");
        assert_eq!(layers(&account, 1), "tls,http/1.1");
        assert_eq!(layers(&account, 2), "mtls,tls,http/1.1");
        assert_eq!(layers(&account, 3), "tls,http/1.1");
        let names = leg(&account, 2).tls.iter().map(|tls| tls.sni.as_deref().unwrap_or_default()).collect::<Vec<_>>();
        assert_eq!(names, ["outbound_.82_._.server.default.svc.cluster.local", "server"]);
    }
}
