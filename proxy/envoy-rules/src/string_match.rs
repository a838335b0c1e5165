//! `StringMatcher` (`source/common/common/matchers.h`).

use std::{borrow::Cow, fmt};

use envoy_api::{CertificateValidationContext, SanType, StringMatcher, StringPattern, SubjectAltNameMatcher};
use regex::Regex;

use crate::re2::{self, Re2Error};

/// A matcher whose regular expression is compiled.
#[derive(Clone, Debug)]
pub struct CompiledMatcher {
    matcher: StringMatcher,
    regex: Option<Regex>,
}

impl CompiledMatcher {
    /// Compiles a matcher.
    ///
    /// # Errors
    /// If its regular expression is invalid.
    pub fn new(matcher: &StringMatcher) -> Result<Self, Re2Error> {
        let regex = match &matcher.pattern {
            StringPattern::SafeRegex(regex) => Some(re2::full_match(&regex.regex)?),
            _ => None,
        };
        Ok(Self { matcher: matcher.clone(), regex })
    }

    /// Whether `text` matches.
    pub fn matches(&self, text: &str) -> bool {
        match &self.regex {
            Some(regex) => regex.is_match(text),
            None => matches(&self.matcher, text),
        }
    }
}

impl fmt::Display for CompiledMatcher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.matcher.pattern {
            StringPattern::Exact(text) => write!(f, "is {text}"),
            StringPattern::Prefix(text) => write!(f, "begins with {text}"),
            StringPattern::Suffix(text) => write!(f, "ends with {text}"),
            StringPattern::Contains(text) => write!(f, "contains {text}"),
            StringPattern::SafeRegex(regex) => write!(f, "matches {}", regex.regex),
        }
    }
}

/// Whether `text` matches. A regular expression is compiled each time; an invalid one matches nothing.
pub fn matches(matcher: &StringMatcher, text: &str) -> bool {
    let fold = |text| if matcher.ignore_case { Cow::Owned(str::to_ascii_lowercase(text)) } else { Cow::Borrowed(text) };
    let folded = fold(text);
    match &matcher.pattern {
        StringPattern::Exact(whole) => folded == fold(whole),
        StringPattern::Prefix(prefix) => folded.starts_with(&*fold(prefix)),
        StringPattern::Suffix(suffix) => folded.ends_with(&*fold(suffix)),
        StringPattern::Contains(part) => folded.contains(&*fold(part)),
        // `ignore_case` does not apply to regular expressions.
        StringPattern::SafeRegex(regex) => re2::full_match(&regex.regex).is_ok_and(|regex| regex.is_match(text)),
    }
}

/// The names of which a peer's certificate must have one. One of the deprecated form may be of any kind
/// (`source/common/ssl/certificate_validation_context_config_impl.cc`, `getSubjectAltNameMatchers`).
pub fn san_matchers(context: &CertificateValidationContext) -> Vec<SubjectAltNameMatcher> {
    const KINDS: [SanType; 4] = [SanType::Dns, SanType::Uri, SanType::Email, SanType::IpAddress];
    let of_any_kind = context
        .match_subject_alt_names
        .iter()
        .flat_map(|matcher| KINDS.map(|san_type| SubjectAltNameMatcher { san_type, matcher: matcher.clone() }));
    context.match_typed_subject_alt_names.iter().cloned().chain(of_any_kind).collect()
}

#[cfg(test)]
mod tests;
