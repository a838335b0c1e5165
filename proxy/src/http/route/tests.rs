use serde_json::{Value, json};

use super::*;

fn fault(route: &Value) -> String {
    let configured = json!({"name": "r", "virtual_hosts": [{"name": "h", "domains": ["*"], "routes": [route]}]});
    Routes::new(&envoy_api::read_value(configured).unwrap()).unwrap_err().to_string()
}

#[test]
fn errors_name_their_path() {
    let matched = json!({"prefix": "/"});
    assert_eq!(
        fault(&json!({"match": matched})),
        "virtual_hosts[0].routes[0].route: expected one of route, redirect and direct_response"
    );
    let policy = json!({"cluster": "c", "retry_policy": {"retry_on": "5xx,nope"}});
    assert_eq!(
        fault(&json!({"match": matched, "route": policy})),
        "virtual_hosts[0].routes[0].route.retry_policy.retry_on: \"nope\" is not a supported condition"
    );
    assert_eq!(
        fault(&json!({"match": {}, "route": {"cluster": "c"}})),
        "virtual_hosts[0].routes[0].match.prefix: expected one of prefix, path, safe_regex and path_separated_prefix"
    );
}
