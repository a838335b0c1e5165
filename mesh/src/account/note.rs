//! What there is to know beside an answer.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Something to know beside an answer.
#[derive(Clone, Debug, PartialEq, Eq, JsonSchema, Serialize, Deserialize)]
pub struct Note {
    /// What kind of thing it is.
    pub kind: NoteKind,
    /// In words.
    pub text: String,
    /// The document that it is about, such as `mesh.yaml#2`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<String>,
    /// What to apply: one or more objects.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub yaml: Option<String>,
}

/// What kind of thing a note says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, JsonSchema, Serialize, Deserialize)]
pub enum NoteKind {
    /// What no manifest says, and the answer is built on.
    #[serde(rename = "assumed")]
    Assumed,
    /// An object that touches the call and is not modelled: it may change the answer.
    #[serde(rename = "not modelled")]
    NotModelled,
    /// A policy that was looked at and not used, and why.
    #[serde(rename = "not used")]
    NotUsed,
    /// What would have the call delivered.
    #[serde(rename = "fix")]
    Fix,
}

impl Note {
    /// A note without a document.
    pub fn new(kind: NoteKind, text: impl Into<String>) -> Self {
        Self { kind, text: text.into(), source: None, yaml: None }
    }

    /// The same, about a document.
    #[must_use]
    pub fn about(self, source: impl ToString) -> Self {
        Self { source: Some(source.to_string()), ..self }
    }

    /// The same, with objects to apply.
    #[must_use]
    pub fn applying(self, yaml: impl Into<String>) -> Self {
        Self { yaml: Some(yaml.into()), ..self }
    }
}

crate::display_as_serialized!(NoteKind);
