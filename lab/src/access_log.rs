//! Reads a sidecar's access log: Istio's default text format, and its JSON encoding
//! (`pilot/pkg/model/telemetry_logging.go`).

use std::net::SocketAddr;

use envoy_rules::outcome::{Logged, Outcome};
use jiff::Timestamp;
use serde::Deserialize;

#[cfg(test)]
mod tests;

/// The fields of a line that verdicts need. `-` is read as `None`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
pub struct Line {
    /// When the request or connection began.
    #[serde(default)]
    pub start_time: Option<Timestamp>,
    /// The request's method, for HTTP.
    #[serde(default, deserialize_with = "text")]
    pub method: Option<String>,
    /// The request's path, for HTTP.
    #[serde(default, deserialize_with = "text")]
    pub path: Option<String>,
    /// The HTTP status; 0 if there was none.
    #[serde(default)]
    pub response_code: u16,
    /// Such as `UF,URX`.
    #[serde(default, deserialize_with = "text")]
    pub response_flags: Option<String>,
    /// Such as `via_upstream`.
    #[serde(default, deserialize_with = "text")]
    pub response_code_details: Option<String>,
    /// Why a connection was ended.
    #[serde(default, deserialize_with = "text")]
    pub connection_termination_details: Option<String>,
    /// Why TLS to the upstream failed.
    #[serde(default, deserialize_with = "text")]
    pub upstream_transport_failure_reason: Option<String>,
    /// How long the request or connection took, in milliseconds.
    #[serde(default)]
    pub duration: u64,
    /// `%REQ(X-REQUEST-ID)%`: the same for the sidecars of one request.
    #[serde(default, deserialize_with = "text")]
    pub request_id: Option<String>,
    /// `%UPSTREAM_HOST%`: the address of the endpoint.
    #[serde(default, deserialize_with = "address")]
    pub upstream_host: Option<SocketAddr>,
    /// `%UPSTREAM_CLUSTER%`
    #[serde(default, deserialize_with = "text")]
    pub upstream_cluster: Option<String>,
    /// `%UPSTREAM_LOCAL_ADDRESS%`: the source of the upstream connection.
    #[serde(default, deserialize_with = "address")]
    pub upstream_local_address: Option<SocketAddr>,
    /// The address that the peer dialled.
    #[serde(default, deserialize_with = "address")]
    pub downstream_local_address: Option<SocketAddr>,
    /// The address of the peer.
    #[serde(default, deserialize_with = "address")]
    pub downstream_remote_address: Option<SocketAddr>,
    /// The SNI, if it was read.
    #[serde(default, deserialize_with = "text")]
    pub requested_server_name: Option<String>,
    /// `%ROUTE_NAME%`
    #[serde(default, deserialize_with = "text")]
    pub route_name: Option<String>,
    #[serde(skip)]
    pub raw: String,
}

impl Line {
    /// Why the request or connection ended: the details of the response, else of a connection that was denied.
    pub fn details(&self) -> Option<&str> {
        let denied = self.connection_termination_details.as_deref().filter(|why| why.starts_with("rbac_access_denied"));
        self.response_code_details.as_deref().or(denied)
    }

    /// How the request or connection ended; `None` if the line's details are unknown.
    pub fn outcome(&self) -> Option<Outcome> {
        Outcome::read(Logged {
            flags: self.response_flags.as_deref().unwrap_or_default(),
            details: self.details().unwrap_or_default(),
            transport_failure: self.upstream_transport_failure_reason.as_deref().unwrap_or_default(),
        })
    }
}

/// Reads a log. Lines in neither format are skipped: other programs may write to the same file.
pub fn read(log: &str) -> Vec<Line> {
    log.lines().filter_map(line).collect()
}

fn line(raw: &str) -> Option<Line> {
    let line = if raw.starts_with('{') { serde_json::from_str(raw).ok()? } else { text_line(raw)? };
    Some(Line { raw: raw.to_owned(), ..line })
}

/// A line of the text format. Its fields, split at spaces outside quotes, are in this order: start time, request,
/// code, flags, code details, termination details, transport failure, bytes received, bytes sent, duration, service
/// time, forwarded for, user agent, request ID, authority, upstream host, cluster, upstream local, downstream local,
/// downstream remote, SNI, route.
fn text_line(raw: &str) -> Option<Line> {
    let fields = fields(raw);
    let field = |i: usize| fields.get(i).copied().and_then(present);
    let code = fields.get(2)?.parse().ok()?;
    fields.get(21)?;
    Some(Line {
        start_time: fields.first()?.trim_matches(['[', ']']).parse().ok(),
        method: field(1).and_then(|request| present(request.split(' ').next()?)).map(Into::into),
        path: field(1).and_then(|request| present(request.split(' ').nth(1)?)).map(Into::into),
        response_code: code,
        response_flags: field(3).map(Into::into),
        response_code_details: field(4).map(Into::into),
        connection_termination_details: field(5).map(Into::into),
        upstream_transport_failure_reason: field(6).map(Into::into),
        duration: field(9).and_then(|milliseconds| milliseconds.parse().ok()).unwrap_or(0),
        request_id: field(13).map(Into::into),
        upstream_host: field(15).and_then(|address| address.parse().ok()),
        upstream_cluster: field(16).map(Into::into),
        upstream_local_address: field(17).and_then(|address| address.parse().ok()),
        downstream_local_address: field(18).and_then(|address| address.parse().ok()),
        downstream_remote_address: field(19).and_then(|address| address.parse().ok()),
        requested_server_name: field(20).map(Into::into),
        route_name: field(21).map(Into::into),
        raw: String::new(),
    })
}

/// Splits at spaces outside `"..."`, and drops the quotes.
fn fields(raw: &str) -> Vec<&str> {
    let mut fields = Vec::new();
    let mut rest = raw.trim();
    while !rest.is_empty() {
        let (field, after) = match rest.strip_prefix('"') {
            Some(quoted) => quoted.split_once('"').unwrap_or((quoted, "")),
            None => rest.split_once(' ').unwrap_or((rest, "")),
        };
        fields.push(field);
        rest = after.trim_start();
    }
    fields
}

fn present(field: &str) -> Option<&str> {
    (field != "-" && !field.is_empty()).then_some(field)
}

fn text<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    Ok(Option::<String>::deserialize(deserializer)?.filter(|value| present(value).is_some()))
}

fn address<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Option<SocketAddr>, D::Error> {
    Ok(text(deserializer)?.and_then(|value| value.parse().ok()))
}
