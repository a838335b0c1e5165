use pretty_assertions::assert_eq;
use serde_json::{Value, json};

use super::*;

fn cluster(fields: &Value) -> Cluster {
    let mut cluster = json!({"name": "under-test"});
    cluster.as_object_mut().expect("an object").extend(fields.as_object().expect("an object").clone());
    envoy_api::read_value(cluster).expect("a cluster")
}

fn tls() -> Value {
    let url = "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext";
    json!({"name": "envoy.transport_sockets.tls", "typed_config": {"@type": url}})
}

fn raw() -> Value {
    let url = "type.googleapis.com/envoy.extensions.transport_sockets.raw_buffer.v3.RawBuffer";
    json!({"name": "envoy.transport_sockets.raw_buffer", "typed_config": {"@type": url}})
}

fn endpoint(metadata: &Value) -> LbEndpoint {
    envoy_api::read_value(json!({
        "endpoint": {"address": {"socket_address": {"address": "10.0.0.1", "port_value": 80}}},
        "metadata": {"filter_metadata": {"envoy.transport_socket_match": metadata}},
    }))
    .expect("an endpoint")
}

#[test]
fn the_first_match_that_the_endpoint_meets_chooses_the_transport_socket() {
    let cluster = cluster(&json!({"transport_socket_matches": [
        {"name": "tlsMode-istio", "match": {"tlsMode": "istio"}, "transport_socket": tls()},
        {"name": "tlsMode-disabled", "match": {}, "transport_socket": raw()},
    ]}));
    for (metadata, name, secured) in [
        (json!({"tlsMode": "istio"}), "tlsMode-istio", true),
        (json!({"tlsMode": "istio", "more": 1}), "tlsMode-istio", true),
        (json!({"tlsMode": "disabled"}), "tlsMode-disabled", false),
        (json!({}), "tlsMode-disabled", false),
    ] {
        let endpoint = endpoint(&metadata);
        let (chosen, context) = transport_socket(&cluster, Some(&endpoint));
        assert_eq!((chosen, context.is_some()), (name, secured));
    }
    assert_eq!(transport_socket(&cluster, None).0, "tlsMode-disabled");
}

#[test]
fn without_a_match_the_clusters_own_transport_socket_counts() {
    let matches = json!([{"name": "never", "match": {"tlsMode": "istio"}, "transport_socket": raw()}]);
    let cluster = cluster(&json!({"transport_socket": tls(), "transport_socket_matches": matches}));
    let (chosen, context) = transport_socket(&cluster, Some(&endpoint(&json!({}))));
    assert_eq!((chosen, context.is_some()), ("", true));
}

#[test]
fn either_family_may_be_first_in_what_a_logical_host_resolves_to() {
    let addresses = |texts: &[&str]| texts.iter().map(|text| text.parse().unwrap()).collect::<Vec<SocketAddr>>();
    let endpoint = endpoint(&json!({}));
    let both = || addresses(&["10.0.0.1:80", "10.0.0.2:80", "[fd00::1]:80"]);
    for (picked, order) in [(0, both()), (1, addresses(&["[fd00::1]:80", "10.0.0.1:80", "10.0.0.2:80"]))] {
        let host = Host::logical(&endpoint, both(), |_| picked).unwrap();
        assert_eq!((host.addresses, host.may_be_first), (order, addresses(&["10.0.0.1:80", "[fd00::1]:80"])));
    }
    let of_one_family = addresses(&["10.0.0.1:80", "10.0.0.2:80"]);
    let host = Host::logical(&endpoint, of_one_family.clone(), |_| panic!("there is no choice")).unwrap();
    assert_eq!((host.addresses, host.may_be_first), (of_one_family, addresses(&["10.0.0.1:80"])));
    assert!(Host::logical(&endpoint, vec![], |_| 0).is_none());
}
