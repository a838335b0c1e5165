//! Finds the place of a field in a file.

use std::collections::BTreeMap;

use super::{
    source_file::SourceFile,
    yaml::{self, Content, Node},
};
use crate::fault::{Fault, Place};

/// The documents of one file, in which to find fields. They are numbered from 1, as in [`crate::model::Source`].
#[derive(Clone, Debug)]
pub struct Places(Vec<Node>);

impl Places {
    /// Reads a file up to the first document that is not YAML.
    pub fn new(text: &str) -> Self {
        Self(yaml::documents(&yaml::protected(text)).map_while(|document| document.content.ok()).collect())
    }

    /// The place of a field of a document, or of the nearest enclosing field that is written; `None` if there is no such
    /// document.
    pub fn find(&self, document: usize, field: &str) -> Option<Place> {
        Some(place_in(self.document(document)?, field))
    }

    /// A document's kind and name, such as `Service server`, each empty if it has none.
    pub fn kind_and_name(&self, document: usize) -> Option<String> {
        let document = self.document(document)?;
        let kind = document.get("kind").and_then(Node::text).unwrap_or_default();
        let name = document.get("metadata").and_then(|metadata| metadata.get("name")).and_then(Node::text);
        Some(format!("{kind} {}", name.unwrap_or_default()))
    }

    fn document(&self, number: usize) -> Option<&Node> {
        self.0.get(number.checked_sub(1)?)
    }
}

/// Fills in the places of faults. Only files with faults are parsed again.
pub fn locate(files: &[SourceFile], faults: &mut [Fault]) {
    for file in files {
        let mut by_document: BTreeMap<usize, Vec<&mut Fault>> = BTreeMap::new();
        for fault in faults.iter_mut().filter(|f| f.place.is_none() && f.source.file == file.name) {
            by_document.entry(fault.source.document).or_default().push(fault);
        }
        let Some(last) = by_document.keys().next_back().copied() else { continue };
        for document in yaml::documents(&yaml::protected(&file.text)).take(last) {
            for fault in by_document.remove(&document.number).into_iter().flatten() {
                fault.place = Some(match &document.content {
                    Ok(node) => place_in(node, &fault.source.field),
                    Err(e) => e.place,
                });
            }
        }
    }
}

/// Follows a path such as `spec.ports[0].name` or `metadata.labels[sidecar.istio.io/inject]` as far as it exists. Keys
/// can contain dots: of several that match, the longest wins.
fn place_in(document: &Node, path: &str) -> Place {
    let (mut node, mut rest) = (document, path);
    while let Some((next, after)) = step(node, rest) {
        (node, rest) = (next, after);
    }
    node.place
}

fn step<'n, 'p>(node: &'n Node, path: &'p str) -> Option<(&'n Node, &'p str)> {
    let bracket = path.strip_prefix('[').and_then(|inside| inside.split_once(']'));
    match (&node.content, bracket) {
        (Content::Sequence(items), Some((index, rest))) => Some((items.get(index.parse::<usize>().ok()?)?, rest)),
        (Content::Mapping(_), Some((key, rest))) => Some((node.get(key)?, rest)),
        (Content::Mapping(entries), None) => {
            let path = path.strip_prefix('.').unwrap_or(path);
            let fits =
                |key: &str| path.strip_prefix(key).filter(|rest| rest.is_empty() || rest.starts_with(['.', '[']));
            let fitting = entries.iter().filter_map(|(key, node)| Some((key, node, fits(key)?)));
            fitting.max_by_key(|(key, ..)| key.len()).map(|(_, node, rest)| (node, rest))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests;
