use crate::testing::{faults, mesh, pod};

/// Whether pod `a` gets a sidecar: namespace labels, pod labels, pod annotations.
fn injected(namespace: &str, labels: &str, annotations: &str) -> bool {
    let yaml = manifests(namespace, labels, annotations);
    mesh(&yaml).pods[0].sidecar.is_some()
}

fn manifests(namespace: &str, labels: &str, annotations: &str) -> String {
    let namespace =
        format!("---\n{{apiVersion: v1, kind: Namespace, metadata: {{name: default, labels: {{{namespace}}}}}}}\n");
    namespace + &pod("a", &format!("labels: {{{labels}}}, annotations: {{{annotations}}}"))
}

const ENABLED: &str = "istio-injection: enabled";
const DISABLED: &str = "istio-injection: disabled";
const REVISION: &str = "istio.io/rev: default";
const TRUE: &str = "sidecar.istio.io/inject: 'true'";
const FALSE: &str = "sidecar.istio.io/inject: 'false'";

#[test]
fn nothing_said_injects_nothing() {
    assert!(!injected("", "", ""));
}

#[test]
fn the_namespace_label_injects() {
    assert!(injected(ENABLED, "", ""));
    assert!(injected(REVISION, "", ""));
    assert!(injected("istio.io/rev: 1-26", "", ""), "any revision is taken to be installed");
    assert!(!injected(DISABLED, "", ""));
    assert!(!injected(&format!("{DISABLED}, {REVISION}"), "", ""));
}

#[test]
fn the_pod_label_injects_where_the_namespace_says_nothing() {
    assert!(injected("", TRUE, ""));
    assert!(injected("", REVISION, ""));
    assert!(!injected(DISABLED, TRUE, ""));
}

#[test]
fn the_pod_label_false_wins_over_everything() {
    assert!(!injected(ENABLED, FALSE, ""));
    assert!(!injected(ENABLED, FALSE, TRUE));
    assert!(!injected("", &format!("{FALSE}, {REVISION}"), ""));
}

#[test]
fn the_annotation_counts_only_where_the_webhook_is_asked() {
    assert!(!injected(ENABLED, "", FALSE));
    assert!(injected(ENABLED, TRUE, FALSE), "the label wins over the annotation of its name");
    assert!(!injected("", "", TRUE), "no selector of the webhook looks at annotations");
}

#[test]
fn an_annotation_that_does_nothing_is_warned_of() {
    let text = faults(&manifests("", "", TRUE));
    assert!(
        text.contains("metadata.annotations[sidecar.istio.io/inject]: warning: no sidecar is injected nevertheless"),
        "{text}"
    );
    assert!(text.contains("label the namespace istio-injection: enabled"), "{text}");
}

#[test]
fn a_word_that_means_nothing_falls_back_to_the_namespace_with_a_warning() {
    assert!(injected(ENABLED, "sidecar.istio.io/inject: 'yes'", ""));
    let text = faults(&manifests(ENABLED, "sidecar.istio.io/inject: 'yes'", ""));
    assert!(text.contains("metadata.labels[sidecar.istio.io/inject]: warning: \"yes\" means nothing"), "{text}");
}

#[test]
fn the_namespaces_of_kubernetes_are_never_injected() {
    let namespace =
        "---\n{apiVersion: v1, kind: Namespace, metadata: {name: kube-system, labels: {istio-injection: enabled}}}\n";
    assert!(mesh(&(namespace.to_owned() + &pod("a", "namespace: kube-system"))).pods[0].sidecar.is_none());
}

#[test]
fn the_decision_names_its_reason_and_place() {
    let because = |namespace: &str, labels: &str, annotations: &str| {
        let injection = mesh(&manifests(namespace, labels, annotations)).pods[0].clone().injection;
        format!("{}: {} ({})", injection.injected, injection.because, injection.source)
    };
    assert_eq!(
        because(ENABLED, "", ""),
        "true: the namespace's label says so (m.yaml#1 metadata.labels[istio-injection])"
    );
    assert_eq!(
        because(ENABLED, FALSE, ""),
        "false: the pod's label says so (m.yaml#2 metadata.labels[sidecar.istio.io/inject])"
    );
    assert_eq!(
        because(ENABLED, "", FALSE),
        "false: the pod's annotation says so (m.yaml#2 metadata.annotations[sidecar.istio.io/inject])"
    );
    assert_eq!(
        because("", "", ""),
        "false: neither its namespace nor its labels ask for a sidecar (m.yaml#2 metadata.labels)"
    );
}

#[test]
fn injection_adds_the_labels_of_its_template() {
    let labels = mesh(&manifests(ENABLED, "app: shop, version: v2", "")).pods[0].clone().labels;
    assert_eq!(labels["security.istio.io/tlsMode"], "istio");
    assert_eq!(labels["service.istio.io/canonical-name"], "shop");
    assert_eq!(labels["service.istio.io/canonical-revision"], "v2");
    let own = mesh(&manifests(ENABLED, "security.istio.io/tlsMode: disabled", "")).pods[0].clone().labels;
    assert_eq!(own["security.istio.io/tlsMode"], "disabled");
    let without = mesh(&manifests("", "app: shop", "")).pods[0].clone().labels;
    assert!(!without.contains_key("security.istio.io/tlsMode"));
}

#[test]
fn grpc_without_a_proxy_has_no_sidecar_and_may_speak_mtls_itself() {
    for templates in ["grpc-agent", "grpc-simple"] {
        let yaml = manifests(ENABLED, "", &format!("inject.istio.io/templates: {templates}"));
        let pod = mesh(&yaml).pods[0].clone();
        assert!(pod.sidecar.is_none());
        assert!(pod.injection.because.contains("gRPC without a proxy"), "{}", pod.injection.because);
        assert!(faults(&yaml).contains("warning: gives the pod no Envoy and no redirects"), "{}", faults(&yaml));
    }
    assert!(injected(ENABLED, "", "inject.istio.io/templates: 'sidecar,custom'"));
    let text = faults(&manifests(ENABLED, "", "inject.istio.io/templates: 'sidecar,custom'"));
    assert!(text.contains("warning: template custom is not one of Istio's charts"), "{text}");
}

#[test]
fn an_annotation_gives_a_sidecar_a_wrong_certificate() {
    use crate::model::SvidKind;
    let kind = |annotations: &str| mesh(&manifests(ENABLED, "", annotations)).pods[0].clone().sidecar.unwrap().svid;
    assert_eq!(kind(""), SvidKind::Proper);
    for expected in SvidKind::ALL {
        assert_eq!(kind(&format!("sidelab.io/svid: {}", expected.name())), expected);
    }
    let text = faults(&manifests(ENABLED, "", "sidelab.io/svid: stolen"));
    assert!(
        text.contains(
            "metadata.annotations[sidelab.io/svid]: \"stolen\" is not a kind of certificate; known are proper, rogue-ca"
        ),
        "{text}"
    );
}
