//! Addresses to listen on.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::str::FromStr;

/// An address to listen on: a port on all addresses of both IP versions, or on one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BindAddress {
    /// `None` for all addresses.
    pub ip: Option<IpAddr>,
    /// 0 for any free port.
    pub port: u16,
}

impl FromStr for BindAddress {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if let Ok(port) = text.parse() {
            return Ok(Self { ip: None, port });
        }
        let address: SocketAddr = text.parse().map_err(
            |_| "expected a port (8080), or an address with a port (127.0.0.1:8080, [::1]:8080); ports go up to 65535",
        )?;
        Ok(Self { ip: Some(address.ip()), port: address.port() })
    }
}

impl fmt::Display for BindAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.ip {
            Some(ip) => SocketAddr::new(ip, self.port).fmt(f),
            None => write!(f, "port {}", self.port),
        }
    }
}
