//! `StringMatcher` (`source/common/common/matchers.h`).

use std::borrow::Cow;

use envoy_api::{StringMatcher, StringPattern};

/// Whether `text` matches.
pub fn matches(matcher: &StringMatcher, text: &str) -> bool {
    let fold = |text| if matcher.ignore_case { Cow::Owned(str::to_ascii_lowercase(text)) } else { Cow::Borrowed(text) };
    let text = fold(text);
    match &matcher.pattern {
        StringPattern::Exact(whole) => text == fold(whole),
        StringPattern::Prefix(prefix) => text.starts_with(&*fold(prefix)),
        StringPattern::Suffix(suffix) => text.ends_with(&*fold(suffix)),
        StringPattern::Contains(part) => text.contains(&*fold(part)),
    }
}

#[cfg(test)]
mod tests;
