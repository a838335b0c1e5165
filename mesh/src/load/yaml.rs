//! Parses YAML text into trees that know the place of each part.
//!
//! Scalars are read as in kubectl, by YAML 1.1 (`sigs.k8s.io/yaml`): `0400` is octal, `yes` is true.

mod colons;
mod items;
mod node;
mod scalar;
mod tree;

use granit_parser::{Event, Parser, ScanError, Span};

pub(crate) use self::{
    colons::protected,
    node::{Content, Node},
};
use self::{node::NotYaml, tree::Builder};
use crate::fault::Place;

/// One document of a file.
pub(crate) struct Document {
    /// Its number in the file, from 1. Documents without content do not count, as in kubectl; each item of a List
    /// does.
    pub(crate) number: usize,
    pub(crate) content: Result<Node, NotYaml>,
}

/// All documents of a [`protected`] text, up to the first that is not YAML: what follows it is undefined.
pub(crate) fn documents(text: &str) -> impl Iterator<Item = Document> {
    let mut streams = Streams::new(text);
    let mut pending = Vec::new().into_iter();
    let contents = std::iter::from_fn(move || {
        loop {
            if let Some(item) = pending.next() {
                return Some(Ok(item));
            }
            match streams.next()? {
                Ok(node) if node.is_null() => {}
                Ok(node) => pending = items::flatten(node).into_iter(),
                Err(e) => return Some(Err(e)),
            }
        }
    });
    contents.enumerate().map(|(i, content)| Document { number: i + 1, content })
}

/// The documents of a file: YAML, or JSON objects one after the other; `kubectl` accepts both.
struct Streams<'t> {
    text: &'t str,
    /// The offsets of the streams still to be read, the next one last.
    begins: Vec<usize>,
    parser: Parser<'t, granit_parser::StrInput<'t>>,
    /// The offset of the current stream, and what to add to places in it.
    begin: usize,
    lines: u32,
    columns: u32,
    is_over: bool,
}

impl<'t> Streams<'t> {
    fn new(text: &'t str) -> Self {
        let mut streams = Self {
            text,
            begins: json_begins(text),
            parser: parser(""),
            begin: 0,
            lines: 0,
            columns: 0,
            is_over: false,
        };
        if streams.begins.is_empty() {
            streams.parser = parser(text);
        } else {
            streams.begins.reverse();
            streams.begin_next();
        }
        streams
    }

    /// Starts the next stream, if there is one.
    fn begin_next(&mut self) -> bool {
        let Some(begin) = self.begins.pop() else { return false };
        let before = &self.text[..begin];
        let end = self.begins.last().copied().unwrap_or(self.text.len());
        let line = before.rfind('\n').map_or(0, |at| at + 1);
        self.lines += before[self.begin..].bytes().filter(|byte| *byte == b'\n').count() as u32;
        self.begin = begin;
        self.columns = before[line..].chars().count() as u32;
        self.parser = parser(&self.text[begin..end]);
        true
    }

    fn place(&self, span: Span) -> Place {
        let (line, column) = (span.start.line() as u32, span.start.col() as u32 + 1);
        Place { line: line + self.lines, column: if line == 1 { column + self.columns } else { column } }
    }
}

impl Iterator for Streams<'_> {
    type Item = Result<Node, NotYaml>;

    fn next(&mut self) -> Option<Self::Item> {
        let mut builder = Builder::default();
        while !self.is_over {
            let event = match self.parser.next_event() {
                Some(Ok((Event::StreamEnd, _))) | None => {
                    self.is_over = !self.begin_next();
                    continue;
                }
                Some(Ok(event)) => event,
                Some(Err(e)) => {
                    self.is_over = true;
                    return Some(Err(self.not_yaml(&e)));
                }
            };
            match builder.take(event.0, self.place(event.1)) {
                Ok(None) => {}
                Ok(Some(document)) => return Some(Ok(document)),
                Err(e) => {
                    self.is_over = true;
                    return Some(Err(e));
                }
            }
        }
        None
    }
}

impl Streams<'_> {
    fn not_yaml(&self, error: &ScanError) -> NotYaml {
        let place = self.place(Span::empty(*error.marker()));
        NotYaml { place, reason: format!("not YAML: {}", error.info()) }
    }
}

fn parser(text: &str) -> Parser<'_, granit_parser::StrInput<'_>> {
    Parser::new_from_str_with_options(text, granit_parser::options! { emit_comments: false })
}

/// Where each JSON object of a stream begins; none if the text is anything else.
fn json_begins(text: &str) -> Vec<usize> {
    let begin = text.len() - text.trim_start().len();
    if !text[begin..].starts_with('{') {
        return Vec::new();
    }
    let mut stream = serde_json::Deserializer::from_str(text).into_iter::<serde::de::IgnoredAny>();
    let mut begins = Vec::new();
    loop {
        let at = stream.byte_offset();
        let at = at + (text[at..].len() - text[at..].trim_start().len());
        match stream.next() {
            Some(Ok(_)) => begins.push(at),
            Some(Err(_)) => return Vec::new(),
            None => return begins,
        }
    }
}

#[cfg(test)]
mod tests;
