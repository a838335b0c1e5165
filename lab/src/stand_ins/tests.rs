use pretty_assertions::assert_eq;

use super::*;

#[test]
fn an_image_is_named_with_or_without_its_tag_or_by_its_last_part() {
    for name in ["docker.io/istio/echo:1.2", "docker.io/istio/echo", "echo"] {
        assert!(is_named("docker.io/istio/echo:1.2", name), "{name}");
    }
    assert!(is_named("registry:5000/echo@sha256:0", "echo"));
    assert!(is_named("registry:5000/echo", "registry:5000/echo"));
    for name in ["istio/echo", "ech", "registry"] {
        assert!(!is_named("docker.io/istio/echo:1.2", name), "{name}");
    }
}

#[test]
fn a_command_is_split_as_by_a_shell() {
    assert_eq!(
        words("python3 -m 'http server' \"\" 80"),
        Some(vec!["python3".into(), "-m".into(), "http server".into(), String::new(), "80".into()])
    );
    assert_eq!(words("sh -c 'open"), None);
    assert!(read("nothing").is_err() && read("a=").is_err() && read("=b").is_err());
    assert_eq!(read("web = python3 -V").unwrap(), ("web".into(), vec!["python3".into(), "-V".into()]));
}

#[test]
fn a_program_is_found_on_path_or_at_its_path() {
    assert!(runs("sh") && runs("/bin/sh"));
    assert!(!runs("/bin") && !runs("/no/such/program") && !runs("no-such-program-anywhere"));
}
