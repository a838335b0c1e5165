//! Matching headers and parameters of the query (`source/common/http/header_utility.cc`, `source/common/router/config_utility.cc`).

use std::fmt;

use envoy_api::{HeaderMatcher, QueryParameterMatcher};
use http::{HeaderMap, HeaderName};

use crate::{re2::Re2Error, string_match::CompiledMatcher};

#[cfg(test)]
mod tests;

/// The parts of a request that routes match.
#[derive(Clone, Copy, Debug)]
pub struct RequestHead<'a> {
    /// Value of `host` or `:authority`.
    pub authority: &'a str,
    /// Path and query.
    pub path: &'a str,
    /// Method, such as `GET`.
    pub method: &'a str,
    /// `http` or `https`.
    pub scheme: &'a str,
    /// The other headers.
    pub headers: &'a HeaderMap,
}

/// A matcher of a header or pseudo-header.
#[derive(Clone, Debug)]
pub struct HeaderMatch {
    name: String,
    header: Header,
    value: ValueMatch,
    inverted: bool,
    missing_is_empty: bool,
}

/// A header or pseudo-header to match.
#[derive(Clone, Debug)]
enum Header {
    Authority,
    Path,
    Method,
    Scheme,
    Named(HeaderName),
}

#[derive(Clone, Debug)]
enum ValueMatch {
    Present(bool),
    Text(CompiledMatcher),
}

/// Why a matcher is invalid.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HeaderMatchError {
    /// The name is not a header name.
    #[error("{0:?} is not a header name")]
    Name(String),
    /// The regular expression is invalid.
    #[error("{name}: {error}")]
    Regex {
        /// The header or parameter.
        name: String,
        /// Why.
        error: Re2Error,
    },
}

impl HeaderMatch {
    /// Compiles a matcher.
    ///
    /// # Errors
    /// If its name or its regular expression is invalid.
    pub fn new(configured: &HeaderMatcher) -> Result<Self, HeaderMatchError> {
        let HeaderMatcher { name, string_match, present_match, invert_match, treat_missing_header_as_empty } =
            configured;
        Ok(Self {
            name: name.clone(),
            header: Header::parse(name).ok_or_else(|| HeaderMatchError::Name(name.clone()))?,
            value: ValueMatch::new(name, string_match.as_ref(), *present_match)?,
            inverted: *invert_match,
            missing_is_empty: *treat_missing_header_as_empty,
        })
    }

    /// Whether a request matches. Of several headers of this name one has to match. Where there is none, nothing matches but a
    /// matcher of its absence, even if it is inverted.
    pub fn matches(&self, request: &RequestHead<'_>) -> bool {
        let matched = match &self.header {
            Header::Authority => self.value.matches(request.authority),
            Header::Path => self.value.matches(request.path),
            Header::Method => self.value.matches(request.method),
            Header::Scheme => self.value.matches(request.scheme),
            Header::Named(name) => {
                let mut values = request.headers.get_all(name).iter().peekable();
                match (values.peek(), &self.value) {
                    (None, ValueMatch::Present(present)) => !present,
                    (None, _) if self.missing_is_empty => self.value.matches(""),
                    (None, _) => return false,
                    _ => values.any(|value| self.value.matches(&String::from_utf8_lossy(value.as_bytes()))),
                }
            }
        };
        matched != self.inverted
    }
}

impl ValueMatch {
    fn new(
        name: &str,
        text: Option<&envoy_api::StringMatcher>,
        present: Option<bool>,
    ) -> Result<Self, HeaderMatchError> {
        let Some(text) = text else { return Ok(Self::Present(present.unwrap_or(true))) };
        let compiled = CompiledMatcher::new(text);
        compiled.map(Self::Text).map_err(|error| HeaderMatchError::Regex { name: name.to_owned(), error })
    }

    fn matches(&self, text: &str) -> bool {
        match self {
            Self::Present(present) => *present,
            Self::Text(matcher) => matcher.matches(text),
        }
    }
}

impl Header {
    fn parse(name: &str) -> Option<Self> {
        Some(match name.to_ascii_lowercase().as_str() {
            ":authority" | "host" => Self::Authority,
            ":path" => Self::Path,
            ":method" => Self::Method,
            ":scheme" => Self::Scheme,
            _ => Self::Named(name.parse().ok()?),
        })
    }
}

impl fmt::Display for HeaderMatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let not = if self.inverted { "not " } else { "" };
        write!(f, "header {} {not}{}", self.name, self.value)
    }
}

impl fmt::Display for QueryMatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "parameter {} {}", self.name, self.value)
    }
}

impl fmt::Display for ValueMatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Present(true) => f.write_str("is there"),
            Self::Present(false) => f.write_str("is not there"),
            Self::Text(matcher) => write!(f, "{matcher}"),
        }
    }
}

/// A matcher of a parameter of the query.
#[derive(Clone, Debug)]
pub struct QueryMatch {
    name: String,
    value: ValueMatch,
}

impl QueryMatch {
    /// Compiles a matcher.
    ///
    /// # Errors
    /// If its regular expression is invalid.
    pub fn new(configured: &QueryParameterMatcher) -> Result<Self, HeaderMatchError> {
        let QueryParameterMatcher { name, string_match, present_match } = configured;
        Ok(Self { name: name.clone(), value: ValueMatch::new(name, string_match.as_ref(), *present_match)? })
    }

    /// Whether the first parameter of this name matches. As they are sent: nothing is decoded.
    pub fn matches(&self, path: &str) -> bool {
        match (parameter(path, &self.name), &self.value) {
            (None, ValueMatch::Present(present)) => !present,
            (None, ValueMatch::Text(_)) => false,
            (Some(value), matcher) => matcher.matches(value),
        }
    }
}

/// The first parameter of this name in a path's query; empty if it has no value.
pub fn parameter<'a>(path: &'a str, name: &str) -> Option<&'a str> {
    let (_, query) = path.split_once('?')?;
    let query = query.split('#').next().unwrap_or_default();
    let parameters = query.split('&').map(|parameter| parameter.split_once('=').unwrap_or((parameter, "")));
    parameters.filter(|(key, _)| *key == name).map(|(_, value)| value).next()
}
