//! Contents of messages.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Bytes, as text if possible: `{"text": ...}` or `{"base64": ...}`.
#[derive(Clone, Debug, PartialEq, Eq, JsonSchema, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Body {
    /// Valid UTF-8.
    Text(String),
    /// Anything else, encoded.
    Base64(String),
}

impl Body {
    /// Maximum number of bytes that are kept of a response.
    pub const LIMIT: usize = 64 * 1024;

    /// Text if `bytes` are UTF-8, otherwise base64.
    #[must_use]
    pub fn from_bytes(bytes: &[u8]) -> Self {
        use base64::Engine as _;
        match std::str::from_utf8(bytes) {
            Ok(text) => Self::Text(text.to_owned()),
            Err(_) => Self::Base64(base64::engine::general_purpose::STANDARD.encode(bytes)),
        }
    }
}
