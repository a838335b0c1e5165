//! Header values from text, and as text.

use http::{HeaderMap, HeaderName, HeaderValue};

/// A header value; empty if the text is not a valid one (a subject with line breaks).
pub(super) fn text(value: &str) -> HeaderValue {
    HeaderValue::from_str(value).unwrap_or_else(|_| HeaderValue::from_static(""))
}

/// The first value of a header, if it is text.
pub(super) fn value<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a str> {
    headers.get(name).and_then(|value| value.to_str().ok())
}
