use pretty_assertions::assert_eq;

use crate::{
    model::{ClientTls, DestinationRule, Mesh},
    testing::{INJECTED, faults, mesh, pod},
};

const HOST: &str = "s.default.svc.cluster.local";

/// A rule: `NAMESPACE/NAME`, and its spec. Rules that disable, simple, istio-mutual are distinguished by their modes.
fn rule(name: &str, spec: &str) -> String {
    rule_from(name, "2026-01-01T00:00:00Z", spec)
}

fn rule_from(name: &str, created: &str, spec: &str) -> String {
    let (namespace, name) = name.split_once('/').unwrap();
    format!(
        "---\n{{apiVersion: networking.istio.io/v1, kind: DestinationRule, metadata: {{name: {name}, namespace: {namespace}, creationTimestamp: '{created}'}}, spec: {{{spec}}}}}\n"
    )
}

fn mode(mode: &str) -> String {
    format!("trafficPolicy: {{tls: {{mode: {mode}}}}}")
}

/// Clients `c` (namespace default, label role: caller), `d` (default), `o` (other) and `r` (istio-system); service `s` of
/// default with ports 80 and 90.
fn world(rules: &[String]) -> String {
    let base = INJECTED.to_owned()
        + &INJECTED.replace("default", "other")
        + &pod("c", "labels: {role: caller}")
        + &pod("d", "labels: {app: s, version: v1}")
        + &pod("o", "namespace: other, labels: {sidecar.istio.io/inject: 'true'}")
        + &pod("r", "namespace: istio-system, labels: {sidecar.istio.io/inject: 'true'}")
        + "---
{apiVersion: v1, kind: Service, metadata: {name: s}, spec: {selector: {app: s}, ports: [{name: a, port: 80}, {name: b, port: 90}]}}
";
    base + &rules.concat()
}

fn find<'m>(mesh: &'m Mesh, client: &str) -> Option<&'m DestinationRule> {
    let client = &mesh.pods[mesh.pod(client, "default").unwrap()];
    mesh.destination_rules.find(client, HOST, "default")
}

/// The rules that a client of `default`, `other` and `istio-system` follow, by name.
fn followed(rules: &[String]) -> [String; 3] {
    let mesh = mesh(&world(rules));
    ["c", "o.other", "r.istio-system"].map(|client| match find(&mesh, client) {
        Some(rule) => rule
            .from
            .iter()
            .map(|(name, _)| name.strip_prefix("DestinationRule ").unwrap())
            .collect::<Vec<_>>()
            .join(" + "),
        None => "-".to_owned(),
    })
}

fn name(tls: Option<&ClientTls>) -> String {
    tls.map_or("-".to_owned(), |tls| tls.spec.mode.name().to_owned())
}

#[test]
fn without_a_rule_there_is_none() {
    assert_eq!(followed(&[]), ["-", "-", "-"]);
}

#[test]
fn the_clients_namespace_goes_before_the_services_before_the_root() {
    let of_client = rule("other/mine", &format!("host: {HOST}"));
    let of_service = rule("default/its", "host: s");
    let of_root = rule("istio-system/all", &format!("host: {HOST}"));
    assert_eq!(followed(std::slice::from_ref(&of_root)), ["istio-system/all", "istio-system/all", "istio-system/all"]);
    assert_eq!(followed(&[of_root.clone(), of_service.clone()]), ["default/its", "default/its", "default/its"]);
    assert_eq!(followed(&[of_root, of_service, of_client]), ["default/its", "other/mine", "default/its"]);
}

#[test]
fn a_root_client_sees_what_the_root_keeps_to_itself_first() {
    let private = rule("istio-system/private", &format!("host: {HOST}, exportTo: ['.']"));
    let of_service = rule("default/its", "host: s");
    assert_eq!(followed(&[private, of_service]), ["default/its", "default/its", "istio-system/private"]);
}

#[test]
fn export_limits_who_sees_a_rule() {
    let exported = |to: &str| followed(&[rule("default/its", &format!("host: s, exportTo: {to}"))]);
    assert_eq!(exported("['*']"), ["default/its", "default/its", "default/its"]);
    assert_eq!(exported("['.']"), ["default/its", "-", "-"]);
    assert_eq!(exported("[default]"), ["default/its", "-", "-"]);
    assert_eq!(exported("[other]"), ["-", "default/its", "-"]);
    assert_eq!(exported("['.', other]"), ["default/its", "default/its", "-"]);
}

#[test]
fn the_most_specific_host_counts() {
    let rules = [
        rule("default/any", "host: '*'"),
        rule("default/wide", "host: '*.svc.cluster.local'"),
        rule("default/narrow", "host: '*.default.svc.cluster.local'"),
        rule("default/other", "host: '*.other.svc.cluster.local'"),
    ];
    assert_eq!(followed(&rules[..1])[0], "default/any");
    assert_eq!(followed(&rules[..2])[0], "default/wide");
    assert_eq!(followed(&rules)[0], "default/narrow");
    let exact = rule("default/exact", &format!("host: {HOST}"));
    assert_eq!(followed(&[rules[2].clone(), exact])[0], "default/exact");
}

#[test]
fn only_a_name_without_dots_is_completed_and_by_the_rules_own_namespace() {
    assert_eq!(followed(&[rule("default/short", "host: s")])[0], "default/short");
    assert_eq!(followed(&[rule("default/half", "host: s.default")])[0], "-");
    assert_eq!(followed(&[rule("other/short", "host: s")]), ["-", "-", "-"]);
}

#[test]
fn a_host_that_matches_nothing_says_what_it_may_have_meant() {
    let of = |spec: &str| faults(&world(&[rule("default/r", spec)]));
    let field = "m.yaml: document 8 (DestinationRule r): spec.host: warning:";
    assert_eq!(
        of("host: s.default"),
        format!("{field} matches no service: a name with a dot is taken as it is; write s.default.svc.cluster.local\n")
    );
    assert!(of("host: s.other.svc.cluster.local").contains("did you mean s.default.svc.cluster.local?"));
    assert!(
        of("host: z")
            .contains("z.default.svc.cluster.local matches no service; did you mean s.default.svc.cluster.local?")
    );
    assert!(of("host: '*.example.com'").ends_with("*.example.com matches no service\n"));
}

#[test]
fn rules_of_one_host_are_merged_and_the_oldest_settings_stay() {
    let young = rule_from(
        "default/a",
        "2026-02-01T00:00:00Z",
        &format!("host: s, {}, subsets: [{{name: v1, labels: {{version: v1}}}}]", mode("SIMPLE")),
    );
    let old = rule_from("default/b", "2026-01-01T00:00:00Z", &format!("host: s, {}", mode("DISABLE")));
    let yaml = world(&[young, old]);
    let mesh = mesh(&yaml);
    let rule = find(&mesh, "c").unwrap();
    assert_eq!(rule.from.len(), 2);
    assert_eq!(name(rule.tls(80, None)), "DISABLE");
    assert_eq!(rule.tls(80, None).unwrap().by, "DestinationRule default/b");
    assert!(rule.subset("v1").is_some());
    let text = faults(&yaml);
    assert_eq!(
        text,
        "m.yaml: document 8 (DestinationRule a): spec.trafficPolicy: warning: DestinationRule default/b at m.yaml#9 is for the same host and older: its settings win, these are lost\n"
    );
}

#[test]
fn settings_may_come_from_the_younger_rule_if_the_older_has_none() {
    let old = rule_from("default/a", "2026-01-01T00:00:00Z", "host: s, subsets: [{name: v1, labels: {version: v1}}]");
    let young = rule_from("default/b", "2026-02-01T00:00:00Z", &format!("host: s, {}", mode("SIMPLE")));
    let yaml = world(&[old, young]);
    assert_eq!(name(find(&mesh(&yaml), "c").unwrap().tls(80, None)), "SIMPLE");
    assert_eq!(faults(&yaml), "");
}

#[test]
fn a_subset_that_is_there_already_is_lost() {
    let subset =
        |mode_of: &str| format!("host: s, subsets: [{{name: v1, labels: {{version: v1}}, {}}}]", mode(mode_of));
    let yaml = world(&[rule("default/a", &subset("DISABLE")), rule("default/b", &subset("SIMPLE"))]);
    assert_eq!(name(find(&mesh(&yaml), "c").unwrap().tls(80, Some("v1"))), "DISABLE");
    assert!(
        faults(&yaml)
            .contains("(DestinationRule b): spec.subsets[0]: warning: DestinationRule default/a has a subset v1 too")
    );
}

#[test]
fn rules_that_are_exported_differently_stay_apart() {
    let rules = [
        rule("default/a", &format!("host: s, exportTo: ['.'], {}", mode("DISABLE"))),
        rule("default/b", &format!("host: s, exportTo: [other], {}", mode("SIMPLE"))),
    ];
    assert_eq!(followed(&rules), ["default/a", "default/b", "-"]);
}

#[test]
fn a_rule_for_selected_clients_goes_before_one_for_all() {
    let rules = [
        rule("default/all", &format!("host: s, {}", mode("DISABLE"))),
        rule(
            "default/some",
            &format!("host: s, workloadSelector: {{matchLabels: {{role: caller}}}}, {}", mode("SIMPLE")),
        ),
    ];
    let mesh = mesh(&world(&rules));
    assert_eq!(name(find(&mesh, "c").unwrap().tls(80, None)), "SIMPLE");
    assert_eq!(name(find(&mesh, "d").unwrap().tls(80, None)), "DISABLE");
    assert_eq!(name(find(&mesh, "o.other").unwrap().tls(80, None)), "DISABLE");
}

#[test]
fn a_rule_that_selects_others_alone_hides_the_services_namespace() {
    let rules = [
        rule("istio-system/all", &format!("host: {HOST}")),
        rule("default/some", "host: s, workloadSelector: {matchLabels: {role: caller}}"),
    ];
    let mesh = mesh(&world(&rules));
    assert!(find(&mesh, "c").unwrap().workload_selector.is_some());
    assert!(find(&mesh, "d").is_none(), "its namespace has a rule for the host, though not for it");
}

#[test]
fn a_ports_settings_replace_the_destinations_wholesale() {
    let spec = "host: s, trafficPolicy: {tls: {mode: SIMPLE}, portLevelSettings: [{port: {number: 80}, tls: {mode: DISABLE}}, {port: {number: 90}, loadBalancer: {simple: RANDOM}}]}";
    let mesh = mesh(&world(&[rule("default/r", spec)]));
    let rule = find(&mesh, "c").unwrap();
    assert_eq!(
        [name(rule.tls(80, None)), name(rule.tls(90, None)), name(rule.tls(1, None))],
        ["DISABLE", "-", "SIMPLE"]
    );
    // What marks endpoints is less strict about it.
    assert_eq!([name(rule.endpoint_tls(80, None)), name(rule.endpoint_tls(90, None))], ["DISABLE", "SIMPLE"]);
    assert_eq!(rule.tls(80, None).unwrap().source.to_string(), "m.yaml#8 spec.trafficPolicy.portLevelSettings[0].tls");
}

#[test]
fn a_subsets_settings_replace_the_rules() {
    let spec = "host: s, trafficPolicy: {tls: {mode: SIMPLE}}, subsets: [
      {name: own, trafficPolicy: {tls: {mode: DISABLE}}},
      {name: port, trafficPolicy: {portLevelSettings: [{port: {number: 80}, tls: {mode: DISABLE}}, {port: {number: 90}, loadBalancer: {simple: RANDOM}}]}},
      {name: other, trafficPolicy: {loadBalancer: {simple: RANDOM}}},
      {name: plain}]";
    let mesh = mesh(&world(&[rule("default/r", spec)]));
    let rule = find(&mesh, "c").unwrap();
    let of = |subset: &str| [name(rule.tls(80, Some(subset))), name(rule.tls(90, Some(subset)))];
    assert_eq!(of("own"), ["DISABLE", "DISABLE"]);
    assert_eq!(of("port"), ["DISABLE", "-"]);
    assert_eq!(of("other"), ["SIMPLE", "SIMPLE"]);
    assert_eq!(of("plain"), ["SIMPLE", "SIMPLE"]);
    assert_eq!(name(rule.endpoint_tls(90, Some("port"))), "SIMPLE");
    assert_eq!(name(rule.endpoint_tls(90, Some("nobody"))), "-");
}

#[test]
fn a_subset_a_port_and_a_selector_that_find_nothing_are_warned_of() {
    let of = |spec: &str| faults(&world(&[rule("default/r", &format!("host: s, {spec}"))]));
    assert!(
        of("subsets: [{name: v2, labels: {version: v2}}]")
            .contains("spec.subsets[0].labels: warning: selects no pod of s.default.svc.cluster.local")
    );
    let port = of("trafficPolicy: {portLevelSettings: [{port: {number: 8080}, tls: {mode: DISABLE}}]}");
    assert!(
        port.contains(
            "portLevelSettings[0].port.number: warning: s.default.svc.cluster.local has no port 8080, only such as 80"
        ),
        "{port}"
    );
    assert!(
        of("workloadSelector: {matchLabels: {role: x}}")
            .contains("spec.workloadSelector.matchLabels: warning: selects no pod of namespace default")
    );
}
