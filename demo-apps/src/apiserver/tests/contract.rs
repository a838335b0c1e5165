//! Responses of a webhook and their effects.

use pretty_assertions::assert_eq;

use super::*;

const LABELLED: &str =
    "{apiVersion: v1, kind: Pod, metadata: {name: bad, labels: {deny: 'true'}}, spec: {containers: []}}";
const BETA: &str = "{apiVersion: apps/v1beta1, kind: Deployment, metadata: {name: old}, spec: {}}";

#[tokio::test]
async fn an_allowed_object_is_created_unchanged() {
    let cluster = Cluster::new();
    let report = cluster.validate(cluster.hook("allow", "/validate")).await;
    assert_eq!((report.decision, report.status, &report.message), (Decision::Allowed, 201, &None));
    assert_eq!(report.result.unwrap()["metadata"]["name"], "new");
    let call = report.webhooks[0].call.as_ref().unwrap();
    assert_eq!(call.url, "https://webhook.default.svc:443/validate?timeout=5s");
}

#[tokio::test]
async fn a_denied_object_is_refused_with_the_webhooks_message() {
    let cluster = Cluster::new();
    let file = cluster.write("object.yaml", LABELLED);
    let report = cluster.create(&file, &[], &[cluster.hook("policy", "/validate")]).await;
    assert_eq!((report.decision, report.status), (Decision::Denied, 403));
    assert_eq!(
        message_of(&report),
        r#"admission webhook "policy.example.com" denied the request: label deny is "true""#
    );
    assert_eq!(report.object.name, "bad");
}

#[tokio::test]
async fn patches_are_applied_in_turn_and_validators_see_the_result() {
    let cluster = Cluster::new();
    let sees_label =
        with(cluster.hook("sees", "/deny"), &json!({"objectSelector": {"matchLabels": {"mutated": "true"}}}));
    let report = cluster.create("", &[cluster.hook("label", "/mutate")], &[sees_label]).await;
    assert_eq!(report.decision, Decision::Denied);
    let [mutating, validating] = &report.webhooks[..] else { panic!("{report:?}") };
    assert_eq!((mutating.mutating, mutating.decision), (true, Some(Decision::Patched)));
    assert_eq!(mutating.patch.as_ref().unwrap()[1]["path"], "/metadata/labels/mutated");
    assert_eq!(validating.decision, Some(Decision::Denied));

    let report = cluster.create("", &[cluster.hook("label", "/mutate")], &[]).await;
    assert_eq!(report.decision, Decision::Patched);
    assert_eq!(report.result.unwrap()["metadata"]["labels"], json!({"mutated": "true"}));
}

#[tokio::test]
async fn once_a_request_is_refused_no_other_webhook_is_called() {
    let cluster = Cluster::new();
    let report = cluster.create("", &[cluster.hook("deny", "/deny")], &[cluster.hook("never", "/validate")]).await;
    assert_eq!(report.decision, Decision::Denied);
    assert_eq!(report.webhooks[1].skipped.as_deref(), Some("the request was already refused"));
}

#[tokio::test]
async fn a_webhook_that_hangs_fails_the_request_after_its_timeout() {
    let cluster = Cluster::new();
    let report = cluster.validate(with(cluster.hook("slow", "/hang"), &json!({"timeoutSeconds": 1}))).await;
    assert_eq!((report.decision, report.status), (Decision::Rejected, 500));
    let said = r#"failed calling webhook "slow.example.com": failed to call webhook: Post "https://webhook.default.svc:443/hang?timeout=1s": context deadline exceeded"#;
    assert_eq!(message_of(&report), format!("Internal error occurred: {said}"));
    assert_eq!(kind(report.webhooks[0].call.as_ref().unwrap()), FailureKind::Timeout);
}

#[tokio::test]
async fn failure_policy_ignore_ignores_a_timeout() {
    let cluster = Cluster::new();
    let hook = with(cluster.hook("slow", "/hang"), &json!({"timeoutSeconds": 1, "failurePolicy": "Ignore"}));
    let report = cluster.validate(hook).await;
    assert_eq!((report.decision, report.created()), (Decision::LetThrough, true));
    let message = report.webhooks[0].message.as_deref().unwrap();
    assert!(message.starts_with("Failed calling webhook, failing open slow.example.com: "), "{message}");
}

#[tokio::test]
async fn failure_policy_ignore_does_not_ignore_a_denial() {
    let cluster = Cluster::new();
    let report = cluster.validate(with(cluster.hook("deny", "/deny"), &json!({"failurePolicy": "Ignore"}))).await;
    assert_eq!(report.decision, Decision::Denied);
}

#[tokio::test]
async fn a_response_that_does_not_match_the_request_is_a_failure() {
    let cluster = Cluster::new();
    for (path, said) in [
        (
            "/garbage",
            "failed to call webhook: couldn't get version/kind; json parse error: json: cannot unmarshal string into Go value",
        ),
        (
            "/wrong-kind",
            "received invalid webhook response: expected webhook response of admission.k8s.io/v1, Kind=AdmissionReview, got v1, Kind=Pod",
        ),
        ("/wrong-uid", "received invalid webhook response: expected response.uid="),
    ] {
        let report = cluster.validate(cluster.hook("bad", path)).await;
        assert_eq!(report.decision, Decision::Rejected);
        assert!(message_of(&report).contains(said), "{path}: {}", message_of(&report));
        assert_eq!(report.webhooks[0].call.as_ref().unwrap().status(), Some(200), "the call itself succeeded");
    }
}

#[tokio::test]
async fn an_object_of_another_version_is_converted_for_the_rules() {
    let cluster = Cluster::new();
    let file = cluster.write("object.yaml", BETA);
    let rules =
        json!([{"apiGroups": ["apps"], "apiVersions": ["v1"], "operations": ["*"], "resources": ["deployments"]}]);
    let equivalent = with(cluster.hook("equivalent", "/mutate"), &json!({"rules": rules}));
    let exact = with(cluster.hook("exact", "/deny"), &json!({"rules": rules, "matchPolicy": "Exact"}));
    let report = cluster.create(&file, &[equivalent], &[exact]).await;
    assert_eq!(report.decision, Decision::Patched);
    assert_eq!(report.result.unwrap()["apiVersion"], "apps/v1beta1", "stored in its original version");
    assert_eq!(report.webhooks[1].skipped.as_deref(), Some("no rule fits CREATE of deployments in apps/v1beta1"));
}

#[tokio::test]
async fn a_patch_that_does_not_apply_is_an_error_regardless_of_failure_policy() {
    let cluster = Cluster::new();
    // The patch adds a label below something that is not a mapping.
    let file = cluster.write("object.yaml", "{apiVersion: v1, kind: Pod, metadata: {name: odd, labels: [1]}}");
    let hook = with(cluster.hook("label", "/mutate"), &json!({"failurePolicy": "Ignore"}));
    let report = cluster.create(&file, &[hook], &[]).await;
    assert_eq!(report.decision, Decision::Rejected);
    assert!(message_of(&report).starts_with("Internal error occurred: "), "{}", message_of(&report));
}

#[tokio::test]
async fn invalid_input_is_reported_before_any_webhook_is_called() {
    let cluster = Cluster::new();
    let file = cluster.write("manifests.yaml", "kind: ValidatingWebhookConfiguration\nwebhooks: [{name: 1}]");
    let error = |line: &str| {
        let args: ApiserverArgs = parse(line).unwrap();
        async move { create(&args).await.unwrap_err().to_string() }
    };
    assert!(error(&format!("--webhooks {file}")).await.contains("webhooks[0].name"));
    assert!(error("--webhooks /nowhere.yaml").await.contains("/nowhere.yaml"));
    let file = cluster.write("manifests.yaml", "a: [");
    assert!(error(&format!("--webhooks {file}")).await.contains("not YAML"));
    let file = cluster.write("manifests.yaml", "kind: Pod");
    assert!(error(&format!("{file} --webhooks {file}")).await.contains("can't be created here"));
    assert!(error(&format!("--only x.example.com --webhooks {file}")).await.contains("no such webhook"));
}
