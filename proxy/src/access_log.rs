//! Access logs: one line for each request or TCP session, in a format of Envoy's `%COMMAND%`s.

mod command;
mod file;
mod format;

use envoy_api::{AccessLog, AccessLogger, FileAccessLog};
use envoy_rules::{
    codec::HttpVersion,
    outcome::{Flag, Flags, Outcome},
};
use http::{HeaderMap, HeaderName, Method};
use std::{borrow::Cow, net::SocketAddr, time::Duration};

pub use file::LogFiles;
pub use format::Format;

use crate::{
    config::{At, Fault, Invalid},
    stream_info::StreamInfo,
};
use file::LogFile;

/// Envoy's format where a log names none.
const DEFAULT_FORMAT: &str = "[%START_TIME%] \"%REQ(:METHOD)% %REQ(X-ENVOY-ORIGINAL-PATH?:PATH)% %PROTOCOL%\" \
    %RESPONSE_CODE% %RESPONSE_FLAGS% %BYTES_RECEIVED% %BYTES_SENT% %DURATION% %RESP(X-ENVOY-UPSTREAM-SERVICE-TIME)% \
    \"%REQ(X-FORWARDED-FOR)%\" \"%REQ(USER-AGENT)%\" \"%REQ(X-REQUEST-ID)%\" \"%REQ(:AUTHORITY)%\" \"%UPSTREAM_HOST%\"\n";

/// The access logs of one listener, TCP proxy or connection manager.
#[derive(Debug, Default)]
pub struct AccessLogs(Vec<Log>);

#[derive(Debug)]
struct Log {
    format: Format,
    /// Written only for one of these; always, when empty.
    only: Vec<Flag>,
    file: LogFile,
}

/// What a line is made from.
#[derive(Clone, Copy, Debug)]
pub struct Entry<'a> {
    /// The facts of the session or request.
    pub stream: &'a StreamInfo,
    /// What only a request has.
    pub http: Option<&'a HttpFacts>,
}

/// What a log line says of a request beside its [`StreamInfo`].
#[derive(Clone, Debug, Default)]
pub struct HttpFacts {
    /// `HTTP/1.0`, `HTTP/1.1` or `HTTP/2`.
    pub protocol: Option<&'static str>,
    /// The request as it went on, or would have; `None` if none could be read.
    pub request: Option<RequestHead>,
    /// The headers of the response that some log wants ([`AccessLogs::response_headers`]).
    pub response: HeaderMap,
    /// The trailers of the response.
    pub trailers: HeaderMap,
    /// The client, where `x-forwarded-for` names another than the peer.
    pub client: Option<SocketAddr>,
    /// The protocol spoken upstream.
    pub upstream_protocol: Option<HttpVersion>,
    /// How often it was tried; 0 if it never went upstream.
    pub attempts: u32,
    /// When its last byte was there, from its begin.
    pub request_duration: Option<Duration>,
    /// When the first byte of the response was there, from its begin.
    pub response_duration: Option<Duration>,
    /// When the last byte of the response was passed on, from its first.
    pub response_tx_duration: Option<Duration>,
}

/// A request's head.
#[derive(Clone, Debug)]
pub struct RequestHead {
    /// Its method.
    pub method: Method,
    /// Its path with query, as it came or normalized; none for CONNECT.
    pub path: Option<String>,
    /// Its headers; `host` is its `:authority`.
    pub headers: HeaderMap,
}

impl Entry<'_> {
    /// All response flags.
    fn flags(&self) -> Flags {
        let StreamInfo { outcome, more_flags, .. } = self.stream;
        if self.http.is_some() { more_flags.union(outcome.flags()) } else { outcome.session_flags() }
    }

    /// `RESPONSE_CODE_DETAILS`: of a request, and of a connection without a filter chain.
    fn details(&self) -> Option<Cow<'static, str>> {
        let outcome = &self.stream.outcome;
        (self.http.is_some() || *outcome == Outcome::NoFilterChainMatch)
            .then(|| outcome.details())
            .filter(|details| !details.is_empty())
    }
}

impl AccessLogs {
    /// Builds logs as configured.
    ///
    /// # Errors
    /// When a format has a command that is not supported or a flag that is none, or a file can't be opened: the text
    /// begins with the path of the field.
    pub fn new(configured: &[AccessLog], files: &LogFiles) -> Result<Self, Invalid> {
        configured
            .iter()
            .enumerate()
            .map(|(i, log)| Log::new(log, files).at(format_args!("access_log[{i}]")))
            .collect::<Result<_, _>>()
            .map(Self)
    }

    /// Writes the lines of one session or request.
    pub fn log(&self, entry: &Entry<'_>) {
        for log in &self.0 {
            if log.only.is_empty() || log.only.iter().any(|flag| entry.flags().contains(*flag)) {
                log.file.append(&log.format.line(entry));
            }
        }
    }

    /// Writes the line of a TCP session, or of a connection that reached no chain.
    pub fn log_session(&self, stream: &StreamInfo) {
        self.log(&Entry { stream, http: None });
    }

    /// The response headers that have to be kept until the lines are written.
    pub fn response_headers(&self) -> Vec<HeaderName> {
        self.0.iter().flat_map(|log| log.format.response_headers()).collect()
    }

    /// Whether nothing is ever written.
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
            .map(|name| Flag::parse(name).ok_or_else(|| Fault::Value { value: name.clone(), not: "no response flag" }))
            .collect::<Result<_, _>>()
            .at("filter.response_flag_filter")?;
        let file =
            files.open(path).map_err(|error| Fault::File { file: path.clone(), error }).at("typed_config.path")?;
        Ok(Self { format, only, file })
    }
}
