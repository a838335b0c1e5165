//! Responses that no webhook in this project sends.

use serde_json::{Value, json};

use super::*;

fn answered(status: u16, text: &str) -> Result<String, String> {
    body(&HttpFacts {
        version: "HTTP/1.1".into(),
        status,
        headers: vec![],
        body: Body::from_bytes(text.as_bytes()),
        body_bytes: text.len() as u64,
        trailers: vec![],
    })
}

fn reviewed(response: &Value) -> Result<AdmissionResponse, String> {
    review(json!({"apiVersion": API_VERSION, "kind": KIND, "response": response}), "u-1")
}

fn judged(mutating: bool, response: &Value) -> Result<Conclusion, String> {
    let webhook = Webhook {
        configuration: "c".into(),
        mutating,
        failure_policy: super::super::configuration::FailurePolicy::Fail,
        hook: serde_json::from_value(json!({"name": "one.example.com"})).unwrap(),
    };
    decision(reviewed(response).unwrap(), &webhook)
}

fn invalid(mutating: bool, response: &Value) -> String {
    judged(mutating, response).err().unwrap()
}

#[test]
fn an_http_error_is_reported_in_the_api_servers_wording() {
    assert_eq!(answered(200, "{}").unwrap(), "{}");
    assert_eq!(
        answered(503, "not now\n").unwrap_err(),
        r#"an error on the server ("not now") has prevented the request from succeeding"#
    );
    assert_eq!(answered(404, "").unwrap_err(), "the server could not find the requested resource");
    assert!(answered(302, "").unwrap_err().contains("unknown reason"));
}

#[test]
fn a_review_must_contain_a_response_to_this_request() {
    assert_eq!(reviewed(&Value::Null).unwrap_err(), "webhook response was absent");
    assert_eq!(reviewed(&json!({"allowed": true})).unwrap_err(), r#"expected response.uid="u-1", got """#);
    assert!(reviewed(&json!({"uid": "u-1", "allowed": "yes"})).is_err());
}

#[test]
fn patch_and_patch_type_go_together_and_are_for_mutating_webhooks_only() {
    let patch = |patch: &str, kind: Value| json!({"uid": "u-1", "allowed": true, "patch": patch, "patchType": kind});
    // `[]` in base64.
    assert!(invalid(false, &patch("W10=", "JSONPatch".into())).ends_with("may not return response.patch"));
    assert!(invalid(true, &patch("W10=", Value::Null)).ends_with("but not response.patchType"));
    assert!(invalid(true, &patch("", "JSONPatch".into())).ends_with("but not response.patch"));
    assert!(invalid(true, &patch("W10=", "MergePatch".into())).ends_with(r#"patchType of "MergePatch""#));
    assert!(invalid(true, &patch("e30=", "JSONPatch".into())).starts_with("received undecodable patch"));
    assert!(
        matches!(judged(true, &patch("W10=", "JSONPatch".into())), Ok(Conclusion::Allowed)),
        "an empty patch changes nothing"
    );
}

#[test]
fn a_denial_without_explanation_is_reported_as_such_and_never_as_success() {
    let denied = |status: Value| match judged(false, &json!({"uid": "u-1", "allowed": false, "status": status})) {
        Ok(Conclusion::Denied { code, message }) => (code, message),
        _ => panic!("not denied"),
    };
    assert_eq!(
        denied(Value::Null),
        (400, r#"admission webhook "one.example.com" denied the request without explanation"#.into())
    );
    assert_eq!(denied(json!({"code": 200, "reason": "Forbidden"})).0, 400);
    assert!(denied(json!({"reason": "Forbidden"})).1.ends_with("denied the request: Forbidden"));
}
