//! `StringMatcher`s.

use envoy_api::StringMatcher;

#[cfg(test)]
mod tests;

/// Whether a text matches. A matcher that has no form set matches nothing.
pub fn matches(matcher: &StringMatcher, text: &str) -> bool {
    let fold = |s: &str| if matcher.ignore_case { s.to_ascii_lowercase() } else { s.to_owned() };
    let text = fold(text);
    match matcher {
        StringMatcher { exact: Some(exact), .. } => text == fold(exact),
        StringMatcher { prefix: Some(prefix), .. } => text.starts_with(&fold(prefix)),
        StringMatcher { suffix: Some(suffix), .. } => text.ends_with(&fold(suffix)),
        StringMatcher { contains: Some(part), .. } => text.contains(&fold(part)),
        _ => false,
    }
}
