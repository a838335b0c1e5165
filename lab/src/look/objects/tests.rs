use super::*;

fn key(kind: &str, name: &str) -> Key {
    Key { group: String::new(), kind: kind.into(), namespace: "default".into(), name: name.into() }
}

#[test]
fn a_services_row_has_kubectls_columns() {
    let service = json!({ "spec": {
        "clusterIP": "10.96.0.10",
        "ports": [{ "port": 8080 }, { "port": 53, "protocol": "UDP", "nodePort": 30053 }],
        "selector": { "app": "server", "version": "v1" },
    } });
    let cells = cells(&key("Service", "server"), &service, Some(100), 160, true);
    assert_eq!(
        cells,
        ["server", "ClusterIP", "10.96.0.10", "<none>", "8080/TCP,53:30053/UDP", "60s", "app=server,version=v1"]
    );
    assert_eq!(cells.len(), titles("Service", true).len());
}

#[test]
fn istios_kinds_have_the_columns_of_their_crds() {
    let policy = json!({ "spec": { "mtls": { "mode": "STRICT" } } });
    assert_eq!(titles("PeerAuthentication", false), ["NAME", "MODE", "AGE"]);
    assert_eq!(
        cells(&key("PeerAuthentication", "default"), &policy, None, 0, false),
        ["default", "STRICT", "<unknown>"]
    );
    let entry = json!({ "spec": { "hosts": ["a.example", "b.example"] } });
    let row = cells(&key("ServiceEntry", "a"), &entry, Some(0), 5, false);
    assert_eq!(row, ["a", r#"["a.example","b.example"]"#, "", "", "5s"]);
}

#[test]
fn one_named_object_is_printed_alone_and_several_as_a_list() {
    assert_eq!(document(vec![json!(1)], true), json!(1));
    assert_eq!(document(vec![json!(1)], false)["items"], json!([1]));
    assert_eq!(document(vec![json!(1), json!(2)], true)["items"], json!([1, 2]));
    assert_eq!(document(vec![], false)["items"], json!([]));
}

#[test]
fn the_plural_of_a_kind_is_that_of_the_api() {
    let plurals =
        [("Pod", ""), ("PeerAuthentication", "security.istio.io"), ("AuthorizationPolicy", ""), ("Ingress", "")];
    let expected = ["pods", "peerauthentications.security.istio.io", "authorizationpolicies", "ingresses"];
    assert_eq!(plurals.map(|(kind, group)| plural(kind, group)), expected);
}
