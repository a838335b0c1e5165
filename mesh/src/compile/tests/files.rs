use std::{collections::BTreeSet, path::PathBuf};

use envoy_api::{DataSource, DiscoveryResponse, Secret, TlsCertificate, read};
use pretty_assertions::assert_eq;

use super::*;

fn svid() -> Secret {
    Secret {
        name: "default".into(),
        tls_certificate: Some(TlsCertificate {
            certificate_chain: DataSource::InlineString("CHAIN".into()),
            private_key: DataSource::InlineString("SECRET".into()),
        }),
        validation_context: None,
    }
}

/// Every `path_config_source` in a JSON text.
fn paths_named(json: &str) -> BTreeSet<PathBuf> {
    fn collect(value: &serde_json::Value, paths: &mut BTreeSet<PathBuf>) {
        match value {
            serde_json::Value::Object(fields) => {
                if let Some(path) = fields.get("path_config_source").and_then(|p| p["path"].as_str()) {
                    paths.insert(path.into());
                }
                fields.values().for_each(|value| collect(value, paths));
            }
            serde_json::Value::Array(values) => values.iter().for_each(|value| collect(value, paths)),
            _ => {}
        }
    }
    let mut paths = BTreeSet::new();
    collect(&serde_json::from_str(json).expect("JSON"), &mut paths);
    paths
}

#[test]
fn every_file_that_is_named_is_written_and_the_other_way_round() {
    for flavor in [Flavor::Istio, Flavor::Textbook] {
        let config = with("", flavor, "server");
        let root = Secret { name: "ROOTCA".into(), tls_certificate: None, validation_context: None };
        let files = config.files(&[svid(), root]);
        let written: BTreeSet<_> = files.iter().map(|(path, _)| PathBuf::from("/etc/sidecar").join(path)).collect();
        assert_eq!(written.len(), files.len(), "no two resources share a file");
        let mut named: BTreeSet<_> = files.iter().flat_map(|(_, json)| paths_named(json)).collect();
        named.insert("/etc/sidecar/bootstrap.json".into());
        assert_eq!(named, written);
    }
}

#[test]
fn files_of_routes_endpoints_and_secrets_hold_one_resource_each() {
    let config = with("", Flavor::Istio, "client");
    for (path, json) in config.files(&[svid()]) {
        if path.starts_with("rds") || path.starts_with("eds") || path.starts_with("sds") {
            let response: DiscoveryResponse = read(&json).expect("a file that the native proxy can read");
            assert_eq!(response.resources.len(), 1, "{}", path.display());
        }
    }
}

#[test]
fn file_names_have_nothing_that_a_shell_or_a_reader_trips_over() {
    let config = with("", Flavor::Istio, "client");
    let names: Vec<_> = config.files(&[svid()]).into_iter().map(|(path, _)| path.display().to_string()).collect();
    assert!(names.contains(&"eds/outbound_80__server.default.svc.cluster.local.json".into()), "{names:?}");
    assert!(names.contains(&"rds/server.default.svc.cluster.local_7000.json".into()), "{names:?}");
    assert!(
        names.iter().all(|name| name.chars().all(|c| c.is_ascii_alphanumeric() || "-._/".contains(c))),
        "{names:?}"
    );
}

#[test]
fn private_keys_are_not_shown() {
    let json = with("", Flavor::Istio, "client").to_json(&[svid()]);
    let text = json.to_string();
    assert!(text.contains("CHAIN") && !text.contains("SECRET"), "{text}");
    let keys: Vec<_> = json.as_object().expect("an object").keys().collect();
    assert_eq!(keys, ["listeners", "routes", "clusters", "endpoints", "secrets"]);
}

#[test]
fn the_same_mesh_makes_the_same_files() {
    let files = || with("", Flavor::Istio, "server").files(&[svid()]);
    assert_eq!(files(), files());
}

#[test]
fn the_bootstrap_says_who_the_sidecar_is() {
    let bootstrap = with("", Flavor::Istio, "server").bootstrap;
    let node = bootstrap.node.expect("a node");
    assert!(node.id.starts_with("sidecar~10.244.0.") && node.id.ends_with("~server.default~default.svc.cluster.local"));
    assert_eq!(node.cluster, "server.default");
    assert_eq!((&node.metadata["NAMESPACE"], &node.metadata["SERVICE_ACCOUNT"]), (&"default".into(), &"server".into()));
    assert_eq!(bootstrap.admin.expect("an admin interface").address.to_string(), "127.0.0.1:15000");
}

#[test]
fn metrics_and_health_are_asked_on_istios_ports() {
    let resources = with("", Flavor::Istio, "server").bootstrap.static_resources;
    let listeners: Vec<_> = resources.listeners.iter().map(|l| (l.name.as_str(), outlines(l).join(", "))).collect();
    assert_eq!(
        listeners,
        [("0.0.0.0_15090", "-> http stats".to_owned()), ("0.0.0.0_15021", "-> http agent".to_owned())]
    );
    let admin = &resources.clusters[0].load_assignment.as_ref().expect("an endpoint").endpoints[0].lb_endpoints[0];
    assert_eq!(admin.endpoint.address.to_string(), "127.0.0.1:15000");
}
