//! Headers that a proxy adds (`envoy.config.core.v3`).

use serde::{Deserialize, Serialize};

/// `envoy.config.core.v3.HeaderValueOption`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HeaderValueOption {
    pub header: HeaderValue,
    /// What happens to a header of this name that is there.
    #[serde(default, skip_serializing_if = "HeaderAppendAction::is_default")]
    pub append_action: HeaderAppendAction,
}

/// `envoy.config.core.v3.HeaderValue`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HeaderValue {
    /// Its name.
    pub key: String,
    /// Its value, in which `%COMMAND%` stands for a fact of the request, and `%%` for `%`.
    #[serde(default)]
    pub value: String,
}

/// `envoy.config.core.v3.HeaderValueOption.HeaderAppendAction`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum HeaderAppendAction {
    /// It stays, and the new one comes behind it.
    #[default]
    AppendIfExistsOrAdd,
    /// It stays, and the new one is not added.
    AddIfAbsent,
    /// The new one replaces it.
    OverwriteIfExistsOrAdd,
    /// The new one replaces it, and is not added otherwise.
    OverwriteIfExists,
}

impl HeaderAppendAction {
    #[allow(clippy::trivially_copy_pass_by_ref)] // serde's signature
    fn is_default(&self) -> bool {
        *self == Self::default()
    }
}
