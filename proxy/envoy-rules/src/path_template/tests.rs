use super::*;

#[test]
fn one_star_is_one_segment() {
    for (path, expected) in [
        ("/a/b/c", true),
        ("/a/b/c?q=/", true),
        ("/a/x.y-z%20/c", true),
        ("/a//c", false),
        ("/a/b/b/c", false),
        ("/a/b", false),
        ("/a/b/c/", false),
        ("/a/b*/c", false),
    ] {
        assert_eq!(matches("/a/*/c", path), expected, "{path}");
    }
}

#[test]
fn two_stars_are_any_number_of_segments() {
    for (path, expected) in [
        ("/a/", true),
        ("/a/b", true),
        ("/a/b/c/", true),
        ("/a//", true),
        ("/a", false),
        ("/ab", false),
        ("/a/[", false),
    ] {
        assert_eq!(matches("/a/**", path), expected, "{path}");
    }
    assert!(matches("/**", "/"));
    assert!(matches("/**/z", "/z/z"));
    assert!(matches("/*/b/**/z", "/a/b/c/d/z"));
    assert!(!matches("/*/b/**/z", "/a/b/c/d"));
}
