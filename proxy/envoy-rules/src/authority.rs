//! The host of a request. Envoy has two ways to split it, which differ for IPv6 addresses without brackets and for invalid
//! ports.

use std::net::IpAddr;

/// A host without its port, for matching virtual hosts with `ignore_port_in_host_matching`: without the last colon and
/// everything after it, even if that is not a port, unless it contains `]`. So `::1` becomes `:` (`HeaderUtility::getPortStart`,
/// `source/common/http/header_utility.cc`).
pub fn without_port(authority: &str) -> &str {
    match authority.rsplit_once(':') {
        Some((host, after)) if !after.contains(']') => host,
        _ => authority,
    }
}

/// The host of a request, for `auto_sni` and `auto_san_validation` (`Utility::parseAuthority`,
/// `source/common/http/utility.cc`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Authority<'a> {
    /// Without port, and without the brackets of an IPv6 address.
    pub host: &'a str,
    /// The port, if any. If what follows the last colon is not a port, it is part of the host.
    pub port: Option<u16>,
    /// Whether the host is an IP address.
    pub is_ip: bool,
}

impl<'a> Authority<'a> {
    /// Parses a `host` or `:authority` header.
    pub fn parse(authority: &'a str) -> Self {
        let split = authority.rsplit_once(':').filter(|_| !authority.ends_with(']'));
        let with_port = split.and_then(|(host, port)| Some((host, port.parse().ok()?)));
        let (host, port) = match with_port {
            Some((host, port)) => (host, Some(port)),
            None => (authority, None),
        };
        let bare = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
        match bare.parse::<IpAddr>() {
            Ok(_) => Self { host: bare, port, is_ip: true },
            Err(_) => Self { host, port, is_ip: false },
        }
    }

    /// The SNI for this host; `None` if it is an IP address.
    pub fn server_name(self) -> Option<&'a str> {
        (!self.is_ip && !self.host.is_empty()).then_some(self.host)
    }
}

#[cfg(test)]
mod tests;
