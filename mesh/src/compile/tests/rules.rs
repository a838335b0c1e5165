//! DestinationRules.

use envoy_api::{CertificateValidationContext, CommonTlsContext, DataSource, SanType, Secret};
use pretty_assertions::assert_eq;

use super::*;
use crate::{ca, compile::Resource};

const CLUSTER: &str = "outbound|80||server.default.svc.cluster.local";

/// A rule for the server with this `trafficPolicy`.
fn rule(traffic_policy: &str) -> String {
    format!(
        "apiVersion: networking.istio.io/v1\nkind: DestinationRule\nmetadata: {{name: server}}\n\
         spec: {{host: server, trafficPolicy: {traffic_policy}}}\n"
    )
}

/// The client of [`MESH`] with a folder of certificates, and a rule.
fn ruled(traffic_policy: &str, flavor: Flavor) -> PodConfig {
    let authority = ca::Authority::new("example.com", ca::KeyType::P256).expect("an authority");
    let validity = ca::Validity::from_now(ca::SVID_LIFETIME);
    let svid = authority.issue_svid("spiffe://example.com/client", validity).expect("a certificate");
    let quoted = |pem: &str| serde_json::to_string(pem).expect("JSON is YAML");
    let secret = format!(
        "apiVersion: v1\nkind: Secret\nmetadata: {{name: certs}}\n\
         stringData: {{ca.pem: {}, cert.pem: {}, key.pem: {}}}\n",
        quoted(&authority.root_pem()),
        quoted(&svid.chain_pem),
        quoted(&svid.key_pem)
    );
    let client = "{containers: [{name: app, image: sidelab/demo-client}]}";
    let mounting = "{containers: [{name: app, image: sidelab/demo-client, \
                    volumeMounts: [{name: certs, mountPath: /certs}]}], \
                    volumes: [{name: certs, secret: {secretName: certs}}]}";
    let manifests = MESH.replacen(client, mounting, 1);
    assert_ne!(manifests, MESH);
    let manifests = format!("{manifests}---\n{secret}---\n{}", rule(traffic_policy));
    compiled(&manifests, flavor, "client", ProxyIdentity::ISTIO)
}

fn names(checks: &CertificateValidationContext) -> Vec<(&str, SanType)> {
    let matchers = &checks.match_typed_subject_alt_names;
    matchers.iter().map(|m| (m.matcher.as_exact().expect("exact"), m.san_type)).collect()
}

fn checks(common: &CommonTlsContext) -> &CertificateValidationContext {
    &common.combined_validation_context.as_ref().expect("checks").default_validation_context
}

fn is_marked(config: &PodConfig, cluster: &str) -> bool {
    let endpoints = config.endpoints.iter().find(|e| e.cluster_name == cluster).expect("endpoints");
    endpoints.endpoints[0].lb_endpoints.iter().all(|e| e.metadata.is_some())
}

fn by_host(config: &PodConfig, cluster: &str) -> Option<(bool, bool)> {
    let envoy_api::ExtensionProtocolOptions::Http(options) =
        config.cluster(cluster).typed_extension_protocol_options.values().next()?;
    options.upstream_http_protocol_options.as_ref().map(|o| (o.auto_sni, o.auto_san_validation))
}

#[test]
fn disable_is_plaintext_for_all() {
    for flavor in [Flavor::Istio, Flavor::Textbook] {
        let config = ruled("{tls: {mode: DISABLE}}", flavor);
        let cluster = config.cluster(CLUSTER);
        assert!(cluster.transport_socket.is_none() && cluster.transport_socket_matches.is_empty());
        assert!(!is_marked(&config, CLUSTER));
    }
}

#[test]
fn istio_mutual_is_mtls_to_all_with_a_sidecar_or_without() {
    let legacy = "---\napiVersion: v1\nkind: Pod\n\
                  metadata: {name: legacy, labels: {app: server, sidecar.istio.io/inject: 'false'}}\n\
                  spec: {containers: [{name: app, image: sidelab/demo-server}]}\n";
    let config = with(&(rule("{tls: {mode: ISTIO_MUTUAL}}") + legacy), Flavor::Istio, "client");
    let cluster = config.cluster(CLUSTER);
    assert!(cluster.transport_socket.is_some() && cluster.transport_socket_matches.is_empty());
    let tls = client_tls(cluster);
    assert_eq!(tls.sni, "outbound_.80_._.server.default.svc.cluster.local");
    assert_eq!(tls.common_tls_context.alpn_protocols, ["istio-http/1.1", "istio", "http/1.1"]);
    assert_eq!(tls.common_tls_context.tls_certificate_sds_secret_configs[0].name, "default");
    assert!(
        !is_marked(&config, CLUSTER),
        "Istio does not mark a pod without a sidecar, and the cluster does not need it"
    );
}

#[test]
fn istio_mutual_with_names_of_its_own_checks_those() {
    let policy = "{tls: {mode: ISTIO_MUTUAL, sni: other.example.com, subjectAltNames: ['spiffe://other/sa']}}";
    for flavor in [Flavor::Istio, Flavor::Textbook] {
        let config = ruled(policy, flavor);
        let tls = client_tls(config.cluster(CLUSTER));
        assert_eq!(tls.sni, "other.example.com");
        let names = names(checks(&tls.common_tls_context));
        assert!(names.iter().all(|(name, _)| *name == "spiffe://other/sa"), "{names:?}");
        assert!(names.contains(&("spiffe://other/sa", SanType::Uri)), "{names:?}");
    }
}

#[test]
fn simple_shows_no_certificate_and_checks_the_servers_against_the_users_roots() {
    let policy = "{tls: {mode: SIMPLE, caCertificates: /certs/ca.pem, sni: server.example.com, \
                  subjectAltNames: [server.example.com]}}";
    let config = ruled(policy, Flavor::Istio);
    let tls = client_tls(config.cluster(CLUSTER));
    let common = &tls.common_tls_context;
    assert_eq!(tls.sni, "server.example.com");
    assert_eq!(common.tls_certificate_sds_secret_configs, []);
    assert_eq!(common.alpn_protocols, [""; 0], "the mesh's ALPN is not for such servers");
    assert_eq!(
        names(checks(common)),
        [SanType::Email, SanType::Dns, SanType::Uri, SanType::IpAddress].map(|kind| ("server.example.com", kind))
    );
    let roots = &common.combined_validation_context.as_ref().expect("checks").validation_context_sds_secret_config;
    assert_eq!(roots.name, "file-root:/certs/ca.pem");
    assert!(config.own_secrets[&roots.name].as_ref().is_some_and(|s| s.validation_context.is_some()));
    assert_eq!(by_host(&config, CLUSTER), None);
    assert!(!is_marked(&config, CLUSTER));
}

#[test]
fn mutual_shows_the_users_certificate() {
    let policy = "{tls: {mode: MUTUAL, clientCertificate: /certs/cert.pem, privateKey: /certs/key.pem, \
                  caCertificates: /certs/ca.pem}}";
    for flavor in [Flavor::Istio, Flavor::Textbook] {
        let config = ruled(policy, flavor);
        let name = &client_tls(config.cluster(CLUSTER)).common_tls_context.tls_certificate_sds_secret_configs[0].name;
        assert_eq!(name, "file-cert:/certs/cert.pem~/certs/key.pem");
        let secret: &Secret = config.own_secrets[name].as_ref().expect("a secret");
        assert!(secret.tls_certificate.is_some());
        let files: Vec<_> = config.files(&[]).into_iter().map(|(path, _)| path.display().to_string()).collect();
        assert!(files.contains(&"sds/file-cert_%2Fcerts%2Fcert.pem%7E%2Fcerts%2Fkey.pem.json".into()), "{files:?}");
        assert!(!config.to_json(&[]).to_string().contains("PRIVATE KEY"));
    }
}

#[test]
fn what_nothing_mounts_is_an_empty_file() {
    let config = ruled("{tls: {mode: SIMPLE, caCertificates: /nowhere/ca.pem}}", Flavor::Istio);
    assert_eq!(config.own_secrets["file-root:/nowhere/ca.pem"], None);
    let files = config.files(&[]);
    let (_, text) = files.iter().find(|(path, _)| path.display().to_string().contains("nowhere")).expect("a file");
    assert_eq!(text, "");
}

#[test]
fn without_roots_the_operating_systems_are_taken() {
    let config = ruled("{tls: {mode: SIMPLE}}", Flavor::Istio);
    let common = &client_tls(config.cluster(CLUSTER)).common_tls_context;
    let roots = &common.combined_validation_context.as_ref().unwrap().validation_context_sds_secret_config;
    assert_eq!(roots.name, "file-root:system");
    let secret = config.own_secrets["file-root:system"].as_ref().and_then(|secret| secret.validation_context.as_ref());
    let file = DataSource::Filename("/etc/ssl/certs/ca-certificates.crt".into());
    assert_eq!(secret.and_then(|context| context.trusted_ca.as_ref()), Some(&file));
}

#[test]
fn what_the_rule_leaves_open_comes_from_the_requests_host() {
    let config = |fields: &str| ruled(&format!("{{tls: {{mode: SIMPLE, {fields}}}}}"), Flavor::Istio);
    assert_eq!(by_host(&config(""), CLUSTER), Some((true, true)));
    assert_eq!(by_host(&config("subjectAltNames: [a.example.com]"), CLUSTER), Some((true, false)));
    assert_eq!(by_host(&config("sni: a.example.com"), CLUSTER), None);
    let tcp = "outbound|9000||server.default.svc.cluster.local";
    assert_eq!(by_host(&config(""), tcp), Some((true, true)), "Istio says so on TCP ports too, where there is no host");
}

#[test]
fn insecure_skip_verify_takes_any_certificate() {
    let config = ruled("{tls: {mode: SIMPLE, insecureSkipVerify: true}}", Flavor::Istio);
    let common = &client_tls(config.cluster(CLUSTER)).common_tls_context;
    assert_eq!((&common.validation_context, &common.combined_validation_context), (&None, &None));
    assert_eq!(by_host(&config, CLUSTER), Some((true, false)));
}

#[test]
fn an_http2_port_offers_h2_to_servers_outside_the_mesh() {
    let config = ruled("{tls: {mode: SIMPLE}}", Flavor::Istio);
    let grpc = client_tls(config.cluster("outbound|8082||server.default.svc.cluster.local"));
    assert_eq!(grpc.common_tls_context.alpn_protocols, ["h2"]);
}

#[test]
fn a_detected_port_offers_no_mesh_alpn_to_servers_outside_the_mesh() {
    let config = ruled("{tls: {mode: SIMPLE}}", Flavor::Istio);
    assert_eq!(
        outlines(config.listener("10.96.0.10_7000")),
        ["raw_buffer http/1.1,h2c -> http server.default.svc.cluster.local:7000"]
    );
}

#[test]
fn a_ports_settings_replace_the_destinations() {
    let policy = "{tls: {mode: DISABLE}, portLevelSettings: [{port: {number: 80}, tls: {mode: ISTIO_MUTUAL}}]}";
    let config = ruled(policy, Flavor::Istio);
    assert!(config.cluster(CLUSTER).transport_socket.is_some());
    assert!(config.cluster("outbound|9000||server.default.svc.cluster.local").transport_socket.is_none());
}

#[test]
fn a_subset_is_a_cluster_of_its_pods_alone() {
    let v2 = "apiVersion: v1\nkind: Pod\nmetadata: {name: server-v2, labels: {app: server, version: v2}}\n\
              spec: {containers: [{name: app, image: sidelab/demo-server}]}\n---\n\
              apiVersion: networking.istio.io/v1\nkind: DestinationRule\nmetadata: {name: server}\n\
              spec:\n  host: server\n  subsets:\n  - {name: v2, labels: {version: v2}}\n\
              \x20 - {name: plain, labels: {version: v2}, trafficPolicy: {tls: {mode: DISABLE}}}\n";
    let config = with(v2, Flavor::Istio, "client");
    let name = "outbound|80|v2|server.default.svc.cluster.local";
    assert_eq!(client_tls(config.cluster(name)).sni, "outbound_.80_.v2_.server.default.svc.cluster.local");
    let count = |name: &str| {
        config.endpoints.iter().find(|e| e.cluster_name == name).map(|e| e.endpoints[0].lb_endpoints.len())
    };
    assert_eq!((count(CLUSTER), count(name)), (Some(2), Some(1)));
    let plain = config.cluster("outbound|80|plain|server.default.svc.cluster.local");
    assert!(plain.transport_socket.is_none() && plain.transport_socket_matches.is_empty());
}

#[test]
fn a_credential_name_without_a_workload_selector_makes_plaintext() {
    let config = with(&rule("{tls: {mode: MUTUAL, credentialName: certs}}"), Flavor::Istio, "client");
    let cluster = config.cluster(CLUSTER);
    assert!(cluster.transport_socket.is_none() && cluster.transport_socket_matches.is_empty());
    let why = config.why(&Resource::TransportSocket { cluster: CLUSTER.into() }).expect("a reason");
    assert!(why.because.contains("workloadSelector"), "{}", why.because);
}

#[test]
fn a_cluster_says_which_rule_it_follows() {
    let config = ruled("{tls: {mode: DISABLE}}", Flavor::Istio);
    let why = config.why(&Resource::TransportSocket { cluster: CLUSTER.into() }).expect("a reason");
    assert_eq!(why.because, "DestinationRule default/server says DISABLE");
    assert!(why.source.to_string().contains("trafficPolicy.tls"), "{}", why.source);
}
