use serde_json::json;

use super::*;

fn dump() -> Dump {
    let kind = |name: &str| format!("type.googleapis.com/envoy.admin.v3.{name}");
    Dump::new(json!({ "configs": [
        { "@type": kind("ListenersConfigDump"),
          "static_listeners": [{ "listener": { "name": "fixed" } }],
          "dynamic_listeners": [{ "name": "a", "active_state": { "listener": { "name": "a" } } }, { "name": "warming" }] },
        { "@type": kind("SecretsConfigDump"),
          "dynamic_active_secrets": [{ "name": "default", "secret": {} }],
          "dynamic_warming_secrets": [{ "name": "late" }] },
    ] }))
}

#[test]
fn what_is_in_use_is_found_wherever_it_came_from() {
    let dump = dump();
    let names: Vec<&str> = dump.listeners().into_iter().map(|listener| text(listener, "/name")).collect();
    assert_eq!(names, ["a", "fixed"], "one that is not active yet is not in use");
    assert!(dump.clusters().is_empty() && dump.routes().is_empty());
}

#[test]
fn a_secret_that_has_not_arrived_is_warming() {
    let dump = dump();
    let states: Vec<_> = dump.secrets().into_iter().map(|secret| (secret.name, secret.state)).collect();
    assert_eq!(states, [("late", "WARMING"), ("default", "ACTIVE")]);
}
