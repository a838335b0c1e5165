//! Interpreting a webhook's response (`plugin/webhook/request/admissionreview.go`).

use json_patch::Patch;
use serde_json::Value;

use super::configuration::Webhook;
use super::wording;
use crate::admission::{API_VERSION, AdmissionResponse, AdmissionReview, JSON_PATCH, KIND};
use crate::report::{Body, ClientReport, HttpFacts};

#[cfg(test)]
mod tests;

/// The outcome for one webhook.
pub(super) struct Verdict {
    pub(super) conclusion: Conclusion,
    /// The call, unless the webhook was skipped.
    pub(super) call: Option<ClientReport>,
}

/// A webhook's decision.
pub(super) enum Conclusion {
    /// It was not called, with the reason.
    Skipped(String),
    Allowed,
    Patched(Patch),
    /// With an HTTP status and kube-apiserver's message.
    Denied {
        code: u16,
        message: String,
    },
    /// No valid response, with the reason.
    Failed(String),
}

impl Verdict {
    pub(super) fn skipped(why: impl Into<String>) -> Self {
        Self { conclusion: Conclusion::Skipped(why.into()), call: None }
    }
}

pub(super) fn judge(report: &ClientReport, webhook: &Webhook, uid: &str) -> Conclusion {
    let json =
        report.http.as_ref().ok_or_else(|| "no response".to_owned()).and_then(body).and_then(|text| parse(&text));
    let response = match json {
        Ok(json) => review(json, uid).map_err(|why| wording::invalid_response(&why)),
        Err(why) => Err(format!("failed to call webhook: {why}")),
    };
    response.and_then(|response| decision(response, webhook)).unwrap_or_else(Conclusion::Failed)
}

/// The body of a successful response.
fn body(http: &HttpFacts) -> Result<String, String> {
    let text = match &http.body {
        Body::Text(text) => text.clone(),
        Body::Base64(text) => return Err(format!("the answer is not JSON (base64: {text:.40})")),
    };
    match http.status {
        200..=206 if http.body_bytes > Body::LIMIT as u64 => {
            Err(format!("the answer has {} bytes; {} are read here", http.body_bytes, Body::LIMIT))
        }
        200..=206 => Ok(text),
        404 => Err("the server could not find the requested resource".to_owned()),
        500.. => {
            Err(format!("an error on the server ({:?}) has prevented the request from succeeding", text.trim_end()))
        }
        _ => Err("the server rejected our request for an unknown reason".to_owned()),
    }
}

/// An object. Other text is YAML to kube-apiserver, usually a string (`runtime/serializer/json/meta.go`, `Interpret`).
fn parse(text: &str) -> Result<Value, String> {
    let found = match serde_json::from_str(text) {
        Ok(json @ Value::Object(_)) => return Ok(json),
        Ok(Value::Array(_)) => "array",
        Ok(Value::Number(_)) => "number",
        Ok(Value::Bool(_)) => "bool",
        Ok(Value::String(_) | Value::Null) | Err(_) => "string",
    };
    Err(format!("couldn't get version/kind; json parse error: {}", wording::not_an_object(found)))
}

/// The response in an AdmissionReview for `uid`.
fn review(json: Value, uid: &str) -> Result<AdmissionResponse, String> {
    let field = |name: &str| json.get(name).and_then(Value::as_str).unwrap_or_default();
    let (api_version, kind) = (field("apiVersion"), field("kind"));
    if (api_version, kind) != (API_VERSION, KIND) {
        return Err(format!("expected webhook response of {API_VERSION}, Kind={KIND}, got {api_version}, Kind={kind}"));
    }
    let review: AdmissionReview = serde_json::from_value(json).map_err(|error| error.to_string())?;
    let response = review.response.ok_or("webhook response was absent")?;
    if response.uid != uid {
        return Err(format!("expected response.uid={uid:?}, got {:?}", response.uid));
    }
    Ok(response)
}

fn decision(response: AdmissionResponse, webhook: &Webhook) -> Result<Conclusion, String> {
    let patch = response.patch.map(|patch| patch.0).unwrap_or_default();
    let invalid = |why: &str| Err(wording::invalid_response(why));
    match (patch.is_empty(), response.patch_type.as_deref()) {
        (false, _) if !webhook.mutating => return invalid("webhook may not return response.patch"),
        (false, None) => return invalid("webhook returned response.patch but not response.patchType"),
        (true, Some(_)) => return invalid("webhook returned response.patchType but not response.patch"),
        (true, None) | (false, Some(JSON_PATCH)) => {}
        (false, Some(other)) => {
            return invalid(&format!("webhook returned invalid response.patchType of {other:?}"));
        }
    }
    if !response.allowed {
        let status = response.status.unwrap_or_default();
        let code = status.code.and_then(|code| u16::try_from(code).ok()).filter(|code| *code >= 400).unwrap_or(400);
        let explanation =
            [status.message, status.reason].into_iter().flatten().find(|explanation| !explanation.is_empty());
        return Ok(Conclusion::Denied { code, message: wording::denied(&webhook.hook.name, explanation.as_deref()) });
    }
    if patch.is_empty() {
        return Ok(Conclusion::Allowed);
    }
    let patch: Patch = serde_json::from_slice(&patch)
        .map_err(|error| format!("received undecodable patch in webhook response: {error}"))?;
    Ok(if patch.0.is_empty() { Conclusion::Allowed } else { Conclusion::Patched(patch) })
}
