//! What is wrong with manifests, and where.

use std::fmt;

use schemars::JsonSchema;
use serde::Serialize;

use crate::model::Source;

/// One thing that is wrong with a document.
///
/// Printed as `FILE:LINE:COLUMN: document N (KIND NAME): FIELD: message`, a warning as `...: warning: message`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Fault {
    /// In which document, and at which field of it.
    pub source: Source,
    /// Where in the file that is; the nearest field around it, where the field is missing. Nothing for what no document says.
    pub place: Option<Place>,
    /// Whether it stops everything.
    pub severity: Severity,
    /// Whether it says that objects are set aside which may change an answer.
    pub set_aside: bool,
    /// The document's kind and name, such as `Service server`; empty where neither could be read.
    pub kind_and_name: String,
    /// What is wrong, and how to mend it.
    pub message: String,
}

/// A place in a file, as editors count.
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

/// How bad a [`Fault`] is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// A cluster would refuse it, or it cannot be done here.
    Error,
    /// A cluster would take it, but it is hardly what was meant.
    Warning,
    /// It is left out, and decides nothing that is shown here.
    Note,
}

impl Fault {
    /// Whether it stops everything.
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
    /// A cluster would refuse this field of this document.
    pub(crate) fn error(&mut self, at: &impl At, field: impl Into<String>, message: impl Into<String>) {
        self.push(Severity::Error, at, field.into(), message.into());
    }

    /// A cluster would take this field of this document, but it is hardly what was meant.
    pub(crate) fn warn(&mut self, at: &impl At, field: impl Into<String>, message: impl Into<String>) {
        self.push(Severity::Warning, at, field.into(), message.into());
    }

    /// This field of this document decides nothing here.
    pub(crate) fn note(&mut self, at: &impl At, field: impl Into<String>, message: impl Into<String>) {
        self.push(Severity::Note, at, field.into(), message.into());
    }

    /// A cluster would take this document, and it may matter, but it is left out.
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

    /// All, in order of documents, each once.
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
