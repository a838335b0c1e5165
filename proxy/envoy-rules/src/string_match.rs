//! `StringMatcher` (`source/common/common/matchers.h`).

use std::borrow::Cow;

use envoy_api::{CertificateValidationContext, SanType, StringMatcher, StringPattern, SubjectAltNameMatcher};

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
