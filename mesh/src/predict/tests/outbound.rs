//! What leaves a pod for where no service is, and what is no HTTP on a port for it: the table of Istio's
//! `TestPassthroughTraffic`, with addresses that are no service's, and with a service's own.

use super::*;

fn cluster(mesh: &Mesh, host: &str, port: u16, app: AppProtocol) -> String {
    let account = call(mesh, "client", host, port, app).account();
    let cluster = choice(&account.steps[..first_of_server(&account.steps)], Party::ClientSidecar, Decision::Cluster);
    cluster.map_or_else(|| brief(&account.outcome), str::to_owned)
}

fn first_of_server(steps: &[Step]) -> usize {
    steps.iter().position(|step| step.at == Party::ServerSidecar).unwrap_or(steps.len())
}

const APPS: [AppProtocol; 4] = [AppProtocol::Http, AppProtocol::H2, AppProtocol::Https, AppProtocol::Tcp];
/// An address of no pod and no service.
const ELSEWHERE: &str = "192.0.2.1";

#[test]
fn whatever_leaves_the_mesh_is_passed_on() {
    let mesh = istio("PERMISSIVE");
    for port in [70, 80, 81, 82, 83, 443] {
        for app in APPS {
            assert_eq!(cluster(&mesh, ELSEWHERE, port, app), "PassthroughCluster", "{app} to {port}");
        }
    }
}

#[test]
fn registry_only_closes_what_leaves_the_mesh() {
    let mesh = mesh_of(Flavor::Istio, &mesh_config("outboundTrafficPolicy: {mode: REGISTRY_ONLY}"));
    for port in [70, 80, 81, 82, 83, 443] {
        for app in APPS {
            let is_http = matches!(app, AppProtocol::Http | AppProtocol::H2);
            let expected = match port {
                80 | 83 if is_http => "client sidecar block_all - direct_response -> 502",
                _ => "BlackHoleCluster",
            };
            assert_eq!(cluster(&mesh, ELSEWHERE, port, app), expected, "{app} to {port}");
        }
    }
}

#[test]
fn tls_on_an_http_port_goes_past_the_connection_manager() {
    for (policy, cluster_name) in [("ALLOW_ANY", "PassthroughCluster"), ("REGISTRY_ONLY", "BlackHoleCluster")] {
        let mesh = mesh_of(Flavor::Istio, &mesh_config(&format!("outboundTrafficPolicy: {{mode: {policy}}}")));
        for app in [AppProtocol::Https, AppProtocol::Tcp] {
            assert_eq!(cluster(&mesh, "server", 80, app), cluster_name, "{app}, {policy}");
        }
    }
}

#[test]
fn every_other_port_takes_whatever_it_is_sent() {
    let mesh = istio("PERMISSIVE");
    for port in [70, 81, 82] {
        for app in APPS {
            let expected = format!("outbound|{port}||server.default.svc.cluster.local");
            assert_eq!(cluster(&mesh, "server", port, app), expected, "{app}");
        }
    }
}

#[test]
fn what_leaves_the_mesh_is_not_secured() {
    let account = call(&istio("STRICT"), "client", ELSEWHERE, 443, AppProtocol::Https).account();
    assert_eq!((layers(&account, 1).as_str(), layers(&account, 2).as_str()), ("tls,http/1.1", "tls,http/1.1"));
    assert_eq!(leg(&account, 2).path, LegPath::SidecarToApp);
    assert_eq!((account.to.pod, account.outcome.app_sees), (None, AppSees::Status(200)));
}

#[test]
fn a_black_hole_has_no_endpoint() {
    let mesh = mesh_of(Flavor::Istio, &mesh_config("outboundTrafficPolicy: {mode: REGISTRY_ONLY}"));
    let outcome = call(&mesh, "client", ELSEWHERE, 443, AppProtocol::Https).outcome();
    assert_eq!(brief(&outcome), "client sidecar no_healthy_upstream UH - -> connection_reset");
}

#[test]
fn the_alpn_of_the_second_leg_says_what_it_carries() {
    let mesh = istio("STRICT");
    let offered = |port, app| {
        let account = call(&mesh, "client", "server", port, app).account();
        assert!(account.outcome.delivered, "{app} to {port}: {}", brief(&account.outcome));
        let tls = leg(&account, 2).tls[0].clone();
        (tls.alpn_offered.join(","), tls.alpn.unwrap_or_default())
    };
    let http1 = ("istio-http/1.1,istio,http/1.1".to_owned(), "http/1.1".to_owned());
    let http2 = ("istio-h2,istio,h2".to_owned(), "h2".to_owned());
    let tcp = ("istio-peer-exchange,istio".to_owned(), "istio-peer-exchange".to_owned());
    assert_eq!(offered(80, AppProtocol::Http), http1);
    assert_eq!(offered(83, AppProtocol::H2), http2);
    assert_eq!(offered(70, AppProtocol::Tcp), tcp);
    assert_eq!(offered(82, AppProtocol::Https), tcp);
    assert_eq!(offered(81, AppProtocol::Http), http1);
    assert_eq!(offered(81, AppProtocol::H2), http2);
    assert_eq!(offered(81, AppProtocol::Tcp), tcp);
}

#[test]
fn the_second_leg_names_service_port_and_both_identities() {
    let account = call(&istio("STRICT"), "client", "server", 80, AppProtocol::Http).account();
    let tls = &leg(&account, 2).tls[0];
    assert_eq!(tls.sni.as_deref(), Some("outbound_.80_._.server.default.svc.cluster.local"));
    assert_eq!(tls.client_identity.as_deref(), Some("spiffe://cluster.local/ns/default/sa/client"));
    assert_eq!(tls.server_identity.as_deref(), Some("spiffe://cluster.local/ns/default/sa/server"));
    assert_eq!(tls.version.as_deref(), Some("TLSv1.3"));
}

#[test]
fn without_automatic_mtls_calls_go_in_plaintext() {
    let mesh = mesh_of(Flavor::Istio, &mesh_config("enableAutoMtls: false"));
    let account = call(&mesh, "client", "server", 80, AppProtocol::Http).account();
    assert_eq!((layers(&account, 2).as_str(), account.outcome.delivered), ("http/1.1", true));
}
