use super::*;

#[test]
fn each_form_matches_what_it_says() {
    let suffix = StringMatcher { exact: None, suffix: Some("/sa/a".into()), ..StringMatcher::exact("") };
    let contains = StringMatcher { exact: None, contains: Some("ns/x".into()), ..StringMatcher::exact("") };
    assert!(matches(&StringMatcher::exact("a"), "a") && !matches(&StringMatcher::exact("a"), "ab"));
    assert!(matches(&StringMatcher::prefix("spiffe://td/"), "spiffe://td/ns/x"));
    assert!(!matches(&StringMatcher::prefix("spiffe://td/"), "spiffe://td2/ns/x"));
    assert!(matches(&suffix, "spiffe://td/sa/a") && matches(&contains, "td/ns/x/y"));
}

#[test]
fn case_counts_unless_told_otherwise() {
    let matcher = StringMatcher { ignore_case: true, ..StringMatcher::exact("A.example") };
    assert!(matches(&matcher, "a.EXAMPLE"));
    assert!(!matches(&StringMatcher::exact("A"), "a"));
}
