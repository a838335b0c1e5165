//! Envoy's changes to the headers of requests and responses.

use std::{cell::RefCell, fmt::Write as _, net::SocketAddr};

use envoy_api::{ForwardClientCertDetails, ServerHeaderTransformation};
use envoy_rules::forwarded::{FORWARDED_FOR, FORWARDED_PROTO};
use http::{
    HeaderMap, HeaderName, HeaderValue,
    header::{CONNECTION, DATE, SERVER, TE, TRANSFER_ENCODING, UPGRADE},
};
use jiff::Timestamp;

use super::config::Hcm;
pub(super) use super::header_value::text;
use crate::stream_info::{ConnectionInfo, TlsInfo};

const KEEP_ALIVE: HeaderName = HeaderName::from_static("keep-alive");
const PROXY_CONNECTION: HeaderName = HeaderName::from_static("proxy-connection");
const X_FORWARDED_CLIENT_CERT: HeaderName = HeaderName::from_static("x-forwarded-client-cert");
const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
const EXTERNAL_ADDRESS: HeaderName = HeaderName::from_static("x-envoy-external-address");

/// Headers that only internal callers may send. Without `internal_address_config`, no caller is internal as of Envoy 1.40.
const INTERNAL_ONLY: [HeaderName; 11] = [
    HeaderName::from_static("x-envoy-hedge-on-per-try-timeout"),
    HeaderName::from_static("x-envoy-internal"),
    HeaderName::from_static("x-envoy-retry-on"),
    HeaderName::from_static("x-envoy-retry-grpc-on"),
    HeaderName::from_static("x-envoy-max-retries"),
    HeaderName::from_static("x-envoy-upstream-alt-stat-name"),
    HeaderName::from_static("x-envoy-upstream-rq-timeout-ms"),
    HeaderName::from_static("x-envoy-upstream-rq-per-try-timeout-ms"),
    HeaderName::from_static("x-envoy-upstream-rq-timeout-alt-response"),
    HeaderName::from_static("x-envoy-expected-rq-timeout-ms"),
    HeaderName::from_static("x-envoy-force-trace"),
];

/// Headers that an edge proxy (one that uses the peer's address as the client's) does not accept from clients.
const EDGE_ONLY: [HeaderName; 5] = [
    HeaderName::from_static("x-envoy-decorator-operation"),
    HeaderName::from_static("x-envoy-downstream-service-cluster"),
    HeaderName::from_static("x-envoy-downstream-service-node"),
    HeaderName::from_static("x-envoy-original-path"),
    HeaderName::from_static("x-envoy-ip-tags"),
];

/// Prepares a request's headers for routing and for the upstream. Returns the client's address, if `x-forwarded-for` contains
/// one.
pub(super) fn prepare_request(
    headers: &mut HeaderMap,
    hcm: &Hcm,
    connection: &ConnectionInfo,
    keep_upgrade: bool,
) -> Option<SocketAddr> {
    remove_hop_by_hop(headers, keep_upgrade);
    te(headers);
    for name in [FORWARDED_FOR, FORWARDED_PROTO, X_REQUEST_ID] {
        join(headers, &name);
    }
    for name in INTERNAL_ONLY {
        headers.remove(name);
    }
    let client = forwarded_for(headers, hcm, connection);
    forwarded_proto(headers, hcm, connection);
    if hcm.trust.use_remote_address {
        for name in EDGE_ONLY {
            headers.remove(name);
        }
        let address = client.unwrap_or(connection.remote.0).ip();
        headers.insert(EXTERNAL_ADDRESS, text(&address.to_string()));
    }
    let from_outside = hcm.trust.use_remote_address && !hcm.preserve_external_request_id;
    if hcm.generate_request_id && (from_outside || !headers.contains_key(X_REQUEST_ID)) {
        headers.insert(X_REQUEST_ID, text(&uuid::Uuid::new_v4().to_string()));
    }
    client_cert(headers, hcm, connection.tls.as_ref());
    client
}

/// Adds and removes the headers that every response gets or loses.
pub(super) fn finish_response(headers: &mut HeaderMap, hcm: &Hcm) {
    headers.entry(DATE).or_insert_with(date);
    match hcm.server_header {
        ServerHeaderTransformation::Overwrite => {
            headers.insert(SERVER, hcm.server_name.clone());
        }
        ServerHeaderTransformation::AppendIfAbsent => {
            headers.entry(SERVER).or_insert_with(|| hcm.server_name.clone());
        }
        ServerHeaderTransformation::PassThrough => {}
    }
}

/// Joins several headers of a name, as Envoy's map does for well-known ones.
fn join(headers: &mut HeaderMap, name: &HeaderName) {
    let all: Vec<&[u8]> = headers.get_all(name).iter().map(HeaderValue::as_bytes).collect();
    if all.len() > 1
        && let Ok(joined) = HeaderValue::from_bytes(&all.join(&b","[..]))
    {
        headers.insert(name, joined);
    }
}

/// Keeps only the part of `te` that is end-to-end: that trailers are accepted.
fn te(headers: &mut HeaderMap) {
    let trailers = listed(headers, &TE).any(|coding| coding == "trailers");
    if trailers {
        headers.insert(TE, HeaderValue::from_static("trailers"));
    } else {
        headers.remove(TE);
    }
}

/// The current value of `date`, updated once a second.
pub(super) fn date() -> HeaderValue {
    thread_local! {
        static LAST: RefCell<(i64, HeaderValue)> = const { RefCell::new((0, HeaderValue::from_static(""))) };
    }
    let now = Timestamp::now();
    LAST.with_borrow_mut(|(second, value)| {
        if *second != now.as_second() {
            *second = now.as_second();
            *value = text(&now.strftime("%a, %d %b %Y %H:%M:%S GMT").to_string());
        }
        value.clone()
    })
}

/// The comma-separated elements of all headers of a name.
pub(super) fn listed<'a>(headers: &'a HeaderMap, name: &HeaderName) -> impl Iterator<Item = &'a str> {
    let values = headers.get_all(name).iter().filter_map(|value| value.to_str().ok());
    values.flat_map(|value| value.split(',')).map(str::trim).filter(|item| !item.is_empty())
}

/// Removes hop-by-hop headers.
pub(super) fn remove_hop_by_hop(headers: &mut HeaderMap, keep_upgrade: bool) {
    if !keep_upgrade {
        headers.remove(CONNECTION);
        headers.remove(UPGRADE);
    }
    headers.remove(KEEP_ALIVE);
    headers.remove(PROXY_CONNECTION);
    headers.remove(TRANSFER_ENCODING);
}

fn forwarded_for(headers: &mut HeaderMap, hcm: &Hcm, connection: &ConnectionInfo) -> Option<SocketAddr> {
    let before: Vec<_> = headers.get_all(FORWARDED_FOR).iter().filter_map(|value| value.to_str().ok()).collect();
    let before = before.join(",");
    if hcm.trust.use_remote_address {
        let peer = connection.remote.0.ip();
        let all = if before.is_empty() { peer.to_string() } else { format!("{before},{peer}") };
        headers.insert(FORWARDED_FOR, text(&all));
    }
    hcm.trust.client(&before).map(|ip| SocketAddr::new(ip, 0))
}

fn forwarded_proto(headers: &mut HeaderMap, hcm: &Hcm, connection: &ConnectionInfo) {
    if !hcm.trust.keeps_proto() || !headers.contains_key(FORWARDED_PROTO) {
        let scheme = if connection.tls.is_some() { "https" } else { "http" };
        headers.insert(FORWARDED_PROTO, HeaderValue::from_static(scheme));
    }
}

/// Sets `x-forwarded-client-cert`, in Envoy's format.
fn client_cert(headers: &mut HeaderMap, hcm: &Hcm, tls: Option<&TlsInfo>) {
    use ForwardClientCertDetails as Forward;
    let peer = tls.and_then(|tls| Some((tls, tls.peer.as_ref()?)));
    let (Some((tls, peer)), Forward::AppendForward | Forward::SanitizeSet) = (peer, hcm.client_cert) else {
        let keep = match hcm.client_cert {
            Forward::AlwaysForwardOnly => true,
            Forward::ForwardOnly => peer.is_some(),
            Forward::Sanitize | Forward::AppendForward | Forward::SanitizeSet => false,
        };
        if !keep {
            headers.remove(X_FORWARDED_CLIENT_CERT);
        }
        return;
    };
    let mut element = String::new();
    for (i, san) in tls.local_uri_sans.iter().enumerate() {
        let _ = write!(element, "{}By={san}", if i == 0 { "" } else { ";" });
    }
    let _ = write!(element, "{}Hash={}", if element.is_empty() { "" } else { ";" }, peer.sha256);
    let wanted = &hcm.client_cert_details;
    if wanted.cert {
        let _ = write!(element, ";Cert=\"{}\"", peer.url_encoded_pem);
    }
    if wanted.subject == Some(true) {
        let _ = write!(element, ";Subject=\"{}\"", peer.subject);
    }
    if wanted.uri {
        // Without a URI SAN, the key is present with an empty value.
        let uris = if peer.uri_sans.is_empty() { &[String::new()][..] } else { &peer.uri_sans };
        for uri in uris {
            let _ = write!(element, ";URI={uri}");
        }
    }
    if wanted.dns {
        for dns in &peer.dns_sans {
            let _ = write!(element, ";DNS={dns}");
        }
    }
    if hcm.client_cert == Forward::AppendForward {
        let before: Vec<_> =
            headers.get_all(X_FORWARDED_CLIENT_CERT).iter().filter_map(|value| value.to_str().ok()).collect();
        if !before.is_empty() {
            element = format!("{},{element}", before.join(","));
        }
    }
    headers.insert(X_FORWARDED_CLIENT_CERT, text(&element));
}

#[cfg(test)]
mod tests;
