//! Reads manifests: YAML text into documents of known kinds, with every fault that a document shows on its own.

mod place;
mod source_file;
mod yaml;

use std::collections::{HashMap, HashSet};

use serde::{Deserialize, Serialize};
use serde_json::Value;

pub use self::{
    place::{Places, locate},
    source_file::SourceFile,
};
pub use crate::manifests::nearest;
pub(crate) use crate::manifests::{is_dns_label, is_dns_subdomain, is_istio_label, label_fault};
use crate::{
    fault::{Fault, Faults},
    manifests::{KINDS, Manifests, Named, Scope, SetAside, others},
    model::Source,
    validate,
};

/// The contents of manifest files.
#[derive(Debug)]
pub struct Loaded {
    /// The documents that could be read.
    pub manifests: Manifests,
    /// Their faults, in order of place. With an error among them the manifests should not be used.
    pub faults: Vec<Fault>,
    /// Whether every document could be read, even with faults: only then is the absence of an object meaningful.
    pub complete: bool,
}

impl Loaded {
    /// Whether any fault is an error.
    pub fn has_errors(&self) -> bool {
        self.faults.iter().any(Fault::is_error)
    }
}

/// Reads manifest files as `kubectl apply` would, and checks each document as the API server and Istio's webhook would.
///
/// Unknown and ill-typed fields are faults. Objects of kinds that do not matter here are skipped and counted; those that may matter are
/// reported as warnings. Nothing is skipped silently.
pub fn load(files: &[SourceFile]) -> Loaded {
    let mut reader = Reader::default();
    for file in files {
        for document in yaml::documents(&yaml::protected(&file.text)) {
            let source = Source { file: file.name.clone(), document: document.number, field: String::new() };
            match document.content {
                Ok(node) => reader.read(node.into_value(), source),
                Err(e) => {
                    reader.unread += 1;
                    reader.faults.error(&unnamed(source), "", e.reason);
                }
            }
        }
    }
    if reader.order + reader.unread == 0 {
        reader.faults.error(&unnamed(nothing(files)), "", "contains no document");
    }
    let mut loaded = reader.finish();
    locate(files, &mut loaded.faults);
    loaded
}

/// [`load`] for objects that were read before. Their faults have no place in a file yet.
pub fn load_objects<'o>(objects: impl IntoIterator<Item = &'o Applied>) -> Loaded {
    let mut reader = Reader::default();
    for Applied { file, document, object } in objects {
        reader.read(object.clone(), Source { file: file.clone(), document: *document, field: String::new() });
    }
    reader.finish()
}

/// One document, as it was read from a file.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Applied {
    /// The file's name, as given.
    pub file: String,
    /// Its number in the file, from 1.
    pub document: usize,
    pub object: Value,
}

/// The documents of files, unchecked; items of lists are separate documents.
///
/// # Errors
/// The documents that are not YAML.
pub(crate) fn values(files: &[SourceFile]) -> Result<Vec<Value>, Vec<Fault>> {
    Ok(documents(files)?.into_iter().map(|applied| applied.object).collect())
}

/// The documents of files with their places, unchecked; items of lists are separate documents.
///
/// # Errors
/// The documents that are not YAML.
pub(crate) fn documents(files: &[SourceFile]) -> Result<Vec<Applied>, Vec<Fault>> {
    let mut faults = Faults::default();
    let mut documents = Vec::new();
    for file in files {
        for document in yaml::documents(&yaml::protected(&file.text)) {
            match document.content {
                Ok(node) => documents.push(Applied {
                    file: file.name.clone(),
                    document: document.number,
                    object: node.into_value(),
                }),
                Err(e) => {
                    let source = Source { file: file.name.clone(), document: document.number, field: String::new() };
                    faults.error(&unnamed(source), "", e.reason);
                }
            }
        }
    }
    let faults = faults.sorted();
    if faults.is_empty() { Ok(documents) } else { Err(faults) }
}

/// The place where documents were expected.
fn nothing(files: &[SourceFile]) -> Source {
    let file = files.first().map_or_else(|| "<no file>".to_owned(), |file| file.name.clone());
    Source { file, document: 0, field: String::new() }
}

#[derive(Default)]
struct Reader {
    manifests: Manifests,
    faults: Faults,
    /// The number of documents so far.
    order: usize,
    /// The number of documents that were not YAML.
    unread: usize,
    /// The place of each object, to detect duplicates.
    seen: HashMap<String, Source>,
    /// Objects that a later document replaces.
    replaced: HashSet<Source>,
}

impl Reader {
    /// Validates everything that was read.
    fn finish(self) -> Loaded {
        let Self { mut manifests, mut faults, order, unread, replaced, .. } = self;
        let complete = unread == 0 && manifests.heads().count() + manifests.set_aside.len() == order;
        if !replaced.is_empty() {
            manifests.retain(|head| !replaced.contains(&head.source));
        }
        others::warn(&manifests, &mut faults);
        validate::validate(&manifests, &mut faults);
        Loaded { manifests, faults: faults.sorted(), complete }
    }

    fn read(&mut self, value: Value, source: Source) {
        self.order += 1;
        let Value::Object(fields) = &value else {
            return self.faults.error(
                &unnamed(source),
                "",
                "not a Kubernetes object; expected a mapping with apiVersion, kind and metadata",
            );
        };
        let text = |key: &str| fields.get(key).and_then(Value::as_str).map(str::to_owned);
        let Some(api_version) = text("apiVersion") else {
            let message = "is missing; say which API the object is of, such as v1";
            return self.faults.error(&unnamed(source), "apiVersion", message);
        };
        let Some(kind) = text("kind") else {
            let message = "is missing; say which kind of object it is, such as Service";
            return self.faults.error(&unnamed(source), "kind", message);
        };
        let known = KINDS.iter().find(|known| known.name == kind && known.versions.contains(&api_version.as_str()));
        let Some(known) = known else { return self.set_aside(&api_version, kind, &value, source) };
        if known.scope == Scope::Cluster && value.pointer("/metadata/namespace").is_some() {
            let at = Named(source.clone(), kind.clone());
            self.faults.error(&at, "metadata.namespace", format!("a {kind} is in no namespace; remove the field"));
        }
        let Some(head) = known.head(&value, source, self.order, &mut self.faults) else { return };
        if let Some(earlier) = self.seen.insert(head.full_name(), head.source.clone()) {
            let message = format!("replaces {} at {earlier}, as a later apply does", head.full_name());
            self.faults.warn(&head, "metadata.name", message);
            self.replaced.insert(earlier);
        }
        validate::validate_fields(&head, &value, &mut self.faults);
        (known.keep)(&mut self.manifests, head, value, &mut self.faults);
    }

    /// Records an object of a kind that is not read.
    fn set_aside(&mut self, api_version: &str, kind: String, value: &Value, source: Source) {
        let name = value.pointer("/metadata/name").and_then(Value::as_str).unwrap_or_default().to_owned();
        let namespace = value.pointer("/metadata/namespace").and_then(Value::as_str).unwrap_or_default().to_owned();
        match others::may_change(api_version, &kind) {
            Ok(may_change) => {
                validate::set_aside::validate(api_version, &kind, value, &source, &mut self.faults);
                let spec = may_change.and_then(|_| value.get("spec").cloned()).unwrap_or_default();
                let may_change = may_change.map(|what| others::narrowed(what, &spec));
                self.manifests.set_aside.push(SetAside { source, kind, name, namespace, spec, may_change });
            }
            Err(message) => self.faults.error(&Named(source, format!("{kind} {name}")), "kind", message),
        }
    }
}

/// A document without a kind and a name.
fn unnamed(source: Source) -> Named {
    Named(source, String::new())
}

#[cfg(test)]
mod tests;
