//! Parsing messages from JSON, with errors that name the path.

use serde::de::DeserializeOwned;
use thiserror::Error;

/// An error parsing a message.
#[derive(Debug, Error)]
pub enum ReadError {
    /// The text is not JSON.
    #[error("not JSON: {0}")]
    NotJson(serde_json::Error),
    /// A field is missing, unknown, or of the wrong type.
    #[error("{path}: {reason}")]
    Field {
        /// Path of the field, such as `resources[2].filter_chains[0].filters[1].typed_config`.
        path: String,
        /// What is wrong with it.
        reason: String,
    },
}

/// Parses a message from JSON text.
///
/// # Errors
/// If the text is not JSON, or contains a field outside of the subset. The error names its path.
pub fn read<T: DeserializeOwned>(json: &str) -> Result<T, ReadError> {
    read_value(serde_json::from_str(json).map_err(ReadError::NotJson)?)
}

/// Parses a message from a JSON value.
///
/// # Errors
/// As [`read`].
pub fn read_value<T: DeserializeOwned>(value: serde_json::Value) -> Result<T, ReadError> {
    serde_path_to_error::deserialize(value)
        .map_err(|e| ReadError::Field { path: e.path().to_string(), reason: e.into_inner().to_string() })
}
