//! Request heads, from options.

use http::header::{HOST, HeaderName, HeaderValue, USER_AGENT};
use http::uri::PathAndQuery;
use http::{HeaderMap, Method, Request, Uri};

use super::CallArgs;
use crate::{Target, UsageError};

/// The header with the ID of `--marker`.
pub(crate) const PROBE_HEADER: &str = "x-sidelab-probe";

/// The headers of any HTTP request with these options.
pub(super) fn headers(args: &CallArgs) -> Result<HeaderMap, UsageError> {
    let mut headers = HeaderMap::new();
    for text in &args.headers {
        let (name, value) = header(text)?;
        headers.append(name, value);
    }
    headers.entry(USER_AGENT).or_insert(HeaderValue::from_static("demo-client"));
    if let Some(marker) = &args.marker {
        headers.append(PROBE_HEADER, value(marker)?);
    }
    Ok(headers)
}

/// A request head for either version of HTTP.
pub(super) struct Head {
    method: Method,
    headers: HeaderMap,
    scheme: &'static str,
    authority: String,
    path: PathAndQuery,
}

impl Head {
    /// A request for `path` of `target`. A `Host` header replaces the URL's authority.
    pub(super) fn new(target: &Target, path: &str, method: Method, mut headers: HeaderMap) -> Result<Self, UsageError> {
        let authority = match headers.remove(HOST) {
            Some(host) => String::from_utf8_lossy(host.as_bytes()).into_owned(),
            None => target.authority.clone(),
        };
        let path = path.parse().map_err(|error: http::uri::InvalidUri| unfit(&error.into()))?;
        Ok(Self { method, headers, scheme: if target.scheme.is_tls() { "https" } else { "http" }, authority, path })
    }

    /// The request for HTTP/1.1, with the authority in `Host`.
    pub(super) fn http1<B>(&self, body: B) -> Result<Request<B>, UsageError> {
        // CONNECT asks for a host and port, and has no path (RFC 9112, section 3.2.3).
        let uri = match self.method {
            Method::CONNECT => self.authority.parse().map_err(|error: http::uri::InvalidUri| unfit(&error.into()))?,
            _ => self.path.clone().into(),
        };
        let mut request = self.with_uri(uri, body);
        request.headers_mut().insert(HOST, value(&self.authority)?);
        Ok(request)
    }

    /// The request for HTTP/2, with the authority in the URI.
    pub(super) fn http2<B>(&self, body: B) -> Result<Request<B>, UsageError> {
        let uri = Uri::builder().scheme(self.scheme).authority(self.authority.as_str());
        Ok(self.with_uri(uri.path_and_query(self.path.clone()).build().map_err(|error| unfit(&error))?, body))
    }

    fn with_uri<B>(&self, uri: Uri, body: B) -> Request<B> {
        let mut request = Request::new(body);
        *request.method_mut() = self.method.clone();
        *request.uri_mut() = uri;
        *request.headers_mut() = self.headers.clone();
        request
    }
}

fn unfit(error: &http::Error) -> UsageError {
    UsageError(format!("invalid request: {error}"))
}

fn header(text: &str) -> Result<(HeaderName, HeaderValue), UsageError> {
    let (name, rest) =
        text.split_once(':').ok_or_else(|| UsageError(format!("--header {text:?}: expected NAME:VALUE")))?;
    let name = name.trim().parse().map_err(|_| UsageError(format!("--header {text:?}: not a header name")))?;
    Ok((name, value(rest.trim())?))
}

fn value(text: &str) -> Result<HeaderValue, UsageError> {
    text.parse().map_err(|_| UsageError(format!("{text:?} is not a valid header value")))
}
