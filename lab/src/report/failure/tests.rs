use pretty_assertions::assert_eq;

use super::*;
use crate::fixtures;

#[test]
fn a_call_is_found_by_its_name_in_any_yaml_notation() {
    let text = "title: http\nprobes:\n- name: http over IPv6\n- name: http over IPv4   # the first\n  from: client\n\
                - {name: \"a, b\", from: client}\n- {name: 'tcp', from: client}\n";
    for (name, line) in [("http over IPv6", 3), ("http over IPv4", 4), ("a, b", 6), ("tcp", 7)] {
        assert_eq!(line_of(text, name), Some(line), "{name}");
    }
    assert_eq!(line_of(text, "http"), None, "a name that others begin with");
}

#[test]
fn the_details_of_a_call_end_with_the_command_that_repeats_it() {
    let run = fixtures::run_that_fails();
    let details = details(&run.probes[0], &[]);
    assert!(details.starts_with("leg 2 layers: expected [mtls, http/1.1], native [http/1.1]\n"), "{details}");
    assert!(details.contains("\nnative: leg 2 http/1.1: 200\n"), "{details}");
    assert!(details.contains("\n  client: {\"schema\":\"sidelab.client/v1\","), "{details}");
    let again = "rerun: sidelab run strict --probe 'a call with a name that does not fit its column' --mesh istio \
                 --data-plane native\n";
    assert!(details.ends_with(again), "{details}");
}

#[test]
fn a_word_is_quoted_where_a_shell_would_split_or_change_it() {
    for (word, as_typed) in
        [("strict", "strict"), ("a b", "'a b'"), ("it's", r"'it'\''s'"), ("$HOME", "'$HOME'"), ("", "''")]
    {
        assert_eq!(quoted(word), as_typed);
    }
}
