use pretty_assertions::assert_eq;
use serde_json::{Value, json};

use super::documents;

fn read(text: &str) -> Value {
    let text = super::protected(text);
    let document = documents(&text).next().expect("there is a document");
    document.content.unwrap_or_else(|e| panic!("{} at {}", e.reason, e.place)).into_value()
}

fn refused(text: &str) -> String {
    let refused = documents(text).find_map(|document| document.content.err());
    refused.map(|e| format!("{}: {}", e.place, e.reason)).expect("it is rejected")
}

#[test]
fn scalars_are_those_of_yaml_1_1() {
    for (text, expected) in [
        ("0400", json!(256)),
        ("0o400", json!(256)),
        ("0x1F", json!(31)),
        ("0b11", json!(3)),
        ("-0x10", json!(-16)),
        ("08", json!(8)),
        ("1_000", json!(1000)),
        ("1.5", json!(1.5)),
        ("1e3", json!(1000)),
        ("yes", json!(true)),
        ("Off", json!(false)),
        ("1.2.3", json!("1.2.3")),
        ("10.0.0.1", json!("10.0.0.1")),
        ("2024-01-01", json!("2024-01-01")),
        ("1h", json!("1h")),
        ("'0400'", json!("0400")),
        ("\"yes\"", json!("yes")),
        ("!!str 1", json!("1")),
        ("!!int '7'", json!(7)),
        ("18446744073709551615", json!(18_446_744_073_709_551_615_u64)),
        (".inf", json!(".inf")),
        ("-foo", json!("-foo")),
    ] {
        assert_eq!(read(&format!("a: {text}")), json!({"a": expected}), "{text}");
    }
}

#[test]
fn an_address_ends_with_colons_before_a_comma_and_before_a_bracket() {
    assert_eq!(read("a: [192.0.2.1, 2001:db8::]"), json!({"a": ["192.0.2.1", "2001:db8::"]}));
    assert_eq!(read("a: {b: fe80::, c: fe80::}"), json!({"a": {"b": "fe80::", "c": "fe80::"}}));
    assert_eq!(
        read("a: ['x::]', \"y::}\"]\nb: z::,\nc: [k: v]"),
        json!({"a": ["x::]", "y::}"], "b": "z::,", "c": [{"k": "v"}]})
    );
    assert_eq!(read("[::, '::']"), json!(["::", "::"]));
}

#[test]
fn nulls_are_left_out_but_texts_become_empty() {
    let text = "{a: null, b: ~, list: [null], data: {k: null}, metadata: {labels: {app: }, namespace: }}";
    let expected = json!({"list": [null], "data": {"k": ""}, "metadata": {"labels": {"app": ""}}});
    assert_eq!(read(text), expected);
}

#[test]
fn amounts_of_resources_may_be_numbers() {
    let text = "resources: {limits: {cpu: 1, memory: 1.5}, requests: {cpu: 100m}}";
    assert_eq!(
        read(text),
        json!({"resources": {"limits": {"cpu": "1", "memory": "1.5"}, "requests": {"cpu": "100m"}}})
    );
}

#[test]
fn anchors_aliases_and_merge_keys_are_resolved() {
    let text = "base: &b {p: 1, q: 2}\nown:\n  <<: *b\n  q: 3\nlist:\n  <<: [*b, {r: 4}]\ncopy: *b\n";
    let expected = json!({
        "base": {"p": 1, "q": 2},
        "own": {"q": 3, "p": 1},
        "list": {"p": 1, "q": 2, "r": 4},
        "copy": {"p": 1, "q": 2},
    });
    assert_eq!(read(text), expected);
}

#[test]
fn an_alias_bomb_is_rejected_before_it_uses_memory() {
    let mut text = String::from("a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n");
    for i in 1..12 {
        let previous = format!("*a{}", i - 1);
        text.push_str(&format!("a{i}: &a{i} [{}]\n", vec![previous; 10].join(", ")));
    }
    assert!(refused(&text).contains("aliases expand the document"), "{}", refused(&text));
}

#[test]
fn a_list_of_any_length_is_read() {
    let item = "- {apiVersion: v1, kind: Namespace, metadata: {name: n, labels: {a: b, c: d, e: f}}}\n";
    let text = format!("apiVersion: v1\nkind: List\nitems:\n{}", item.repeat(20_000));
    assert_eq!(documents(&text).filter(|document| document.content.is_ok()).count(), 20_000);
}

#[test]
fn items_of_a_typed_list_have_its_kind() {
    let text = "{apiVersion: v1, kind: PodList, items: [{metadata: {name: a}}, {apiVersion: v1, kind: Pod, metadata: {name: b}}]}";
    let kinds: Vec<_> =
        documents(text).map(|document| document.content.expect("it reads").into_value()["kind"].clone()).collect();
    assert_eq!(kinds, [json!("Pod"), json!("Pod")]);
}

#[test]
fn a_stream_of_json_objects_is_several_documents() {
    let numbers: Vec<_> = documents("{\"a\": 1}{\"a\": 2}\n\t{\"a\": 3}\n").map(|document| document.number).collect();
    assert_eq!(numbers, [1, 2, 3]);
    assert_eq!(read("{\n\t\"a\": {\n\t\t\"b\": 1\n\t}\n}\n"), json!({"a": {"b": 1}}));
}

#[test]
fn text_that_is_not_yaml_is_reported_with_its_place() {
    assert_eq!(refused("a: 1\nb: {\n"), "2:4: not YAML: unclosed bracket '{'");
    assert_eq!(refused("a: 1\nb: {c: 1, d: 2, c: 3}\n"), "2:17: duplicate key \"c\" in one mapping; keep one");
    assert!(refused("a: *b\n").starts_with("1:4: not YAML: "), "{}", refused("a: *b\n"));
}
