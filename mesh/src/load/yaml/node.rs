//! A document as a tree that knows where each of its parts is.

use serde_json::{Map, Value};

use crate::fault::Place;

/// A part of a document.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Node {
    /// Where it begins; for a value in a mapping, where its key begins.
    pub(crate) place: Place,
    pub(crate) content: Content,
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Content {
    /// Never an array or an object.
    Scalar(Value),
    Sequence(Vec<Node>),
    /// In order, without duplicate keys.
    Mapping(Vec<(String, Node)>),
}

/// Mappings from string to string: in these Kubernetes reads a null as an empty string, elsewhere as an absent field.
const TEXTS: [&str; 7] = ["annotations", "binaryData", "data", "labels", "matchLabels", "nodeSelector", "stringData"];

/// Amounts by resource, which can be numbers or strings.
const AMOUNTS: [&str; 2] = ["limits", "requests"];

impl Node {
    pub(crate) fn get(&self, key: &str) -> Option<&Self> {
        let Content::Mapping(entries) = &self.content else { return None };
        entries.iter().find(|(name, _)| name == key).map(|(_, node)| node)
    }

    pub(crate) fn text(&self) -> Option<&str> {
        match &self.content {
            Content::Scalar(Value::String(text)) => Some(text),
            _ => None,
        }
    }

    pub(crate) fn is_null(&self) -> bool {
        self.content == Content::Scalar(Value::Null)
    }

    /// As JSON; nulls are left out, as the API server does.
    pub(crate) fn into_value(self) -> Value {
        match self.content {
            Content::Scalar(value) => value,
            Content::Sequence(items) => items.into_iter().map(Self::into_value).collect(),
            Content::Mapping(entries) => {
                let fields = entries.into_iter().filter(|(_, node)| !node.is_null());
                Value::Object(fields.map(|(key, node)| node.into_field(key)).collect())
            }
        }
    }

    fn into_field(self, key: String) -> (String, Value) {
        match self.content {
            Content::Mapping(entries) if TEXTS.contains(&key.as_str()) => {
                let texts: Map<_, _> = entries
                    .into_iter()
                    .map(|(name, node)| match node.is_null() {
                        true => (name, Value::String(String::new())),
                        false => (name, node.into_value()),
                    })
                    .collect();
                (key, Value::Object(texts))
            }
            Content::Mapping(entries) if AMOUNTS.contains(&key.as_str()) => {
                let amounts = entries.into_iter().filter(|(_, node)| !node.is_null());
                (key, Value::Object(amounts.map(|(name, node)| (name, text_of(node.into_value()))).collect()))
            }
            Content::Scalar(value @ Value::Number(_)) if matches!(key.as_str(), "divisor" | "sizeLimit") => {
                (key, text_of(value))
            }
            content => (key, Self { content, ..self }.into_value()),
        }
    }
}

/// Converts a number to a string.
fn text_of(value: Value) -> Value {
    match value {
        Value::Number(number) => Value::String(number.to_string()),
        other => other,
    }
}

/// Why a document could not be read.
#[derive(Debug)]
pub(crate) struct NotYaml {
    pub(crate) place: Place,
    pub(crate) reason: String,
}
