//! App TLS: whom the apps trust, which sidecar reads what, and how the mesh can be configured for it.

use rcgen::{CertificateParams, DnType, KeyPair, date_time_ymd};

use super::*;

/// A certificate signed by itself, which is its own authority: its subject, the names it is for, and its last year.
fn certificate(subject: &str, names: &[&str], until: i32) -> String {
    let names: Vec<String> = names.iter().map(ToString::to_string).collect();
    let mut params = CertificateParams::new(names).expect("names");
    params.distinguished_name.push(DnType::CommonName, subject);
    params.not_before = date_time_ymd(2020, 1, 1);
    params.not_after = date_time_ymd(until, 1, 1);
    let key = KeyPair::generate().expect("a key");
    params.self_signed(&key).expect("a certificate").pem()
}

/// `client` trusts a certificate, and `server` shows one on 8443 behind ports named https, http and tcp.
fn mesh_with(flavor: Flavor, trusted: &str, shown: &str, more: &str) -> Mesh {
    let manifests = format!(
        "---
apiVersion: v1
kind: Namespace
metadata: {{name: default, labels: {{istio-injection: enabled}}}}
---
{{apiVersion: v1, kind: ConfigMap, metadata: {{name: trusted}}, data: {{ca.crt: {trusted:?}}}}}
---
{{apiVersion: v1, kind: ConfigMap, metadata: {{name: shown}}, data: {{tls.crt: {shown:?}}}}}
---
apiVersion: v1
kind: Pod
metadata: {{name: client}}
spec:
  containers:
  - {{name: app, image: any, env: [{{name: SSL_CERT_FILE, value: /etc/apps/ca.crt}}], volumeMounts: [{{name: v, mountPath: /etc/apps}}]}}
  volumes: [{{name: v, configMap: {{name: trusted}}}}]
---
apiVersion: v1
kind: Pod
metadata: {{name: server, labels: {{app: server}}, annotations: {{textbook.sidelab.io/tls-to-app: '8080'}}}}
spec:
  containers:
  - name: app
    image: sidelab/demo-server
    args: [--https, '8443', --https, '8080', --https, '9000', --cert, /etc/tls/tls.crt, --key, /etc/tls/tls.key]
    volumeMounts: [{{name: v, mountPath: /etc/tls}}]
  volumes: [{{name: v, configMap: {{name: shown}}}}]
---
apiVersion: v1
kind: Service
metadata: {{name: server}}
spec:
  selector: {{app: server}}
  ports: [{{name: https, port: 8443}}, {{name: http, port: 8080}}, {{name: tcp, port: 9000}}]
{more}"
    );
    mesh_with_warnings(&manifests, flavor).0
}

const BOTH: [Flavor; 2] = [Flavor::Textbook, Flavor::Istio];

#[test]
fn apps_check_issuer_name_and_validity() {
    let good = certificate("a", &["server"], 2100);
    let expired = certificate("a", &["server"], 2021);
    let of_another = certificate("a", &["other"], 2100);
    let foreign = certificate("b", &["server"], 2100);
    for flavor in BOTH {
        for (shown, sees) in
            [(&good, "200"), (&expired, "expired"), (&of_another, "not_valid_for_name"), (&foreign, "unknown_issuer")]
        {
            let mesh = mesh_with(flavor, &good, shown, "");
            let account = call(&mesh, "client", "server", 8443, AppProtocol::Https).account();
            assert_eq!(account.outcome.app_sees, sees);
            if sees != "200" {
                let refused = (account.outcome.at, account.outcome.reason);
                assert_eq!(refused, (Some(Party::ClientApp), Some(Reason::TlsHandshakeFailed)), "{sees}");
            }
        }
    }
}

#[test]
fn c9_each_layer_of_tls_in_tls_has_a_name_and_protocols_of_its_own() {
    let good = certificate("a", &["server"], 2100);
    for flavor in BOTH {
        let mesh = mesh_with(flavor, &good, &good, "");
        let account = call(&mesh, "client", "server", 8443, AppProtocol::Https).account();
        assert_eq!(layers(&account, 2), "mtls,tls,http/1.1");
        let [outer, inner] = &leg(&account, 2).tls[..] else { panic!("{:?}", leg(&account, 2).tls) };
        assert_eq!(outer.alpn.as_deref(), Some("istio-peer-exchange"));
        assert_eq!(outer.sni.as_deref(), Some("outbound_.8443_._.server.default.svc.cluster.local"));
        assert_eq!((inner.sni.as_deref(), inner.alpn.as_deref()), (Some("server"), Some("http/1.1")));
        assert_eq!(inner.server_identity.as_deref(), Some("server"));
        assert_eq!(account.read_by, []);
    }
}

#[test]
fn c7_a_tls_app_that_is_called_in_plaintext_fails_on_leg_3() {
    let good = certificate("a", &["server"], 2100);
    // Without what the annotation asks for.
    let mesh = mesh_with(Flavor::Istio, &good, &good, "");
    let account = call(&mesh, "client", "server", 8080, AppProtocol::Http).account();
    assert_eq!(brief(&account.outcome), "server app protocol_error - via_upstream -> 502");
    assert_eq!(account.read_by, [Party::ClientSidecar, Party::ServerSidecar]);
    let account = call(&mesh, "client", "server", 9000, AppProtocol::Http).account();
    assert_eq!(brief(&account.outcome), "server app protocol_error - - -> http_parse");
    assert_eq!(account.read_by, []);
}

/// An EnvoyFilter that has the sidecar speak TLS to its app.
const FILTER: &str = "---
apiVersion: networking.istio.io/v1alpha3
kind: EnvoyFilter
metadata: {name: tls}
spec:
  workloadSelector: {labels: {app: server}}
  configPatches:
  - applyTo: CLUSTER
    match: {context: SIDECAR_INBOUND, cluster: {portNumber: 8080}}
    patch:
      operation: MERGE
      value:
        transport_socket:
          name: envoy.transport_sockets.tls
          typed_config: {'@type': type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext}
";

#[test]
fn c8_tls_to_the_app_is_on_leg_3_and_leg_2_carries_one_layer() {
    let good = certificate("a", &["server"], 2100);
    for (flavor, version) in [(Flavor::Textbook, "TLSv1.3"), (Flavor::Istio, "TLSv1.2")] {
        let mesh = mesh_with(flavor, &good, &good, FILTER);
        let account = call(&mesh, "client", "server", 8080, AppProtocol::Http).account();
        assert_eq!((layers(&account, 2), layers(&account, 3)), ("mtls,http/1.1".into(), "tls,http/1.1".into()));
        let tls = &leg(&account, 3).tls[0];
        assert_eq!((tls.version.as_deref(), tls.server_identity.as_deref()), (Some(version), Some("server")));
        assert_eq!(account.read_by, [Party::ClientSidecar, Party::ServerSidecar]);
        assert_eq!(brief(&account.outcome), "200");
    }
}

/// A DestinationRule that asks for PASSTHROUGH, with more of its `spec`.
fn passthrough(more: &str) -> String {
    format!(
        "---
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {{name: server, annotations: {{textbook.sidelab.io/tls-mode: PASSTHROUGH}}}}
spec: {{host: server{more}}}
"
    )
}

#[test]
fn c14_passthrough_has_no_mtls_in_the_textbook_and_has_it_in_istio() {
    let good = certificate("a", &["server"], 2100);
    let on_leg_2 = |flavor, more: &str| {
        let mesh = mesh_with(flavor, &good, &good, &passthrough(more));
        let account = call(&mesh, "client", "server", 8443, AppProtocol::Https).account();
        assert!(account.outcome.delivered, "{}", brief(&account.outcome));
        layers(&account, 2)
    };
    assert_eq!(on_leg_2(Flavor::Textbook, ""), "tls,http/1.1");
    assert_eq!(on_leg_2(Flavor::Istio, ""), "mtls,tls,http/1.1");
    for flavor in BOTH {
        assert_eq!(on_leg_2(flavor, ", trafficPolicy: {tls: {mode: DISABLE}}"), "tls,http/1.1");
    }
}

#[test]
fn c14_passthrough_goes_by_the_sni() {
    let good = certificate("a", &["server"], 2100);
    let mesh = mesh_with(Flavor::Textbook, &good, &good, &passthrough(""));
    let no_chain = "client sidecar no_filter_chain_match NR filter_chain_not_found -> connection_reset";
    let vip = mesh.services[0].vips[0].to_string();
    assert_eq!(brief(&call(&mesh, "client", &vip, 8443, AppProtocol::Https).outcome()), no_chain);
    // A port named for HTTP is passed through as well, and plaintext has no SNI.
    assert_eq!(brief(&call(&mesh, "client", "server", 8080, AppProtocol::Http).outcome()), no_chain);
    let by_another_name = call(&mesh, "client", "server.default", 8443, AppProtocol::Https).account();
    assert_eq!(layers(&by_another_name, 2), "tls", "it is taken, and only the app minds the name");
    assert_eq!(by_another_name.outcome.app_sees, "not_valid_for_name");
}

#[test]
fn c48_tls_that_is_tunnelled_to_a_plaintext_app_is_answered_with_no_tls() {
    for flavor in BOTH {
        let mesh = mesh_of(flavor, &policy("STRICT"));
        let account = call(&mesh, "client", "server", 82, AppProtocol::Https).to(Speaks::Http).account();
        assert_eq!(brief(&account.outcome), "client app tls_handshake_failed - - -> not_tls");
        assert_eq!((layers(&account, 2), layers(&account, 3)), ("mtls,tls".into(), "tls".into()));
    }
}
