//! Formats: text or JSON objects with `%COMMAND%`s.

use envoy_api::SubstitutionFormatString;
use http::HeaderName;
use serde_json::Value as Json;

use super::{
    Entry,
    command::{Command, Value},
};
use crate::config::Fault;

/// The format of a log entry.
#[derive(Debug)]
pub enum Format {
    /// Text with commands.
    Text(Template),
    /// A JSON object whose strings may contain commands.
    Json(JsonTemplate),
}

/// Text, split at its commands.
#[derive(Debug)]
pub struct Template(Vec<Piece>);

#[derive(Debug)]
enum Piece {
    Literal(String),
    Command(Command),
}

/// A JSON value, split in the same way.
#[derive(Debug)]
pub enum JsonTemplate {
    Constant(Json),
    /// Text with commands.
    Text(Template),
    Object(Vec<(String, JsonTemplate)>),
    Array(Vec<JsonTemplate>),
}

impl Format {
    /// Parses a format.
    ///
    /// # Errors
    /// If a command is unknown, or there isn't exactly one of text and JSON.
    pub fn new(configured: &SubstitutionFormatString) -> Result<Self, Fault> {
        match (&configured.text_format_source, &configured.json_format) {
            (Some(text), None) => Self::text(&text.inline_string),
            (None, Some(json)) => JsonTemplate::new(&Json::Object(json.clone())).map(Self::Json),
            _ => Err("expected one of text_format_source and json_format".into()),
        }
    }

    /// Parses a text format.
    ///
    /// # Errors
    /// If a command is unknown.
    pub fn text(format: &str) -> Result<Self, Fault> {
        Template::new(format).map(Self::Text)
    }

    /// Formats an entry. A text format includes its own line end; JSON gets one.
    pub fn line(&self, entry: &Entry<'_>) -> String {
        match self {
            Self::Text(template) => template.render(entry),
            Self::Json(template) => format!("{}\n", template.render(entry)),
        }
    }

    /// The response headers that it needs.
    pub(super) fn response_headers(&self) -> Vec<HeaderName> {
        let mut headers = Vec::new();
        match self {
            Self::Text(template) => template.response_headers(&mut headers),
            Self::Json(template) => template.response_headers(&mut headers),
        }
        headers
    }
}

impl Template {
    fn new(format: &str) -> Result<Self, Fault> {
        let mut pieces = Vec::new();
        let mut literal = String::new();
        let mut rest = format;
        while let Some((before, after)) = rest.split_once('%') {
            literal.push_str(before);
            if let Some(after) = after.strip_prefix('%') {
                literal.push('%');
                rest = after;
                continue;
            }
            let end = command_end(after).ok_or_else(|| Fault::Command {
                command: after.to_owned(),
                problem: "a command without an end".to_owned(),
            })?;
            if !literal.is_empty() {
                pieces.push(Piece::Literal(std::mem::take(&mut literal)));
            }
            pieces.push(Piece::Command(Command::parse(&after[..end])?));
            rest = &after[end + 1..];
        }
        literal.push_str(rest);
        if !literal.is_empty() {
            pieces.push(Piece::Literal(literal));
        }
        Ok(Self(pieces))
    }

    /// Renders the text, with `-` for missing values.
    fn render(&self, entry: &Entry<'_>) -> String {
        let mut text = String::with_capacity(256);
        for piece in &self.0 {
            match piece {
                Piece::Literal(literal) => text.push_str(literal),
                Piece::Command(command) => match command.value(entry) {
                    Value::Missing => text.push('-'),
                    Value::Text(value) => text.push_str(&value),
                    Value::Number(number) => text.push_str(&number.to_string()),
                },
            }
        }
        text
    }

    fn response_headers(&self, headers: &mut Vec<HeaderName>) {
        for piece in &self.0 {
            if let Piece::Command(command) = piece {
                headers.extend(command.response_headers().cloned());
            }
        }
    }
}

impl JsonTemplate {
    fn new(value: &Json) -> Result<Self, Fault> {
        Ok(match value {
            Json::String(text) => Self::Text(Template::new(text)?),
            Json::Array(elements) => Self::Array(elements.iter().map(Self::new).collect::<Result<_, _>>()?),
            Json::Object(members) => {
                let mut members: Vec<_> = members
                    .iter()
                    .map(|(name, value)| Ok((name.clone(), Self::new(value)?)))
                    .collect::<Result<_, Fault>>()?;
                members.sort_by(|(a, _), (b, _)| a.cmp(b)); // as in Envoy
                Self::Object(members)
            }
            Json::Null | Json::Bool(_) | Json::Number(_) => Self::Constant(value.clone()),
        })
    }

    /// Renders the value. A string with only a command keeps the type of its value, `null` if missing.
    fn render(&self, entry: &Entry<'_>) -> Json {
        match self {
            Self::Constant(value) => value.clone(),
            Self::Text(Template(pieces)) if let [Piece::Command(command)] = &pieces[..] => match command.value(entry) {
                Value::Missing => Json::Null,
                Value::Text(text) => text.into(),
                Value::Number(number) => number.into(),
            },
            Self::Text(template) => template.render(entry).into(),
            Self::Array(elements) => elements.iter().map(|element| element.render(entry)).collect(),
            Self::Object(members) => members
                .iter()
                .map(|(name, value)| (name.clone(), value.render(entry)))
                .collect::<serde_json::Map<_, _>>()
                .into(),
        }
    }

    fn response_headers(&self, headers: &mut Vec<HeaderName>) {
        match self {
            Self::Constant(_) => {}
            Self::Text(template) => template.response_headers(headers),
            Self::Array(elements) => elements.iter().for_each(|element| element.response_headers(headers)),
            Self::Object(members) => members.iter().for_each(|(_, value)| value.response_headers(headers)),
        }
    }
}

/// Position of the `%` that ends a command: after its parentheses, which may contain `%` (`START_TIME(%s)`).
fn command_end(text: &str) -> Option<usize> {
    let mut depth = 0_u32;
    text.char_indices().find_map(|(i, c)| {
        match c {
            '(' => depth += 1,
            ')' => depth = depth.saturating_sub(1),
            '%' if depth == 0 => return Some(i),
            _ => {}
        }
        None
    })
}

#[cfg(test)]
mod tests;
