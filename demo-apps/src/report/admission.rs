//! The report of one admission.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::ClientReport;

/// The `schema` of [`AdmissionReport`].
pub const ADMISSION_SCHEMA: &str = "sidelab.admission/v1";

/// What became of an object that was to be created: the one line that `demo-apiserver` prints.
#[derive(Clone, Debug, PartialEq, JsonSchema, Serialize, Deserialize)]
pub struct AdmissionReport {
    /// [`ADMISSION_SCHEMA`].
    pub schema: String,
    /// Which object.
    pub object: ObjectReference,
    /// What was to be done with it: `CREATE`.
    pub operation: String,
    /// What all webhooks together decided.
    pub decision: Decision,
    /// The HTTP status that whoever creates the object gets, 201 if it is created.
    pub status: u16,
    /// What they are told where it is not created, in kube-apiserver's words.
    pub message: Option<String>,
    /// The object as it would be stored, with all patches; none where it is not created.
    pub result: Option<Value>,
    /// Every webhook of the configurations, mutating ones first.
    pub webhooks: Vec<WebhookReport>,
}

impl AdmissionReport {
    /// Whether the object is created.
    #[must_use]
    pub fn created(&self) -> bool {
        self.result.is_some()
    }
}

/// An object, as far as it is named.
#[derive(Clone, Debug, PartialEq, Eq, JsonSchema, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ObjectReference {
    /// Such as `apps/v1`.
    pub api_version: String,
    /// Such as `Deployment`.
    pub kind: String,
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
}

/// What one webhook had to say.
#[derive(Clone, Debug, PartialEq, JsonSchema, Serialize, Deserialize)]
pub struct WebhookReport {
    /// Its name.
    pub name: String,
    /// The configuration that it is of.
    pub configuration: String,
    /// Whether it may change objects.
    pub mutating: bool,
    /// Why it was not called, if it was not.
    pub skipped: Option<String>,
    /// What it decided, or what its failure policy made of its failure; none where it was not called.
    pub decision: Option<Decision>,
    /// Why, in kube-apiserver's words.
    pub message: Option<String>,
    /// The JSON patch that it answered.
    pub patch: Option<Value>,
    /// How the call went; none where it was not even tried.
    pub call: Option<ClientReport>,
}

/// What becomes of an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq, JsonSchema, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Decision {
    /// It is created as it is.
    Allowed,
    /// It is created with a webhook's changes.
    Patched,
    /// A webhook denies it.
    Denied,
    /// A webhook failed, and is ignored: `failurePolicy: Ignore`.
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
