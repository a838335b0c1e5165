//! Builds trees from a parser's events, resolving aliases and merge keys.

use std::collections::{HashMap, HashSet};

use granit_parser::{Event, ScalarStyle, Tag};
use serde_json::Value;

use super::{
    colons,
    node::{Content, Node, NotYaml},
    scalar,
};
use crate::fault::Place;

#[derive(Default)]
pub(super) struct Builder {
    /// The incomplete collections, the innermost last.
    open: Vec<Open>,
    /// Complete nodes with an anchor, and the size of each.
    anchors: HashMap<usize, (Node, usize)>,
    /// The number of nodes so far, and how many of them came from aliases.
    nodes: usize,
    expanded: usize,
    root: Option<Node>,
}

struct Open {
    place: Place,
    anchor: usize,
    /// The number of nodes before it.
    before: usize,
    content: Unfinished,
}

enum Unfinished {
    Sequence(Vec<Node>),
    /// `key` waits for its value to be complete.
    Mapping {
        entries: Vec<(String, Node)>,
        merged: Vec<Node>,
        key: Option<Key>,
    },
}

struct Key {
    text: String,
    place: Place,
    /// `<<`, which merges the entries of another mapping.
    merges: bool,
}

impl Builder {
    /// Processes an event; returns the document after its last one.
    pub(super) fn take(&mut self, event: Event<'_>, place: Place) -> Result<Option<Node>, NotYaml> {
        match event {
            Event::Scalar(text, style, anchor, tag) => {
                self.nodes += 1;
                let text = colons::restored(text);
                let merges = style == ScalarStyle::Plain && text == "<<";
                let value = value(&text, style, tag.as_deref()).map_err(|reason| NotYaml { place, reason })?;
                if let Some(key) = self.key_wanted() {
                    *key = Some(Key { text: key_text(value), place, merges });
                    return Ok(None);
                }
                self.complete(Node { place, content: Content::Scalar(value) }, anchor, 1)?;
            }
            Event::SequenceStart(_, anchor, _) => self.begin(place, anchor, Unfinished::Sequence(Vec::new()))?,
            Event::MappingStart(_, anchor, _) => {
                self.begin(place, anchor, Unfinished::Mapping { entries: Vec::new(), merged: Vec::new(), key: None })?;
            }
            Event::SequenceEnd | Event::MappingEnd => {
                if let Some(open) = self.open.pop() {
                    let size = self.nodes - open.before;
                    let content = match open.content {
                        Unfinished::Sequence(items) => Content::Sequence(items),
                        Unfinished::Mapping { entries, merged, .. } => Content::Mapping(merge(entries, merged)?),
                    };
                    self.complete(Node { place: open.place, content }, open.anchor, size)?;
                }
            }
            Event::Alias(anchor) => self.alias(anchor, place)?,
            Event::DocumentEnd => return Ok(self.root.take()),
            _ => {}
        }
        Ok(None)
    }

    /// The key slot of the innermost mapping, if it expects a key.
    fn key_wanted(&mut self) -> Option<&mut Option<Key>> {
        match &mut self.open.last_mut()?.content {
            Unfinished::Mapping { key, .. } if key.is_none() => Some(key),
            _ => None,
        }
    }

    fn begin(&mut self, place: Place, anchor: usize, content: Unfinished) -> Result<(), NotYaml> {
        if self.key_wanted().is_some() {
            return refused(place, "a key must be a string, not a list or a mapping");
        }
        self.open.push(Open { place, anchor, before: self.nodes, content });
        self.nodes += 1;
        Ok(())
    }

    /// Adds a complete node to its parent.
    fn complete(&mut self, mut node: Node, anchor: usize, size: usize) -> Result<(), NotYaml> {
        if anchor != 0 {
            self.anchors.insert(anchor, (node.clone(), size));
        }
        match self.open.last_mut().map(|open| &mut open.content) {
            None => self.root = Some(node),
            Some(Unfinished::Sequence(items)) => items.push(node),
            Some(Unfinished::Mapping { entries, merged, key }) => {
                let Some(key) = key.take() else { return refused(node.place, "a key must be a string") };
                node.place = key.place;
                match (key.merges, node.content) {
                    (false, content) => entries.push((key.text, Node { content, ..node })),
                    (true, content @ Content::Mapping(_)) => merged.push(Node { content, ..node }),
                    (true, Content::Sequence(items)) => merged.extend(items),
                    (true, Content::Scalar(_)) => return refused(node.place, MERGES),
                }
            }
        }
        Ok(())
    }

    /// Inserts a copy of an anchored node, unless aliases expand the document excessively (by go-yaml's rule:
    /// `allowedAliasRatio` in `decode.go`).
    fn alias(&mut self, anchor: usize, place: Place) -> Result<(), NotYaml> {
        let Some((node, size)) = self.anchors.get(&anchor) else {
            return refused(place, "an alias is inside the node that it refers to");
        };
        let size = *size;
        self.expanded += size;
        self.nodes += size;
        let ratio = match self.nodes {
            ..=400_000 => 0.99,
            4_000_000.. => 0.10,
            nodes => 0.99 - 0.89 * ((nodes - 400_000) as f64 / 3_600_000.0),
        };
        if self.expanded > 100 && self.nodes > 1000 && self.expanded as f64 > ratio * self.nodes as f64 {
            return refused(place, "aliases expand the document to many times its size");
        }
        let node = Node { place, ..node.clone() };
        if let Some(key) = self.key_wanted() {
            let Content::Scalar(value) = node.content else { return refused(place, "a key must be a string") };
            *key = Some(Key { text: key_text(value), place, merges: false });
            return Ok(());
        }
        self.complete(node, 0, size)
    }
}

const MERGES: &str = "<< needs a mapping, or a list of mappings";

fn refused<T>(place: Place, reason: &str) -> Result<T, NotYaml> {
    Err(NotYaml { place, reason: reason.to_owned() })
}

fn value(text: &str, style: ScalarStyle, tag: Option<&Tag>) -> Result<Value, String> {
    let is_plain = style == ScalarStyle::Plain;
    match tag.and_then(Tag::core_suffix) {
        Some(tag) => scalar::tagged(text, tag, is_plain).ok_or_else(|| format!("{text:?} is not of type {tag}")),
        None if is_plain && tag.is_none() => Ok(scalar::plain(text)),
        None => Ok(Value::String(text.to_owned())),
    }
}

/// Keys that are not strings are converted, as in JSON.
fn key_text(value: Value) -> String {
    match value {
        Value::String(text) => text,
        other => other.to_string(),
    }
}

/// Merges mappings into another: its own entries win, then those of the first.
fn merge(mut entries: Vec<(String, Node)>, merged: Vec<Node>) -> Result<Vec<(String, Node)>, NotYaml> {
    {
        let mut seen = HashSet::with_capacity(entries.len());
        if let Some((key, node)) = entries.iter().find(|(key, _)| !seen.insert(key.as_str())) {
            return refused(node.place, &format!("duplicate key {key:?} in one mapping; keep one"));
        }
    }
    for node in merged {
        let Content::Mapping(taken_in) = node.content else {
            return refused(node.place, MERGES);
        };
        for (key, node) in taken_in {
            if entries.iter().all(|(own, _)| *own != key) {
                entries.push((key, node));
            }
        }
    }
    Ok(entries)
}
