//! Plain scalars that end with a colon just before the end of a flow collection's entry, such as the last address of `[::1, 2001:db8::]`.
//!
//! There YAML 1.2 sees a key without a value; go-yaml, and so kubectl, sees text, since a blank has to follow a key's colon in a flow
//! collection, too (`yaml_parser_fetch_next_token` in `scannerc.go` of `sigs.k8s.io/yaml/goyaml.v2`).

use std::borrow::Cow;

/// Stands for the colon while the text is parsed. It is for private use, and as wide as the colon: places stay the same.
const STAND_IN: char = '\u{10fffd}';

/// The text with a stand-in for each such colon. Where the text is quoted or a comment it makes no difference.
pub(crate) fn protected(text: &str) -> Cow<'_, str> {
    let is_one = |at: usize| text[at + 2..].starts_with([',', ']', '}']);
    let mut protected = String::new();
    let mut rest = 0;
    for (at, _) in text.match_indices("::").filter(|(at, _)| is_one(*at)) {
        protected.push_str(&text[rest..=at]);
        protected.push(STAND_IN);
        rest = at + 2;
    }
    if rest == 0 {
        return Cow::Borrowed(text);
    }
    protected.push_str(&text[rest..]);
    Cow::Owned(protected)
}

/// A scalar as it was written.
pub(super) fn restored(scalar: Cow<'_, str>) -> Cow<'_, str> {
    if scalar.contains(STAND_IN) { Cow::Owned(scalar.replace(STAND_IN, ":")) } else { scalar }
}
