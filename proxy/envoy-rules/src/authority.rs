//! The host that a request names. Envoy splits it in two ways, which differ for IPv6 addresses without brackets and for
//! what is no port.

use std::net::IpAddr;

/// A host without its port, as virtual hosts are looked up with `ignore_port_in_host_matching`: without the last colon and
/// what follows it, whatever that is, unless a `]` follows. So `::1` becomes `:` (`HeaderUtility::getPortStart`,
/// `source/common/http/header_utility.cc`).
pub fn without_port(authority: &str) -> &str {
    match authority.rsplit_once(':') {
        Some((host, after)) if !after.contains(']') => host,
        _ => authority,
    }
}

/// The host of a request, as `auto_sni` and `auto_san_validation` take it (`Utility::parseAuthority`,
/// `source/common/http/utility.cc`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Authority<'a> {
    /// Without port, and without the brackets of an IPv6 address.
    pub host: &'a str,
    /// The port, if there is one. What follows the last colon and is no port belongs to the host.
    pub port: Option<u16>,
    /// Whether the host is an IP address.
    pub is_ip: bool,
}

impl<'a> Authority<'a> {
    /// Reads a `host` or `:authority` header.
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

    /// The SNI that it stands for: none if it is an IP address.
    pub fn server_name(self) -> Option<&'a str> {
        (!self.is_ip && !self.host.is_empty()).then_some(self.host)
    }
}

#[cfg(test)]
mod tests;
