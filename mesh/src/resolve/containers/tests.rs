use pretty_assertions::assert_eq;

use crate::{
    model::Container,
    testing::{INJECTED, faults, mesh},
};

/// Pod `a` of an injected namespace: its container, and what else stands in its spec.
fn manifests(container: &str, spec: &str) -> String {
    format!(
        "{INJECTED}---
{{apiVersion: v1, kind: Secret, metadata: {{name: certs}}, data: {{tls.crt: Y2VydA==}}, stringData: {{tls.key: key}}}}
---
{{apiVersion: v1, kind: ConfigMap, metadata: {{name: conf}}, data: {{a.conf: text}}, binaryData: {{b: AAE=}}}}
---
{{apiVersion: v1, kind: Pod, metadata: {{name: a}}, spec: {{containers: [{{name: app, image: x, {container}}}], {spec}}}}}
"
    )
}

fn container(container: &str, spec: &str) -> Container {
    mesh(&manifests(container, spec)).pods.remove(0).containers.remove(0)
}

const VOLUMES: &str =
    "volumes: [{name: s, secret: {secretName: certs}}, {name: c, configMap: {name: conf}}, {name: e, emptyDir: {}}]";

#[test]
fn a_container_is_what_its_document_says() {
    let container =
        container("command: [serve], args: [--port, '8080'], env: [{name: A, value: b}, {name: EMPTY}]", "");
    assert_eq!((container.name.as_str(), container.image.as_str()), ("app", "x"));
    assert_eq!((container.command, container.args), (vec!["serve".into()], vec!["--port".into(), "8080".into()]));
    assert_eq!(container.env, [("A".into(), "b".into()), ("EMPTY".into(), String::new())]);
    assert_eq!(container.source.to_string(), "m.yaml#4 spec.containers[0]");
}

#[test]
fn mounts_hold_the_files_of_their_volumes() {
    let container = container(
        "volumeMounts: [{name: s, mountPath: /s}, {name: c, mountPath: /c}, {name: e, mountPath: /e}]",
        VOLUMES,
    );
    let mounts: Vec<_> =
        container.mounts.iter().map(|m| (m.path.as_str(), m.files.clone().into_iter().collect::<Vec<_>>())).collect();
    assert_eq!(
        mounts,
        [
            ("/s", vec![("tls.crt".into(), b"cert".to_vec()), ("tls.key".into(), b"key".to_vec())]),
            ("/c", vec![("a.conf".into(), b"text".to_vec()), ("b".into(), vec![0, 1])]),
            ("/e", vec![]),
        ]
    );
}

#[test]
fn items_pick_and_rename() {
    let volumes = "volumes: [{name: s, secret: {secretName: certs, items: [{key: tls.crt, path: ca.crt}]}}]";
    let container = container("volumeMounts: [{name: s, mountPath: /s}]", volumes);
    assert_eq!(container.mounts[0].files.keys().collect::<Vec<_>>(), ["ca.crt"]);
}

#[test]
fn what_a_pod_would_wait_for_for_ever_is_an_error() {
    for (volume, expected) in [
        (
            "secret: {secretName: none}",
            "spec.volumes[0].secret.secretName: there is no \"none\" in namespace default: the pod would wait",
        ),
        ("configMap: {name: none}", "spec.volumes[0].configMap.name: there is no \"none\""),
        (
            "secret: {secretName: certs, items: [{key: x, path: z}]}",
            "spec.volumes[0].secret.items[0].key: there is no key \"x\" in it",
        ),
    ] {
        let text = faults(&manifests("", &format!("volumes: [{{name: v, {volume}}}]")));
        assert!(text.contains(expected), "{volume}\n{text}");
    }
    assert_eq!(faults(&manifests("", "volumes: [{name: v, secret: {secretName: none, optional: true}}]")), "");
}

#[test]
fn a_volume_of_another_kind_is_empty_with_a_warning() {
    let text = faults(&manifests("", "volumes: [{name: v, hostPath: {path: /}}]"));
    assert!(text.contains("spec.volumes[0]: warning: is of a kind that is not supported"), "{text}");
}

#[test]
fn the_user_is_the_containers_or_the_pods() {
    let pods = "securityContext: {runAsUser: 1000}";
    assert_eq!(container("", "").run_as_user, None);
    assert_eq!(container("", pods).run_as_user, Some(1000));
    assert_eq!(container("securityContext: {runAsUser: 2000}", pods).run_as_user, Some(2000));
}

#[test]
fn what_cannot_work_beside_a_sidecar_is_warned_of() {
    let text = faults(&manifests("securityContext: {runAsUser: 1337}", ""));
    assert!(
        text.contains("spec.containers[0].securityContext.runAsUser: warning: 1337 is the sidecar's user"),
        "{text}"
    );
    let text = faults(&manifests("ports: [{containerPort: 15006}]", ""));
    assert!(
        text.contains("spec.containers[0].ports[0].containerPort: warning: 15006 is a port of the sidecar's own"),
        "{text}"
    );
}

#[test]
fn variables_are_taken_from_the_pod_a_secret_or_a_config_map() {
    let env = "envFrom: [{prefix: P_, configMapRef: {name: conf}}], env: [
      {name: NAME, valueFrom: {fieldRef: {fieldPath: metadata.name}}},
      {name: NAMESPACE, valueFrom: {fieldRef: {fieldPath: metadata.namespace}}},
      {name: ACCOUNT, valueFrom: {fieldRef: {fieldPath: spec.serviceAccountName}}},
      {name: IP, valueFrom: {fieldRef: {fieldPath: status.podIP}}},
      {name: LABEL, valueFrom: {fieldRef: {fieldPath: \"metadata.labels['app']\"}}},
      {name: KEY, valueFrom: {secretKeyRef: {name: certs, key: tls.key}}},
      {name: CONF, valueFrom: {configMapKeyRef: {name: conf, key: a.conf}}},
      {name: NONE, valueFrom: {secretKeyRef: {name: certs, key: none, optional: true}}},
      {name: P_b, value: later}]";
    let env = container(env, "").env;
    let expected = [
        ("P_a.conf", "text"),
        ("NAME", "a"),
        ("NAMESPACE", "default"),
        ("ACCOUNT", "default"),
        ("IP", "10.244.0.2"),
        ("LABEL", ""),
        ("KEY", "key"),
        ("CONF", "text"),
        ("P_b", "later"),
    ];
    assert_eq!(env, expected.map(|(name, value)| (name.to_owned(), value.to_owned())));
}

#[test]
fn a_variable_whose_source_is_not_there_is_an_error() {
    for (source, expected) in [
        (
            "secretKeyRef: {name: none, key: a}",
            "valueFrom.secretKeyRef.name: there is no \"none\" in namespace default",
        ),
        ("configMapKeyRef: {name: conf, key: x}", "valueFrom.configMapKeyRef.key: there is no key \"x\" in conf"),
        (
            "fieldRef: {fieldPath: spec.nodeName}",
            "valueFrom.fieldRef.fieldPath: \"spec.nodeName\" is not supported; metadata.name",
        ),
        ("resourceFieldRef: {resource: limits.cpu}", "valueFrom: is of a kind that is not supported"),
    ] {
        let text = faults(&manifests(&format!("env: [{{name: A, valueFrom: {{{source}}}}}]"), ""));
        assert!(text.contains(&format!("spec.containers[0].env[0].{expected}")), "{source}: {text}");
    }
}

#[test]
fn mounting_a_part_of_a_volume_is_not_supported_and_says_so() {
    let sub_path = "volumeMounts: [{name: s, mountPath: /s, subPath: tls.crt}]";
    assert!(faults(&manifests(sub_path, VOLUMES)).contains("volumeMounts[0].subPath: is not supported yet"));
}
