//! AdmissionReview (`admission.k8s.io/v1`): the messages between an API server and a webhook.
//!
//! k8s-openapi lacks these types, since the API server does not serve them; kube-core serializes a patch as a list of
//! numbers, where Kubernetes expects base64.

use std::collections::BTreeMap;

use k8s_openapi::ByteString;
use k8s_openapi::api::authentication::v1::UserInfo;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Status;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// The only supported version.
pub(crate) const API_VERSION: &str = "admission.k8s.io/v1";
/// The kind of all messages.
pub(crate) const KIND: &str = "AdmissionReview";
/// The only patch type in Kubernetes.
pub(crate) const JSON_PATCH: &str = "JSONPatch";

/// A message with a request to the webhook, or its response.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct AdmissionReview {
    pub(crate) api_version: String,
    pub(crate) kind: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) request: Option<AdmissionRequest>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) response: Option<AdmissionResponse>,
}

impl AdmissionReview {
    pub(crate) fn with_request(request: AdmissionRequest) -> Self {
        Self { api_version: API_VERSION.into(), kind: KIND.into(), request: Some(request), response: None }
    }

    pub(crate) fn with_response(response: AdmissionResponse) -> Self {
        Self { api_version: API_VERSION.into(), kind: KIND.into(), request: None, response: Some(response) }
    }
}

/// A request for an operation on an object.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct AdmissionRequest {
    /// The response must have the same uid.
    pub(crate) uid: String,
    pub(crate) kind: GroupVersionKind,
    pub(crate) resource: GroupVersionResource,
    /// The object's original kind, if it was converted to match the webhook's rules.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) request_kind: Option<GroupVersionKind>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) request_resource: Option<GroupVersionResource>,
    #[serde(default)]
    pub(crate) name: String,
    #[serde(default)]
    pub(crate) namespace: String,
    /// The operation, such as `CREATE`.
    pub(crate) operation: String,
    #[serde(default)]
    pub(crate) user_info: UserInfo,
    #[serde(default)]
    pub(crate) object: Value,
    #[serde(default)]
    pub(crate) old_object: Value,
    #[serde(default)]
    pub(crate) dry_run: bool,
    #[serde(default)]
    pub(crate) options: Value,
}

/// The webhook's decision.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct AdmissionResponse {
    #[serde(default)]
    pub(crate) uid: String,
    #[serde(default)]
    pub(crate) allowed: bool,
    /// The reason of a denial.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) status: Option<Status>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) patch: Option<ByteString>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) patch_type: Option<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) warnings: Vec<String>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) audit_annotations: BTreeMap<String, String>,
}

/// A fully qualified kind.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct GroupVersionKind {
    /// Empty for the core group.
    #[serde(default)]
    pub(crate) group: String,
    pub(crate) version: String,
    pub(crate) kind: String,
}

/// A fully qualified resource.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct GroupVersionResource {
    /// Empty for the core group.
    #[serde(default)]
    pub(crate) group: String,
    pub(crate) version: String,
    /// In plural form: `pods`.
    pub(crate) resource: String,
}
