//! Which webhooks are called.

use k8s_openapi::api::admissionregistration::v1::ValidatingWebhook;
use serde_json::{Value, json};

use super::*;
use crate::testing::parse;

/// Whether a webhook with these fields is called for a plain Pod in `default`, which is labelled `team: a`.
fn called(fields: &Value) -> Result<(), String> {
    let mut hook = json!({
        "name": "one.example.com",
        "rules": [{"apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["pods"]}],
    });
    for (field, value) in fields.as_object().unwrap() {
        hook[field] = value.clone();
    }
    let hook: ValidatingWebhook = serde_json::from_value(hook).unwrap();
    let failure_policy = super::super::configuration::FailurePolicy::Fail;
    let webhook = Webhook { configuration: "c".into(), mutating: false, failure_policy, hook };
    let labels = [("team".to_owned(), "a".to_owned())].into();
    let configurations = Configurations { webhooks: vec![], namespaces: [("default".to_owned(), labels)].into() };
    let object = Object::read(&parse("--webhooks none").unwrap()).unwrap();
    match_object(&webhook, &object, &configurations).map(drop)
}

fn rule(field: &str, value: Value) -> Value {
    let mut rule = json!({"apiGroups": ["*"], "apiVersions": ["*"], "operations": ["*"], "resources": ["*"]});
    rule[field] = value;
    json!({"rules": [rule]})
}

#[test]
fn a_rule_matches_by_group_version_operation_resource_and_scope() {
    for (field, fits, does_not) in [
        ("apiGroups", json!(["", "apps"]), json!(["apps"])),
        ("apiVersions", json!(["v1"]), json!(["v2"])),
        ("operations", json!(["UPDATE", "CREATE"]), json!(["UPDATE"])),
        ("resources", json!(["pods"]), json!(["pods/status"])),
        ("resources", json!(["pods/*"]), json!(["*/status"])),
        ("resources", json!(["*/*"]), json!(["deployments"])),
        ("scope", json!("Namespaced"), json!("Cluster")),
    ] {
        assert_eq!(called(&rule(field, fits)), Ok(()), "{field}");
        assert_eq!(called(&rule(field, does_not)), Err("no rule fits CREATE of pods in v1".into()), "{field}");
    }
    assert!(called(&json!({"rules": []})).is_err());
}

#[test]
fn a_namespace_selector_matches_labels_including_the_name() {
    let by_name = |name: &str| json!({"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": name}}});
    assert_eq!(called(&by_name("default")), Ok(()));
    assert_eq!(called(&by_name("other")), Err("namespaceSelector does not select namespace default".into()));
    let expression = |operator: &str, values: Value| json!({"namespaceSelector": {"matchExpressions": [{"key": "team", "operator": operator, "values": values}]}});
    for (operator, values, selected) in [
        ("In", json!(["a", "b"]), true),
        ("In", json!(["b"]), false),
        ("NotIn", json!(["b"]), true),
        ("NotIn", json!(["a"]), false),
        ("Exists", json!([]), true),
        ("DoesNotExist", json!([]), false),
        ("Near", json!(["a"]), false),
    ] {
        assert_eq!(called(&expression(operator, values.clone())).is_ok(), selected, "{operator} {values}");
    }
}

#[test]
fn an_object_selector_matches_the_objects_labels() {
    let labelled = json!({"objectSelector": {"matchLabels": {"app": "x"}}});
    assert_eq!(called(&labelled), Err("objectSelector does not select the object".into()));
    assert_eq!(called(&json!({"objectSelector": {}})), Ok(()));
}
