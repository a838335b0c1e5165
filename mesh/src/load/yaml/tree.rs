//! A parser's events into trees, with aliases and merge keys resolved.

use std::collections::{HashMap, HashSet};

use granit_parser::{Event, ScalarStyle, Tag};
use serde_json::Value;

use super::{
    node::{Content, Node, NotYaml},
    scalar,
};
use crate::fault::Place;

/// Builds one document.
#[derive(Default)]
pub(super) struct Builder {
    /// The collections that are not complete yet, the innermost last.
    open: Vec<Open>,
    /// Complete nodes with an anchor, and how many nodes each has.
    anchors: HashMap<usize, (Node, usize)>,
    /// How many nodes there are, and how many of them aliases brought.
    nodes: usize,
    expanded: usize,
    root: Option<Node>,
}

struct Open {
    place: Place,
    anchor: usize,
    /// How many nodes there were before it.
    before: usize,
    content: Unfinished,
}

enum Unfinished {
    Sequence(Vec<Node>),
    /// The key stands without its value until that is complete.
    Mapping {
        entries: Vec<(String, Node)>,
        merged: Vec<Node>,
        key: Option<Key>,
    },
}

struct Key {
    text: String,
    place: Place,
    /// `<<`, which takes the entries of another mapping in.
    merges: bool,
}

impl Builder {
    /// Takes an event; gives the document with its last one.
    pub(super) fn take(&mut self, event: Event<'_>, place: Place) -> Result<Option<Node>, NotYaml> {
        match event {
            Event::Scalar(text, style, anchor, tag) => {
                self.nodes += 1;
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

    /// The key of the innermost mapping, if that waits for one.
    fn key_wanted(&mut self) -> Option<&mut Option<Key>> {
        match &mut self.open.last_mut()?.content {
            Unfinished::Mapping { key, .. } if key.is_none() => Some(key),
            _ => None,
        }
    }

    fn begin(&mut self, place: Place, anchor: usize, content: Unfinished) -> Result<(), NotYaml> {
        if self.key_wanted().is_some() {
            return refused(place, "a key must be a text, not a list or a mapping");
        }
        self.open.push(Open { place, anchor, before: self.nodes, content });
        self.nodes += 1;
        Ok(())
    }

    /// Puts a complete node where it belongs.
    fn complete(&mut self, mut node: Node, anchor: usize, size: usize) -> Result<(), NotYaml> {
        if anchor != 0 {
            self.anchors.insert(anchor, (node.clone(), size));
        }
        match self.open.last_mut().map(|open| &mut open.content) {
            None => self.root = Some(node),
            Some(Unfinished::Sequence(items)) => items.push(node),
            Some(Unfinished::Mapping { entries, merged, key }) => {
                let Some(key) = key.take() else { return refused(node.place, "a key must be a text") };
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

    /// Puts a copy of an anchored node in place, unless aliases grow the document out of all measure (as go-yaml decides it:
    /// `allowedAliasRatio` in `decode.go`).
    fn alias(&mut self, anchor: usize, place: Place) -> Result<(), NotYaml> {
        let Some((node, size)) = self.anchors.get(&anchor) else {
            return refused(place, "an alias stands inside what it names");
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
            return refused(place, "the document's aliases make it many times larger than it is written");
        }
        let node = Node { place, ..node.clone() };
        if let Some(key) = self.key_wanted() {
            let Content::Scalar(value) = node.content else { return refused(place, "a key must be a text") };
            *key = Some(Key { text: key_text(value), place, merges: false });
            return Ok(());
        }
        self.complete(node, 0, size)
    }
}

const MERGES: &str = "<< takes in a mapping, or a list of mappings";

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

/// Keys that are no texts become some, as in JSON.
fn key_text(value: Value) -> String {
    match value {
        Value::String(text) => text,
        other => other.to_string(),
    }
}

/// A mapping with what its merge keys take in: its own entries win, then those of the first.
fn merge(mut entries: Vec<(String, Node)>, merged: Vec<Node>) -> Result<Vec<(String, Node)>, NotYaml> {
    {
        let mut seen = HashSet::with_capacity(entries.len());
        if let Some((key, node)) = entries.iter().find(|(key, _)| !seen.insert(key.as_str())) {
            return refused(node.place, &format!("key {key:?} is there twice in one mapping; keep one"));
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
