//! The target of a request: a path, an absolute URL, or for CONNECT an authority.

use http::Method;

use crate::http::rejection::Rejection;

/// A parsed target.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Target<'a> {
    /// Host and port, if the target contains them.
    pub(super) authority: Option<&'a str>,
    /// Path and query; `None` for CONNECT.
    pub(super) path: Option<String>,
}

/// Whether Envoy's parser accepts the target (`balsa_parser.cc`, `isUrlValid`).
pub(super) fn is_plausible(target: &str, is_connect: bool) -> bool {
    let in_path = |byte: u8| byte == b'\t' || byte == 12 || (33..127).contains(&byte);
    match target.as_bytes() {
        [] => return false,
        [b'/' | b'*', rest @ ..] => return rest.iter().all(|byte| in_path(*byte)),
        _ => {}
    }
    let rest = match target.split_once("://") {
        _ if is_connect => target,
        Some((scheme, rest)) if !scheme.is_empty() && scheme.bytes().all(|byte| byte.is_ascii_alphabetic()) => rest,
        _ => return false,
    };
    let (host, path) = rest.split_at(rest.find(['/', '?']).unwrap_or(rest.len()));
    let in_host = |byte: u8| byte.is_ascii_alphanumeric() || b"!$%&'()*+,-.:;=@[]_~".contains(&byte);
    host.bytes().all(in_host) && !host.contains("@@") && path.bytes().all(in_path)
}

/// Parses a target (`codec_impl.cc`, `handlePath`).
pub(super) fn read<'a>(target: &'a str, method: &Method) -> Result<Target<'a>, Rejection> {
    if *method == Method::CONNECT {
        let (host, port) = target.rsplit_once(':').ok_or(Rejection::URL)?;
        return match is_host(host) && is_port(port) {
            true => Ok(Target { authority: Some(target), path: None }),
            false => Err(Rejection::URL),
        };
    }
    if target.starts_with('/') || (*method == Method::OPTIONS && target.starts_with('*')) {
        return Ok(Target { authority: None, path: Some(target.into()) });
    }
    let (scheme, rest) = target.split_once("://").ok_or(Rejection::URL)?;
    if !scheme.eq_ignore_ascii_case("http") && !scheme.eq_ignore_ascii_case("https") {
        return Err(Rejection::SCHEME);
    }
    let (authority, path) = rest.split_at(rest.find(['/', '?']).unwrap_or(rest.len()));
    let authority = authority.rsplit_once('@').map_or(authority, |(_, authority)| authority);
    let (host, port) = match authority.rsplit_once(':') {
        Some((host, port)) if !port.ends_with(']') => (host, Some(port)),
        _ => (authority, None),
    };
    if !is_host(host) || port.is_some_and(|port| !is_port(port)) {
        return Err(Rejection::URL);
    }
    let path = if path.is_empty() { "/" } else { path };
    Ok(Target { authority: Some(authority), path: Some(path.into()) })
}

/// Whether it is a name or an address according to Envoy's URL library.
fn is_host(host: &str) -> bool {
    match host.strip_prefix('[') {
        Some(rest) => rest.strip_suffix(']').is_some_and(|ip| ip.parse::<std::net::Ipv6Addr>().is_ok()),
        None => !host.is_empty() && host.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._".contains(&byte)),
    }
}

fn is_port(port: &str) -> bool {
    !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit()) && port.parse::<u16>().is_ok()
}
