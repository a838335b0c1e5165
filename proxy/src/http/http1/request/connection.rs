//! The `connection` header of a request: what is for this hop alone (`source/common/http/utility.cc`,
//! `sanitizeConnectionHeader`).

use http::{HeaderMap, HeaderName, HeaderValue, Version, header};

use crate::http::{headers::listed, rejection::Rejection};

/// How many headers it may name.
const MOST: usize = 100;

/// What nobody may have removed: later proxies rely on it.
const PROTECTED: [&str; 3] = ["x-forwarded-for", "x-forwarded-host", "x-forwarded-proto"];

/// Whether it says that the connection ends after this request.
pub(super) fn closes(headers: &HeaderMap, version: Version) -> bool {
    let proxy = HeaderName::from_static("proxy-connection");
    let says = |option: &str| {
        [&header::CONNECTION, &proxy]
            .into_iter()
            .any(|name| listed(headers, name).any(|o| o.eq_ignore_ascii_case(option)))
    };
    says("close") || (version == Version::HTTP_10 && !says("keep-alive"))
}

/// Removes the headers that it names.
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
        // Whatever is no name of a header (`close`) names none that is there.
        if !matches!(name.as_str(), "transfer-encoding" | "close" | "keep-alive") {
            let _ = HeaderName::from_bytes(name.as_bytes()).map(|name| headers.remove(name));
        }
    }
    // The one thing of a hop that is of use to the next.
    if let Some(te) = te.filter(|_| named.iter().any(|name| name == "te")) {
        let trailers = te.to_str().is_ok_and(|te| te.split(',').any(|coding| coding.trim() == "trailers"));
        if trailers {
            headers.insert(header::TE, HeaderValue::from_static("trailers"));
        }
    }
    Ok(())
}
