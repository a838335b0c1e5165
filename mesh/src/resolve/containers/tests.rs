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
    mesh(&manifests(container, spec)).pods[0].clone().containers.remove(0)
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
fn what_a_pod_would_wait_for_is_a_warning() {
    for (volume, expected) in [
        (
            "secret: {secretName: none}",
            "spec.volumes[0].secret.secretName: warning: no document defines Secret none in namespace default",
        ),
        ("configMap: {name: none}", "spec.volumes[0].configMap.name: warning: no document defines ConfigMap none"),
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
        text.contains("spec.containers[0].ports[0].containerPort: warning: 15006 is one of the sidecar's ports"),
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
fn a_variable_whose_source_is_not_there_is_named() {
    for (source, expected) in [
        (
            "secretKeyRef: {name: none, key: a}",
            "valueFrom.secretKeyRef.name: warning: no document defines Secret none in namespace default",
        ),
        (
            "configMapKeyRef: {name: conf, key: x}",
            "valueFrom.configMapKeyRef.key: warning: there is no key \"x\" in conf",
        ),
        (
            "fieldRef: {fieldPath: spec.hostname}",
            "valueFrom.fieldRef.fieldPath: \"spec.hostname\" is not a field that a variable can have; expected metadata.name",
        ),
    ] {
        let text = faults(&manifests(&format!("env: [{{name: A, valueFrom: {{{source}}}}}]"), ""));
        assert!(text.contains(&format!("spec.containers[0].env[0].{expected}")), "{source}: {text}");
    }
}

#[test]
fn a_part_of_a_volume_is_mounted_as_that_part() {
    let one = container("volumeMounts: [{name: s, mountPath: /etc/tls/cert.pem, subPath: tls.crt}]", VOLUMES);
    assert_eq!(one.mounts[0].path, "/etc/tls");
    assert_eq!(one.mounts[0].files.keys().collect::<Vec<_>>(), ["cert.pem"]);
}

#[test]
fn the_node_and_what_a_container_may_use_are_variables() {
    let env = "env: [{name: NODE, valueFrom: {fieldRef: {fieldPath: spec.nodeName}}}, \
               {name: HOST, valueFrom: {fieldRef: {fieldPath: status.hostIP}}}, \
               {name: MEMORY, valueFrom: {resourceFieldRef: {resource: limits.memory, divisor: 1Mi}}}, \
               {name: CPU, valueFrom: {resourceFieldRef: {resource: requests.cpu}}}], \
               resources: {limits: {memory: 128Mi}, requests: {cpu: 250m}}";
    let values: Vec<_> = container(env, "").env.into_iter().map(|(_, value)| value).collect();
    assert_eq!(values, ["node", "10.244.0.1", "128", "1"]);
}

#[test]
fn references_to_variables_in_arguments_are_replaced() {
    let spec = "env: [{name: POD_IP, valueFrom: {fieldRef: {fieldPath: status.podIP}}}, {name: AT, value: '$(POD_IP):1'}], \
                args: ['--listen=$(AT)', '$(NONE)', '$$(AT)', '$5']";
    assert_eq!(container(spec, "").args, ["--listen=10.244.0.2:1", "$(NONE)", "$(AT)", "$5"]);
}

#[test]
fn a_sidecar_mounts_a_volume_of_the_pods_own() {
    use crate::testing::{INJECTED, faults, mesh};
    let yaml = format!(
        "{INJECTED}---
apiVersion: v1
kind: Secret
metadata: {{name: s}}
stringData: {{a: b}}
---
apiVersion: v1
kind: Pod
metadata:
  name: a
  annotations:
    sidecar.istio.io/userVolumeMount: '[{{\"name\": \"v\", \"mountPath\": \"/v\"}}]'
    proxy.istio.io/config: 'proxyMetadata: {{OUTPUT_CERTS: /v}}'
spec: {{containers: [{{name: a, image: sidelab/demo-server}}], volumes: [{{name: v, secret: {{secretName: s}}}}]}}
"
    );
    let mounts = mesh(&yaml).pods[0].clone().sidecar.expect("the namespace injects").mounts;
    assert_eq!((mounts[0].path.as_str(), mounts[0].files["a"].as_slice()), ("/v", &b"b"[..]));
    let text = faults(&yaml);
    assert!(text.contains("warning: proxyMetadata OUTPUT_CERTS has the agent write"), "{text}");
}
