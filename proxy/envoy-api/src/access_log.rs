//! Access logs (`envoy.config.accesslog.v3`, `envoy.extensions.access_loggers.file.v3`).

use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::typed::any_of;

/// `envoy.config.accesslog.v3.AccessLog`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AccessLog {
    /// The logger's name, `envoy.access_loggers.file`.
    pub name: String,
    /// Which requests or connections are logged; all of them by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub filter: Option<AccessLogFilter>,
    /// The logger and its configuration.
    pub typed_config: AccessLogger,
}

/// `envoy.config.accesslog.v3.AccessLogFilter`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AccessLogFilter {
    /// Logs only entries with one of these flags.
    pub response_flag_filter: ResponseFlagFilter,
}

/// `envoy.config.accesslog.v3.ResponseFlagFilter`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ResponseFlagFilter {
    /// Short names of response flags, such as `NR`.
    pub flags: Vec<String>,
}

any_of! {
    /// The supported access loggers.
    AccessLogger {
        /// Appends lines to a file.
        File(FileAccessLog) = "type.googleapis.com/envoy.extensions.access_loggers.file.v3.FileAccessLog",
    }
}

/// `envoy.extensions.access_loggers.file.v3.FileAccessLog`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FileAccessLog {
    /// Path of the file.
    pub path: PathBuf,
    /// The format; Envoy's default format if unset.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub log_format: Option<SubstitutionFormatString>,
}

/// `envoy.config.core.v3.SubstitutionFormatString`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SubstitutionFormatString {
    /// A line of text with `%COMMAND%` substitutions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text_format_source: Option<TextFormat>,
    /// A JSON object, one per line, whose string values may contain `%COMMAND%` substitutions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub json_format: Option<Map<String, Value>>,
}

impl SubstitutionFormatString {
    /// A text format, with `%COMMAND%` substitutions.
    pub fn text(format: impl Into<String>) -> Self {
        Self { text_format_source: Some(TextFormat { inline_string: format.into() }), json_format: None }
    }
}

/// `envoy.config.core.v3.DataSource` with an inline format.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TextFormat {
    /// The format, with `%COMMAND%` substitutions.
    pub inline_string: String,
}
