use envoy_api::read_value;
use serde_json::json;

use super::*;

#[test]
fn both_kinds_of_rules_are_counted_under_envoys_names() {
    let stats = Stats::default();
    let any = json!({"permissions": [{"any": true}], "principals": [{"any": true}]});
    let config = json!({
        "stat_prefix": "tcp.",
        "rules": {"action": "DENY", "policies": {"ns[a]-policy[b]-rule[0]": any}},
        "shadow_rules": {"policies": {"shadow": any}},
        "shadow_rules_stat_prefix": "istio_dry_run_allow_",
    });
    let filter = Authorization::of_connections(&read_value(config).unwrap(), &stats).unwrap();
    let facts = Facts {
        destination: "10.0.0.1:80".parse().unwrap(),
        peer_address: [10, 0, 0, 2].into(),
        client_address: [10, 0, 0, 2].into(),
        peer: None,
        server_name: "",
        request: None,
    };
    let Denied { details } = filter.check(&facts).unwrap_err();
    assert_eq!(details, "rbac_access_denied_matched_policy[ns[a]-policy[b]-rule[0]]");
    let counted = |name: &str| stats.get(&format!("tcp.rbac.{name}"));
    assert_eq!((counted("allowed"), counted("denied")), (Some(0), Some(1)));
    let shadow = ["istio_dry_run_allow_.shadow_allowed", "istio_dry_run_allow_.shadow_denied"].map(counted);
    assert_eq!(shadow, [Some(1), Some(0)]);
}

#[test]
fn a_filter_without_rules_allows_everything() {
    let stats = Stats::default();
    let scope = stats.scope(Scope::Http("inbound".into()));
    let filter = Authorization::of_requests(&HttpRbac::default(), &scope).unwrap();
    assert!(filter.rules.is_none());
    assert_eq!(stats.get("http.inbound.rbac.allowed"), Some(0));
}
