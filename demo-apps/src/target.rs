//! The target of a call.

use std::fmt;
use std::str::FromStr;

use http::Uri;

use crate::UsageError;

#[cfg(test)]
mod tests;

/// The protocol of a target.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scheme {
    /// Plaintext HTTP.
    Http,
    /// HTTP inside TLS.
    Https,
    /// gRPC over HTTP/2 with prior knowledge.
    Grpc,
    /// gRPC inside TLS.
    Grpcs,
    /// A websocket over HTTP/1.1.
    Ws,
    /// A websocket inside TLS.
    Wss,
    /// Raw bytes.
    Tcp,
    /// Raw bytes inside TLS.
    Tls,
}

impl Scheme {
    /// Whether the client uses TLS.
    #[must_use]
    pub fn is_tls(self) -> bool {
        matches!(self, Self::Https | Self::Grpcs | Self::Wss | Self::Tls)
    }

    /// Whether raw bytes are exchanged, without an application protocol.
    #[must_use]
    pub fn is_raw(self) -> bool {
        matches!(self, Self::Tcp | Self::Tls)
    }

    /// Whether the client uses gRPC.
    #[must_use]
    pub fn is_grpc(self) -> bool {
        matches!(self, Self::Grpc | Self::Grpcs)
    }

    /// The scheme in a URL.
    fn name(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Https => "https",
            Self::Grpc => "grpc",
            Self::Grpcs => "grpcs",
            Self::Ws => "ws",
            Self::Wss => "wss",
            Self::Tcp => "tcp",
            Self::Tls => "tls",
        }
    }
}

/// The parsed URL of a call: `http(s)://HOST[:PORT][/PATH]`, `grpc(s)://HOST:PORT[/SERVICE/METHOD]`, `ws(s)://HOST[:PORT]/PATH`,
/// `tcp://HOST:PORT`, `tls://HOST:PORT`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    pub scheme: Scheme,
    /// Name or address; an IPv6 address without its brackets.
    pub host: String,
    /// Port; 80 or 443 by default for HTTP and websockets.
    pub port: u16,
    /// Host and port as in the URL, for the `Host` header.
    pub authority: String,
    /// Path and query; `/` by default.
    pub path: String,
}

impl FromStr for Target {
    type Err = UsageError;

    fn from_str(url: &str) -> Result<Self, UsageError> {
        let bad = |why: &str| {
            UsageError(format!(
                "URL {url:?}: {why}; expected http(s)://HOST[:PORT][/PATH], grpc(s)://HOST:PORT[/SERVICE/METHOD], \
                 ws(s)://HOST[:PORT]/PATH, tcp://HOST:PORT or tls://HOST:PORT"
            ))
        };
        let uri: Uri = url.parse().map_err(|error| bad(&format!("{error}")))?;
        let (scheme, default_port) = match uri.scheme_str() {
            Some("http") => (Scheme::Http, Some(80)),
            Some("https") => (Scheme::Https, Some(443)),
            Some("grpc") => (Scheme::Grpc, None),
            Some("grpcs") => (Scheme::Grpcs, None),
            Some("ws") => (Scheme::Ws, Some(80)),
            Some("wss") => (Scheme::Wss, Some(443)),
            Some("tcp") => (Scheme::Tcp, None),
            Some("tls") => (Scheme::Tls, None),
            Some(other) => return Err(bad(&format!("unknown scheme {other}"))),
            None => return Err(bad("no scheme")),
        };
        let authority = uri.authority().ok_or_else(|| bad("no host"))?;
        if authority.as_str().contains('@') {
            return Err(bad("user names are not supported"));
        }
        let host = authority.host().trim_start_matches('[').trim_end_matches(']');
        if host.is_empty() {
            return Err(bad("no host"));
        }
        // An out-of-range port is reported as `None`; what follows the host distinguishes it from a missing port.
        let port = match (&authority.as_str()[authority.host().len()..], authority.port_u16()) {
            (_, Some(port)) => port,
            ("", None) => default_port.ok_or_else(|| bad("no port"))?,
            (_, None) => return Err(bad("the port is not a number from 0 to 65535")),
        };
        let path = uri.path_and_query().map_or("/", |path| path.as_str());
        if scheme.is_raw() && path != "/" && !path.is_empty() {
            return Err(bad("raw connections have no path"));
        }
        Ok(Self {
            scheme,
            host: host.to_owned(),
            port,
            authority: authority.as_str().to_owned(),
            path: if path.is_empty() { "/".to_owned() } else { path.to_owned() },
        })
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let path = if self.scheme.is_raw() { "" } else { self.path.as_str() };
        write!(f, "{}://{}{path}", self.scheme.name(), self.authority)
    }
}
