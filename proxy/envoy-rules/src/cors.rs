//! What the CORS filter does (`source/extensions/filters/http/cors/cors_filter.cc`).

use envoy_api::CorsPolicy;
use http::{HeaderMap, HeaderName, HeaderValue, header};

use crate::string_match::matches;

#[cfg(test)]
mod tests;

/// What becomes of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Cors {
    /// It goes on; its response gets these headers, if any.
    Passed(HeaderMap),
    /// It is a preflight, and answered with 200 and these headers.
    Answered(HeaderMap),
}

/// What a route's policy makes of a request.
pub fn decide(policy: &CorsPolicy, method: &str, headers: &HeaderMap) -> Cors {
    let passed = || Cors::Passed(HeaderMap::new());
    let enabled = policy.filter_enabled.is_none_or(|share| !share.default_value.is_none());
    let origin = headers.get(header::ORIGIN).filter(|origin| enabled && !origin.is_empty());
    let Some(origin) = origin else { return passed() };
    let asks = headers.get(header::ACCESS_CONTROL_REQUEST_METHOD).is_some_and(|asked| !asked.is_empty());
    let is_preflight = method == "OPTIONS" && asks;
    let text = String::from_utf8_lossy(origin.as_bytes());
    if !policy.allow_origin_string_match.iter().any(|allowed| matches(allowed, "*") || matches(allowed, &text)) {
        let forwarded = policy.forward_not_matching_preflights.unwrap_or(true);
        return if is_preflight && !forwarded { Cors::Answered(HeaderMap::new()) } else { passed() };
    }
    let mut answer = HeaderMap::from_iter([(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin.clone())]);
    let mut add = |name: HeaderName, text: &str| {
        if let Some(value) = HeaderValue::from_str(text).ok().filter(|_| !text.is_empty()) {
            answer.insert(name, value);
        }
    };
    if policy.allow_credentials == Some(true) {
        add(header::ACCESS_CONTROL_ALLOW_CREDENTIALS, "true");
    }
    if !is_preflight {
        add(header::ACCESS_CONTROL_EXPOSE_HEADERS, &policy.expose_headers);
        return Cors::Passed(answer);
    }
    add(header::ACCESS_CONTROL_ALLOW_METHODS, &policy.allow_methods);
    add(header::ACCESS_CONTROL_ALLOW_HEADERS, &policy.allow_headers);
    add(header::ACCESS_CONTROL_MAX_AGE, &policy.max_age);
    Cors::Answered(answer)
}
