use pretty_assertions::assert_eq;

use super::*;

const MANIFESTS: &str = "\
# Only a comment: no document for kubectl.
---
kind: Service
metadata:
  name: \"server\"
  labels:
    sidecar.istio.io/inject: \"false\"
spec:
  ports:
  - name: http
    port: 8080
  # between them
  - name: tcp
    port: 9000
  selector: {app: server}
---
apiVersion: v1
kind: Pod
metadata:
  name: client
spec:
  containers:
    - name: app
      args: [--http, \"8080\"]
    - name: other
";

fn line(source: &str) -> Option<usize> {
    Manifests::new("some scenario", MANIFESTS).place(&source.parse().unwrap()).map(|place| place.line)
}

#[test]
fn a_field_is_found_where_a_reader_would() {
    assert_eq!(line("a/manifests.yaml#1 metadata.name"), Some(5));
    assert_eq!(line("a/manifests.yaml#1 metadata.labels[sidecar.istio.io/inject]"), Some(7));
    assert_eq!(line("a/manifests.yaml#1 spec.ports[0].name"), Some(10));
    assert_eq!(line("a/manifests.yaml#1 spec.ports[0].port"), Some(11));
    assert_eq!(line("a/manifests.yaml#1 spec.ports[1].name"), Some(13));
    assert_eq!(line("a/manifests.yaml#1 spec.ports[1].port"), Some(14));
    assert_eq!(line("a/manifests.yaml#2 spec.containers[1].name"), Some(25));
    assert_eq!(line("a/manifests.yaml#2 spec.containers[0].args"), Some(24));
}

#[test]
fn a_missing_field_is_at_the_nearest_enclosing_one() {
    assert_eq!(line("a/manifests.yaml#1 spec.selector.app"), Some(15));
    assert_eq!(line("a/manifests.yaml#1 spec.ports[0].protocol"), Some(10));
    assert_eq!(line("a/manifests.yaml#1 spec.ports[7].name"), Some(9));
}

#[test]
fn a_whole_document_is_at_its_first_line() {
    assert_eq!(line("a/manifests.yaml#2"), Some(17));
}

#[test]
fn a_source_outside_these_manifests_has_no_place() {
    for source in
        ["default: Istio's redirect rules", "a/manifests.yaml#9 kind", "a/manifests.yaml#0", "other.yaml#1", "#"]
    {
        assert_eq!(line(source), None, "{source}");
    }
}

#[test]
fn a_place_names_the_document() {
    let place = Manifests::new("some scenario", MANIFESTS)
        .place(&"a/manifests.yaml#1 spec.ports[0].name".parse().unwrap())
        .unwrap();
    assert_eq!(
        place,
        Place {
            line: 10,
            anchor: "some-scenario-line-10".into(),
            document: "Service server".into(),
            field: "spec.ports[0].name".into()
        }
    );
}

#[test]
fn empty_manifests_have_no_places() {
    assert!(Manifests::new("", "").place(&"manifests.yaml#1 kind".parse().unwrap()).is_none());
}
