use pretty_assertions::assert_eq;
use serde_json::{Value, json};

use super::*;

fn cluster(fields: &Value) -> Cluster {
    let mut cluster = json!({"name": "under-test"});
    cluster.as_object_mut().expect("an object").extend(fields.as_object().expect("an object").clone());
    envoy_api::read_value(cluster).expect("a cluster")
}

#[test]
fn connections_are_bound_to_the_address_of_their_family() {
    let cluster = cluster(&json!({"upstream_bind_config": {
        "source_address": {"address": "127.0.0.6", "port_value": 0},
        "extra_source_addresses": [{"address": {"address": "::6", "port_value": 0}}],
    }}));
    assert_eq!(source(&cluster, "10.0.0.1:80".parse().unwrap()), "127.0.0.6".parse().ok());
    assert_eq!(source(&cluster, "[fd00::1]:80".parse().unwrap()), "::6".parse().ok());
}
