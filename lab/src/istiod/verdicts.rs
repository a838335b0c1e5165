//! Where Istio's webhook and the checks here judge an object differently.

use std::fmt;

use mesh::{Fault, SourceFile};

use super::{Answer, Object};

/// An object that one side accepts and the other rejects, with both reasons.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Disagreement {
    /// Such as `ServiceEntry default/api`.
    pub object: String,
    /// Why it is rejected here; empty if it is accepted.
    pub here: Vec<String>,
    /// Why istiod rejects it; empty if it is accepted.
    pub istiod: Option<String>,
}

impl fmt::Display for Disagreement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let here = if self.here.is_empty() { "accepts it".to_owned() } else { self.here.join("\n          ") };
        let istiod = self.istiod.as_deref().unwrap_or("accepts it");
        write!(f, "{}\n  istiod: {istiod}\n  here:   {here}", self.object)
    }
}

/// The Istio objects whose verdicts differ.
pub fn disagreements(files: &[SourceFile], answer: &Answer) -> Vec<Disagreement> {
    let faults = mesh::load(files).faults;
    let of = |object: &Object| {
        let name = format!("{} {}", object.kind, object.name);
        let is_of = |fault: &&Fault| {
            fault.is_error()
                && fault.source.file == object.file
                && fault.source.document == object.document
                && fault.kind_and_name == name
        };
        let here: Vec<String> = faults.iter().filter(is_of).map(ToString::to_string).collect();
        (here.is_empty() != object.allowed).then(|| Disagreement {
            object: format!("{} {}/{}", object.kind, object.namespace, object.name),
            here,
            istiod: (!object.allowed).then(|| object.message.clone()),
        })
    };
    answer.objects.iter().filter_map(of).collect()
}
