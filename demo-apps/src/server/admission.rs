//! The paths of an admission webhook: simple rules, and all ways to violate the contract.

use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt as _, Limited};
use hyper::body::Incoming;
use json_patch::{AddOperation, Patch, PatchOperation, jsonptr::PointerBuf};
use k8s_openapi::ByteString;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Status;
use serde_json::{Value, json};

use super::body::{AnyBody, whole};
use super::context::Context;
use super::respond::{Content, with_type};
use crate::admission::{API_VERSION, AdmissionRequest, AdmissionResponse, AdmissionReview, JSON_PATCH, KIND};
use crate::client::chain;

#[cfg(test)]
mod tests;

/// Label and value of objects that `/validate` denies.
const DENIED_LABEL: (&str, &str) = ("deny", "true");
/// Label and value that `/mutate` adds.
const ADDED_LABEL: (&str, &str) = ("mutated", "true");
/// Maximum request size of an API server, which is larger than that of etcd.
const BODY_LIMIT: usize = 3 * 1024 * 1024;

/// The behaviour of a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Rule {
    /// Allows an object unless it has the denied label.
    Validate,
    Deny,
    /// Allows every object, and adds a label.
    Mutate,
    /// Never responds.
    Hang,
    /// Responds with something that is not JSON.
    Garbage,
    /// Allows, but with another uid.
    WrongUid,
    /// Responds with JSON that is not an AdmissionReview.
    WrongKind,
}

impl Rule {
    /// The rule of a path, if any.
    pub(super) fn from_path(path: &str) -> Option<Self> {
        Some(match path {
            "/validate" => Self::Validate,
            "/deny" => Self::Deny,
            "/mutate" => Self::Mutate,
            "/hang" => Self::Hang,
            "/garbage" => Self::Garbage,
            "/wrong-uid" => Self::WrongUid,
            "/wrong-kind" => Self::WrongKind,
            _ => return None,
        })
    }

    fn answer(self, request: &AdmissionRequest) -> Vec<u8> {
        let response = match self {
            Self::Garbage => return b"not an AdmissionReview.\n".to_vec(),
            Self::WrongKind => json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": request.uid}}),
            Self::Deny => review(denied(request, "this webhook denies everything")),
            Self::Validate if label(request) == Some(DENIED_LABEL.1) => {
                review(denied(request, &format!("label {} is {:?}", DENIED_LABEL.0, DENIED_LABEL.1)))
            }
            Self::WrongUid => review(AdmissionResponse { uid: "another".into(), ..allowed(request) }),
            Self::Mutate => {
                // Patches of strings can always be serialized.
                let patch = serde_json::to_vec(&patch(&request.object)).unwrap_or_default();
                let (patch, patch_type) = (Some(ByteString(patch)), Some(JSON_PATCH.to_owned()));
                review(AdmissionResponse { patch, patch_type, ..allowed(request) })
            }
            Self::Validate | Self::Hang => review(allowed(request)),
        };
        response.to_string().into_bytes()
    }
}

/// Responds to an API server.
pub(super) async fn answer(request: Request<Incoming>, rule: Rule, context: &Context) -> Response<AnyBody> {
    let (head, body) = request.into_parts();
    let read = Limited::new(body, BODY_LIMIT).collect().await.map(http_body_util::Collected::to_bytes);
    let body_bytes = read.as_ref().map_or(0, |body| body.len() as u64);
    if rule == Rule::Hang {
        context.stopped().await;
    }
    let reviewed = match &read {
        Ok(body) => asked(body),
        Err(error) => Err(format!("the request's body can't be read: {}", chain(&**error))),
    };
    let (status, content, answer) = match reviewed {
        Ok(request) => (StatusCode::OK, Content::Json, rule.answer(&request)),
        Err(why) => (StatusCode::BAD_REQUEST, Content::Text, format!("{why}\n").into_bytes()),
    };
    context.log(status, context.seen(&head, body_bytes));
    with_type(status, content, whole(answer))
}

/// The request in an AdmissionReview.
fn asked(body: &[u8]) -> Result<AdmissionRequest, String> {
    let expected = "an AdmissionReview of admission.k8s.io/v1 with a request was expected";
    let review: AdmissionReview = serde_json::from_slice(body).map_err(|error| format!("{expected}: {error}"))?;
    if (review.api_version.as_str(), review.kind.as_str()) != (API_VERSION, KIND) {
        return Err(format!("{expected}, not {} of {}", review.kind, review.api_version));
    }
    review.request.ok_or_else(|| expected.to_owned())
}

fn review(response: AdmissionResponse) -> Value {
    // Maps with string keys can always be serialized.
    serde_json::to_value(AdmissionReview::with_response(response)).unwrap_or_default()
}

fn allowed(request: &AdmissionRequest) -> AdmissionResponse {
    AdmissionResponse { uid: request.uid.clone(), allowed: true, ..AdmissionResponse::default() }
}

fn denied(request: &AdmissionRequest, why: &str) -> AdmissionResponse {
    let status = Status { code: Some(403), message: Some(why.into()), ..Status::default() };
    AdmissionResponse { allowed: false, status: Some(status), ..allowed(request) }
}

/// The value of the denied label, if the object has it.
fn label(request: &AdmissionRequest) -> Option<&str> {
    request.object.get("metadata")?.get("labels")?.get(DENIED_LABEL.0)?.as_str()
}

/// A patch that adds a label. An object without labels gets the map first.
fn patch(object: &Value) -> Patch {
    let add = |tokens: &[&str], value| {
        PatchOperation::Add(AddOperation { path: PointerBuf::from_tokens(tokens.iter().copied()), value })
    };
    let mut patch = Vec::new();
    if object.pointer("/metadata/labels").is_none_or(Value::is_null) {
        patch.push(add(&["metadata", "labels"], json!({})));
    }
    patch.push(add(&["metadata", "labels", ADDED_LABEL.0], ADDED_LABEL.1.into()));
    Patch(patch)
}
