use serde_json::json;

use crate::{Cluster, ReadError, Resource, read_value};

const LISTENER: &str = "type.googleapis.com/envoy.config.listener.v3.Listener";
const CLUSTER: &str = "type.googleapis.com/envoy.config.cluster.v3.Cluster";
const HCM: &str =
    "type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager";
const STRUCT: &str = "type.googleapis.com/udpa.type.v1.TypedStruct";

fn cluster(field: &str, value: &serde_json::Value) -> Result<Cluster, String> {
    match read_value(json!({"@type": CLUSTER, "name": "c", field: value})) {
        Ok(Resource::Cluster(cluster)) => Ok(cluster),
        Ok(_) => panic!("it is a cluster"),
        Err(ReadError::Field { path, reason }) => Err(format!("{path}: {reason}")),
        Err(error) => panic!("{error}"),
    }
}

#[test]
fn a_field_that_decides_nothing_is_read_without_effect() {
    assert!(cluster("cleanup_interval", &json!("60s")).is_ok());
    assert!(cluster("common_lb_config", &json!({"healthy_panic_threshold": {}})).is_ok());
}

#[test]
fn a_value_that_decides_something_stays_an_error_that_names_the_field() {
    let error = cluster("common_lb_config", &json!({"zone_aware_lb_config": {}})).unwrap_err();
    assert!(error.contains("common_lb_config"), "{error}");
    let error = cluster("lb_subset_config", &json!({"fallback_policy": "ANY_ENDPOINT"})).unwrap_err();
    assert!(error.contains("lb_subset_config"), "{error}");
}

fn manager(filter: &serde_json::Value, tracing: &serde_json::Value) -> Result<Resource, ReadError> {
    let router = json!({
        "name": "envoy.filters.http.router",
        "typed_config": {"@type": "type.googleapis.com/envoy.extensions.filters.http.router.v3.Router"},
    });
    let filters = [json!({
        "name": "http",
        "typed_config": {
            "@type": HCM, "stat_prefix": "s", "http_filters": [filter, router], "tracing": tracing,
            "route_config": {"name": "r", "virtual_hosts": [{"name": "v", "domains": ["*"], "routes": [{
                "match": {"prefix": "/"}, "route": {"cluster": "c", "max_grpc_timeout": "0s"}
            }]}]},
        },
    })];
    read_value(json!({
        "@type": LISTENER, "name": "l",
        "address": {"socket_address": {"address": "0.0.0.0", "port_value": 1}},
        "filter_chains": [{"filters": filters}],
    }))
}

#[test]
fn filters_are_known_by_their_type_in_a_typed_struct_too() {
    let of_type = |url: &str| json!({"name": "f", "typed_config": {"@type": STRUCT, "type_url": url, "value": {}}});
    assert!(manager(&of_type("type.googleapis.com/io.istio.http.peer_metadata.Config"), &json!({})).is_ok());
    assert!(manager(&of_type("type.googleapis.com/envoy.extensions.filters.http.wasm.v3.Wasm"), &json!({})).is_err());
}

#[test]
fn a_tracer_is_read_accepted_without_effect_or_an_error() {
    let filter = json!({"name": "f", "typed_config": {"@type": "type.googleapis.com/envoy.extensions.filters.http.fault.v3.HTTPFault"}});
    let read = |config: &str, fields: serde_json::Value| {
        let mut typed = json!({"@type": format!("type.googleapis.com/envoy.config.trace.v3.{config}")});
        typed.as_object_mut().expect("it is an object").extend(fields.as_object().cloned().unwrap_or_default());
        manager(&filter, &json!({"random_sampling": {"value": 1}, "provider": {"name": "t", "typed_config": typed}}))
    };
    assert!(manager(&filter, &json!({})).is_ok());
    let service = json!({"envoy_grpc": {"cluster_name": "c", "authority": "a"}});
    assert!(read("OpenTelemetryConfig", json!({"grpc_service": service, "service_name": "s"})).is_ok());
    assert!(read("ZipkinConfig", json!({"collector_cluster": "c", "trace_id_128bit": true})).is_ok());
    assert!(read("OpenTelemetryConfig", json!({"grpc_service": service, "sampler": {"name": "s"}})).is_err());
    assert!(read("XRayConfig", json!({})).is_err());
}
