use pretty_assertions::assert_eq;
use serde_json::json;

use super::*;

fn bootstrap() -> Value {
    json!({
        "@type": "type.googleapis.com/envoy.admin.v3.BootstrapConfigDump",
        "bootstrap": {"node": {
            "id": "sidecar~10.244.0.2~client.default~default.svc.cluster.local",
            "metadata": {"INSTANCE_IPS": "10.244.0.2,fd00:244::2", "NAMESPACE": "default", "SERVICE_ACCOUNT": "client"},
        }},
    })
}

fn listener(name: &str, filters: &Value) -> Value {
    json!({
        "@type": "type.googleapis.com/envoy.config.listener.v3.Listener",
        "name": name,
        "address": {"socket_address": {"address": "0.0.0.0", "port_value": 15001}},
        "filter_chains": [{"filters": filters}],
    })
}

fn tcp_proxy() -> Value {
    let url = "type.googleapis.com/envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy";
    json!({"name": "tcp", "typed_config": {"@type": url, "stat_prefix": "x", "cluster": "x"}})
}

fn listeners(listeners: &[Value]) -> Value {
    let dynamic: Vec<Value> =
        listeners.iter().map(|l| json!({"name": l["name"], "active_state": {"listener": l}})).collect();
    json!({"@type": "type.googleapis.com/envoy.admin.v3.ListenersConfigDump", "dynamic_listeners": dynamic})
}

fn parse(configs: &[Value]) -> Result<EnvoyDump, DumpError> {
    EnvoyDump::parse(&json!({"configs": configs}).to_string())
}

#[test]
fn a_dump_identifies_its_sidecar() {
    let dump = parse(&[bootstrap()]).expect("a dump");
    assert_eq!(dump.pod, "client.default");
    assert_eq!(dump.ips, ["10.244.0.2".parse::<IpAddr>().unwrap(), "fd00:244::2".parse().unwrap()]);
    assert_eq!(dump.identity.as_deref(), Some("spiffe://cluster.local/ns/default/sa/client"));
}

#[test]
fn the_identity_comes_from_the_certificate_if_it_was_dumped() {
    let authority = crate::ca::Authority::new("example.org", crate::ca::KeyType::default()).expect("an authority");
    let id = "spiffe://example.org/ns/shop/sa/cart";
    let validity = crate::ca::Validity::from_now(crate::ca::SVID_LIFETIME);
    let svid = authority.issue_svid(id, validity).expect("a certificate");
    let chain = base64::Engine::encode(&base64::engine::general_purpose::STANDARD, &svid.chain_pem);
    let secrets = json!({
        "@type": "type.googleapis.com/envoy.admin.v3.SecretsConfigDump",
        "dynamic_active_secrets": [{"name": "default", "secret": {
            "name": "default",
            "tls_certificate": {"certificate_chain": {"inline_bytes": chain}, "private_key": {"inline_bytes": "W3JlZGFjdGVkXQ=="}},
        }}],
    });
    assert_eq!(parse(&[bootstrap(), secrets]).expect("a dump").identity.as_deref(), Some(id));
}

#[test]
fn istios_own_filters_are_left_out_and_named() {
    let istio = json!({"name": "istio.metadata_exchange", "typed_config": {
        "@type": "type.googleapis.com/envoy.tcp.metadataexchange.config.MetadataExchange", "protocol": "istio-peer-exchange",
    }});
    let dump = parse(&[bootstrap(), listeners(&[listener("one", &json!([istio, tcp_proxy()]))])]).expect("a dump");
    assert_eq!(dump.listeners[0].filter_chains[0].filters.len(), 1);
    let left_out = "envoy.tcp.metadataexchange.config.MetadataExchange (1 times) is left out";
    assert!(dump.warnings.iter().any(|warning| warning.starts_with(left_out)), "{:?}", dump.warnings);
}

#[test]
fn fields_that_do_not_matter_to_tls_are_left_out_and_named() {
    let mut one = listener("one", &json!([tcp_proxy()]));
    one["per_connection_buffer_limit_bytes"] = json!(1);
    one["filter_chains"][0]["filters"][0]["typed_config"]["flush_access_log_on_connected"] = json!(true);
    one["access_log"] = json!([{"name": "of no matter"}]);
    let dump = parse(&[bootstrap(), listeners(&[one])]).expect("a dump");
    let expected = "fields of listeners that do not matter to TLS are left out: \
                    flush_access_log_on_connected, per_connection_buffer_limit_bytes";
    assert!(dump.warnings.contains(&expected.to_owned()), "{:?}", dump.warnings);
}

#[test]
fn fields_that_matter_to_tls_are_never_left_out() {
    let mut one = listener("one", &json!([tcp_proxy()]));
    one["filter_chains"][0]["filter_chain_match"] = json!({"address_suffix": "1.2.3.4"});
    let error = parse(&[bootstrap(), listeners(&[one])]).unwrap_err().to_string();
    let place = "listener one: filter_chains[0].filter_chain_match.address_suffix: unknown field `address_suffix`";
    assert!(error.starts_with(place), "{error}");
}

#[test]
fn clusters_that_cannot_be_read_are_noted() {
    let clusters = json!({
        "@type": "type.googleapis.com/envoy.admin.v3.ClustersConfigDump",
        "static_clusters": [{"cluster": {"name": "sds-grpc", "load_assignment": {"cluster_name": "sds-grpc", "endpoints": [
            {"lb_endpoints": [{"endpoint": {"address": {"pipe": {"path": "./socket"}}}}]},
        ]}}}],
        "dynamic_active_clusters": [{"cluster": {
            "@type": "type.googleapis.com/envoy.config.cluster.v3.Cluster",
            "name": "outbound|80||server",
            "type": "EDS",
            "eds_cluster_config": {"eds_config": {"ads": {}, "resource_api_version": "V3"}, "service_name": "server"},
            "circuit_breakers": {},
        }}],
    });
    let dump = parse(&[bootstrap(), clusters]).expect("a dump");
    assert_eq!(dump.clusters.iter().map(|cluster| cluster.name.as_str()).collect::<Vec<_>>(), ["outbound|80||server"]);
    assert!(dump.warnings.iter().any(|warning| warning.starts_with("sds-grpc is left out: ")), "{:?}", dump.warnings);
}

#[test]
fn warming_listeners_are_ignored() {
    let warming = json!({
        "@type": "type.googleapis.com/envoy.admin.v3.ListenersConfigDump",
        "dynamic_listeners": [{"name": "one", "warming_state": {"listener": listener("one", &json!([tcp_proxy()]))}}],
    });
    assert!(parse(&[bootstrap(), warming]).expect("a dump").listeners.is_empty());
}

#[test]
fn a_text_that_is_not_a_dump_is_rejected() {
    let message = |text: &str| EnvoyDump::parse(text).unwrap_err().to_string();
    assert!(message("[1, 2").starts_with("cut off at line 1"));
    assert!(message("{x").starts_with("not JSON: "));
    assert!(message("[{}]").starts_with("a list of single resources"));
    let connections = r#"[{"state": "Up", "connections": {"inbound": []}, "info": {"name": "a"}}]"#;
    assert!(message(connections).starts_with("ztunnel's connections"));
    assert!(message(r#"{"bootstrap": {"node": {}}}"#).starts_with("a bootstrap"));
    assert!(message("configs:\n- bootstrap: {}\n").starts_with("YAML"));
    assert!(message("- clusterName: a\n").starts_with("YAML"));
    assert!(message("ecdsFilters:\n- a: b\n").starts_with("YAML"));
    assert!(message(r#"{"workloads": {}, "services": {}}"#).starts_with("a dump of ztunnel"));
    let of = |id: &str| {
        let node = json!({"id": id, "metadata": {"INSTANCE_IPS": "10.0.0.1"}});
        message(&json!({"configs": [{"@type": "BootstrapConfigDump", "bootstrap": {"node": node}}]}).to_string())
    };
    assert!(of("router~10.0.0.1~in.istio-system~x").starts_with("the dump of a gateway (router~10.0.0.1"));
    assert!(of("waypoint~10.0.0.1~w.default~x").starts_with("the dump of a waypoint"));
    assert_eq!(message("{}"), "no `configs` list: expected the output of Envoy's /config_dump");
    assert_eq!(message(r#"{"configs": []}"#), "node.id: no BootstrapConfigDump; dump everything, not single resources");
}
