//! Normalizing paths like Envoy (`source/common/http/conn_manager_utility.cc`, `maybeNormalizePath`, and
//! `source/common/http/path_utility.cc`).

use std::borrow::Cow;

use envoy_api::{EscapedSlashes, HttpConnectionManager};

#[cfg(test)]
mod tests;

/// What a connection manager does to the paths of requests before anything else looks at them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Normalization {
    /// What becomes of `%2F` and `%5C`.
    pub escaped_slashes: EscapedSlashes,
    /// Whether `.` and `..` are resolved, and escapes are made uniform.
    pub canonical: bool,
    /// Whether several slashes become one.
    pub merges_slashes: bool,
}

/// What becomes of a request by its path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Normalized<'a> {
    /// It goes on with this path.
    Path(Cow<'a, str>),
    /// It is rejected with 400, `path_normalization_failed`.
    Rejected,
    /// It is answered with 307 to this path; one of gRPC is rejected.
    Redirected(String),
}

impl Normalization {
    /// That of a connection manager.
    pub fn new(manager: &HttpConnectionManager) -> Self {
        Self {
            escaped_slashes: manager.path_with_escaped_slashes_action,
            canonical: manager.normalize_path.unwrap_or(false),
            merges_slashes: manager.merge_slashes,
        }
    }

    /// The path of a request with its query.
    pub fn apply<'a>(&self, path_and_query: &'a str) -> Normalized<'a> {
        if path_and_query.contains('#') {
            return Normalized::Rejected;
        }
        let mut path = Cow::from(path_and_query);
        let mut redirects = false;
        if let Some(unescaped) = self.unescaped(path_and_query) {
            match self.escaped_slashes {
                EscapedSlashes::RejectRequest => return Normalized::Rejected,
                action => redirects = action == EscapedSlashes::UnescapeAndRedirect,
            }
            path = unescaped.into();
        }
        if self.canonical {
            match canonical(&path) {
                Some(canonical) => path = canonical.into(),
                None => return Normalized::Rejected,
            }
        }
        if self.merges_slashes
            && let Some(merged) = merged(&path)
        {
            path = merged.into();
        }
        if redirects { Normalized::Redirected(path.into_owned()) } else { Normalized::Path(path) }
    }

    /// A path whose escaped slashes are unescaped; none if it has no escapes, or keeps them (`PathUtil::unescapeSlashes`).
    fn unescaped(&self, path_and_query: &str) -> Option<String> {
        let (path, query) = split(path_and_query);
        let keeps = matches!(
            self.escaped_slashes,
            EscapedSlashes::ImplementationSpecificDefault | EscapedSlashes::KeepUnchanged
        );
        if keeps || !path.contains('%') {
            return None;
        }
        let mut unescaped = path.to_owned();
        for (escaped, slash) in [("%2F", "/"), ("%2f", "/"), ("%5C", "\\"), ("%5c", "\\")] {
            unescaped = unescaped.replace(escaped, slash);
        }
        (unescaped != path).then(|| unescaped + query)
    }
}

/// A path in which several slashes are one, except that one of slashes alone keeps two (`PathUtil::mergeSlashes`). `None` if it has no
/// two in a row.
fn merged(path_and_query: &str) -> Option<String> {
    let (path, query) = split(path_and_query);
    if !path.contains("//") {
        return None;
    }
    let parts: Vec<&str> = path.split('/').filter(|part| !part.is_empty()).collect();
    let slash_if = |is_there: bool| if is_there { "/" } else { "" };
    Some([slash_if(path.starts_with('/')), &parts.join("/"), slash_if(path.ends_with('/')), query].concat())
}

/// A path and its query, which starts with `?`.
fn split(path_and_query: &str) -> (&str, &str) {
    path_and_query.split_at(path_and_query.find('?').unwrap_or(path_and_query.len()))
}

/// Resolves `.` and `..`, replaces `\` by `/`, and percent-encodes what has to be, and nothing else (`PathUtil::canonicalPath`).
/// `None` for an invalid path.
fn canonical(path_and_query: &str) -> Option<String> {
    let (path, query) = split(path_and_query);
    let mut segments: Vec<String> = Vec::new();
    let mut ends_in_dots = false;
    for raw in path.strip_prefix('/')?.split(['/', '\\']) {
        let segment = decoded(without_parameters(raw))?;
        ends_in_dots = matches!(&*segment, "." | "..");
        match &*segment {
            "." => {}
            ".." => drop(segments.pop()),
            _ => segments.push(segment),
        }
    }
    if ends_in_dots {
        segments.push(String::new());
    }
    Some(format!("/{}{query}", segments.join("/")))
}

/// A dot segment without its parameters, which some apps remove, too (`/..;/`); other segments are unchanged.
fn without_parameters(segment: &str) -> &str {
    match segment.split_once(';') {
        Some((dots @ ("." | ".."), _)) => dots,
        _ => segment,
    }
}

/// Decodes unreserved characters of a segment (RFC 3986, section 2.3), and encodes invalid ones. `None` if it contains an
/// encoded NUL.
fn decoded(segment: &str) -> Option<String> {
    use std::fmt::Write as _;
    let mut out = String::with_capacity(segment.len());
    let mut rest = segment.as_bytes();
    while let [byte, after @ ..] = rest {
        rest = after;
        let encoded = match (byte, after) {
            (b'%', [high, low, after @ ..]) => hex(*high, *low).map(|byte| (byte, after)),
            _ => None,
        };
        match encoded {
            Some((0, _)) => return None,
            Some((byte, after)) if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) => {
                out.push(byte.into());
                rest = after;
            }
            _ if byte.is_ascii_graphic() && !b"\"<>^`{|}".contains(byte) => out.push((*byte).into()),
            _ => {
                let _ = write!(out, "%{byte:02X}"); // writing to a String cannot fail
            }
        }
    }
    Some(out)
}

fn hex(high: u8, low: u8) -> Option<u8> {
    let digit = |digit: u8| char::from(digit).to_digit(16);
    u8::try_from(digit(high)? * 16 + digit(low)?).ok()
}
