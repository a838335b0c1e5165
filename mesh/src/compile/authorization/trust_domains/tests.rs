use super::*;

fn texts(texts: &[&str]) -> Vec<String> {
    texts.iter().map(|&text| text.into()).collect()
}

#[test]
fn a_principal_of_the_mesh_is_one_of_its_aliases_too() {
    let aliases = |principal| with_aliases(&texts(&[principal]), &texts(&["new", "old", "older"]));
    for (principal, expected) in [
        ("new/ns/a/sa/b", &["new/ns/a/sa/b", "old/ns/a/sa/b", "older/ns/a/sa/b"][..]),
        ("old/ns/a/sa/b", &["new/ns/a/sa/b", "old/ns/a/sa/b", "older/ns/a/sa/b"]),
        ("cluster.local/ns/a/sa/b", &["new/ns/a/sa/b", "old/ns/a/sa/b", "older/ns/a/sa/b"]),
        ("other/ns/a/sa/b", &["other/ns/a/sa/b"]),
        ("*/ns/a/sa/b", &["*/ns/a/sa/b"]),
        ("*/sa/b", &["*/sa/b"]),
        ("*", &["*"]),
        // A pattern of the domain stands for those that it matches.
        ("*er/ns/a/sa/b", &["new/ns/a/sa/b", "old/ns/a/sa/b", "*er/ns/a/sa/b"]),
    ] {
        assert_eq!(aliases(principal), texts(expected), "{principal}");
    }
}

#[test]
fn cluster_local_stands_for_the_mesh_whatever_it_is_called() {
    assert_eq!(with_aliases(&texts(&["cluster.local/ns/a/sa/b"]), &texts(&["td"])), ["td/ns/a/sa/b"]);
}

#[test]
fn a_trust_domain_of_the_mesh_is_all_of_them() {
    let domains = texts(&["new", "old"]);
    assert_eq!(expanded(&texts(&["old", "other", "new"]), &domains), ["new", "old", "other"]);
    assert_eq!(expanded(&texts(&["o*"]), &domains), ["o*"]);
}
