use envoy_api::{HttpFilterConfig, Listener, NetworkFilter};
use pretty_assertions::assert_eq;
use serde_json::{Value, json};

use crate::{
    compile::{Placement, compile},
    testing::{INJECTED, mesh},
};

/// A server with an HTTP port 80 and a TCP port 90.
const SERVER: &str = "---
apiVersion: v1
kind: Pod
metadata: {name: server, labels: {app: server}}
spec: {containers: [{name: app, image: any}]}
---
apiVersion: v1
kind: Service
metadata: {name: server}
spec: {selector: {app: server}, ports: [{name: http, port: 80}, {name: tcp, port: 90}]}
";

fn policy(metadata: &str, spec: &str) -> String {
    format!(
        "---\napiVersion: security.istio.io/v1\nkind: AuthorizationPolicy\nmetadata: {{{metadata}}}\nspec: {spec}\n"
    )
}

/// The RBAC filters of the server's HTTP port and of its TCP port.
fn filters(manifests: &str) -> (Vec<Value>, Vec<Value>) {
    let mesh = mesh(&format!("{INJECTED}{SERVER}{manifests}"));
    let server = mesh.pod("server", "default").unwrap();
    let config = compile(&mesh, server, &Placement::in_folder("/"));
    let inbound = config.listeners.iter().find(|listener| listener.name == "virtualInbound").unwrap();
    (of_http(inbound), of_tcp(inbound))
}

fn chain(inbound: &Listener, port: u16) -> &envoy_api::FilterChain {
    let is_for = |chain: &&envoy_api::FilterChain| {
        chain.filter_chain_match.as_ref().is_some_and(|m| m.destination_port == Some(port))
    };
    inbound.filter_chains.iter().find(is_for).unwrap()
}

fn of_http(inbound: &Listener) -> Vec<Value> {
    let filters = &chain(inbound, 80).filters;
    let [filter] = &filters[..] else { panic!("one filter") };
    let NetworkFilter::HttpConnectionManager(manager) = &filter.typed_config else { panic!("a manager") };
    let rbac = manager.http_filters.iter().filter_map(|filter| match &filter.typed_config {
        HttpFilterConfig::Rbac(rbac) => Some(serde_json::to_value(rbac).unwrap()),
        _ => None,
    });
    rbac.collect()
}

fn of_tcp(inbound: &Listener) -> Vec<Value> {
    let filters = chain(inbound, 90).filters.iter().filter_map(|filter| match &filter.typed_config {
        NetworkFilter::Rbac(rbac) => Some(serde_json::to_value(rbac).unwrap()),
        _ => None,
    });
    filters.collect()
}

/// The permissions and principals of the only rule of the only filter of the HTTP port.
fn rule(spec: &str) -> Value {
    let (http, _) = filters(&policy("name: p", spec));
    http[0]["rules"]["policies"]["ns[default]-policy[p]-rule[0]"].clone()
}

fn and(rules: &Value) -> Value {
    json!([{"and_rules": {"rules": rules}}])
}

#[test]
fn filters_stand_in_the_order_audit_deny_allow() {
    let manifests = [
        policy("name: c", "{rules: [{}]}"),
        policy("name: b", "{action: DENY, rules: [{}]}"),
        policy("name: a", "{action: AUDIT, rules: [{}]}"),
    ];
    let (http, tcp) = filters(&manifests.concat());
    let actions =
        |filters: &[Value]| -> Vec<_> { filters.iter().map(|filter| filter["rules"]["action"].clone()).collect() };
    assert_eq!(actions(&http), [json!("LOG"), json!("DENY"), Value::Null]);
    assert_eq!(actions(&tcp), actions(&http));
    assert!(tcp.iter().all(|filter| filter["stat_prefix"] == "tcp."));
}

#[test]
fn without_policies_there_is_no_filter() {
    assert_eq!(filters(""), (vec![], vec![]));
    let elsewhere = policy("name: p, namespace: elsewhere", "{}");
    let of_others = policy("name: q", "{selector: {matchLabels: {app: other}}}");
    let of_waypoints = policy("name: r", "{targetRefs: [{kind: Service, name: server}]}");
    assert_eq!(filters(&format!("{elsewhere}{of_others}{of_waypoints}")), (vec![], vec![]));
}

#[test]
fn a_policy_of_the_root_namespace_is_for_the_mesh() {
    let (http, _) = filters(&policy("name: p, namespace: istio-system", "{selector: {matchLabels: {app: server}}}"));
    let policies = http[0]["rules"]["policies"].as_object().unwrap();
    assert_eq!(policies.keys().collect::<Vec<_>>(), ["ns[istio-system]-policy[p]-rule[0]"]);
}

#[test]
fn a_policy_without_rules_matches_nothing() {
    let never = json!({"permissions": [{"not_rule": {"any": true}}], "principals": [{"not_id": {"any": true}}]});
    assert_eq!(rule("{}"), never);
}

#[test]
fn a_rule_without_fields_matches_everything() {
    let always =
        json!({"permissions": and(&json!([{"any": true}])), "principals": [{"and_ids": {"ids": [{"any": true}]}}]});
    assert_eq!(rule("{rules: [{}]}"), always);
}

#[test]
fn patterns_of_operations_become_matchers() {
    let spec = "{rules: [{to: [{operation: {hosts: [a, b*], methods: ['*'], paths: ['/a', '/b*', '*c', '*', '/{*}/d'],
                 ports: ['80'], notPorts: ['90']}}]}]}";
    let header = |name: &str, matcher: Value| json!({"header": {"name": name, "string_match": matcher}});
    let path = |matcher: Value| json!({"url_path": {"path": matcher}});
    let template = json!({"name": "uri-template", "typed_config": {
        "@type": "type.googleapis.com/envoy.extensions.path.match.uri_template.v3.UriTemplateMatchConfig", "path_template": "/*/d"}});
    let expected = and(&json!([
        {"or_rules": {"rules": [
            header(":authority", json!({"exact": "a", "ignore_case": true})),
            header(":authority", json!({"prefix": "b", "ignore_case": true})),
        ]}},
        {"or_rules": {"rules": [{"header": {"name": ":method", "present_match": true}}]}},
        {"or_rules": {"rules": [
            path(json!({"exact": "/a"})),
            path(json!({"prefix": "/b"})),
            path(json!({"suffix": "c"})),
            path(json!({"safe_regex": {"regex": ".+"}})),
            {"uri_template": template},
        ]}},
        {"or_rules": {"rules": [{"destination_port": 80}]}},
        {"not_rule": {"or_rules": {"rules": [{"destination_port": 90}]}}},
    ]));
    assert_eq!(rule(spec)["permissions"], expected);
}

#[test]
fn patterns_of_sources_become_matchers() {
    let spec = "{rules: [{from: [{source: {principals: ['a/ns/b/sa/c', '*', '*/sa/d', 'e*'], namespaces: ['f.g*'],
                 trustDomains: [td, 'x*'], ipBlocks: [10.0.0.1, 10.1.2.3/8], notRemoteIpBlocks: ['fd00::/8']}}]}]}";
    let named = |matcher: Value| json!({"authenticated": {"principal_name": matcher}});
    let regex = |regex: &str| json!({"safe_regex": {"regex": regex}});
    let range = |address: &str, length: u8| json!({"address_prefix": address, "prefix_len": length});
    let expected = json!([{"and_ids": {"ids": [
        {"or_ids": {"ids": [
            named(json!({"exact": "spiffe://a/ns/b/sa/c"})),
            named(regex(".+")),
            named(regex("spiffe://.*/sa/d")),
            named(json!({"prefix": "spiffe://e"})),
        ]}},
        {"or_ids": {"ids": [named(json!({"prefix": "spiffe://td/"})), named(regex("spiffe://x[^/]*/.*"))]}},
        {"or_ids": {"ids": [named(regex(r".*/ns/f\.g.*/.*"))]}},
        {"not_id": {"or_ids": {"ids": [{"remote_ip": range("fd00::", 8)}]}}},
        {"or_ids": {"ids": [{"direct_remote_ip": range("10.0.0.1", 32)}, {"direct_remote_ip": range("10.1.2.3", 8)}]}},
    ]}}]);
    assert_eq!(rule(spec)["principals"], expected);
}

#[test]
fn a_service_account_is_of_the_policys_namespace_unless_it_says_another() {
    let ids = rule("{rules: [{from: [{source: {serviceAccounts: [a, b/c.d]}}]}]}")["principals"][0]["and_ids"]["ids"]
        [0]
    .clone();
    let expression =
        |i: usize| ids["or_ids"]["ids"][i]["authenticated"]["principal_name"]["safe_regex"]["regex"].clone();
    assert_eq!(expression(0), "spiffe://.+/ns/default/(.+/|)sa/a(/.+)?");
    assert_eq!(expression(1), r"spiffe://.+/ns/b/(.+/|)sa/c\.d(/.+)?");
}

#[test]
fn conditions_stand_behind_every_source_and_operation() {
    let spec = "{rules: [{from: [{source: {namespaces: [a]}}, {source: {namespaces: [b]}}],
                 when: [{key: 'request.headers[x]', values: ['*', 'y*']}, {key: connection.sni, values: [z]}]}]}";
    let rule = rule(spec);
    let principals = rule["principals"].as_array().unwrap();
    let header = json!({"or_ids": {"ids": [
        {"header": {"name": "x", "present_match": true}},
        {"header": {"name": "x", "string_match": {"prefix": "y"}}},
    ]}});
    assert_eq!(principals.len(), 2);
    assert!(principals.iter().all(|principal| principal["and_ids"]["ids"][1] == header));
    let sni = json!([{"or_rules": {"rules": [{"requested_server_name": {"exact": "z"}}]}}]);
    assert_eq!(rule["permissions"], and(&sni));
}

#[test]
fn on_a_tcp_port_a_rule_of_http_allows_nothing_and_denies_everything() {
    let of_http = "rules: [{to: [{operation: {methods: [GET], ports: ['90']}}]}, {to: [{operation: {ports: ['90']}}]}]";
    let (_, tcp) = filters(&policy("name: p", &format!("{{{of_http}}}")));
    let names: Vec<_> = tcp[0]["rules"]["policies"].as_object().unwrap().keys().cloned().collect();
    assert_eq!(names, ["ns[default]-policy[p]-rule[1]"]);
    let (_, tcp) = filters(&policy("name: p", &format!("{{action: DENY, {of_http}}}")));
    let denied = &tcp[0]["rules"]["policies"]["ns[default]-policy[p]-rule[0]"]["permissions"];
    assert_eq!(*denied, and(&json!([{"or_rules": {"rules": [{"destination_port": 90}]}}])));
}

#[test]
fn where_no_rule_is_left_nothing_is_allowed() {
    let (_, tcp) = filters(&policy("name: p", "{rules: [{to: [{operation: {methods: [GET]}}]}]}"));
    assert_eq!(tcp[0]["rules"], json!({}), "rules of which none matches");
}

#[test]
fn a_dry_run_has_shadow_rules_under_istios_prefix() {
    let dry_run = "name: p, annotations: {istio.io/dry-run: 'true'}";
    let (http, _) = filters(&policy(dry_run, "{action: DENY, rules: [{}]}"));
    assert_eq!(http[0].get("rules"), None);
    assert_eq!(http[0]["shadow_rules_stat_prefix"], "istio_dry_run_deny_");
    let (http, _) = filters(&format!("{}{}", policy(dry_run, "{}"), policy("name: q", "{}")));
    assert_eq!(http[0]["shadow_rules_stat_prefix"], "istio_dry_run_allow_");
    assert!(http[0]["rules"].is_object() && http[0]["shadow_rules"].is_object());
}

#[test]
fn a_claim_is_what_the_filter_of_tokens_noted() {
    let ids = rule("{rules: [{when: [{key: 'request.auth.claims[a][b]', values: [c]}]}]}")["principals"][0].clone();
    let matcher = &ids["and_ids"]["ids"][0]["metadata"];
    assert_eq!(matcher["filter"], "envoy.filters.http.jwt_authn");
    assert_eq!(matcher["path"], json!([{"key": "payload"}, {"key": "a"}, {"key": "b"}]));
    let c = json!({"string_match": {"exact": "c"}});
    assert_eq!(matcher["value"], json!({"or_match": {"value_matchers": [{"list_match": {"one_of": c}}, c]}}));
}

#[test]
fn principals_are_those_of_all_trust_domains_of_the_mesh() {
    let config = "---
apiVersion: v1
kind: ConfigMap
metadata: {name: istio, namespace: istio-system}
data: {mesh: 'trustDomain: new\ntrustDomainAliases: [old]'}
";
    let config = config.replace("new\n", "new\\n").replace('\'', "\"");
    let spec = "{rules: [{from: [{source: {principals: [cluster.local/ns/a/sa/b]}}]}]}";
    let (http, _) = filters(&format!("{config}{}", policy("name: p", spec)));
    let ids = &http[0]["rules"]["policies"]["ns[default]-policy[p]-rule[0]"]["principals"][0]["and_ids"]["ids"][0]["or_ids"]
        ["ids"];
    let names: Vec<_> =
        ids.as_array().unwrap().iter().map(|id| &id["authenticated"]["principal_name"]["exact"]).collect();
    assert_eq!(names, ["spiffe://new/ns/a/sa/b", "spiffe://old/ns/a/sa/b"]);
}
