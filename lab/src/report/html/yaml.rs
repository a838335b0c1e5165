//! A scenario's manifests with numbered lines, and the lines of their fields.

use std::{collections::BTreeSet, path::Path};

use maud::{Markup, html};
use mesh::{Places, model::Source};

use super::slug;

#[cfg(test)]
mod tests;

/// A `manifests.yaml`.
pub(super) struct Manifests<'a> {
    scenario: &'a str,
    lines: Vec<&'a str>,
    places: Places,
}

/// The place of a field on the page.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Place {
    /// From 1.
    pub(super) line: usize,
    /// The line's anchor on the page.
    pub(super) anchor: String,
    /// The document, such as `PeerAuthentication default`.
    pub(super) document: String,
    /// The field; empty for the whole document.
    pub(super) field: String,
}

impl<'a> Manifests<'a> {
    pub(super) fn new(scenario: &'a str, text: &'a str) -> Self {
        Self { scenario, lines: text.lines().collect(), places: Places::new(text) }
    }

    /// The place of a step's source; `None` if it is not in these manifests.
    pub(super) fn place(&self, source: &Source) -> Option<Place> {
        let Source { file, document, field } = source;
        if Path::new(file).file_name()? != "manifests.yaml" {
            return None;
        }
        let line = self.places.find(*document, field)?.line as usize;
        let document = self.places.kind_and_name(*document)?;
        Some(Place { line, anchor: self.anchor(line - 1), document, field: field.clone() })
    }

    /// The text, line by line, with the `decisive` lines marked.
    pub(super) fn render(&self, decisive: &BTreeSet<usize>) -> Markup {
        html! {
            pre .yaml {
                @for (i, line) in self.lines.iter().enumerate() {
                    @let marked = decisive.contains(&(i + 1));
                    span .y.decides[marked] id=[marked.then(|| self.anchor(i))] { (line) "\n" }
                }
            }
        }
    }

    fn anchor(&self, index: usize) -> String {
        format!("{}-line-{}", slug(self.scenario), index + 1)
    }
}
