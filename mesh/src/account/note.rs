//! Notes: what a reader of an account must know besides the outcome.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Something that a reader of an account must know besides the outcome.
#[derive(Clone, Debug, PartialEq, Eq, JsonSchema, Serialize, Deserialize)]
pub struct Note {
    pub kind: NoteKind,
    /// A sentence without a period.
    pub text: String,
    /// The document that it is about, such as `mesh.yaml#2`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<String>,
    /// What to apply: one or more objects.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub yaml: Option<String>,
}

/// What a note is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, JsonSchema, Serialize, Deserialize)]
pub enum NoteKind {
    /// The answer depends on something that no manifest says.
    #[serde(rename = "assumed")]
    Assumed,
    /// An object that is not modelled takes part in the call, and may change the answer.
    #[serde(rename = "not modelled")]
    NotModelled,
    /// A policy does not apply to the call, and why.
    #[serde(rename = "not used")]
    NotUsed,
    /// A change that would let the call be delivered.
    #[serde(rename = "fix")]
    Fix,
}

impl Note {
    /// A note without a source and without objects.
    pub fn new(kind: NoteKind, text: impl Into<String>) -> Self {
        Self { kind, text: text.into(), source: None, yaml: None }
    }

    /// Sets the document that the note is about.
    #[must_use]
    pub fn about(self, source: &impl ToString) -> Self {
        Self { source: Some(source.to_string()), ..self }
    }

    /// Sets the objects to apply.
    #[must_use]
    pub fn applying(self, yaml: impl Into<String>) -> Self {
        Self { yaml: Some(yaml.into()), ..self }
    }
}

crate::display_as_serialized!(NoteKind);
