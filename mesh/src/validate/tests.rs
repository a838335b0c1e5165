use jiff::Timestamp;

use crate::{
    ca::{Authority, KeyType, Names, Svid, Validity},
    testing::{faults, pod},
};

/// Asserts that manifests have exactly this fault, given from `KIND NAME` on.
#[track_caller]
fn refused(yaml: &str, expected: &str) {
    let text = faults(yaml);
    assert!(text.contains(expected), "{yaml}\nexpected {expected}\nfound {text}");
    assert_eq!(text.lines().count(), 1, "{text}");
}

#[track_caller]
fn accepted(yaml: &str) {
    assert_eq!(faults(yaml), "", "{yaml}");
}

// --- Service

fn service(spec: &str) -> String {
    pod("a", "labels: {app: a}")
        + &format!(
            "---\n{{apiVersion: v1, kind: Service, metadata: {{name: s}}, spec: {{selector: {{app: a}}, {spec}}}}}\n"
        )
}

#[test]
fn a_port_of_a_service_is_in_range() {
    for port in [0, -1, 65536] {
        let expected =
            format!("(Service s): spec.ports[0].port: {port} is out of range; a port is a number from 1 to 65535");
        refused(&service(&format!("ports: [{{port: {port}}}]")), &expected);
    }
    refused(&service("ports: [{port: 80, targetPort: 70000}]"), "spec.ports[0].targetPort: 70000 is out of range");
    accepted(&service("ports: [{port: 65535, targetPort: 1}]"));
}

#[test]
fn ports_of_a_service_have_names_that_differ() {
    refused(
        &service("ports: [{port: 80, name: a}, {port: 81}]"),
        "spec.ports[1].name: is missing; with several ports each needs a name",
    );
    refused(&service("ports: [{port: 80, name: a}, {port: 81, name: a}]"), "spec.ports[1].name: \"a\" is duplicated");
    refused(&service("ports: [{port: 80, name: HTTP}]"), "spec.ports[0].name: \"HTTP\" is not a port name");
    refused(
        &service("ports: [{port: 80, name: a}, {port: 80, name: b}]"),
        "spec.ports[1].port: TCP port 80 is duplicated",
    );
    accepted(&service("ports: [{port: 80, name: a}, {port: 80, name: b, protocol: UDP}]"));
}

#[test]
fn a_service_needs_ports_unless_it_is_headless() {
    refused(&service("ports: []"), "spec.ports: is empty; a Service needs a port unless it is headless");
    accepted(&service("clusterIP: None"));
    refused("{apiVersion: v1, kind: Service, metadata: {name: s}}", "spec: is missing");
}

#[test]
fn a_target_port_by_name_is_a_name_that_a_port_can_have() {
    let text = faults(&service("ports: [{port: 80, targetPort: '8080'}]"));
    assert!(text.contains("spec.ports[0].targetPort: \"8080\" is neither a number nor a name"), "{text}");
}

#[test]
fn an_address_that_is_asked_for_is_one_of_the_services_range() {
    refused(&service("clusterIP: nonsense, ports: [{port: 80}]"), "spec.clusterIP: \"nonsense\" is not an address");
    accepted(&service("clusterIP: 10.0.0.1, ports: [{port: 80}]"));
    refused(
        &service("clusterIP: 10.96.1.1, clusterIPs: [10.96.1.2], ports: [{port: 80}]"),
        "spec.clusterIPs[0]: 10.96.1.2 is not spec.clusterIP, 10.96.1.1; they must agree",
    );
    refused(
        &service(
            "ipFamilyPolicy: PreferDualStack, clusterIP: 10.96.1.1, clusterIPs: [10.96.1.1, 10.96.1.2], ports: [{port: 80}]",
        ),
        "spec.clusterIPs: holds two addresses of one family",
    );
    let other = "---\n{apiVersion: v1, kind: Service, metadata: {name: t}, spec: {selector: {app: a}, clusterIP: 10.96.1.1, ports: [{port: 80}]}}\n";
    refused(
        &(service("clusterIP: 10.96.1.1, ports: [{port: 80}]") + other),
        "(Service t): spec.clusterIP: 10.96.1.1 is already Service default/s's, at m.yaml#2",
    );
}

#[test]
fn families_and_types_are_known_words() {
    refused(&service("ports: [{port: 80}], ipFamilies: [IPv5]"), "spec.ipFamilies[0]: \"IPv5\" is not a family");
    refused(&service("ports: [{port: 80}], ipFamilies: [IPv4, IPv4]"), "spec.ipFamilies[1]: \"IPv4\" is duplicated");
    refused(&service("ports: [{port: 80}], ipFamilyPolicy: Both"), "spec.ipFamilyPolicy: \"Both\" is not a policy");
    refused(&service("ports: [{port: 80}], type: External"), "spec.type: \"External\" is not a type");
    refused(&service("ports: [{port: 80}], type: ExternalName"), "spec.externalName: is missing");
    refused(&service("type: ExternalName, externalName: a_b"), "spec.externalName: \"a_b\" is not a name of a host");
    refused(&service("ports: [{port: 80, protocol: SCTP}]"), "spec.ports[0].protocol: SCTP is not supported");
    refused(&service("ports: [{port: 80, protocol: tcp}]"), "spec.ports[0].protocol: \"tcp\" is not a protocol");
}

#[test]
fn what_decides_nothing_here_is_no_fault() {
    accepted(&service("ports: [{port: 80}], type: NodePort"));
    accepted(&service("ports: [{port: 80}], sessionAffinity: ClientIP"));
}

// --- Pod and Deployment

fn pod_spec(spec: &str) -> String {
    format!("{{apiVersion: v1, kind: Pod, metadata: {{name: a}}, spec: {{{spec}}}}}")
}

fn container(container: &str) -> String {
    pod_spec(&format!("containers: [{{name: app, image: x, {container}}}]"))
}

#[test]
fn a_pod_needs_a_container_with_a_name_and_an_image() {
    refused("{apiVersion: v1, kind: Pod, metadata: {name: a}}", "(Pod a): spec: is missing; a pod needs containers");
    refused(&pod_spec("containers: []"), "spec.containers: is empty; a pod needs a container");
    refused(&pod_spec("containers: [{name: app}]"), "spec.containers[0].image: is missing");
    refused(&pod_spec("containers: [{name: A, image: x}]"), "spec.containers[0].name: \"A\" is not a container name");
    refused(
        &pod_spec("containers: [{name: a, image: x}, {name: a, image: x}]"),
        "spec.containers[1].name: \"a\" is duplicated; names must differ",
    );
}

#[test]
fn ports_of_a_container_are_in_range_and_their_names_differ() {
    refused(
        &container("ports: [{containerPort: 65536}]"),
        "spec.containers[0].ports[0].containerPort: 65536 is out of range",
    );
    refused(
        &container("ports: [{containerPort: 1, name: a}, {containerPort: 2, name: a}]"),
        "spec.containers[0].ports[1].name: \"a\" is duplicated",
    );
    for name in ["way-too-long-for-it", "80", "a--b", "Web"] {
        let expected = format!("spec.containers[0].ports[0].name: \"{name}\" is not a port name");
        refused(&container(&format!("ports: [{{containerPort: 1, name: '{name}'}}]")), &expected);
    }
}

#[test]
fn a_mount_needs_its_volume() {
    refused(
        &container("volumeMounts: [{name: v, mountPath: /v}]"),
        "spec.containers[0].volumeMounts[0].name: the pod has no volume \"v\"; add it to spec.volumes",
    );
}

#[test]
fn what_a_pod_here_cannot_have_is_said() {
    refused(
        &pod_spec("hostNetwork: true, containers: [{name: a, image: x}]"),
        "spec.hostNetwork: warning: is not done here",
    );
    refused(
        &pod_spec("dnsPolicy: Default, containers: [{name: a, image: x}]"),
        "spec.dnsPolicy: warning: is not done here",
    );
    accepted(&pod_spec("containers: [{name: a, image: x}], initContainers: [{name: b, image: x}]"));
}

#[test]
fn accounts_and_namespaces_that_no_document_makes_are_warned_of() {
    let with_account = pod_spec("serviceAccountName: shop, containers: [{name: a, image: x}]");
    refused(
        &with_account,
        "spec.serviceAccountName: warning: no document defines ServiceAccount shop in namespace default",
    );
    accepted(&(with_account + "\n---\n{apiVersion: v1, kind: ServiceAccount, metadata: {name: shop}}"));
    refused(
        &(pod("a", "namespace: apart") + &pod("b", "namespace: apart")),
        "(Pod a): metadata.namespace: warning: no document defines namespace apart",
    );
}

#[test]
fn nothing_of_a_volume_may_be_outside_of_it() {
    let with = |items: &str, mount: &str| {
        pod_spec(&format!(
            "containers: [{{name: a, image: x, volumeMounts: [{{name: v, {mount}}}]}}], volumes: [{{name: v, secret: {{secretName: s, optional: true, items: [{items}]}}}}]"
        ))
    };
    let mount = "mountPath: /v";
    let secret = "\n---\n{apiVersion: v1, kind: Secret, metadata: {name: s}, stringData: {k: v}}";
    for path in ["/etc/passwd", "../up", "a/../../up", "..hidden", "''"] {
        let yaml = with(&format!("{{key: k, path: {path}}}"), mount) + secret;
        refused(&yaml, "spec.volumes[0].secret.items[0].path: ");
    }
    refused(&with("", "mountPath: v"), "volumeMounts[0].mountPath: \"v\" is not a folder of a container");
    refused(
        &with("", "mountPath: /v, subPath: ../up"),
        "volumeMounts[0].subPath: Invalid value: \"../up\": must not contain '..'",
    );
    refused(
        &with("", "mountPath: /v, subPath: /up"),
        "volumeMounts[0].subPath: Invalid value: \"/up\": must be a relative path",
    );
}

#[test]
fn every_kind_that_makes_pods_has_its_template_checked() {
    for (api_version, kind, extra) in [
        ("apps/v1", "StatefulSet", "serviceName: s, selector: {matchLabels: {app: d}}"),
        ("apps/v1", "DaemonSet", "selector: {matchLabels: {app: d}}"),
        ("apps/v1", "ReplicaSet", "selector: {matchLabels: {app: d}}"),
        ("v1", "ReplicationController", "selector: {app: d}"),
    ] {
        let of = |template: &str| {
            format!("{{apiVersion: {api_version}, kind: {kind}, metadata: {{name: d}}, spec: {{{extra}, {template}}}}}")
        };
        accepted(&of(TEMPLATE));
        refused(&of(&TEMPLATE.replace("image: x", "image: ''")), "spec.template.spec.containers[0].image: is missing");
        refused(&of(&TEMPLATE.replace("app: d", "app: e")), "spec.selector: does not match the template's labels");
    }
    let job = |policy: &str| {
        format!(
            "{{apiVersion: batch/v1, kind: Job, metadata: {{name: d}}, spec: {{template: {{spec: {{{policy} containers: [{{name: a, image: x}}]}}}}}}}}"
        )
    };
    accepted(&job("restartPolicy: Never,"));
    refused(&job(""), "spec.template.spec.restartPolicy: is missing; a Job needs Never or OnFailure");
}

fn deployment(spec: &str) -> String {
    format!("{{apiVersion: apps/v1, kind: Deployment, metadata: {{name: d}}, spec: {{{spec}}}}}")
}

const TEMPLATE: &str = "template: {metadata: {labels: {app: d}}, spec: {containers: [{name: a, image: x}]}}";

#[test]
fn a_deployments_selector_matches_its_template() {
    accepted(&deployment(&format!("selector: {{matchLabels: {{app: d}}}}, {TEMPLATE}")));
    refused(&deployment(&format!("selector: {{}}, {TEMPLATE}")), "(Deployment d): spec.selector: is empty");
    refused(
        &deployment(&format!("selector: {{matchLabels: {{app: e}}}}, {TEMPLATE}")),
        "spec.selector: does not match the template's labels (app=d); they must agree",
    );
    let expression =
        |expression: &str| deployment(&format!("selector: {{matchExpressions: [{{{expression}}}]}}, {TEMPLATE}"));
    accepted(&expression("key: app, operator: In, values: [c, d]"));
    accepted(&expression("key: other, operator: DoesNotExist"));
    accepted(&expression("key: app, operator: Exists"));
    refused(&expression("key: app, operator: NotIn, values: [d]"), "spec.selector: does not match");
    refused(&expression("key: app, operator: Is, values: [d]"), "spec.selector: does not match");
}

#[test]
fn a_deployments_template_is_checked_as_a_pod_is() {
    let template = "selector: {matchLabels: {app: d}}, template: {metadata: {labels: {app: d}}, spec: {containers: [{name: a, image: x, ports: [{containerPort: 0}]}]}}";
    refused(&deployment(template), "spec.template.spec.containers[0].ports[0].containerPort: 0 is out of range");
    refused(
        &deployment(&format!("replicas: -1, selector: {{matchLabels: {{app: d}}}}, {TEMPLATE}")),
        "spec.replicas: is negative",
    );
    let restart = TEMPLATE.replace("spec: {", "spec: {restartPolicy: Never, ");
    refused(
        &deployment(&format!("selector: {{matchLabels: {{app: d}}}}, {restart}")),
        "spec.template.spec.restartPolicy: Never is not allowed",
    );
}

// --- PeerAuthentication

fn policy(spec: &str) -> String {
    pod("a", "labels: {app: a}")
        + &format!(
            "---\n{{apiVersion: security.istio.io/v1beta1, kind: PeerAuthentication, metadata: {{name: p}}, spec: {{{spec}}}}}"
        )
}

#[test]
fn port_levels_need_a_selector() {
    let expected = "(PeerAuthentication p): spec.portLevelMtls: needs a selector";
    refused(&policy("portLevelMtls: {9443: {mode: PERMISSIVE}}"), expected);
    let both = faults(&policy("selector: {matchLabels: {}}, portLevelMtls: {9443: {mode: PERMISSIVE}}"));
    assert!(
        both.contains("spec.selector: warning: has no labels") && both.contains("spec.portLevelMtls: needs a selector"),
        "{both}"
    );
    accepted(&policy("selector: {matchLabels: {app: a}}, portLevelMtls: {8080: {mode: PERMISSIVE}}"));
    accepted(&policy("selector: {matchLabels: {app: a}}, portLevelMtls: {'8080': {mode: PERMISSIVE}}"));
}

#[test]
fn port_levels_are_of_ports() {
    let levels = |levels: &str| policy(&format!("selector: {{matchLabels: {{app: a}}}}, portLevelMtls: {{{levels}}}"));
    refused(&levels(""), "spec.portLevelMtls: is empty; name a port, or remove the field");
    for port in ["0", "65536"] {
        refused(
            &levels(&format!("{port}: {{mode: STRICT}}")),
            &format!("spec.portLevelMtls[{port}]: {port} is out of range"),
        );
    }
    refused(&levels("http: {mode: STRICT}"), "spec.portLevelMtls[http]: \"http\" is not a port");
}

#[test]
fn a_selector_has_no_wildcards() {
    for labels in ["app: '*'", "'*': a"] {
        let text = faults(&policy(&format!("selector: {{matchLabels: {{{labels}}}}}")));
        assert!(text.contains("a wildcard is not allowed in a selector"), "{text}");
    }
}

// --- Secret and ConfigMap

/// A Secret, and a pod that uses it.
fn secret(metadata: &str, kind: &str, data: &[(&str, &str)]) -> String {
    let data: serde_json::Map<_, _> = data.iter().map(|(key, value)| ((*key).to_owned(), (*value).into())).collect();
    let data = serde_json::Value::Object(data);
    let user = "{apiVersion: v1, kind: Pod, metadata: {name: a}, spec: {containers: [{name: a, image: x}], volumes: [{name: s, secret: {secretName: s}}]}}";
    format!(
        "{{apiVersion: v1, kind: Secret, metadata: {{name: s, {metadata}}}, type: {kind}, stringData: {data}}}\n---\n{user}"
    )
}

const TLS: &str = "kubernetes.io/tls";

/// A certificate that is valid from and to these hours from now, and its key.
fn certificate(from: i64, to: i64) -> Svid {
    let at = |hours: i64| Timestamp::now() + jiff::SignedDuration::from_hours(hours);
    let names = Names { hosts: vec!["server".into()], ..Names::default() };
    let authority = Authority::new("example.com", KeyType::P256).unwrap();
    authority.issue(&names, Validity { not_before: at(from), not_after: at(to) }).unwrap()
}

#[test]
fn data_of_a_secret_is_base64() {
    let yaml = "{apiVersion: v1, kind: Secret, metadata: {name: s}, data: {key: 'no base64!'}}";
    refused(
        yaml,
        "(Secret s): data.key: is not base64 (Invalid symbol 32, offset 2.); write plain text under stringData instead",
    );
    accepted("{apiVersion: v1, kind: Secret, metadata: {name: s}, data: {key: \"dGV4\\ndA==\\n\"}}");
}

#[test]
fn a_tls_secret_holds_a_certificate_and_its_key() {
    let (one, other) = (certificate(-1, 1), certificate(-1, 1));
    accepted(&secret("", TLS, &[("tls.crt", &one.chain_pem), ("tls.key", &one.key_pem)]));
    refused(&secret("", TLS, &[("tls.crt", &one.chain_pem)]), "(Secret s): data[tls.key]: is missing");
    let of_another = faults(&secret("", TLS, &[("tls.crt", &one.chain_pem), ("tls.key", &other.key_pem)]));
    assert!(of_another.contains("stringData[tls.key]: warning: is not the key of its certificate"), "{of_another}");
    refused(&secret("", TLS, &[("tls.crt", "text"), ("tls.key", &one.key_pem)]), "stringData[tls.crt]: is not PEM");
    let cut = &one.chain_pem[..one.chain_pem.len() / 2];
    let text = faults(&secret("", "Opaque", &[("ca.crt", cut)]));
    assert!(text.contains("stringData[ca.crt]: contains something other than PEM"), "{text}");
    let torn = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    refused(&secret("", "Opaque", &[("ca.crt", torn)]), "stringData[ca.crt]: contains an unreadable certificate");
}

#[test]
fn a_certificate_that_is_not_valid_now_is_refused_unless_it_is_meant() {
    let tls = |metadata: &str, svid: &Svid| {
        secret(metadata, TLS, &[("tls.crt", &svid.chain_pem), ("tls.key", &svid.key_pem)])
    };
    refused(&tls("", &certificate(-2, -1)), "stringData[tls.crt]: the certificate expired at ");
    refused(&tls("", &certificate(1, 2)), "stringData[tls.crt]: the certificate is not valid before ");
    accepted(&tls("annotations: {sidelab.io/allow-expired: 'true'}", &certificate(-2, -1)));
}

#[test]
fn every_certificate_of_a_chain_is_looked_at() {
    let chain = certificate(-1, 1).chain_pem + &certificate(-2, -1).chain_pem;
    refused(&secret("", "Opaque", &[("ca.crt", &chain)]), "stringData[ca.crt]: the certificate expired at ");
}

#[test]
fn keys_of_data_are_names_of_files() {
    refused(&secret("", "Opaque", &[("a/b", "")]), "stringData[a/b]: a key is letters");
    refused(
        "{apiVersion: v1, kind: ConfigMap, metadata: {name: c}, data: {'a b': x}}",
        "(ConfigMap c): data[a b]: a key is letters",
    );
}

#[test]
fn a_label_of_an_objects_name_can_be_longer_than_63_characters() {
    let name = |length: usize| {
        faults(&format!("{{apiVersion: v1, kind: ConfigMap, metadata: {{name: {}}}}}", "a".repeat(length)))
    };
    assert_eq!((name(64), name(253)), (String::new(), String::new()));
    assert!(name(254).contains("is not an object name"), "{}", name(254));
}

#[test]
fn base64_of_a_config_map_may_have_line_breaks() {
    let map = |data: &str| {
        faults(&format!("apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: a}}\nbinaryData: {{a: {data}}}\n"))
    };
    assert_eq!(map("\"aGVs\\nbG8=\\n\""), "");
    assert!(map("'!'").contains("binaryData.a: is not base64"), "{}", map("'!'"));
}

#[test]
fn hosts_have_the_wildcards_that_istio_takes() {
    let of = |kind: &str, spec: &str| {
        let text =
            faults(&format!("apiVersion: networking.istio.io/v1\nkind: {kind}\nmetadata: {{name: a}}\nspec: {spec}\n"));
        let errors = text.lines().filter(|line| !line.contains("warning"));
        (errors.map(|line| format!("{line}\n")).collect::<String>(), text)
    };
    let entry = of("ServiceEntry", "{hosts: ['*foo.com'], ports: [{number: 443, name: tls, protocol: TLS}]}");
    assert_eq!(entry.0, "");
    assert!(entry.1.contains("spec.hosts[0]: warning: a wildcard for a part of a label"), "{}", entry.1);
    let route = "http: [{route: [{destination: {host: foo}}]}]";
    assert_eq!(of("VirtualService", &format!("{{hosts: ['*foo.com'], {route}}}")).0, "");
    assert_eq!(of("DestinationRule", "{host: '*foo.com'}").0, "");
    let gateway = |host: &str| {
        of("Gateway", &format!("{{selector: {{a: b}}, servers: [{{port: {{number: 80, name: http, protocol: HTTP}}, hosts: ['{host}']}}]}}")).0
    };
    assert_eq!(gateway("1.1.1.1"), "");
    assert!(gateway("*-foo.bar.com").contains("is not a host"), "{}", gateway("*-foo.bar.com"));
    let sni = "outbound_.15010_._.istiod.istio-system.svc.cluster.local";
    let to = format!("tls: [{{match: [{{sniHosts: ['{sni}']}}], route: [{{destination: {{host: foo}}}}]}}]");
    assert_eq!(of("VirtualService", &format!("{{hosts: ['{sni}'], gateways: [gw], {to}}}")).0, "");
    assert!(of("VirtualService", &format!("{{hosts: ['{sni}'], {to}}}")).0.contains("is not a host"));
}

/// <https://github.com/istio/istio/issues/42695>
#[test]
fn names_of_istios_own_resources_may_be_in_capitals() {
    let entry = "apiVersion: networking.istio.io/v1\nkind: ServiceEntry\nmetadata: {name: e}\nspec: {hosts: [a.example.org], \
                 ports: [{number: 443, name: HTTPS, protocol: HTTPS}, {number: 9999, name: TCP-9999, protocol: TLS}], resolution: DNS}\n";
    accepted(entry);
}
