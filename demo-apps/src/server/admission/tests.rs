//! Responses of the webhook.

use super::*;

fn request(object: &Value) -> AdmissionRequest {
    serde_json::from_value(json!({
        "uid": "u-1",
        "kind": {"group": "", "version": "v1", "kind": "Pod"},
        "resource": {"group": "", "version": "v1", "resource": "pods"},
        "operation": "CREATE",
        "object": object,
    }))
    .unwrap()
}

#[test]
fn a_patch_is_base64_of_json_with_its_type() {
    let answer: Value = serde_json::from_slice(&Rule::Mutate.answer(&request(&json!({"metadata": {}})))).unwrap();
    assert_eq!(answer["response"]["patchType"], "JSONPatch");
    assert_eq!(answer["response"]["uid"], "u-1");
    let response: AdmissionReview = serde_json::from_value(answer.clone()).unwrap();
    let patch: Patch = serde_json::from_slice(&response.response.unwrap().patch.unwrap().0).unwrap();
    assert_eq!(patch.0.len(), 2, "first the map of labels, then the label");
    assert!(answer["response"]["patch"].is_string(), "base64, not a list of numbers");
}

#[test]
fn existing_labels_are_kept() {
    let object = json!({"metadata": {"labels": {"app": "a"}}});
    assert_eq!(patch(&object).0.len(), 1);
}

#[test]
fn a_body_that_is_not_a_review_is_refused_with_what_is_expected() {
    for body in [
        "",
        "[]",
        "{}",
        r#"{"apiVersion":"v1","kind":"Pod"}"#,
        r#"{"apiVersion":"admission.k8s.io/v1","kind":"AdmissionReview"}"#,
    ] {
        let error = asked(body.as_bytes()).unwrap_err();
        assert!(error.starts_with("an AdmissionReview of admission.k8s.io/v1"), "{body}: {error}");
    }
}
