use pretty_assertions::assert_eq;

use super::Places;

const TEXT: &str = "# a comment
apiVersion: v1
kind: Service
metadata:
  name: server
  labels: {app.kubernetes.io/name: server}
spec:
  ports:
  - name: http
    port: 80
  - {name: https, port: 443}
---
apiVersion: v1
kind: List
items:
- kind: Pod
  metadata: {name: a}
- kind: Pod
  metadata:
    name: b
";

fn at(document: usize, field: &str) -> String {
    Places::new(TEXT).find(document, field).map(|place| place.to_string()).unwrap_or_default()
}

#[test]
fn a_field_is_found_in_block_and_flow_style() {
    assert_eq!(at(1, "spec.ports[0].port"), "10:5");
    assert_eq!(at(1, "spec.ports[1].port"), "11:19");
    assert_eq!(at(1, "metadata.labels[app.kubernetes.io/name]"), "6:12");
    assert_eq!(at(1, "metadata.labels.app.kubernetes.io/name"), "6:12");
}

#[test]
fn the_nearest_field_around_one_that_is_missing_is_found() {
    assert_eq!(at(1, "spec.ports[0].targetPort"), "9:5");
    assert_eq!(at(1, "spec.selector"), "7:1");
    assert_eq!(at(1, ""), "2:1");
}

#[test]
fn an_item_of_a_list_is_a_separate_document() {
    assert_eq!(at(2, "metadata.name"), "17:14");
    assert_eq!(at(3, "metadata.name"), "20:5");
    assert_eq!(at(4, "metadata.name"), "");
}

#[test]
fn objects_of_a_json_stream_have_their_places_in_the_file() {
    let text = "{\"kind\": \"A\"}\n  {\"kind\":\n\"B\", \"metadata\": {}} {\"kind\": \"C\"}";
    let at = |document, field| Places::new(text).find(document, field).map(|place| place.to_string());
    assert_eq!(at(1, "kind").as_deref(), Some("1:2"));
    assert_eq!(at(2, "kind").as_deref(), Some("2:4"));
    assert_eq!(at(2, "metadata").as_deref(), Some("3:6"));
    assert_eq!(at(3, "kind").as_deref(), Some("3:23"));
}
