use crate::{
    Severity,
    model::Flavor,
    testing::{faults, mesh_with_warnings},
};

fn document(spec: &str) -> String {
    let spec: String = spec.lines().map(|line| format!("  {line}\n")).collect();
    format!(
        "---\napiVersion: telemetry.istio.io/v1\nkind: Telemetry\nmetadata: {{name: t, namespace: default}}\nspec:\n{spec}"
    )
}

fn telemetry(spec: &str) -> String {
    faults(&document(spec))
}

#[test]
fn a_fault_names_the_field_and_the_fix() {
    for (spec, expected) in [
        ("tracing: [{providers: [{name: ''}]}]", "spec.tracing[0].providers[0].name: is missing; name one of"),
        ("tracing: [{randomSamplingPercentage: 101}]", "spec.tracing[0].randomSamplingPercentage: 101 is out of range"),
        ("tracing: [{customTags: {a: {literal: {}}}}]", "spec.tracing[0].customTags[a].literal.value: is missing"),
        ("tracing: [{customTags: {a: {header: {}}}}]", "spec.tracing[0].customTags[a].header.name: is missing"),
        ("tracing: [{match: {mode: BOTH}}]", "spec.tracing[0].match.mode: unknown variant `BOTH`"),
        ("tracing: [{samplingPercentage: 1}]", "spec.tracing[0].samplingPercentage: unknown field"),
        (
            "metrics: [{overrides: [{tagOverrides: {a: {operation: UPSERT}}}]}]",
            "spec.metrics[0].overrides[0].tagOverrides[a].value: is missing",
        ),
        (
            "metrics: [{overrides: [{tagOverrides: {a: {operation: REMOVE, value: x}}}]}]",
            "spec.metrics[0].overrides[0].tagOverrides[a].value: is for operation UPSERT alone",
        ),
        (
            "metrics: [{overrides: [{match: {customMetric: ''}}]}]",
            "spec.metrics[0].overrides[0].match.customMetric: is",
        ),
        ("accessLogging: [{providers: [{name: ''}]}]", "spec.accessLogging[0].providers[0].name: is missing"),
        ("selector: {matchLabels: {a: '*'}}", "spec.selector.matchLabels[a]: a wildcard is not allowed"),
    ] {
        let text = telemetry(spec);
        assert!(text.contains(expected), "{spec}\n{text}");
    }
}

#[test]
fn what_is_not_applied_is_noted() {
    let (_, notes) = mesh_with_warnings(&document("metrics: [{}]\naccessLogging: [{disabled: true}]"), Flavor::Istio);
    let fields: Vec<_> = notes.iter().map(|note| (note.source.field.as_str(), note.severity)).collect();
    assert!(fields.contains(&("spec.accessLogging", Severity::Note)), "{notes:?}");
    assert!(fields.contains(&("spec.metrics", Severity::Note)), "{notes:?}");
}
