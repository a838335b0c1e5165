//! How logs and apps describe the end of a call; strings in JSON.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A field of an access log, which Envoy writes as `-` if it is empty.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, JsonSchema, Serialize, Deserialize)]
#[serde(from = "String", into = "String")]
pub struct Logged(Option<String>);

impl Logged {
    /// The value, if there is one.
    pub fn get(&self) -> Option<&str> {
        self.0.as_deref()
    }

    /// The text in the log: the value, or `-`.
    pub fn as_str(&self) -> &str {
        self.get().unwrap_or("-")
    }

    /// Whether there is no value.
    pub fn is_nothing(&self) -> bool {
        self.0.is_none()
    }
}

impl From<Option<String>> for Logged {
    fn from(text: Option<String>) -> Self {
        Self(text.filter(|text| text != "-"))
    }
}

impl From<String> for Logged {
    fn from(text: String) -> Self {
        Some(text).into()
    }
}

impl From<&str> for Logged {
    fn from(text: &str) -> Self {
        text.to_owned().into()
    }
}

impl From<Logged> for String {
    fn from(logged: Logged) -> Self {
        logged.to_string()
    }
}

impl PartialEq<&str> for Logged {
    fn eq(&self, text: &&str) -> bool {
        self.as_str() == *text
    }
}

impl fmt::Display for Logged {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.as_str().fmt(f)
    }
}

/// The result of a call as its app sees it. In JSON a string: `200`, `echo`, `connection_reset`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, JsonSchema, Serialize, Deserialize)]
#[serde(from = "String", into = "String")]
pub enum AppSees {
    Status(u16),
    /// The bytes that it sent came back.
    Echo,
    /// A failure: the kind of error that demo-client reports, such as `connection_reset`, `eof`, `connection_refused`, `not_tls`; the
    /// alert that its TLS got, such as `certificate_required`; or the status of gRPC, such as `UNAVAILABLE`.
    Failure(String),
}

impl AppSees {
    /// A failure with this name.
    pub fn failure(name: impl Into<String>) -> Self {
        Self::Failure(name.into())
    }
}

impl From<String> for AppSees {
    fn from(word: String) -> Self {
        match (word.as_str(), word.parse()) {
            (_, Ok(status)) => Self::Status(status),
            ("echo", _) => Self::Echo,
            _ => Self::Failure(word),
        }
    }
}

impl From<&str> for AppSees {
    fn from(word: &str) -> Self {
        word.to_owned().into()
    }
}

impl From<AppSees> for String {
    fn from(seen: AppSees) -> Self {
        seen.to_string()
    }
}

impl PartialEq<&str> for AppSees {
    fn eq(&self, word: &&str) -> bool {
        let seen = Self::from(*word);
        *self == seen
    }
}

impl fmt::Display for AppSees {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Status(status) => status.fmt(f),
            Self::Echo => f.pad("echo"),
            Self::Failure(name) => f.pad(name),
        }
    }
}
