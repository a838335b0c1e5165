//! The `%COMMAND%`s of a format, and their values.

use std::{
    borrow::Cow,
    fmt::Display,
    net::SocketAddr,
    sync::LazyLock,
    time::{Duration, SystemTime},
};

use http::{HeaderMap, HeaderName};
use jiff::Timestamp;

use super::{Entry, HttpFacts, RequestHead};
use crate::{
    config::Fault,
    stream_info::{TlsInfo, UpstreamInfo},
    tls::PeerCertificate,
};

#[derive(Debug)]
pub(super) struct Command {
    source: Source,
    /// Maximum length of the value in bytes (`%REQ(USER-AGENT):10%`).
    limit: Option<usize>,
}

/// The value of a command for one entry.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Value<'a> {
    /// No value.
    Missing,
    Text(Cow<'a, str>),
    Number(u64),
}

#[derive(Debug)]
enum Source {
    /// Start time of the session or request, in `strftime` format.
    StartTime(String),
    /// A request header, with an alternative.
    Request(Field, Option<Field>),
    /// A response header, with an alternative.
    Response(HeaderName, Option<HeaderName>),
    /// A response trailer, with an alternative.
    Trailer(HeaderName, Option<HeaderName>),
    /// Any command without arguments.
    Fact(for<'a> fn(&Entry<'a>) -> Value<'a>),
}

/// A header or pseudo-header for `REQ`.
#[derive(Debug)]
enum Field {
    Method,
    Path,
    Authority,
    Scheme,
    Header(HeaderName),
}

impl Command {
    /// Parses the text between two `%`.
    pub(super) fn parse(text: &str) -> Result<Self, Fault> {
        let (text, limit) = match text.rsplit_once("):") {
            Some((_, limit)) => {
                let limit = limit.parse().map_err(|_| fault(text, format!("{limit:?} is not a length")))?;
                (&text[..=text.rfind("):").unwrap_or_default()], Some(limit))
            }
            None => (text, None),
        };
        let (name, argument) = match text.split_once('(') {
            Some((name, rest)) => (name, rest.strip_suffix(')')),
            None => (text, None),
        };
        let unsupported = || fault(text, "not a supported command");
        let source = match (name, argument) {
            ("START_TIME", None) => Source::StartTime("%Y-%m-%dT%H:%M:%S%.3fZ".into()),
            ("START_TIME", Some(format)) => Source::StartTime(checked_time_format(format)?),
            ("REQ", Some(names)) => pair(names, Field::parse).map(|(a, b)| Source::Request(a, b))?,
            ("RESP", Some(names)) => pair(names, header_name).map(|(a, b)| Source::Response(a, b))?,
            ("TRAILER", Some(names)) => pair(names, header_name).map(|(a, b)| Source::Trailer(a, b))?,
            (name, None) => Source::Fact(fact(name).ok_or_else(unsupported)?),
            _ => return Err(unsupported()),
        };
        Ok(Self { source, limit })
    }

    pub(super) fn value<'a>(&self, entry: &Entry<'a>) -> Value<'a> {
        match (self.source.value(entry), self.limit) {
            (Value::Text(text), Some(limit)) => Value::Text(cut(text, limit)),
            (value, _) => value,
        }
    }

    /// The response headers that it needs.
    pub(super) fn response_headers(&self) -> impl Iterator<Item = &HeaderName> {
        let (first, second) = match &self.source {
            Source::Response(first, second) => (Some(first), second.as_ref()),
            _ => (None, None),
        };
        first.into_iter().chain(second)
    }
}

impl Source {
    fn value<'a>(&self, entry: &Entry<'a>) -> Value<'a> {
        match self {
            Self::StartTime(format) => text(time(entry.stream.start_time, format)),
            Self::Request(field, other) => {
                let Some(request) = entry.http.and_then(|http| http.request.as_ref()) else { return Value::Missing };
                let value = field.value(request).or_else(|| other.as_ref()?.value(request));
                value.map_or(Value::Missing, Value::Text) // an empty header is not missing
            }
            Self::Response(name, other) => header_or(entry.http.map(|http| &http.response), name, other.as_ref()),
            Self::Trailer(name, other) => header_or(entry.http.map(|http| &http.trailers), name, other.as_ref()),
            Self::Fact(fact) => fact(entry),
        }
    }
}

impl Field {
    fn parse(name: &str) -> Result<Self, Fault> {
        Ok(match name.to_ascii_lowercase().as_str() {
            ":method" => Self::Method,
            ":path" => Self::Path,
            ":authority" | "host" => Self::Authority,
            ":scheme" => Self::Scheme,
            name => Self::Header(header_name(name)?),
        })
    }

    fn value<'a>(&self, request: &'a RequestHead) -> Option<Cow<'a, str>> {
        match self {
            Self::Method => Some(request.method.as_str().into()),
            Self::Path => request.path.as_deref().map(Into::into),
            Self::Authority => header(&request.headers, &http::header::HOST),
            Self::Scheme => None, // not kept
            Self::Header(name) => header(&request.headers, name),
        }
    }
}

/// A server name in a form that is safe for logs: characters that are invalid in a host name are replaced by underscores, and the
/// name is marked as invalid (`source/common/formatter/stream_info_formatter.cc`).
fn printable_name(name: &str) -> Option<Cow<'_, str>> {
    let may_stand = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
    match name {
        "" => None,
        _ if name.chars().all(may_stand) => Some(name.into()),
        _ => {
            let name: String = name.chars().map(|c| if may_stand(c) { c } else { '_' }).collect();
            Some(format!("invalid:{name}").into())
        }
    }
}

fn fact(name: &str) -> Option<for<'a> fn(&Entry<'a>) -> Value<'a>> {
    Some(match name {
        "PROTOCOL" => |e| e.http.and_then(|http| http.protocol).map(Cow::from).into(),
        "RESPONSE_CODE" => |e| Value::Number(e.stream.response_code.unwrap_or(0).into()),
        "RESPONSE_CODE_DETAILS" => |e| e.details().map(|details| Cow::from(words(&details))).into(),
        "RESPONSE_FLAGS" => |e| text(e.flags()),
        "CONNECTION_TERMINATION_DETAILS" => |e| borrowed(e.stream.termination_details.as_deref()),
        "UPSTREAM_TRANSPORT_FAILURE_REASON" => {
            |e| e.stream.upstream_transport_failure.as_deref().map(|reason| Cow::from(words(reason))).into()
        }
        "DOWNSTREAM_TRANSPORT_FAILURE_REASON" => |e| {
            let reason = Some(&e.stream.connection.transport_failure).filter(|reason| !reason.is_empty());
            reason.map(|reason| Cow::from(words(reason))).into()
        },
        "BYTES_RECEIVED" => |e| Value::Number(e.stream.bytes_received),
        "BYTES_SENT" => |e| Value::Number(e.stream.bytes_sent),
        "DURATION" => |e| milliseconds(e.stream.duration),
        "REQUEST_DURATION" => |e| milliseconds(e.http.and_then(|http| http.request_duration)),
        "RESPONSE_DURATION" => |e| milliseconds(e.http.and_then(|http| http.response_duration)),
        "RESPONSE_TX_DURATION" => |e| milliseconds(e.http.and_then(|http| http.response_tx_duration)),
        "UPSTREAM_REQUEST_ATTEMPT_COUNT" => |e| Value::Number(e.http.map_or(0, |http| http.attempts.into())),
        "CONNECTION_ID" => |e| Value::Number(e.stream.connection.id),
        "HOSTNAME" => |_| borrowed(HOSTNAME.as_deref()),
        "ROUTE_NAME" => |e| borrowed(e.stream.route.as_deref()),
        "FILTER_CHAIN_NAME" => |e| borrowed(Some(&e.stream.connection.filter_chain)),
        "REQUESTED_SERVER_NAME" => |e| printable_name(&e.stream.connection.server_name).into(),
        "GRPC_STATUS_NUMBER" => |e| grpc_status(e.http).into(),

        "UPSTREAM_HOST" => |e| upstream(e).map(|upstream| upstream.host.0).into(),
        "UPSTREAM_CLUSTER" | "UPSTREAM_CLUSTER_RAW" => |e| borrowed(e.stream.cluster.as_deref()),
        "UPSTREAM_PROTOCOL" => {
            |e| e.http.and_then(|http| http.upstream_protocol).map(|version| Cow::from(version.name())).into()
        }
        "UPSTREAM_LOCAL_ADDRESS" => |e| upstream_local(e).into(),
        "UPSTREAM_LOCAL_ADDRESS_WITHOUT_PORT" => |e| ip(upstream_local(e)),
        "UPSTREAM_LOCAL_PORT" => |e| port(upstream_local(e)),
        "UPSTREAM_REMOTE_ADDRESS" => |e| upstream_remote(e).into(),
        "UPSTREAM_REMOTE_ADDRESS_WITHOUT_PORT" => |e| ip(upstream_remote(e)),
        "UPSTREAM_REMOTE_PORT" => |e| port(upstream_remote(e)),
        "UPSTREAM_TLS_VERSION" => |e| borrowed(upstream_tls(e).map(|tls| tls.version)),
        "UPSTREAM_TLS_CIPHER" => |e| borrowed(upstream_tls(e).map(|tls| tls.cipher)),
        "UPSTREAM_LOCAL_URI_SAN" => |e| list(upstream_tls(e).map(|tls| &*tls.local_uri_sans)),
        "UPSTREAM_PEER_URI_SAN" => |e| list(peer(upstream_tls(e)).map(|peer| &*peer.uri_sans)),
        "UPSTREAM_PEER_DNS_SAN" => |e| list(peer(upstream_tls(e)).map(|peer| &*peer.dns_sans)),
        "UPSTREAM_PEER_SUBJECT" => |e| borrowed(peer(upstream_tls(e)).map(|peer| &*peer.subject)),
        "UPSTREAM_PEER_ISSUER" => |e| borrowed(peer(upstream_tls(e)).map(|peer| &*peer.issuer)),

        "DOWNSTREAM_LOCAL_ADDRESS" => |e| Some(e.stream.connection.local.0).into(),
        "DOWNSTREAM_LOCAL_ADDRESS_WITHOUT_PORT" => |e| ip(Some(e.stream.connection.local.0)),
        "DOWNSTREAM_LOCAL_PORT" => |e| port(Some(e.stream.connection.local.0)),
        "DOWNSTREAM_REMOTE_ADDRESS" => |e| Some(client(e)).into(),
        "DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT" => |e| ip(Some(client(e))),
        "DOWNSTREAM_REMOTE_PORT" => |e| port(Some(client(e))),
        "DOWNSTREAM_DIRECT_REMOTE_ADDRESS" => |e| Some(e.stream.connection.remote.0).into(),
        "DOWNSTREAM_DIRECT_REMOTE_ADDRESS_WITHOUT_PORT" => |e| ip(Some(e.stream.connection.remote.0)),
        "DOWNSTREAM_DIRECT_REMOTE_PORT" => |e| port(Some(e.stream.connection.remote.0)),
        "DOWNSTREAM_TLS_VERSION" => |e| borrowed(downstream_tls(e).map(|tls| tls.version)),
        "DOWNSTREAM_TLS_CIPHER" => |e| borrowed(downstream_tls(e).map(|tls| tls.cipher)),
        "DOWNSTREAM_LOCAL_URI_SAN" => |e| list(downstream_tls(e).map(|tls| &*tls.local_uri_sans)),
        "DOWNSTREAM_PEER_URI_SAN" => |e| list(peer(downstream_tls(e)).map(|peer| &*peer.uri_sans)),
        "DOWNSTREAM_PEER_DNS_SAN" => |e| list(peer(downstream_tls(e)).map(|peer| &*peer.dns_sans)),
        "DOWNSTREAM_PEER_SUBJECT" => |e| borrowed(peer(downstream_tls(e)).map(|peer| &*peer.subject)),
        "DOWNSTREAM_PEER_ISSUER" => |e| borrowed(peer(downstream_tls(e)).map(|peer| &*peer.issuer)),
        "DOWNSTREAM_PEER_SERIAL" => |e| borrowed(peer(downstream_tls(e)).map(|peer| &*peer.serial)),
        "DOWNSTREAM_PEER_FINGERPRINT_256" => |e| borrowed(peer(downstream_tls(e)).map(|peer| &*peer.sha256)),
        _ => return None,
    })
}

static HOSTNAME: LazyLock<Option<String>> = LazyLock::new(|| nix::unistd::gethostname().ok()?.into_string().ok());

fn upstream<'a>(entry: &Entry<'a>) -> Option<&'a UpstreamInfo> {
    entry.stream.upstream.as_ref()
}

fn upstream_local(entry: &Entry<'_>) -> Option<SocketAddr> {
    upstream(entry)?.local.map(|local| local.0)
}

/// The remote address, once connected.
fn upstream_remote(entry: &Entry<'_>) -> Option<SocketAddr> {
    upstream_local(entry).and_then(|_| upstream(entry)).map(|upstream| upstream.host.0)
}

fn upstream_tls<'a>(entry: &Entry<'a>) -> Option<&'a TlsInfo> {
    upstream(entry)?.tls.as_ref()
}

fn downstream_tls<'a>(entry: &Entry<'a>) -> Option<&'a TlsInfo> {
    entry.stream.connection.tls.as_ref()
}

fn peer(tls: Option<&TlsInfo>) -> Option<&PeerCertificate> {
    tls?.peer.as_deref()
}

fn client(entry: &Entry<'_>) -> SocketAddr {
    entry.http.and_then(|http| http.client).unwrap_or(entry.stream.connection.remote.0)
}

fn grpc_status(http: Option<&HttpFacts>) -> Option<Cow<'_, str>> {
    let name = HeaderName::from_static("grpc-status");
    http.and_then(|http| header(&http.trailers, &name).or_else(|| header(&http.response, &name)))
}

fn text<'a>(value: impl Display) -> Value<'a> {
    Value::Text(value.to_string().into())
}

fn borrowed(value: Option<&str>) -> Value<'_> {
    value.map(Cow::from).into()
}

fn list(values: Option<&[String]>) -> Value<'_> {
    values.map(|values| Cow::from(values.join(","))).into()
}

fn ip<'a>(address: Option<SocketAddr>) -> Value<'a> {
    address.map_or(Value::Missing, |address| text(address.ip()))
}

fn port<'a>(address: Option<SocketAddr>) -> Value<'a> {
    address.map_or(Value::Missing, |address| Value::Number(address.port().into()))
}

fn milliseconds<'a>(duration: Option<Duration>) -> Value<'a> {
    duration.and_then(|d| u64::try_from(d.as_millis()).ok()).map_or(Value::Missing, Value::Number)
}

impl<'a> From<Option<Cow<'a, str>>> for Value<'a> {
    /// An empty text counts as missing, as in Envoy.
    fn from(value: Option<Cow<'a, str>>) -> Self {
        value.filter(|value| !value.is_empty()).map_or(Self::Missing, Self::Text)
    }
}

impl From<Option<SocketAddr>> for Value<'_> {
    fn from(address: Option<SocketAddr>) -> Self {
        address.map_or(Self::Missing, text)
    }
}

fn header<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<Cow<'a, str>> {
    headers.get(name).map(|value| String::from_utf8_lossy(value.as_bytes()))
}

fn header_or<'a>(headers: Option<&'a HeaderMap>, name: &HeaderName, other: Option<&HeaderName>) -> Value<'a> {
    headers.and_then(|headers| header(headers, name).or_else(|| header(headers, other?))).into()
}

fn header_name(name: &str) -> Result<HeaderName, Fault> {
    name.parse().map_err(|_| Fault::Value { value: name.to_owned(), not: "not a header name" })
}

fn fault(command: &str, problem: impl Into<String>) -> Fault {
    Fault::Command { command: format!("{command}%"), problem: problem.into() }
}

/// Parses `NAME?ALTERNATIVE`.
fn pair<T>(names: &str, parse: impl Fn(&str) -> Result<T, Fault>) -> Result<(T, Option<T>), Fault> {
    match names.split_once('?') {
        Some((name, other)) => Ok((parse(name)?, Some(parse(other)?))),
        None => Ok((parse(names)?, None)),
    }
}

/// Replaces spaces in details by underscores like Envoy, so that a line can be split at spaces.
fn words(details: &str) -> String {
    details.replace(' ', "_")
}

fn checked_time_format(format: &str) -> Result<String, Fault> {
    jiff::fmt::strtime::format(format, Timestamp::UNIX_EPOCH)
        .map_err(|error| fault(&format!("START_TIME({format})"), error.to_string()))
        .map(|_| format.to_owned())
}

fn time(time: SystemTime, format: &str) -> String {
    let time = Timestamp::try_from(time).unwrap_or_default();
    jiff::fmt::strtime::format(format, &time.to_zoned(jiff::tz::TimeZone::UTC)).unwrap_or_default()
}

/// Truncates a text to a number of bytes, at a character boundary.
fn cut(text: Cow<'_, str>, limit: usize) -> Cow<'_, str> {
    match text {
        text if text.len() <= limit => text,
        Cow::Borrowed(text) => text[..text.floor_char_boundary(limit)].into(),
        Cow::Owned(mut text) => {
            text.truncate(text.floor_char_boundary(limit));
            text.into()
        }
    }
}
