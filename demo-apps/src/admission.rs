//! AdmissionReview (`admission.k8s.io/v1`): what an API server and a webhook say to each other.
//!
//! k8s-openapi has no such types, since the API server serves none; kube-core's write a patch as a list of numbers, where
//! Kubernetes has base64.

use std::collections::BTreeMap;

use k8s_openapi::ByteString;
use k8s_openapi::api::authentication::v1::UserInfo;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Status;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// The version that is spoken here.
pub(crate) const API_VERSION: &str = "admission.k8s.io/v1";
/// The kind of every message.
pub(crate) const KIND: &str = "AdmissionReview";
/// The only kind of patch that there is.
pub(crate) const JSON_PATCH: &str = "JSONPatch";

/// A message: a request on the way to the webhook, a response on the way back.
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
    pub(crate) fn asking(request: AdmissionRequest) -> Self {
        Self { api_version: API_VERSION.into(), kind: KIND.into(), request: Some(request), response: None }
    }

    pub(crate) fn answering(response: AdmissionResponse) -> Self {
        Self { api_version: API_VERSION.into(), kind: KIND.into(), request: None, response: Some(response) }
    }
}

/// What somebody wants to do with an object.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct AdmissionRequest {
    /// What the response has to repeat.
    pub(crate) uid: String,
    pub(crate) kind: GroupVersionKind,
    pub(crate) resource: GroupVersionResource,
    /// The object's kind before it was converted to what the webhook's rules name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) request_kind: Option<GroupVersionKind>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) request_resource: Option<GroupVersionResource>,
    #[serde(default)]
    pub(crate) name: String,
    #[serde(default)]
    pub(crate) namespace: String,
    /// `CREATE`.
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

/// What the webhook says to it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct AdmissionResponse {
    #[serde(default)]
    pub(crate) uid: String,
    #[serde(default)]
    pub(crate) allowed: bool,
    /// Why not.
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

/// A kind, in full.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct GroupVersionKind {
    /// Empty for the core group.
    #[serde(default)]
    pub(crate) group: String,
    pub(crate) version: String,
    pub(crate) kind: String,
}

/// A resource, in full.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct GroupVersionResource {
    /// Empty for the core group.
    #[serde(default)]
    pub(crate) group: String,
    pub(crate) version: String,
    /// In the plural: `pods`.
    pub(crate) resource: String,
}
