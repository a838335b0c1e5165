use std::time::Duration;

use pretty_assertions::assert_eq;

use crate::{
    model::{Capture, Family, Flavor, InterceptionMode, NodeMetadata, OwnerGroups, Unmodelled},
    redirect::{Packet, ProxyIdentity, Rules},
    testing::{INJECTED, faults, mesh, mesh_with_warnings, pod},
};

/// An injected pod with this ProxyConfig, and with what else stands in its annotations and spec.
fn manifests(config: &str, annotations: &str, spec: &str) -> String {
    let pod = pod("a", &format!("annotations: {{proxy.istio.io/config: '{config}', {annotations}}}"));
    INJECTED.to_owned() + &pod.replace("spec: {", &format!("spec: {{{spec} "))
}

fn capture(config: &str) -> Capture {
    mesh(&manifests(config, "", "")).pods[0].clone().sidecar.expect("the namespace injects").capture
}

fn metadata(metadata: &str) -> Capture {
    capture(&format!("proxyMetadata: {{{metadata}}}"))
}

#[test]
fn an_empty_config_changes_nothing() {
    assert_eq!(capture(""), Capture::default());
    assert_eq!(capture("proxyMetadata: {}"), Capture::default());
}

#[test]
fn the_interception_mode_is_that_of_the_annotation_of_its_own_first() {
    let none = mesh(&manifests("interceptionMode: NONE", "", ""));
    assert_eq!(none.pods[0].unmodelled.as_ref().unwrap().0, Unmodelled::NoRedirects);
    let both = manifests("interceptionMode: NONE", "sidecar.istio.io/interceptionMode: REDIRECT", "");
    assert_eq!(mesh(&both).pods[0].sidecar.as_ref().unwrap().capture.mode, InterceptionMode::Redirect);
    assert!(faults(&manifests("interceptionMode: TPROXY", "", "")).contains("TPROXY is taken for REDIRECT"));
}

#[test]
fn owner_groups_are_excluded_only_from_all() {
    let groups = |text: &str| metadata(text).owner_groups;
    let list = |groups: &[&str]| groups.iter().map(ToString::to_string).collect::<Vec<_>>();
    assert_eq!(groups("ISTIO_OUTBOUND_OWNER_GROUPS: \"java,202\""), OwnerGroups::Only(list(&["java", "202"])));
    assert_eq!(groups("ISTIO_OUTBOUND_OWNER_GROUPS_EXCLUDE: \"888,ftp\""), OwnerGroups::AllBut(list(&["888", "ftp"])));
    let both = "ISTIO_OUTBOUND_OWNER_GROUPS: \"202\", ISTIO_OUTBOUND_OWNER_GROUPS_EXCLUDE: \"888\"";
    assert_eq!(groups(both), OwnerGroups::Only(list(&["202"])));
}

#[test]
fn whether_the_pods_programs_are_captured_follows_from_their_group() {
    let captured = |config: &str, spec: &str| {
        let capture = mesh(&manifests(config, "", spec)).pods[0].clone().sidecar.unwrap().capture;
        let rules = Rules::new(&capture, ProxyIdentity::ISTIO, Family::Ipv4);
        let (uid, gid) = (0, capture.app_gid);
        let destination = "10.0.0.1:80".parse().unwrap();
        let packet = Packet { interface: "eth0", source: None, destination, uid, gid, mark: 0 };
        rules.outbound(&packet).redirected_to.is_some()
    };
    let only = "proxyMetadata: {ISTIO_OUTBOUND_OWNER_GROUPS: \"202\"}";
    let but = "proxyMetadata: {ISTIO_OUTBOUND_OWNER_GROUPS_EXCLUDE: \"202\"}";
    let in_202 = "securityContext: {runAsGroup: 202},";
    assert!(!captured(only, "") && captured(only, in_202));
    assert!(captured(but, "") && !captured(but, in_202));
}

#[test]
fn the_other_variables_are_read() {
    assert_eq!(metadata("ISTIO_OUTBOUND_IPV4_LOOPBACK_CIDR: 127.0.0.1/8").ipv4_loopback.to_string(), "127.0.0.1/8");
    assert!(metadata("INVALID_DROP: \"true\"").drop_invalid);
    assert!(!metadata("INVALID_DROP: \"false\"").drop_invalid);
    assert_eq!(metadata("ISTIO_DUAL_STACK: \"true\", ISTIO_META_DNS_CAPTURE: \"false\""), Capture::default());
}

#[test]
fn a_fault_says_what_was_expected() {
    for (config, expected) in [
        ("a: [", "injection fails: not YAML"),
        ("proxyMetadata: [a]", "injection fails: proxyMetadata: expected strings by name"),
        ("proxyMetdata: {}", "injection fails: unknown field proxyMetdata; did you mean proxyMetadata?"),
        ("proxyAdminPort: 1", "proxyAdminPort is not supported yet"),
        ("proxyMetadata: {ISTIO_OUTBOUND_IPV4_LOOPBACK_CIDR: \"::1/128\"}", "\"::1/128\" is not an IPv4 range"),
    ] {
        let text = faults(&manifests(config, "", ""));
        assert!(
            text.starts_with("m.yaml: document 2 (Pod a): metadata.annotations[proxy.istio.io/config]: "),
            "{text}"
        );
        assert!(text.contains(expected), "{config}: {text}");
    }
}

#[test]
fn the_lists_of_fields_do_not_overlap() {
    assert!(super::WITHOUT_EFFECT.is_sorted() && super::DECISIVE.is_sorted());
    assert!(super::DECISIVE.iter().all(|name| !super::WITHOUT_EFFECT.contains(name)));
}

/// A ProxyConfig with one environment variable.
fn proxy_config(namespace: &str, name: &str, selector: &str, variable: &str) -> String {
    format!(
        "---\napiVersion: networking.istio.io/v1beta1\nkind: ProxyConfig\nmetadata: {{name: {name}, namespace: {namespace}}}\n\
         spec: {{{selector} environmentVariables: {{{variable}}}}}\n"
    )
}

#[test]
fn proxy_configs_of_mesh_and_namespace_come_before_the_annotation_and_that_of_the_workload_after_it() {
    const DNS: &str = "ISTIO_META_DNS_CAPTURE: ";
    let workload = "selector: {matchLabels: {app: a}},";
    let dns = |annotation: &str, configs: &str| {
        let pod = pod("a", &format!("labels: {{app: a}}, annotations: {{proxy.istio.io/config: '{annotation}'}}"));
        mesh(&(INJECTED.to_owned() + &pod + configs)).pods[0]
            .clone()
            .sidecar
            .expect("the namespace injects")
            .capture
            .dns
    };
    let own = |value: &str| format!("proxyMetadata: {{{DNS}\"{value}\"}}");
    let of_mesh = proxy_config("istio-system", "of-mesh", "", &format!("{DNS}'true'"));
    let of_namespace = proxy_config("default", "of-namespace", "", &format!("{DNS}'false'"));
    let of_workload = proxy_config("default", "of-workload", workload, &format!("{DNS}'true'"));
    assert!(dns("", &of_mesh));
    assert!(!dns("", &(of_mesh.clone() + &of_namespace)));
    assert!(dns(&own("true"), &(of_mesh.clone() + &of_namespace)));
    assert!(dns(&own("false"), &(of_namespace.clone() + &of_workload)));
    assert!(!dns("", &(of_namespace + &proxy_config("default", "later", "", &format!("{DNS}'true'")))));
    let of_others = of_workload.replace("app: a", "app: b");
    assert!(!dns("", &of_others));
    assert!(faults(&(INJECTED.to_owned() + &of_others)).contains("selects no pod of namespace default"));
}

#[test]
fn what_a_proxy_config_says_without_effect_is_named() {
    let config = proxy_config("default", "c", "concurrency: 2, image: {imageType: debug},", "A: b");
    let (_, found) = mesh_with_warnings(&(INJECTED.to_owned() + &config), Flavor::Istio);
    let found = format!("{found:?}");
    assert!(found.contains("spec.concurrency") && found.contains("spec.image"), "{found}");
    let wrong = faults(&config.replace("concurrency: 2", "concurrency: -1"));
    assert!(wrong.contains("-1 is negative"), "{wrong}");
}

#[test]
fn a_proxy_reports_what_its_proxy_config_and_the_environment_of_its_container_set() {
    const SET: &str = "{ISTIO_META_HTTP10: '1', ISTIO_META_IDLE_TIMEOUT: 30s}";
    let of = |yaml: &str| mesh(yaml).pods[0].sidecar.as_ref().expect("it has a proxy").metadata;
    let set = NodeMetadata { accepts_http_10: true, idle_timeout: Some(Duration::from_secs(30)) };
    let injected = INJECTED.to_owned();
    let plain = pod("a", "");
    let annotated =
        |metadata: &str| pod("a", &format!("annotations: {{proxy.istio.io/config: \"proxyMetadata: {metadata}\"}}"));
    assert_eq!(of(&(injected.clone() + &plain)), NodeMetadata::default());
    assert_eq!(of(&(injected.clone() + &annotated(SET))), set);
    assert_eq!(
        of(&(injected.clone() + &plain + &proxy_config("istio-system", "all", "", SET.trim_matches(['{', '}'])))),
        set
    );
    let gateway = "---
apiVersion: v1
kind: Pod
metadata: {name: a}
spec:
  containers:
  - name: istio-proxy
    image: istio/proxyv2
    args: [proxy, router]
    env: [{name: ISTIO_META_HTTP10, value: '1'}, {name: ISTIO_META_IDLE_TIMEOUT, value: 30s}]
";
    assert_eq!(of(gateway), set);
    let wrong = faults(&(injected + &annotated("{ISTIO_META_IDLE_TIMEOUT: soon}")));
    assert!(wrong.contains("is not a duration, and istiod ignores it"), "{wrong}");
}
