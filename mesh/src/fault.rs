//! What is wrong with manifests, and where.

use std::fmt;

use serde::Serialize;

use crate::model::Source;

/// One thing that is wrong with a document.
///
/// Printed as `FILE: document N (KIND NAME): FIELD: message`, a warning as `...: warning: message`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Fault {
    /// Where.
    pub source: Source,
    /// Whether it stops everything.
    pub severity: Severity,
    /// The document's kind and name, such as `Service server`; empty where neither could be read.
    pub kind_and_name: String,
    /// What is wrong, and how to mend it.
    pub message: String,
}

/// How bad a [`Fault`] is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// A cluster would refuse it, or it cannot be done here.
    Error,
    /// A cluster would take it, but it is hardly what was meant.
    Warning,
}

impl Fault {
    /// Whether it stops everything.
    pub fn is_error(&self) -> bool {
        self.severity == Severity::Error
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: ", self.source.file)?;
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
        if self.severity == Severity::Warning {
            f.write_str("warning: ")?;
        }
        f.write_str(&self.message)
    }
}

/// Collects faults while documents are read and resolved.
#[derive(Debug, Default)]
pub(crate) struct Faults(pub(crate) Vec<Fault>);

impl Faults {
    /// A cluster would refuse this field of this document.
    pub(crate) fn error(&mut self, at: &impl At, field: impl Into<String>, message: impl Into<String>) {
        self.push(Severity::Error, at, field.into(), message.into());
    }

    /// A cluster would take this field of this document, but it is hardly what was meant.
    pub(crate) fn warn(&mut self, at: &impl At, field: impl Into<String>, message: impl Into<String>) {
        self.push(Severity::Warning, at, field.into(), message.into());
    }

    fn push(&mut self, severity: Severity, at: &impl At, field: String, message: String) {
        let (source, kind_and_name) = at.place();
        self.0.push(Fault { source: source.at(field), severity, kind_and_name, message });
    }

    /// All, in order of place.
    pub(crate) fn sorted(mut self) -> Vec<Fault> {
        self.0.sort();
        self.0.dedup();
        self.0
    }
}

/// A document, as far as a fault has to name it.
pub(crate) trait At {
    /// Its source, and its kind and name.
    fn place(&self) -> (&Source, String);
}
