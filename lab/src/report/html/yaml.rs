//! A scenario's manifests with numbered lines, and where in them a field stands.

use std::collections::BTreeSet;

use maud::{Markup, html};
use mesh::Places;

use super::slug;

#[cfg(test)]
mod tests;

/// A `manifests.yaml`.
pub(super) struct Manifests<'a> {
    scenario: &'a str,
    lines: Vec<&'a str>,
    places: Places,
}

/// Where something stands.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Place {
    /// Its line, from 1.
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

    /// Where a source stands that a step names: `FILE#2 spec.mtls.mode`. Nothing for what is not in these manifests.
    pub(super) fn place(&self, source: &str) -> Option<Place> {
        let (file, rest) = source.rsplit_once('#')?;
        let (number, field) = rest.split_once(' ').unwrap_or((rest, ""));
        let number = number.parse().ok()?;
        if !file.ends_with("manifests.yaml") {
            return None;
        }
        let line = self.places.of(number, field)?.line as usize;
        let document = self.places.kind_and_name(number)?;
        Some(Place { line, anchor: self.anchor(line - 1), document, field: field.into() })
    }

    /// The text, line by line; what decided something is marked.
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
