use mesh::{Fault, SourceFile};
use pretty_assertions::assert_eq;
use serde_json::json;

use super::{github::annotation, sarif};

/// A List of three objects, with a fault in the third.
fn faults() -> Vec<Fault> {
    let text = "apiVersion: v1
kind: List
items:
- {apiVersion: v1, kind: Namespace, metadata: {name: a}}
- {apiVersion: v1, kind: Namespace, metadata: {name: b}}
- apiVersion: v1
  kind: Service
  metadata:
    name: server
  spec:
    clusterIP: None
    ports:
    - port: 80
      targetport: web
";
    let file = SourceFile { name: "my apps/a,b.yaml".into(), text: text.into() };
    mesh::check(&[file]).faults.into_iter().filter(Fault::is_error).collect()
}

#[test]
fn a_fault_in_an_item_of_a_list_has_its_line_and_column() {
    let text: Vec<_> = faults().iter().map(ToString::to_string).collect();
    let expected = "my apps/a,b.yaml:14:7: document 3 (Service server): spec.ports[0].targetport: unknown field; did you mean targetPort?";
    assert_eq!(text, [expected]);
}

#[test]
fn a_github_annotation_escapes_its_properties() {
    let expected = "::error file=my apps/a%2Cb.yaml,line=14,col=7::Service server: spec.ports[0].targetport: unknown field; did you mean targetPort?";
    assert_eq!(annotation(&faults()[0]), expected);
}

#[test]
fn a_sarif_log_names_file_line_and_rule() {
    let log = sarif::log(&faults());
    let run = &log["runs"][0];
    assert_eq!(run["tool"]["driver"]["rules"], json!([{"id": "Service/spec.ports.targetport"}]));
    let result = &run["results"][0];
    assert_eq!(result["ruleId"], "Service/spec.ports.targetport");
    assert_eq!(result["level"], "error");
    let location =
        json!({"artifactLocation": {"uri": "my%20apps/a%2Cb.yaml"}, "region": {"startLine": 14, "startColumn": 7}});
    assert_eq!(result["locations"][0]["physicalLocation"], location);
}
