use pretty_assertions::assert_eq;

use crate::{
    ca::{Authority, KeyType, Names, SVID_LIFETIME, Svid, Validity},
    model::{ClientTls, Mesh, Roots},
    testing::{INJECTED, faults, mesh, pod},
};

fn certificate() -> Svid {
    let names = Names { hosts: vec!["client.example.com".into()], ..Names::default() };
    Authority::new("example.com", KeyType::P256).unwrap().issue(&names, Validity::from_now(SVID_LIFETIME)).unwrap()
}

/// Secret `certs`, a client `c` with this in its metadata and spec, service `s`, and a rule with these TLS settings.
fn world(secret: &[(&str, &str)], metadata: &str, spec: &str, rule: &str) -> String {
    let data: serde_json::Map<_, _> = secret.iter().map(|(k, v)| ((*k).to_owned(), (*v).into())).collect();
    let data = serde_json::Value::Object(data);
    format!(
        "{INJECTED}---
{{apiVersion: v1, kind: Secret, metadata: {{name: certs}}, stringData: {data}}}
---
{{apiVersion: v1, kind: Pod, metadata: {{name: c, {metadata}}}, spec: {{containers: [{{name: app, image: x, volumeMounts: []}}], {spec}}}}}
{}---
{{apiVersion: v1, kind: Service, metadata: {{name: s}}, spec: {{selector: {{app: s}}, ports: [{{port: 80}}]}}}}
---
{{apiVersion: networking.istio.io/v1, kind: DestinationRule, metadata: {{name: r}}, spec: {{host: s, {rule}}}}}
",
        pod("s", "labels: {app: s}"),
    )
}

const MUTUAL: &str = "trafficPolicy: {tls: {mode: MUTUAL, clientCertificate: /certs/tls.crt, privateKey: /certs/tls.key, caCertificates: /certs/ca.crt}}";
const BY_ANNOTATION: &str = r#"annotations: {sidecar.istio.io/userVolume: '{"v": {"secret": {"secretName": "certs"}}}', sidecar.istio.io/userVolumeMount: '{"v": {"mountPath": "/certs", "readOnly": true}}'}"#;

fn tls(mesh: &Mesh) -> &ClientTls {
    let client = &mesh.pods[0];
    mesh.destination_rules.find(client, "s.default.svc.cluster.local", "default").unwrap().tls(80, None).unwrap()
}

/// What the client has, as text: certificate, key, roots.
fn material(mesh: &Mesh) -> [String; 3] {
    let material = mesh.client_material(0, tls(mesh));
    let text = |pem: &crate::model::Pem<'_>| {
        let content = pem.content.map_or("nothing".into(), String::from_utf8_lossy);
        format!("{}={content}", pem.name)
    };
    let of = |pem: Option<crate::model::Pem<'_>>| pem.map_or("-".to_owned(), |pem| text(&pem));
    let roots = match &material.roots {
        Roots::System => "system".to_owned(),
        Roots::Anyone => "anyone".to_owned(),
        Roots::Pem(pem) => text(pem),
    };
    [of(material.certificate), of(material.key), roots]
}

/// Contents that no check looks at, since the client misses a file.
const PARTS: [(&str, &str); 2] = [("tls.crt", "CERT"), ("tls.key", "KEY")];

#[test]
fn files_are_those_that_the_sidecar_mounts() {
    let expected = ["/certs/tls.crt=CERT", "/certs/tls.key=KEY", "/certs/ca.crt=nothing"];
    assert_eq!(material(&mesh(&world(&PARTS, BY_ANNOTATION, "", MUTUAL))), expected);
    let as_container = world(&PARTS, "", "volumes: [{name: v, secret: {secretName: certs}}]", MUTUAL).replace(
        "volumeMounts: []}",
        "volumeMounts: []}, {name: istio-proxy, image: auto, volumeMounts: [{name: v, mountPath: /certs/}]}",
    );
    let mesh = mesh(&as_container);
    assert_eq!(material(&mesh), expected);
    assert_eq!(mesh.pods[0].containers.len(), 1, "the sidecar's container is no program of the pod's");
}

#[test]
fn what_the_app_mounts_serves_too() {
    let yaml = world(&PARTS, "", "volumes: [{name: v, secret: {secretName: certs}}]", MUTUAL)
        .replace("volumeMounts: []", "volumeMounts: [{name: v, mountPath: /certs}]");
    assert_eq!(material(&mesh(&yaml))[0], "/certs/tls.crt=CERT");
}

#[test]
fn roots_are_named_or_the_systems_or_anyones() {
    let roots = |settings: &str| {
        material(&mesh(&world(&PARTS, "", "", &format!("trafficPolicy: {{tls: {{mode: SIMPLE, {settings}}}}}"))))
    };
    assert_eq!(roots(""), ["-", "-", "system"]);
    assert_eq!(roots("caCertificates: system"), ["-", "-", "system"]);
    assert_eq!(roots("insecureSkipVerify: true"), ["-", "-", "anyone"]);
    assert_eq!(roots("caCertificates: /ca"), ["-", "-", "/ca=nothing"]);
}

#[test]
fn a_credential_is_a_secret_of_the_clients_namespace() {
    let rule =
        "trafficPolicy: {tls: {mode: MUTUAL, credentialName: certs}}, workloadSelector: {matchLabels: {role: caller}}";
    let of = |secret: &[(&str, &str)]| material(&mesh(&world(secret, "labels: {role: caller}", "", rule)));
    assert_eq!(of(&PARTS), ["certs/tls.crt=CERT", "certs/tls.key=KEY", "certs/ca.crt=nothing"]);
    assert_eq!(of(&[("cert", "C"), ("cacert", "R")]), ["certs/cert=C", "certs/tls.key=nothing", "certs/cacert=R"]);
}

#[test]
fn a_credential_without_a_selector_is_ignored_with_a_warning() {
    let yaml = world(&PARTS, "", "", "trafficPolicy: {tls: {mode: SIMPLE, credentialName: certs}}");
    let of_sidecars = mesh(&yaml);
    assert!(tls(&of_sidecars).is_ignored_by(&of_sidecars.pods[0]));
    assert!(
        faults(&yaml)
            .contains("spec.trafficPolicy.tls.credentialName: warning: only applies in a rule with a workloadSelector")
    );
}

#[test]
fn a_credential_applies_at_gateways_in_any_rule() {
    let gateway = "---
apiVersion: v1
kind: Pod
metadata: {name: a, labels: {sidecar.istio.io/inject: 'true'}, annotations: {inject.istio.io/templates: gateway}}
spec: {containers: [{name: istio-proxy, image: auto}]}
";
    let rule = "trafficPolicy: {tls: {mode: SIMPLE, credentialName: certs}}";
    let yaml = world(&[], "", "", rule) + gateway;
    let with_gateway = mesh(&yaml);
    let ignored = |pod: usize| tls(&with_gateway).is_ignored_by(&with_gateway.pods[pod]);
    assert_eq!((ignored(0), ignored(1)), (false, true));
    assert!(!faults(&yaml).contains("only applies in a rule with a workloadSelector"));
}

#[test]
fn a_file_that_no_client_has_is_a_warning() {
    let text = faults(&world(&PARTS, BY_ANNOTATION, "", MUTUAL));
    assert!(text.contains("spec.trafficPolicy.tls.caCertificates: warning: no client's sidecar has a file /certs/ca.crt: its calls fail"), "{text}");
    assert_eq!(text.lines().count(), 1, "{text}");
}

#[test]
fn certificates_and_keys_that_fit_are_accepted() {
    let svid = certificate();
    let root = Authority::new("example.com", KeyType::P256).unwrap().root_pem();
    let secret = [("tls.crt", svid.chain_pem.as_str()), ("tls.key", &svid.key_pem), ("ca.crt", &root)];
    assert_eq!(faults(&world(&secret, BY_ANNOTATION, "", MUTUAL)), "");
}

#[test]
fn what_is_no_pem_or_does_not_fit_is_refused() {
    let (one, other) = (certificate(), certificate());
    // Not under the names that a Secret's own check looks at.
    let rule = MUTUAL.replace("tls.crt", "a").replace("tls.key", "b").replace("ca.crt", "c");
    let of = |a: &str, b: &str, c: &str| faults(&world(&[("a", a), ("b", b), ("c", c)], BY_ANNOTATION, "", &rule));
    let text = of("text", &one.key_pem, &one.chain_pem);
    assert!(text.contains("spec.trafficPolicy.tls.clientCertificate: /certs/a is not PEM"), "{text}");
    let text = of(&one.chain_pem, &other.key_pem, &one.chain_pem);
    assert!(text.contains("spec.trafficPolicy.tls.privateKey: /certs/b is not the key of its certificate"), "{text}");
    let text = of(&one.chain_pem, "text", &one.chain_pem);
    assert!(text.contains("spec.trafficPolicy.tls.privateKey: /certs/b is not a readable private key"), "{text}");
    let text = of(&one.chain_pem, &one.key_pem, "text");
    assert!(text.contains("spec.trafficPolicy.tls.caCertificates: /certs/c is not PEM"), "{text}");
}

#[test]
fn annotations_that_are_no_json_fail_the_injection() {
    let text = faults(&world(&PARTS, "annotations: {sidecar.istio.io/userVolume: '{'}", "", MUTUAL));
    assert!(text.contains("metadata.annotations[sidecar.istio.io/userVolume]: injection fails: not JSON"), "{text}");
    let text = faults(&world(
        &PARTS,
        r#"annotations: {sidecar.istio.io/userVolumeMount: '{"v": {"mountPath": "/v"}}'}"#,
        "",
        MUTUAL,
    ));
    assert!(
        text.contains("there is no volume \"v\", neither in sidecar.istio.io/userVolume nor in spec.volumes"),
        "{text}"
    );
}
