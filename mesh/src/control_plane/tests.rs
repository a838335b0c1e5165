use std::path::PathBuf;

use envoy_api::Secret;
use serde_json::{Value, json};

use super::{NotSupported, configure};
use crate::{
    SourceFile,
    compile::{Options, Placement, PodConfig},
    load,
    model::{ControlPlane, Flavor, Mesh, Pushed},
    redirect::ProxyIdentity,
    resolve,
};

const CLIENT: &str = r#"
apiVersion: v1
kind: Pod
metadata: {name: client, labels: {sidecar.istio.io/inject: "true"}}
spec: {containers: [{name: app, image: sidelab/demo-client}]}
"#;

fn configured(pushed: Pushed, options: Options) -> Result<PodConfig, NotSupported> {
    let loaded = load(&[SourceFile { name: "client.yaml".into(), text: CLIENT.into() }]);
    let (resolved, _) = resolve(&loaded.manifests).expect("nothing is wrong with it");
    let mesh = Mesh::new(resolved.into(), Flavor::Istio)
        .pushed_by(ControlPlane::Istiod, [("client.default".to_owned(), pushed)].into());
    let placement =
        Placement { config_dir: "/config".into(), log_dir: "/log".into(), redirect: ProxyIdentity::ISTIO, options };
    configure(&mesh, 0, &placement)
}

fn sds(name: &str) -> Value {
    json!({"name": name, "sds_config": {"api_config_source": {"api_type": "GRPC"}, "resource_api_version": "V3"}})
}

fn cluster() -> Value {
    json!({
        "name": "c", "type": "EDS", "cleanup_interval": "60s",
        "eds_cluster_config": {"eds_config": {"ads": {}}, "service_name": "outbound|80||c"},
        "transport_socket": {"name": "tls", "typed_config": {
            "@type": "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext",
            "common_tls_context": {
                "tls_certificate_sds_secret_configs": [sds("default")],
                "combined_validation_context": {
                    "default_validation_context": {"match_subject_alt_names": [{"exact": "a"}]},
                    "validation_context_sds_secret_config": sds("file-root:/ca.pem"),
                },
            },
        }},
        "filters": [{"name": "istio.metadata_exchange", "typed_config": {
            "@type": "type.googleapis.com/udpa.type.v1.TypedStruct",
            "type_url": "type.googleapis.com/envoy.tcp.metadataexchange.config.MetadataExchange",
            "value": {"protocol": "istio-peer-exchange"},
        }}],
    })
}

fn file(files: &[(PathBuf, String)], path: &str) -> Value {
    let (_, text) = files.iter().find(|(name, _)| name.to_str() == Some(path)).unwrap_or_else(|| panic!("no {path}"));
    serde_json::from_str(text).expect("JSON")
}

#[test]
fn sources_become_files_and_everything_else_is_unchanged() {
    let pushed = Pushed { clusters: vec![cluster()], ..Pushed::default() };
    let config = configured(pushed, Options { resumption: true, ..Options::default() }).unwrap();
    let written = file(&config.files(&[] as &[Secret]), "cds.json")["resources"][0].clone();
    let mut expected = cluster();
    expected["@type"] = json!("type.googleapis.com/envoy.config.cluster.v3.Cluster");
    let source = |path: &str| json!({"path_config_source": {"path": path}, "resource_api_version": "V3"});
    expected["eds_cluster_config"]["eds_config"] = source("/config/eds/outbound_80__c.json");
    let tls = &mut expected["transport_socket"]["typed_config"]["common_tls_context"];
    tls["tls_certificate_sds_secret_configs"][0]["sds_config"] = source("/config/sds/default.json");
    tls["combined_validation_context"]["validation_context_sds_secret_config"]["sds_config"] =
        source("/config/sds/file-root_%2Fca.pem.json");
    assert_eq!(written, expected);
}

#[test]
fn every_file_that_is_named_exists() {
    let pushed = Pushed { clusters: vec![cluster()], ..Pushed::default() };
    let files = configured(pushed, Options::default()).unwrap().files(&[]);
    let names: Vec<_> = files.iter().filter_map(|(name, _)| name.to_str()).collect();
    assert!(names.contains(&"eds/outbound_80__c.json"), "{names:?}");
    assert!(names.contains(&"sds/file-root_%2Fca.pem.json"), "{names:?}");
}

#[test]
fn a_lab_logs_keys_and_resumes_nothing() {
    let pushed = Pushed { clusters: vec![cluster()], ..Pushed::default() };
    let config = configured(pushed, Options { key_log: true, ..Options::default() }).unwrap();
    let written = file(&config.files(&[]), "cds.json");
    let context = &written["resources"][0]["transport_socket"]["typed_config"];
    assert_eq!(context["max_session_keys"], 0);
    assert_eq!(context["common_tls_context"]["key_log"]["path"], "/log/keys.log");
}

#[test]
fn an_unsupported_field_is_reported_with_pod_and_resource() {
    let mut cluster = cluster();
    cluster["lb_subset_config"] = json!({"fallback_policy": "ANY_ENDPOINT"});
    let error = configured(Pushed { clusters: vec![cluster], ..Pushed::default() }, Options::default()).unwrap_err();
    let text = error.to_string();
    assert!(
        text.contains("client.default") && text.contains("cluster c") && text.contains("lb_subset_config"),
        "{text}"
    );
}

#[test]
fn stock_envoy_gets_none_of_istios_own_filters() {
    let pushed = Pushed { clusters: vec![cluster()], ..Pushed::default() };
    let mut config = configured(pushed, Options::default()).unwrap();
    assert_eq!(config.fit_stock_envoy().into_iter().collect::<Vec<_>>(), ["istio.metadata_exchange"]);
    assert_eq!(file(&config.files(&[]), "cds.json")["resources"][0]["filters"], json!([]));
}

#[test]
fn a_filter_in_cel_hides_no_line_of_the_access_log() {
    let expression = json!({
        "@type": "type.googleapis.com/envoy.extensions.access_loggers.filters.cel.v3.ExpressionFilter",
        "expression": "response.code >= 400",
    });
    let log = json!({
        "name": "envoy.access_loggers.file",
        "filter": {"extension_filter": {"name": "cel", "typed_config": expression}},
        "typed_config": {
            "@type": "type.googleapis.com/envoy.extensions.access_loggers.file.v3.FileAccessLog", "path": "/dev/stdout",
        },
    });
    let listener = json!({
        "name": "one", "address": {"socket_address": {"address": "0.0.0.0", "port_value": 15001}}, "access_log": [log],
    });
    let config = configured(Pushed { listeners: vec![listener], ..Pushed::default() }, Options::default()).unwrap();
    let written = file(&config.files(&[]), "lds.json");
    let log = &written["resources"][0]["access_log"][0];
    assert_eq!((&log["filter"], &log["typed_config"]["path"]), (&Value::Null, &json!("/log/access.log")));
}
