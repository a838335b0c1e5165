//! What of a request or a connection is hashed, where a cluster chooses endpoints by a hash (`source/common/http/hash_policy.cc`,
//! `source/common/network/hash_policy.cc`).

use std::net::IpAddr;

use envoy_api::{HashCookie, HashPolicy, TcpHashPolicy};
use http::header;
use twox_hash::XxHash64;

use crate::route::RequestHead;

#[cfg(test)]
mod tests;

/// Envoy's hash of bytes (`HashUtil::xxHash64`).
pub(crate) fn hash_of(bytes: &[u8]) -> u64 {
    XxHash64::oneshot(0, bytes)
}

/// The hash of a request as it is sent upstream; none if it has nothing of what is hashed, and then any endpoint is chosen. `client` is
/// its client's address; `new_cookie` makes the value of a cookie that the request lacks and the policy sets, and may not know it.
pub fn of_request(
    policies: &[HashPolicy],
    request: &RequestHead<'_>,
    client: IpAddr,
    mut new_cookie: impl FnMut(&HashCookie) -> Option<String>,
) -> Option<u64> {
    policies.iter().fold(None, |hash: Option<u64>, policy| {
        let of_policy = match policy {
            HashPolicy::Header(by) => of_header(&by.header_name, request),
            HashPolicy::Cookie(by) => {
                let sent = cookie(&by.name, request).filter(|value| !value.is_empty());
                let value = sent.or_else(|| by.ttl.and_then(|_| new_cookie(by)));
                value.map(|value| hash_of(value.as_bytes()))
            }
            HashPolicy::ConnectionProperties(by) => by.source_ip.then(|| of_address(client)),
            HashPolicy::QueryParameter(by) => parameter(&by.name, request.path).map(|value| hash_of(value.as_bytes())),
        };
        match of_policy {
            // Rotated, so that two equal ones don't cancel each other out.
            Some(other) => Some(hash.map_or(0, |hash| hash.rotate_left(1)) ^ other),
            None => hash,
        }
    })
}

/// The hash of a connection; none if nothing of it is hashed.
pub fn of_connection(policies: &[TcpHashPolicy], client: IpAddr) -> Option<u64> {
    policies.first().map(|TcpHashPolicy::SourceIp(_)| of_address(client))
}

/// The value of a cookie that a sidecar sets: the same for all requests of a connection (`Filter::addDownstreamSetCookie` in
/// `source/common/router/router.cc`). Both are addresses with ports.
pub fn cookie_of_connection(remote: &str, local: &str) -> String {
    format!("{:016x}", hash_of(format!("{remote}{local}").as_bytes()))
}

/// The header `set-cookie` for a cookie with this value (`Utility::makeSetCookieValue` in `source/common/http/utility.cc`).
pub fn set_cookie(cookie: &HashCookie, value: &str) -> String {
    let mut text = format!("{}=\"{value}\"", cookie.name);
    let seconds = cookie.ttl.map_or(0, |ttl| ttl.0.as_secs());
    if seconds > 0 {
        text += &format!("; Max-Age={seconds}");
    }
    if !cookie.path.is_empty() {
        text += &format!("; Path={}", cookie.path);
    }
    for attribute in &cookie.attributes {
        text += "; ";
        text += &attribute.name;
        if !attribute.value.is_empty() {
            text += "=";
            text += &attribute.value;
        }
    }
    text + "; HttpOnly"
}

fn of_address(address: IpAddr) -> u64 {
    hash_of(address.to_string().as_bytes())
}

/// All values of a header, sorted: the hash of each is the seed of the next.
fn of_header(name: &str, request: &RequestHead<'_>) -> Option<u64> {
    let name = name.to_ascii_lowercase();
    let pseudo = match name.as_str() {
        ":authority" | "host" => Some(request.authority),
        ":path" => Some(request.path),
        ":method" => Some(request.method),
        ":scheme" => Some(request.scheme),
        _ => None,
    };
    let mut values: Vec<&[u8]> = match pseudo {
        Some(value) => vec![value.as_bytes()],
        None => request.headers.get_all(&name).iter().map(http::HeaderValue::as_bytes).collect(),
    };
    values.sort_unstable();
    (!values.is_empty()).then(|| values.into_iter().fold(0, XxHash64::oneshot))
}

/// The value of a cookie, without quotes around it (`Utility::parseCookieValue`).
fn cookie(name: &str, request: &RequestHead<'_>) -> Option<String> {
    let sent = request.headers.get_all(header::COOKIE).iter().filter_map(|value| value.to_str().ok());
    let mut pairs = sent.flat_map(|line| line.split(';')).filter_map(|pair| pair.trim_start().split_once('='));
    let (_, value) = pairs.find(|(known, _)| *known == name)?;
    let unquoted = value.strip_prefix('"').and_then(|rest| rest.strip_suffix('"'));
    Some(unquoted.unwrap_or(value).to_owned())
}

/// The first value of a parameter, as written.
fn parameter<'a>(name: &str, path: &'a str) -> Option<&'a str> {
    let (_, query) = path.split_once('?')?;
    let query = query.split('#').next().unwrap_or_default();
    query
        .split('&')
        .map(|one| one.split_once('=').unwrap_or((one, "")))
        .find(|(known, _)| *known == name)
        .map(|(_, v)| v)
}
