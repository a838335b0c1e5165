//! The `connection` header of a request, which lists hop-by-hop headers (`source/common/http/utility.cc`,
//! `sanitizeConnectionHeader`).

use http::{HeaderMap, HeaderName, HeaderValue, Version, header};

use crate::http::{headers::listed, rejection::Rejection};

/// Maximum number of headers that it may list.
const MOST: usize = 100;

/// Headers that may not be removed, because later proxies rely on them.
const PROTECTED: [&str; 3] = ["x-forwarded-for", "x-forwarded-host", "x-forwarded-proto"];

/// Whether it announces that the connection ends after this request.
pub(super) fn closes(headers: &HeaderMap, version: Version) -> bool {
    let proxy = HeaderName::from_static("proxy-connection");
    let says = |option: &str| {
        [&header::CONNECTION, &proxy]
            .into_iter()
            .any(|name| listed(headers, name).any(|o| o.eq_ignore_ascii_case(option)))
    };
    says("close") || (version == Version::HTTP_10 && !says("keep-alive"))
}

/// Removes the listed headers.
pub(super) fn sanitize(headers: &mut HeaderMap) -> Result<(), Rejection> {
    let named: Vec<String> = listed(headers, &header::CONNECTION).map(str::to_ascii_lowercase).collect();
    if named.len() > MOST {
        return Err(Rejection::CONNECTION_HEADER);
    }
    let te = headers.get(header::TE).cloned();
    for name in &named {
        if PROTECTED.contains(&name.as_str()) || name.starts_with(':') {
            return Err(Rejection::CONNECTION_HEADER);
        }
        // Anything that is not a header name (`close`) removes nothing.
        if !matches!(name.as_str(), "transfer-encoding" | "close" | "keep-alive") {
            let _ = HeaderName::from_bytes(name.as_bytes()).map(|name| headers.remove(name));
        }
    }
    // The only part of a hop-by-hop header that is forwarded.
    if let Some(te) = te.filter(|_| named.iter().any(|name| name == "te")) {
        let trailers = te.to_str().is_ok_and(|te| te.split(',').any(|coding| coding.trim() == "trailers"));
        if trailers {
            headers.insert(header::TE, HeaderValue::from_static("trailers"));
        }
    }
    Ok(())
}
