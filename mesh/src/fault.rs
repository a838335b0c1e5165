//! Faults in manifests, with their places.

use std::fmt;

use schemars::JsonSchema;
use serde::Serialize;

use crate::model::Source;

/// One fault in a document.
///
/// Printed as `FILE:LINE:COLUMN: document N (KIND NAME): FIELD: message`, a warning as `...: warning: message`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Fault {
    /// The document and the field.
    pub source: Source,
    /// The place in the file: of the field, or of the nearest enclosing field if it is missing. `None` for a fault outside documents.
    pub place: Option<Place>,
    /// An error stops everything.
    pub severity: Severity,
    /// Whether it reports skipped objects that may change an answer.
    pub set_aside: bool,
    /// The document's kind and name, such as `Service server`; empty if neither could be read.
    pub kind_and_name: String,
    /// What is wrong, and how to fix it.
    pub message: String,
}

/// A place in a file, counted as in editors.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, JsonSchema)]
pub struct Place {
    /// From 1.
    pub line: u32,
    /// From 1, in characters.
    pub column: u32,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.line, self.column)
    }
}

/// The severity of a [`Fault`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// A cluster would reject it, or it is not supported here.
    Error,
    /// A cluster would accept it, but it is probably a mistake.
    Warning,
    /// It is ignored, and does not affect any answer.
    Note,
}

impl Fault {
    /// Whether the manifests can't be used.
    pub fn is_error(&self) -> bool {
        self.severity == Severity::Error
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:", self.source.file)?;
        if let Some(place) = self.place {
            write!(f, "{place}:")?;
        }
        f.write_str(" ")?;
        if self.source.document > 0 {
            write!(f, "document {}", self.source.document)?;
            if !self.kind_and_name.is_empty() {
                write!(f, " ({})", self.kind_and_name)?;
            }
            f.write_str(": ")?;
        }
        if !self.source.field.is_empty() {
            write!(f, "{}: ", self.source.field)?;
        }
        match self.severity {
            Severity::Error => {}
            Severity::Warning => f.write_str("warning: ")?,
            Severity::Note => f.write_str("note: ")?,
        }
        f.write_str(&self.message)
    }
}

/// Collects faults while documents are read and resolved.
#[derive(Debug, Default)]
pub(crate) struct Faults(pub(crate) Vec<Fault>);

impl Faults {
    /// Adds an error: a cluster would reject this field of this document.
    pub(crate) fn error(&mut self, at: &impl At, field: impl Into<String>, message: impl Into<String>) {
        self.push(Severity::Error, at, field.into(), message.into());
    }

    /// Adds a warning: a cluster would accept this field, but it is probably a mistake.
    pub(crate) fn warn(&mut self, at: &impl At, field: impl Into<String>, message: impl Into<String>) {
        self.push(Severity::Warning, at, field.into(), message.into());
    }

    /// Adds a note: this field does not affect any answer.
    pub(crate) fn note(&mut self, at: &impl At, field: impl Into<String>, message: impl Into<String>) {
        self.push(Severity::Note, at, field.into(), message.into());
    }

    /// Adds a warning: this document may matter, but is skipped.
    pub(crate) fn set_aside(&mut self, at: &impl At, field: &str, message: String) {
        self.warn(at, field, message);
        self.0.iter_mut().rev().take(1).for_each(|fault| fault.set_aside = true);
    }

    fn push(&mut self, severity: Severity, at: &impl At, field: String, message: String) {
        let (source, kind_and_name) = at.place();
        self.0.push(Fault {
            source: source.at(field),
            place: None,
            severity,
            set_aside: false,
            kind_and_name,
            message,
        });
    }

    /// All faults in order of documents, without duplicates.
    pub(crate) fn sorted(mut self) -> Vec<Fault> {
        self.0.sort();
        self.0.dedup();
        self.0
    }
}

/// Something that a fault can refer to.
pub(crate) trait At {
    /// Its source, and its kind and name.
    fn place(&self) -> (&Source, String);
}
