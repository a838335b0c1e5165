//! The parts of a call's request that a person can set, on the command line or in a probe.

use http::{HeaderMap, HeaderName, HeaderValue, Method, header, uri::PathAndQuery};
use mesh::account::{AppProtocol, AppSpeaks};

#[cfg(test)]
mod tests;

/// The parts of a request that a person sets. The others follow from the protocol that the app speaks.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Asked {
    pub method: Option<Method>,
    /// Path and query.
    pub path: Option<String>,
    /// The `Host` header or `:authority`.
    pub authority: Option<String>,
    /// The other headers.
    pub headers: HeaderMap,
}

impl Asked {
    /// A `Host` header becomes the authority.
    ///
    /// # Errors
    /// If a part does not fit `app` and `speaks`. The message starts with its field.
    pub fn new(
        method: Option<Method>,
        path: Option<String>,
        host: Option<String>,
        headers: impl IntoIterator<Item = (HeaderName, HeaderValue)>,
        app: AppProtocol,
        speaks: Option<AppSpeaks>,
    ) -> Result<Self, String> {
        let mut all = HeaderMap::new();
        for (name, value) in headers {
            all.append(name, value);
        }
        let of_header = all.remove(header::HOST).map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned());
        if host.is_some() && of_header.is_some() {
            return Err("header: Host is given twice".into());
        }
        let asked = Self { method, path, authority: host.or(of_header), headers: all };
        asked.fits(app, speaks)?;
        Ok(asked)
    }

    fn fits(&self, app: AppProtocol, speaks: Option<AppSpeaks>) -> Result<(), String> {
        let set = [
            ("method", self.method.is_some()),
            ("path", self.path.is_some()),
            ("header", !self.headers.is_empty()),
            ("host", self.authority.is_some()),
        ];
        if let Some((field, _)) = set.iter().find(|(_, set)| *set && app == AppProtocol::Tcp) {
            return Err(format!("{field}: raw bytes have none; it needs HTTP (app http, h2 or https)"));
        }
        match (&self.method, speaks) {
            (Some(method), Some(AppSpeaks::Grpc)) if *method != Method::POST => {
                Err(format!("method: gRPC calls are POST, not {method}"))
            }
            (Some(method), Some(AppSpeaks::Websocket)) if *method != Method::GET => {
                Err(format!("method: a websocket is requested with GET, not {method}"))
            }
            (Some(method), speaks) if *method == Method::CONNECT && speaks != Some(AppSpeaks::Connect) => {
                Err("method: CONNECT needs `speaks: connect`".into())
            }
            _ => Ok(()),
        }
    }
}

/// Parses a path with its query.
///
/// # Errors
/// If it neither begins with `/` nor is `*`, or contains an invalid character.
pub fn path_and_query(text: &str) -> Result<String, String> {
    if !text.starts_with('/') && text != "*" {
        return Err("a path begins with /".into());
    }
    text.parse::<PathAndQuery>().map(|path| path.to_string()).map_err(|error| error.to_string())
}

/// Parses a header.
///
/// # Errors
/// If the name or the value is invalid.
pub fn header(name: &str, value: &str) -> Result<(HeaderName, HeaderValue), String> {
    if name.starts_with(':') {
        return Err(format!("{name} is not a header: method, path and host have separate fields"));
    }
    let name = name.parse().map_err(|_| format!("{name:?} is not a header name"))?;
    let value = value.parse().map_err(|_| format!("{value:?} is not a header value"))?;
    Ok((name, value))
}
