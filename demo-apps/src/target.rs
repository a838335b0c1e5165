//! What a call goes to.

use std::fmt;
use std::str::FromStr;

use http::Uri;

use crate::UsageError;

#[cfg(test)]
mod tests;

/// What is spoken to the target.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scheme {
    /// HTTP.
    Http,
    /// HTTP inside TLS.
    Https,
    /// Raw bytes.
    Tcp,
    /// Raw bytes inside TLS.
    Tls,
}

impl Scheme {
    /// Whether the client speaks TLS.
    #[must_use]
    pub fn is_tls(self) -> bool {
        matches!(self, Self::Https | Self::Tls)
    }

    /// Whether the client speaks HTTP.
    #[must_use]
    pub fn is_http(self) -> bool {
        matches!(self, Self::Http | Self::Https)
    }
}

/// What a call goes to: `http://HOST[:PORT][/PATH]`, `https://...`, `tcp://HOST:PORT`, `tls://HOST:PORT`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    /// What is spoken.
    pub scheme: Scheme,
    /// Name or address, an IPv6 address without its brackets.
    pub host: String,
    /// The port; 80 and 443 where an HTTP URL names none.
    pub port: u16,
    /// Host and port as the URL has them: what goes into the `Host` header.
    pub authority: String,
    /// Path and query; `/` where the URL has none.
    pub path: String,
}

impl FromStr for Target {
    type Err = UsageError;

    fn from_str(url: &str) -> Result<Self, UsageError> {
        let bad = |why: &str| {
            UsageError(format!(
                "URL {url:?}: {why}; expected http://HOST[:PORT][/PATH], https://..., tcp://HOST:PORT or tls://HOST:PORT"
            ))
        };
        let uri: Uri = url.parse().map_err(|error| bad(&format!("{error}")))?;
        let (scheme, default_port) = match uri.scheme_str() {
            Some("http") => (Scheme::Http, Some(80)),
            Some("https") => (Scheme::Https, Some(443)),
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
        // A port out of range reads as none; what follows the host tells the two apart.
        let port = match (&authority.as_str()[authority.host().len()..], authority.port_u16()) {
            (_, Some(port)) => port,
            ("", None) => default_port.ok_or_else(|| bad("no port"))?,
            (_, None) => return Err(bad("the port is not a number within 0 to 65535")),
        };
        let path = uri.path_and_query().map_or("/", |path| path.as_str());
        if !scheme.is_http() && path != "/" && !path.is_empty() {
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
        let scheme = match self.scheme {
            Scheme::Http => "http",
            Scheme::Https => "https",
            Scheme::Tcp => "tcp",
            Scheme::Tls => "tls",
        };
        let path = if self.scheme.is_http() { self.path.as_str() } else { "" };
        write!(f, "{scheme}://{}{path}", self.authority)
    }
}
