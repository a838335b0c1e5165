//! Patterns of an AuthorizationPolicy as Envoy's matchers (`pilot/pkg/security/authz/matcher`).

use std::net::IpAddr;

use envoy_api::{
    CidrRange, HeaderMatcher, ListMatcher, MetadataMatcher, OrMatcher, PathSegment, RegexMatcher, StringMatcher,
    StringPattern, ValueMatcher,
};
use ipnet::IpNet;

/// A text: exact, with `*` at one end, or `*` for any but the empty one.
pub(super) fn pattern(text: &str) -> StringMatcher {
    match text.strip_prefix('*') {
        Some("") => expression(".+"),
        Some(end) => suffix(end),
        None => match text.strip_suffix('*') {
            Some(prefix) => StringMatcher::prefix(prefix),
            None => StringMatcher::exact(text),
        },
    }
}

/// The same, with something in front of it.
pub(super) fn pattern_after(front: &str, text: &str) -> StringMatcher {
    match text.strip_prefix('*') {
        Some("") => expression(".+"),
        Some(suffix) => expression(&format!("{front}.*{}", quoted(suffix))),
        None => match text.strip_suffix('*') {
            Some(prefix) => StringMatcher::prefix(format!("{front}{prefix}")),
            None => StringMatcher::exact(format!("{front}{text}")),
        },
    }
}

/// A header: as [`pattern`], but `*` is for any that is there.
pub(super) fn header(name: &str, text: &str, ignore_case: bool) -> HeaderMatcher {
    let is_any = text == "*";
    HeaderMatcher {
        name: name.to_owned(),
        string_match: (!is_any).then(|| StringMatcher { ignore_case, ..pattern(text) }),
        present_match: is_any.then_some(true),
        invert_match: false,
        treat_missing_header_as_empty: false,
    }
}

/// An expression made here.
pub(super) fn expression(source: &str) -> StringMatcher {
    StringMatcher { pattern: StringPattern::SafeRegex(RegexMatcher::new(source)), ignore_case: false }
}

/// A text that ends so.
pub(super) fn suffix(end: &str) -> StringMatcher {
    StringMatcher { pattern: StringPattern::Suffix(end.to_owned()), ignore_case: false }
}

/// A text in an expression (Go's `regexp.QuoteMeta`).
pub(super) fn quoted(text: &str) -> String {
    text.chars().fold(String::with_capacity(text.len()), |mut quoted, c| {
        if r"\.+*?()|[]{}^$".contains(c) {
            quoted.push('\\');
        }
        quoted.push(c);
        quoted
    })
}

/// An address or a range (`AddrStrToCidrRange` in `pilot/pkg/networking/util/util.go`); none for another text.
pub(super) fn range(text: &str) -> Option<CidrRange> {
    let range = match text.parse::<IpNet>() {
        Ok(range) => range,
        Err(_) => text.parse::<IpAddr>().ok()?.into(),
    };
    Some(CidrRange { address_prefix: range.addr(), prefix_len: range.prefix_len() })
}

/// A value that another filter notes at a path.
pub(super) fn metadata<'a>(
    filter: &str,
    path: impl IntoIterator<Item = &'a str>,
    value: ValueMatcher,
) -> MetadataMatcher {
    let path = path.into_iter().map(|key| PathSegment { key: key.to_owned() }).collect();
    MetadataMatcher { filter: filter.to_owned(), path, value }
}

/// A text as a value.
pub(super) fn value(pattern: StringMatcher) -> ValueMatcher {
    ValueMatcher::StringMatch(pattern)
}

/// One element of a list.
pub(super) fn element(value: ValueMatcher) -> ValueMatcher {
    ValueMatcher::ListMatch(ListMatcher { one_of: Box::new(value) })
}

/// One of several values.
pub(super) fn one_of(mut values: Vec<ValueMatcher>) -> ValueMatcher {
    match values.len() {
        1 => values.remove(0),
        _ => ValueMatcher::OrMatch(OrMatcher { value_matchers: values }),
    }
}
