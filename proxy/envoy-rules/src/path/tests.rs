use super::*;

/// Istio's default.
const BASE: Normalization =
    Normalization { escaped_slashes: EscapedSlashes::KeepUnchanged, canonical: true, merges_slashes: false };

fn path(normalization: Normalization, path: &str) -> Option<String> {
    match normalization.apply(path) {
        Normalized::Path(path) => Some(path.into_owned()),
        Normalized::Rejected => None,
        Normalized::Redirected(path) => Some(format!("redirected to {path}")),
    }
}

/// Expected values are Envoy 1.40's.
#[test]
fn paths_are_normalized_like_by_envoy() {
    for (path, expected) in [
        ("/", "/"),
        ("/a/b", "/a/b"),
        ("/a/../b", "/b"),
        ("/../../b", "/b"),
        ("/a/./b/", "/a/b/"),
        ("/a/b/..", "/a/"),
        ("/a/.", "/a/"),
        ("/a/..", "/"),
        ("/a/%2e%2E/b?x=/../y", "/b?x=/../y"),
        ("/a/.../b", "/a/.../b"),
        ("/a//b", "/a//b"),
        ("/a//../b", "/a/b"),
        ("/a\\..\\b", "/b"),
        ("/a/.;x/b", "/a/b"),
        ("/a/..;x/b", "/b"),
        ("/a/..;", "/"),
        ("/a/%2e%2e;x/b", "/a/..;x/b"),
        ("/a/b;/../c", "/a/c"),
        ("/a;..;/b", "/a;..;/b"),
        ("/a%2f..%2fb", "/a%2f..%2fb"),
        ("/%61%41%7e%2d%30", "/aA~-0"),
        ("/%5B%5d%7B%22%25%27", "/%5B%5d%7B%22%25%27"),
        ("/a\"<>{}|^`", "/a%22%3C%3E%7B%7D%7C%5E%60"),
        ("/!$&'()*+,;=:@[]", "/!$&'()*+,;=:@[]"),
        ("/a%zz%", "/a%zz%"),
        ("/%%41", "/%A"),
        ("/a?%41\"\\", "/a?%41\"\\"),
        ("/x?", "/x?"),
    ] {
        assert_eq!(self::path(BASE, path).as_deref(), Some(expected), "{path}");
    }
}

#[test]
fn a_path_with_a_fragment_or_nul_is_invalid() {
    for path in ["/x#y", "/x?a#b", "/a%00", "/a/..%00"] {
        assert_eq!(self::path(BASE, path), None, "{path}");
    }
}

#[test]
fn without_normalization_only_a_fragment_is_rejected() {
    let none = Normalization { canonical: false, ..BASE };
    assert_eq!(path(none, "/a/../%2e//b%2f?x").as_deref(), Some("/a/../%2e//b%2f?x"));
    assert_eq!(path(none, "/a#b"), None);
}

#[test]
fn slashes_are_merged_after_dots_are_resolved_and_outside_of_the_query() {
    let merging = Normalization { merges_slashes: true, ..BASE };
    for (given, expected) in [
        ("/a//b///c", "/a/b/c"),
        ("//a//", "/a/"),
        ("/a//../b", "/a/b"),
        ("/a?b//c", "/a?b//c"),
        ("/a%2f%2Fb", "/a%2f%2Fb"),
        ("//", "//"),
    ] {
        assert_eq!(path(merging, given).as_deref(), Some(expected), "{given}");
    }
}

#[test]
fn escaped_slashes_are_unescaped_before_everything_else() {
    let decoding = Normalization { merges_slashes: true, escaped_slashes: EscapedSlashes::UnescapeAndForward, ..BASE };
    for (given, expected) in [
        ("/a%2f%2Fb", "/a/b"),
        ("/a%2f..%2fb", "/b"),
        ("/a%5c..%5Cb", "/b"),
        ("/a?%2f", "/a?%2f"),
        ("/%61%2525", "/a%2525"),
    ] {
        assert_eq!(path(decoding, given).as_deref(), Some(expected), "{given}");
    }
}

#[test]
fn escaped_slashes_can_be_rejected_or_redirected() {
    let with = |escaped_slashes| Normalization { escaped_slashes, ..BASE };
    assert_eq!(path(with(EscapedSlashes::RejectRequest), "/a%2fb"), None);
    assert_eq!(path(with(EscapedSlashes::RejectRequest), "/a%20b").as_deref(), Some("/a%20b"));
    let redirected = path(with(EscapedSlashes::UnescapeAndRedirect), "/a%2Fb?c");
    assert_eq!(redirected.as_deref(), Some("redirected to /a/b?c"));
}
