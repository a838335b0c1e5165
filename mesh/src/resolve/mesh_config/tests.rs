use std::collections::BTreeSet;

use pretty_assertions::assert_eq;

use crate::{
    manifests::{traffic_policy::TcpKeepalive, virtual_service::HttpRetry},
    model::{DefaultExportTo, MeshConfig, MeshTls, OutboundTrafficPolicy, PathNormalization, Source, TlsFloor},
    testing::{INJECTED, faults, mesh, pod},
};

/// ConfigMap `istio` with these lines in key `mesh`.
fn config_map(lines: &str) -> String {
    let lines: String = lines.lines().map(|line| format!("    {}\n", line.trim_end())).collect();
    format!(
        "---\napiVersion: v1\nkind: ConfigMap\nmetadata: {{name: istio, namespace: istio-system}}\ndata:\n  mesh: |\n{lines}"
    )
}

fn config(lines: &str) -> MeshConfig {
    mesh(&config_map(lines)).config.clone()
}

#[test]
fn without_a_config_map_istios_defaults_hold() {
    let defaults = MeshConfig {
        trust_domain: "cluster.local".into(),
        root_namespace: "istio-system".into(),
        enable_auto_mtls: true,
        outbound_traffic_policy: OutboundTrafficPolicy::AllowAny,
        access_log_file: None,
        access_log_json: false,
        providers: vec![],
        default_providers: Default::default(),
        protocol_detection_timeout_ms: 0,
        path_normalization: PathNormalization::Base,
        export_to: DefaultExportTo::default(),
        upgrades_to_http2: false,
        default_retries: None,
        apps_are_on_loopback: false,
        connect_timeout_ms: 10_000,
        tcp_keepalive: None,
        trust_domain_aliases: vec![],
        mesh_mtls: MeshTls::default(),
        tls_defaults: MeshTls::default(),
        proxy_config: Default::default(),
        injection_defaults: Default::default(),
        source: Source::default_of("MeshConfig"),
    };
    assert_eq!(mesh(INJECTED).config, defaults);
    assert_eq!(MeshConfig { source: Source::default_of("MeshConfig"), ..config("# nothing") }, defaults);
}

#[test]
fn every_supported_setting_is_read() {
    let read = config(
        "trustDomain: td.example\nrootNamespace: root\nenableAutoMtls: false\noutboundTrafficPolicy:\n  mode: REGISTRY_ONLY\n\
         accessLogFile: /dev/stdout\naccessLogEncoding: JSON\nprotocolDetectionTimeout: 0.1s\n\
         pathNormalization: {normalization: DECODE_AND_MERGE_SLASHES}\nh2UpgradePolicy: UPGRADE\nconnectTimeout: 1s\n\
         tcpKeepalive: {probes: 3, time: 60s}\ndefaultServiceExportTo: [.]\ndefaultVirtualServiceExportTo: [shop]\n\
         defaultDestinationRuleExportTo: ['*']\ndefaultHttpRetryPolicy: {attempts: 4, retryOn: 5xx}\n\
         inboundTrafficPolicy: {mode: LOCALHOST}\n",
    );
    assert_eq!(
        read,
        MeshConfig {
            trust_domain: "td.example".into(),
            root_namespace: "root".into(),
            enable_auto_mtls: false,
            outbound_traffic_policy: OutboundTrafficPolicy::RegistryOnly,
            access_log_file: Some("/dev/stdout".into()),
            access_log_json: true,
            providers: vec![],
            default_providers: Default::default(),
            protocol_detection_timeout_ms: 100,
            path_normalization: PathNormalization::DecodeAndMergeSlashes,
            export_to: DefaultExportTo {
                services: BTreeSet::from([".".into()]),
                virtual_services: BTreeSet::from(["shop".into()]),
                destination_rules: BTreeSet::from(["*".into()]),
            },
            upgrades_to_http2: true,
            default_retries: Some(HttpRetry { attempts: 4, retry_on: "5xx".into(), ..HttpRetry::default() }),
            apps_are_on_loopback: true,
            connect_timeout_ms: 1000,
            tcp_keepalive: Some(TcpKeepalive { probes: Some(3), time: Some("60s".into()), interval: None }),
            trust_domain_aliases: vec![],
            mesh_mtls: MeshTls::default(),
            tls_defaults: MeshTls::default(),
            proxy_config: Default::default(),
            injection_defaults: Default::default(),
            source: Source { file: "m.yaml".into(), document: 1, field: "data.mesh".into() },
        }
    );
}

#[test]
fn the_trust_domain_is_in_every_identity() {
    let id = |domain: &str| {
        let yaml = INJECTED.to_owned() + &pod("a", "") + &config_map(&format!("trustDomain: {domain}"));
        mesh(&yaml).pods[0].clone().sidecar.expect("the namespace injects").spiffe_id
    };
    assert_eq!(id("td.example"), "spiffe://td.example/ns/default/sa/default");
    assert_eq!(id("project@td"), "spiffe://project.td/ns/default/sa/default");
}

#[test]
fn a_fault_names_the_setting_and_what_was_expected() {
    for (line, expected) in [
        ("trustDomian: a", "data.mesh.trustDomian: unknown field; did you mean trustDomain?"),
        ("xyzzy: a", "data.mesh.xyzzy: unknown field; supported are trustDomain, trustDomainAliases"),
        ("trustDomain: a/b", "data.mesh.trustDomain: \"a/b\" is not a trust domain"),
        ("trustDomain: 1", "data.mesh.trustDomain: expected a text, not 1"),
        ("enableAutoMtls: maybe", "data.mesh.enableAutoMtls: expected true or false"),
        (
            "outboundTrafficPolicy: {mode: NONE}",
            "data.mesh.outboundTrafficPolicy.mode: NONE is not a mode; expected ALLOW_ANY, ALLOW_ANY_DYNAMIC_DNS or",
        ),
        ("outboundTrafficPolicy: {mod: NONE}", "data.mesh.outboundTrafficPolicy: unknown field mod; known is mode"),
        ("accessLogEncoding: XML", "data.mesh.accessLogEncoding: \"XML\" is not an encoding; expected TEXT or JSON"),
        ("protocolDetectionTimeout: 100ms", "data.mesh.protocolDetectionTimeout: \"100ms\" is not a duration"),
        ("protocolDetectionTimeout: -1s", "data.mesh.protocolDetectionTimeout: \"-1s\" is not a duration"),
        ("trustDomainAliases: [a/b]", "data.mesh.trustDomainAliases[0]: \"a/b\" is not a trust domain"),
        (
            "meshMTLS: {minProtocolVersion: TLSV1_1}",
            "data.mesh.meshMTLS.minProtocolVersion: \"TLSV1_1\" is not a version",
        ),
        ("meshMTLS: {ecdhCurves: [P-256]}", "data.mesh.meshMTLS.ecdhCurves: mesh TLS does not support"),
        ("a: [", "data.mesh: not YAML: "),
    ] {
        let text = faults(&config_map(line));
        let expected = format!("m.yaml: document 1 (ConfigMap istio): {expected}");
        assert!(text.starts_with(&expected), "{line}\n{text}");
    }
}

#[test]
fn what_decides_nothing_here_is_no_fault_and_what_may_is_a_warning() {
    assert_eq!(faults(&config_map("enableTracing: true\ndefaultProviders: {metrics: [prometheus]}")), "");
    assert_eq!(
        faults(&config_map("discoverySelectors: [{matchLabels: {a: b}}]")),
        "m.yaml: document 1 (ConfigMap istio): data.mesh.discoverySelectors: warning: is not supported yet: it may change what is answered here\n"
    );
}

#[test]
fn a_default_install_has_no_fault() {
    let text = "accessLogFile: /dev/stdout\ndefaultConfig:\n  discoveryAddress: istiod.istio-system.svc:15012\n  tracing: {}\n\
                defaultProviders: {metrics: [prometheus]}\nenablePrometheusMerge: true\nextensionProviders: []\n\
                meshMTLS: {minProtocolVersion: TLSV1_2}\nrootNamespace: istio-system\ntrustDomain: cluster.local\n";
    assert_eq!(faults(&config_map(text)), "");
}

#[test]
fn settings_of_tls_and_of_all_pods_are_read() {
    let read = config(
        "trustDomainAliases: [old.example]\nmeshMTLS: {minProtocolVersion: TLSV1_3}\n\
         tlsDefaults: {ecdhCurves: [P-256]}\ndefaultConfig: {proxyMetadata: {ISTIO_META_DNS_CAPTURE: 'true'}}\n",
    );
    assert_eq!(read.trust_domain_aliases, ["old.example"]);
    assert_eq!(read.mesh_mtls.floor, TlsFloor::Tls13);
    assert_eq!(read.tls_defaults.ecdh_curves, ["P-256"]);
    assert_eq!(read.spiffe_ids("n", "s"), ["spiffe://cluster.local/ns/n/sa/s", "spiffe://old.example/ns/n/sa/s"]);
    assert_eq!(read.proxy_config["proxyMetadata"]["ISTIO_META_DNS_CAPTURE"], "true");
}

#[test]
fn an_operator_and_its_values_are_a_source_of_settings() {
    let operator = "
apiVersion: install.istio.io/v1alpha1
kind: IstioOperator
metadata: {name: install, namespace: istio-system}
spec:
  profile: default
  meshConfig: {outboundTrafficPolicy: {mode: REGISTRY_ONLY}}
  values:
    meshConfig: {trustDomain: td.example}
    global: {proxy: {excludeOutboundPorts: '9000'}}
";
    let mesh = mesh(&(INJECTED.to_owned() + &pod("a", "") + "---" + operator));
    assert_eq!(mesh.config.outbound_traffic_policy, OutboundTrafficPolicy::RegistryOnly);
    assert_eq!(mesh.config.trust_domain, "td.example");
    assert_eq!(mesh.pods[0].sidecar.as_ref().unwrap().capture.exclude_outbound_ports, [9000]);
}

#[test]
fn a_decisive_setting_may_say_what_holds_anyway() {
    assert_eq!(
        faults(&config_map(
            "inboundTrafficPolicy: {mode: PASSTHROUGH}\nproxyListenPort: 15001\ntrustDomainAliases: []"
        )),
        ""
    );
}

#[test]
fn the_key_must_be_there() {
    let text = faults(
        "{apiVersion: v1, kind: ConfigMap, metadata: {name: istio, namespace: istio-system}, data: {meshh: ''}}",
    );
    assert!(text.contains("data.mesh: is missing"), "{text}");
    assert_eq!(faults("{apiVersion: v1, kind: ConfigMap, metadata: {name: istio}, data: {other: ''}}"), "");
}

#[test]
fn the_lists_of_settings_agree() {
    for name in super::DECISIVE {
        assert!(super::decisive(name).is_some(), "{name}");
    }
    assert!(super::DECISIVE.is_sorted() && super::WITHOUT_EFFECT.is_sorted());
}

#[test]
fn an_unknown_normalization_of_paths_is_refused() {
    let found = faults(&config_map("pathNormalization: {normalization: ALL}"));
    assert!(found.contains("data.mesh.pathNormalization.normalization") && found.contains("MERGE_SLASHES"), "{found}");
    let found = faults(&config_map("pathNormalization: {normalisation: NONE}"));
    assert!(found.contains("unknown field normalisation"), "{found}");
}
