use super::*;

fn matches(pattern: &str, text: &str) -> bool {
    full_match(pattern).unwrap_or_else(|error| panic!("{pattern}: {error}")).is_match(text)
}

#[test]
fn the_whole_text_has_to_match() {
    assert!(matches("a|ab", "ab") && !matches("a", "ab") && !matches("b", "ab"));
    assert!(matches("/v1/.*", "/v1/x") && !matches("/v1/.*", "/v1/x\n"));
}

#[test]
fn braces_that_are_no_repetition_are_literal() {
    assert!(matches("/users/{id}", "/users/{id}"));
    assert!(matches("a{2}", "aa") && matches("a{1,}", "aaa") && matches("a{,2}", "a{,2}"));
    assert!(matches("a{2", "a{2"));
}

#[test]
fn classes_know_ascii_alone_and_take_brackets_literally() {
    assert!(!matches(r"\d", "٣") && matches(r"\d", "3") && !matches(r"\w", "é"));
    assert!(matches("[[a]", "[") && matches("[a&&b]", "&") && matches("[]a]", "]") && matches(r"[^\d]", "x"));
    assert!(
        matches(r"[\D]", "x") && !matches(r"[\D]", "1") && matches("[[:alpha:]]+", "abc") && matches("[a--b]", "-")
    );
}

#[test]
fn quoted_text_is_literal() {
    assert!(matches(r"\Qa.b\E.", "a.bx") && !matches(r"\Qa.b\E.", "axbx"));
    assert!(matches(r"\<a\>", "<a>"));
}

#[test]
fn what_re2_refuses_is_refused() {
    for pattern in ["*", "a**", "a+*", "a{2}{3}", "(?=a)", "(?<!a)b", r"(a)\1", "(", "[a", "a{1001}", "(?x)a", r"\"] {
        assert!(full_match(pattern).is_err(), "{pattern}");
    }
}

#[test]
fn groups_are_put_into_the_substitution() {
    let regex = anywhere("^/service/([^/]+)(/.*)$").unwrap();
    assert_eq!(replace_all(&regex, "/service/foo/v1/api", r"\2/instance/\1"), "/v1/api/instance/foo");
    assert_eq!(replace_all(&anywhere("one").unwrap(), "/xxx/one/yyy/one/zzz", "two"), "/xxx/two/yyy/two/zzz");
}
