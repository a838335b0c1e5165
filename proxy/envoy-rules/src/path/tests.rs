use super::*;

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
        assert_eq!(normalized(path).as_deref(), Some(expected), "{path}");
    }
}

#[test]
fn a_path_with_a_fragment_or_nul_is_invalid() {
    for path in ["/x#y", "/x?a#b", "/a%00", "/a/..%00"] {
        assert_eq!(normalized(path), None, "{path}");
    }
}
