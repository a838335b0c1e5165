use super::*;

/// What Envoy 1.40 makes of each.
#[test]
fn paths_become_what_envoy_makes_of_them() {
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
fn a_fragment_or_a_nul_makes_a_path_that_is_none() {
    for path in ["/x#y", "/x?a#b", "/a%00", "/a/..%00"] {
        assert_eq!(normalized(path), None, "{path}");
    }
}
