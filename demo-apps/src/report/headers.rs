//! Headers and trailers of HTTP messages.

/// Header pairs in the order of the wire, with names in lower case. A name may occur more than once.
pub type Headers = Vec<(String, String)>;

/// The first value of the header `name` (given in lower case).
#[must_use]
pub fn header<'a>(headers: &'a Headers, name: &str) -> Option<&'a str> {
    headers.iter().find(|(n, _)| n == name).map(|(_, value)| value.as_str())
}

/// Header pairs of a message. Invalid UTF-8 in values is replaced.
pub(crate) fn headers_of(map: &http::HeaderMap) -> Headers {
    map.iter().map(|(name, value)| (name.to_string(), String::from_utf8_lossy(value.as_bytes()).into_owned())).collect()
}
