//! A scenario's manifests with numbered lines, and where in them a field stands.

use std::{collections::BTreeSet, ops::Range};

use maud::{Markup, html};

use super::slug;

#[cfg(test)]
mod tests;

/// A `manifests.yaml`.
pub(super) struct Manifests<'a> {
    scenario: &'a str,
    lines: Vec<&'a str>,
    /// The lines of each document that has content, counted as the loader counts them.
    documents: Vec<Range<usize>>,
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
        let lines: Vec<&str> = text.lines().collect();
        let mut documents = Vec::new();
        let mut begin = 0;
        for end in (0..=lines.len()).filter(|i| lines.get(*i).is_none_or(|line| is_separator(line))) {
            if lines[begin..end].iter().any(|line| is_content(line)) {
                documents.push(begin..end);
            }
            begin = (end + 1).min(lines.len());
        }
        Self { scenario, lines, documents }
    }

    /// Where a source stands that a step names: `FILE#2 spec.mtls.mode`. Nothing for what is not in these manifests.
    pub(super) fn place(&self, source: &str) -> Option<Place> {
        let (file, rest) = source.rsplit_once('#')?;
        let (number, field) = rest.split_once(' ').unwrap_or((rest, ""));
        let document = self.documents.get(number.parse::<usize>().ok()?.checked_sub(1)?)?;
        if !file.ends_with("manifests.yaml") {
            return None;
        }
        let index = self.find(document.clone(), field);
        let value = |path: &str| {
            let (_, value) = self.lines[self.find_exactly(document.clone(), path)?].split_once(':')?;
            let value = value.split_once(" #").map_or(value, |(value, _)| value);
            Some(value.trim().trim_matches(['"', '\'']))
        };
        let kind = value("kind").unwrap_or_default();
        let name = value("metadata.name").unwrap_or_default();
        Some(Place {
            line: index + 1,
            anchor: self.anchor(index),
            document: format!("{kind} {name}"),
            field: field.into(),
        })
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

    /// The line of a field, or of the nearest field around it that is found; for a whole document that of its kind.
    fn find(&self, document: Range<usize>, field: &str) -> usize {
        let steps = path(field);
        let found = (1..=steps.len()).rev().find_map(|depth| self.walk(document.clone(), &steps[..depth]));
        found.or_else(|| self.find_exactly(document.clone(), "kind")).unwrap_or(document.start)
    }

    fn find_exactly(&self, document: Range<usize>, field: &str) -> Option<usize> {
        self.walk(document, &path(field))
    }

    /// Follows a path through YAML in block style. It is a reader's eye, not a parser: what is written in another way
    /// ends the walk.
    fn walk(&self, document: Range<usize>, steps: &[Key<'_>]) -> Option<usize> {
        let mut found = None;
        let mut region = document;
        // The line whose `- ` has been stepped over: what follows on it is the item's first key.
        let mut opened = None;
        for step in steps {
            let entry_at = |i: usize| entry(self.lines[i], opened == Some(i));
            let content: Vec<usize> = region.clone().filter(|i| is_content(self.lines[*i])).collect();
            let column = content.iter().map(|i| entry_at(*i).0).min()?;
            let mut siblings = content.iter().copied().filter(|i| {
                let (at, text) = entry_at(*i);
                at == column && step.begins(text)
            });
            let line = match step {
                Key::Index(number) => siblings.nth(*number)?,
                Key::Name(_) => siblings.next()?,
            };
            let is_item = matches!(step, Key::Index(_));
            let end = content.iter().copied().filter(|i| *i > line).find(|i| {
                let (at, text) = entry_at(*i);
                // A list may stand at the column of its key.
                at < column || (at == column && (is_item || !text.starts_with("- ")))
            });
            let end = end.unwrap_or(region.end);
            opened = is_item.then_some(line);
            region = if is_item { line..end } else { line + 1..end };
            found = Some(line);
        }
        found
    }
}

/// A step of a field's path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Key<'a> {
    Name(&'a str),
    Index(usize),
}

impl Key<'_> {
    fn begins(self, text: &str) -> bool {
        match self {
            Self::Index(_) => text.starts_with("- "),
            Self::Name(name) => {
                let text = text.trim_start_matches(['"', '\'']);
                let rest = text.strip_prefix(name).map(|rest| rest.trim_start_matches(['"', '\'']));
                rest.is_some_and(|rest| rest.starts_with(':'))
            }
        }
    }
}

/// `metadata.labels[sidecar.istio.io/inject]`, `spec.ports[0].name`: names, keys in brackets, and indices in brackets.
fn path(field: &str) -> Vec<Key<'_>> {
    let mut keys = Vec::new();
    let mut rest = field;
    while !rest.is_empty() {
        let (key, after) = match rest.strip_prefix('[') {
            Some(bracket) => bracket.split_once(']').unwrap_or((bracket, "")),
            None => rest.split_at(rest.find(['.', '[']).unwrap_or(rest.len())),
        };
        let index = rest.starts_with('[').then(|| key.parse().ok()).flatten();
        keys.push(index.map_or(Key::Name(key), Key::Index));
        rest = after.strip_prefix('.').unwrap_or(after);
    }
    keys
}

/// A line's column and text. `opened` says that the `- ` which begins it has been stepped into.
fn entry(line: &str, opened: bool) -> (usize, &str) {
    let text = line.trim_start();
    let column = line.len() - text.len();
    match text.strip_prefix("- ").filter(|_| opened) {
        Some(inside) => (column + 2, inside),
        None => (column, text),
    }
}

fn is_separator(line: &str) -> bool {
    line == "---" || line.starts_with("--- ")
}

fn is_content(line: &str) -> bool {
    let text = line.trim();
    !text.is_empty() && !text.starts_with('#')
}
