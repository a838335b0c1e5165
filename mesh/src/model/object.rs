//! Objects of manifests: their names, and places in their documents.

use std::{borrow::Cow, convert::Infallible, fmt, str::FromStr};

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A place in the manifests: `server.yaml#2 spec.ports[0].name`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Source {
    /// The file's name as given, or `<stdin>`; `<default>` for a default.
    pub file: String,
    /// The document's number in the file, from 1; 0 for a default.
    pub document: usize,
    /// The field's path; empty for the whole document.
    pub field: String,
}

impl Source {
    /// The source of a default.
    pub fn default_of(what: &str) -> Self {
        Self { file: "<default>".into(), document: 0, field: what.into() }
    }

    /// The same document, at a field.
    pub fn at(&self, field: impl Into<String>) -> Self {
        Self { field: field.into(), ..self.clone() }
    }
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.document == 0 {
            return write!(f, "default: {}", self.field);
        }
        write!(f, "{}#{}", self.file, self.document)?;
        if self.field.is_empty() { Ok(()) } else { write!(f, " {}", self.field) }
    }
}

impl FromStr for Source {
    type Err = Infallible;

    /// Reads what `Display` writes; any other text is the default of that name.
    fn from_str(text: &str) -> Result<Self, Infallible> {
        let written = text.rsplit_once('#').and_then(|(file, rest)| {
            let (document, field) = rest.split_once(' ').unwrap_or((rest, ""));
            let document = document.parse().ok().filter(|number| *number > 0)?;
            Some(Self { file: file.into(), document, field: field.into() })
        });
        Ok(written.unwrap_or_else(|| Self::default_of(text.strip_prefix("default: ").unwrap_or(text))))
    }
}

/// A string in JSON: its text.
impl Serialize for Source {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Source {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = Cow::<str>::deserialize(deserializer)?;
        let Ok(source) = text.parse();
        Ok(source)
    }
}

impl JsonSchema for Source {
    fn schema_name() -> Cow<'static, str> {
        "Source".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        String::json_schema(generator)
    }
}

/// A namespaced object's name: `NAME.NAMESPACE`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ObjectName {
    pub namespace: String,
    pub name: String,
}

impl fmt::Display for ObjectName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.name, self.namespace)
    }
}
