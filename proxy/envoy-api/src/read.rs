//! Reading these messages from JSON, with errors that name the path of the fault.

use serde::de::DeserializeOwned;
use thiserror::Error;

/// Why a text is not a message of the supported subset.
#[derive(Debug, Error)]
pub enum ReadError {
    /// Not JSON at all.
    #[error("not JSON: {0}")]
    NotJson(serde_json::Error),
    /// JSON, but a field is missing, unknown, or not of its type.
    #[error("{path}: {reason}")]
    Field {
        /// Where, such as `resources[2].filter_chains[0].filters[1].typed_config`.
        path: String,
        /// What is wrong there.
        reason: String,
    },
}

/// Reads a message from JSON text.
///
/// # Errors
/// When the text is not JSON, or holds a field that the subset does not have: the error names its path.
pub fn read<T: DeserializeOwned>(json: &str) -> Result<T, ReadError> {
    read_value(serde_json::from_str(json).map_err(ReadError::NotJson)?)
}

/// Reads a message from a JSON value.
///
/// # Errors
/// As [`read`].
pub fn read_value<T: DeserializeOwned>(value: serde_json::Value) -> Result<T, ReadError> {
    serde_path_to_error::deserialize(value)
        .map_err(|e| ReadError::Field { path: e.path().to_string(), reason: e.into_inner().to_string() })
}
