//! The report of one admission.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::ClientReport;

/// The `schema` of [`AdmissionReport`].
pub const ADMISSION_SCHEMA: &str = "sidelab.admission/v1";

/// The result of creating an object: the one line that `demo-apiserver` prints.
#[derive(Clone, Debug, PartialEq, JsonSchema, Serialize, Deserialize)]
pub struct AdmissionReport {
    /// [`ADMISSION_SCHEMA`].
    pub schema: String,
    /// The object to be created.
    pub object: ObjectReference,
    /// The operation, `CREATE`.
    pub operation: String,
    /// The combined decision of all webhooks.
    pub decision: Decision,
    /// The HTTP status of the API server's response, 201 if the object is created.
    pub status: u16,
    /// The message of a refusal, in kube-apiserver's wording.
    pub message: Option<String>,
    /// The object as it would be stored, with all patches; `None` if it is not created.
    pub result: Option<Value>,
    /// All webhooks of the configurations, mutating ones first.
    pub webhooks: Vec<WebhookReport>,
}

impl AdmissionReport {
    /// Whether the object is created.
    #[must_use]
    pub fn created(&self) -> bool {
        self.result.is_some()
    }
}

#[derive(Clone, Debug, PartialEq, Eq, JsonSchema, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ObjectReference {
    /// Such as `apps/v1`.
    pub api_version: String,
    /// Such as `Deployment`.
    pub kind: String,
    pub namespace: String,
    pub name: String,
}

/// The result of one webhook.
#[derive(Clone, Debug, PartialEq, JsonSchema, Serialize, Deserialize)]
pub struct WebhookReport {
    pub name: String,
    /// Name of its configuration.
    pub configuration: String,
    /// Whether it is a mutating webhook.
    pub mutating: bool,
    /// Why it was not called, if it was not.
    pub skipped: Option<String>,
    /// Its decision, or that of its failure policy; `None` if it was not called.
    pub decision: Option<Decision>,
    /// The reason, in kube-apiserver's wording.
    pub message: Option<String>,
    /// The JSON patch that it returned.
    pub patch: Option<Value>,
    /// The call; `None` if it could not be tried.
    pub call: Option<ClientReport>,
}

/// A decision about an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq, JsonSchema, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Decision {
    /// It is created unchanged.
    Allowed,
    /// It is created with a webhook's changes.
    Patched,
    /// A webhook denied it.
    Denied,
    /// A webhook failed, which is ignored: `failurePolicy: Ignore`.
    LetThrough,
    /// A webhook failed, and so does the request: `failurePolicy: Fail`.
    Rejected,
}

impl Decision {
    /// Whether the object is not created.
    #[must_use]
    pub fn refuses(self) -> bool {
        matches!(self, Self::Denied | Self::Rejected)
    }
}

impl fmt::Display for Decision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Allowed => "allowed",
            Self::Patched => "patched",
            Self::Denied => "denied",
            Self::LetThrough => "let through",
            Self::Rejected => "rejected",
        })
    }
}
