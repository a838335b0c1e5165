use serde_json::json;

use super::*;
use crate::stats::Stats;

#[tokio::test]
async fn names_become_endpoints_and_logical_dns_uses_one_address() {
    let config = |kind: &str| -> envoy_api::Cluster {
        envoy_api::read_value(json!({
            "name": "c", "type": kind, "dns_lookup_family": "ALL",
            "load_assignment": {"cluster_name": "c", "endpoints": [{"lb_endpoints": [
                {"endpoint": {"address": {"socket_address": {"address": "127.0.0.1", "port_value": 1}}}},
                {"endpoint": {"address": {"socket_address": {"address": "localhost", "port_value": 2}}}},
            ]}]}
        }))
        .unwrap()
    };
    let strict = Cluster::new(&config("STRICT_DNS"), &Stats::default()).unwrap();
    assert!(strict.uses_dns() && strict.endpoints().is_empty());
    strict.resolve().await;
    assert!(strict.endpoints().len() >= 2);
    let first = strict.endpoints()[0].clone();
    strict.resolve().await;
    assert!(Arc::ptr_eq(&first, &strict.endpoints()[0]), "an existing endpoint is kept, with its load");
    let logical = Cluster::new(&config("LOGICAL_DNS"), &Stats::default()).unwrap();
    logical.resolve().await;
    assert_eq!(logical.endpoints().len(), 2, "one per name");
}
