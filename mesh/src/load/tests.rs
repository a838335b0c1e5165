use pretty_assertions::assert_eq;

use super::{load, nearest};
use crate::testing::{faults, file};

fn service(spec: &str) -> String {
    format!("{{apiVersion: v1, kind: Service, metadata: {{name: server}}, spec: {spec}}}")
}

#[test]
fn documents_are_numbered_without_empty_ones() {
    let yaml = "# a comment\n---\n---\n{apiVersion: v1, kind: Namespace, metadata: {name: a}}\n---\n# nothing\n---\n{apiVersion: v1, kind: Namespace, metadata: {name: b}}\n";
    let loaded = load(&[file(yaml)]);
    assert_eq!(loaded.faults, []);
    let documents: Vec<_> = loaded.manifests.namespaces.iter().map(|n| n.head.source.document).collect();
    assert_eq!(documents, [1, 2]);
}

#[test]
fn items_of_a_list_are_separate_documents() {
    let yaml = "
apiVersion: v1
kind: List
items:
- {apiVersion: v1, kind: Namespace, metadata: {name: a}}
- {apiVersion: v1, kind: Namespace, metadata: {name: b, labls: {}}}
---
{apiVersion: v1, kind: ConfigMap, metadata: {name: c}, items: []}
";
    let text = faults(yaml);
    assert!(text.contains("document 2 (Namespace b): metadata.labls: unknown field; did you mean labels?"), "{text}");
    assert!(text.contains("document 3 (ConfigMap c): items: unknown field"), "{text}");
    assert_eq!(text.lines().count(), 2, "{text}");
}

#[test]
fn json_is_read_as_well() {
    let loaded = load(&[file(r#"{"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "a"}}"#)]);
    assert_eq!(loaded.faults, []);
    assert_eq!(loaded.manifests.namespaces.len(), 1);
}

#[test]
fn text_that_is_not_yaml_is_reported_with_its_place() {
    assert_eq!(
        faults("{apiVersion: v1, kind: Namespace, metadata: {name: a}}\n---\nkind: [\n"),
        "m.yaml: document 2: not YAML: unclosed bracket '['\n"
    );
}

#[test]
fn a_duplicate_key_is_rejected() {
    let text = faults("apiVersion: v1\nkind: Namespace\nkind: Pod\nmetadata: {name: a}\n");
    assert_eq!(text, "m.yaml: document 1: duplicate key \"kind\" in one mapping; keep one\n");
}

#[test]
fn a_document_that_is_not_an_object_names_what_was_expected() {
    assert_eq!(
        faults("just text\n---\n- a\n---\nkind: Pod\n---\napiVersion: v1\n"),
        "m.yaml: document 1: not a Kubernetes object; expected a mapping with apiVersion, kind and metadata
m.yaml: document 2: not a Kubernetes object; expected a mapping with apiVersion, kind and metadata
m.yaml: document 3: apiVersion: is missing; say which API the object is of, such as v1
m.yaml: document 4: kind: is missing; say which kind of object it is, such as Service
"
    );
}

#[test]
fn an_unknown_field_names_its_path_and_a_similar_field() {
    let text = faults(&service("{ports: [{port: 80, targetport: web}], clusterIp: None}"));
    assert!(
        text.contains("(Service server): spec.ports[0].targetport: unknown field; did you mean targetPort?"),
        "{text}"
    );
    assert!(text.contains("(Service server): spec.clusterIp: unknown field; did you mean clusterIP?"), "{text}");
}

#[test]
fn an_unknown_field_without_a_similar_one_lists_the_known_fields() {
    let text = faults(&service("{ports: [{port: 80, xyzzy: 1}]}"));
    let expected =
        "spec.ports[0].xyzzy: unknown field; known here are appProtocol, name, nodePort, port, protocol, targetPort";
    assert!(text.contains(expected), "{text}");
}

#[test]
fn unknown_fields_are_found_everywhere() {
    let yaml = "
apiVersion: security.istio.io/v1
kind: PeerAuthentication
metadata: {name: a, label: {}}
spec: {selctor: {}, selector: {matchLabel: {}}, mtls: {modee: STRICT}, portLevelMtls: {8080: {mod: STRICT}}}
speck: {}
";
    let text = faults(yaml);
    for expected in [
        "metadata.label: unknown field; did you mean labels?",
        "spec.selctor: unknown field; did you mean selector?",
        "spec.selector.matchLabel: unknown field; did you mean matchLabels?",
        "spec.mtls.modee: unknown field; did you mean mode?",
        "spec.portLevelMtls.8080.mod: unknown field; did you mean mode?",
        "speck: unknown field; did you mean spec?",
    ] {
        assert!(text.contains(expected), "{expected}\n{text}");
    }
    let pod = "{apiVersion: v1, kind: Pod, metadata: {name: a}, spec: {containers: [{name: a, image: b, ports: [{containerport: 1}]}]}}";
    assert!(faults(pod).contains("spec.containers[0].ports[0]"), "{}", faults(pod));
}

#[test]
fn a_field_of_the_wrong_type_names_its_path() {
    assert_eq!(
        faults(&service("{ports: [{port: http}]}")),
        "m.yaml: document 1 (Service server): spec.ports[0].port: invalid type: string \"http\", expected i32\n"
    );
    let annotation = "{apiVersion: v1, kind: Pod, metadata: {name: a, annotations: {traffic.sidecar.istio.io/excludeInboundPorts: 9443}}}";
    let text = faults(annotation);
    assert!(text.contains("metadata.annotations") && text.contains("integer `9443`, expected a string"), "{text}");
}

#[test]
fn a_status_is_allowed_as_kubectl_get_prints_it() {
    let yaml = "
apiVersion: security.istio.io/v1beta1
kind: PeerAuthentication
metadata: {name: a, namespace: istio-system, uid: x, resourceVersion: '1', generation: 1, creationTimestamp: '2026-01-02T03:04:05Z'}
spec: {mtls: {mode: STRICT}}
status: {conditions: [], anything: 1}
";
    let loaded = load(&[file(yaml)]);
    assert_eq!(loaded.faults, []);
    assert_eq!(loaded.manifests.peer_authentications[0].head.age.created, Some(1_767_323_045));
}

#[test]
fn of_duplicate_objects_the_last_one_applies() {
    let account = |labels: &str| {
        format!("{{apiVersion: v1, kind: ServiceAccount, metadata: {{name: a, labels: {{v: '{labels}'}}}}}}\n---\n")
    };
    let loaded = load(&[file(&(account("1") + &account("2") + &account("3")))]);
    let labels: Vec<_> = loaded.manifests.service_accounts.iter().map(|account| &account.head.labels["v"]).collect();
    assert_eq!(labels, ["3"]);
    assert_eq!(
        faults(&(account("1") + &account("2"))),
        "m.yaml: document 2 (ServiceAccount a): metadata.name: warning: replaces ServiceAccount default/a at m.yaml#1, as a later apply does\n"
    );
    let other_kind = "{apiVersion: v1, kind: ConfigMap, metadata: {name: a}}\n---\n";
    let other_namespace = "{apiVersion: v1, kind: ServiceAccount, metadata: {name: a, namespace: kube-system}}\n---\n";
    assert_eq!(faults(&(account("1") + other_kind + other_namespace)), "");
}

#[test]
fn empty_input_is_rejected() {
    for yaml in ["", "# a comment\n---\n", "{apiVersion: v1, kind: List, items: []}"] {
        assert_eq!(faults(yaml), "m.yaml: contains no document\n", "{yaml}");
    }
    assert_eq!(faults("{apiVersion: rbac.authorization.k8s.io/v1, kind: Role, metadata: {name: a}}"), "");
}

#[test]
fn names_must_be_names() {
    for (kind, name) in
        [("ServiceAccount", "Upper"), ("ServiceAccount", "a_b"), ("Namespace", "a.b"), ("ServiceAccount", "-a")]
    {
        let text = faults(&format!("{{apiVersion: v1, kind: {kind}, metadata: {{name: {name}}}}}"));
        assert!(text.contains("metadata.name:"), "{kind} {name}: {text}");
    }
    assert!(faults("{apiVersion: v1, kind: ServiceAccount, metadata: {}}").contains("metadata.name: is missing"));
    assert!(faults("{apiVersion: v1, kind: ServiceAccount}").contains("metadata.name: is missing"));
    assert_eq!(faults("{apiVersion: v1, kind: ServiceAccount, metadata: {name: a.b-c}}"), "");
}

#[test]
fn labels_and_annotation_keys_are_checked() {
    let meta =
        "{name: a, labels: {'a b': c, ok: 'no/good', example.com/ok: ''}, annotations: {'a b': anything at all}}";
    let text = faults(&format!("{{apiVersion: v1, kind: ServiceAccount, metadata: {meta}}}"));
    assert!(text.contains("metadata.labels[a b]: \"a b\" is not a label key"), "{text}");
    assert!(text.contains("metadata.labels[ok]: \"no/good\" is not a label value"), "{text}");
    assert!(text.contains("metadata.annotations[a b]: \"a b\" is not an annotation key"), "{text}");
    assert!(!text.contains("example.com"), "{text}");
}

#[test]
fn a_suggestion_is_similar_or_absent() {
    let fields = ["mode", "selector", "portLevelMtls", "mtls"];
    assert_eq!(nearest("mod", fields.into_iter()), Some("mode"));
    assert_eq!(nearest("PORTLEVELMTLS", fields.into_iter()), Some("portLevelMtls"));
    assert_eq!(nearest("slecotr", fields.into_iter()), Some("selector"));
    assert_eq!(nearest("replicas", fields.into_iter()), None);
}
