//! Access logs: one line for each request or TCP session, formatted with Envoy's `%COMMAND%`s.

mod command;
mod entry;
mod file;
mod format;

use envoy_api::{AccessLog, AccessLogger, FileAccessLog};
use envoy_rules::outcome::Flag;
use http::HeaderName;

pub use entry::{Entry, HttpFacts, RequestHead};
pub use file::LogFiles;
pub use format::Format;

use crate::{
    config::{At, Fault, Invalid},
    stream_info::StreamInfo,
};
use file::LogFile;

const DEFAULT_FORMAT: &str = "[%START_TIME%] \"%REQ(:METHOD)% %REQ(X-ENVOY-ORIGINAL-PATH?:PATH)% %PROTOCOL%\" \
    %RESPONSE_CODE% %RESPONSE_FLAGS% %BYTES_RECEIVED% %BYTES_SENT% %DURATION% %RESP(X-ENVOY-UPSTREAM-SERVICE-TIME)% \
    \"%REQ(X-FORWARDED-FOR)%\" \"%REQ(USER-AGENT)%\" \"%REQ(X-REQUEST-ID)%\" \"%REQ(:AUTHORITY)%\" \"%UPSTREAM_HOST%\"\n";

/// The access logs of one listener, TCP proxy or connection manager.
#[derive(Debug, Default)]
pub struct AccessLogs(Vec<Log>);

#[derive(Debug)]
struct Log {
    /// If not empty, only entries with one of these flags are written.
    only: Vec<Flag>,
    format: Format,
    file: LogFile,
}

impl AccessLogs {
    /// Builds the configured logs.
    ///
    /// # Errors
    /// If a format contains an unsupported command, a flag is unknown, or a file can't be opened. The message starts with the
    /// path of the field.
    pub fn new(configured: &[AccessLog], files: &LogFiles) -> Result<Self, Invalid> {
        configured
            .iter()
            .enumerate()
            .map(|(i, log)| Log::new(log, files).at(format_args!("access_log[{i}]")))
            .collect::<Result<_, _>>()
            .map(Self)
    }

    /// Writes the lines of a session or request.
    pub fn log(&self, entry: &Entry<'_>) {
        for log in &self.0 {
            if log.only.is_empty() || log.only.iter().any(|flag| entry.flags().contains(*flag)) {
                log.file.append(&log.format.line(entry));
            }
        }
    }

    /// Writes the lines of a TCP session, or of a connection without a filter chain.
    pub fn log_session(&self, stream: &StreamInfo) {
        self.log(&Entry { stream, http: None });
    }

    /// The response headers that must be kept for the logs.
    pub fn response_headers(&self) -> Vec<HeaderName> {
        self.0.iter().flat_map(|log| log.format.response_headers()).collect()
    }

    /// Whether there is no log.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl Log {
    fn new(configured: &AccessLog, files: &LogFiles) -> Result<Self, Invalid> {
        let AccessLogger::File(FileAccessLog { path, log_format }) = &configured.typed_config;
        let format = match log_format {
            None => Format::text(DEFAULT_FORMAT),
            Some(format) => Format::new(format),
        }
        .at("typed_config.log_format")?;
        let flags = configured.filter.as_ref().map_or(&[][..], |filter| &filter.response_flag_filter.flags);
        let only = flags
            .iter()
            .map(|name| {
                Flag::parse(name).ok_or_else(|| Fault::Value { value: name.clone(), not: "not a response flag" })
            })
            .collect::<Result<_, _>>()
            .at("filter.response_flag_filter")?;
        let file =
            files.open(path).map_err(|error| Fault::File { file: path.clone(), error }).at("typed_config.path")?;
        Ok(Self { format, only, file })
    }
}
