//! The request of a call, as a person asks for it: on the command line, or in a probe.

use http::{HeaderMap, HeaderName, HeaderValue, Method, header, uri::PathAndQuery};
use mesh::account::{AppProtocol, AppSpeaks};

#[cfg(test)]
mod tests;

/// What a person says of a request. What is left out follows from what the app speaks.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Asked {
    /// The method.
    pub method: Option<Method>,
    /// The path and query.
    pub path: Option<String>,
    /// The `Host` header or `:authority`.
    pub authority: Option<String>,
    /// The other headers.
    pub headers: HeaderMap,
}

impl Asked {
    /// Takes a `Host` among the headers for the authority.
    ///
    /// # Errors
    /// Which part does not fit what the app sends and speaks, by the name of its field.
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
            return Err(format!("{field}: raw bytes have none; only HTTP has (app http, h2 or https)"));
        }
        match (&self.method, speaks) {
            (Some(method), Some(AppSpeaks::Grpc)) if *method != Method::POST => {
                Err(format!("method: gRPC calls are POST, not {method}"))
            }
            (Some(method), Some(AppSpeaks::Websocket)) if *method != Method::GET => {
                Err(format!("method: a websocket is asked for with GET, not {method}"))
            }
            (Some(method), speaks) if *method == Method::CONNECT && speaks != Some(AppSpeaks::Connect) => {
                Err("method: CONNECT is what the app speaks (speaks: connect)".into())
            }
            _ => Ok(()),
        }
    }
}

/// A path with its query, as a client sends it.
///
/// # Errors
/// If it does not begin with `/` (or is not `*`), or has a character that no path has.
pub fn path_and_query(text: &str) -> Result<String, String> {
    if !text.starts_with('/') && text != "*" {
        return Err("a path begins with /".into());
    }
    text.parse::<PathAndQuery>().map(|path| path.to_string()).map_err(|error| error.to_string())
}

/// A header.
///
/// # Errors
/// If the name or the value is none.
pub fn header(name: &str, value: &str) -> Result<(HeaderName, HeaderValue), String> {
    if name.starts_with(':') {
        return Err(format!("{name} is no header: the method, path and host have fields of their own"));
    }
    let name = name.parse().map_err(|_| format!("{name:?} is not a header name"))?;
    let value = value.parse().map_err(|_| format!("{value:?} is not a header value"))?;
    Ok((name, value))
}
