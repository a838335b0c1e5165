//! SARIF 2.1.0 (<https://docs.oasis-open.org/sarif/sarif/v2.1.0/sarif-v2.1.0.html>), which code scanning services and editors
//! read.

use std::collections::BTreeSet;

use mesh::{Fault, Severity};
use serde_json::{Value, json};

use super::text;

/// A log with one run.
pub(super) fn log(faults: &[Fault]) -> Value {
    let rules: BTreeSet<_> = faults.iter().map(rule).collect();
    let rules: Vec<_> = rules.iter().map(|id| json!({"id": id})).collect();
    json!({
        "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
        "version": "2.1.0",
        "runs": [{
            "tool": {"driver": {"name": "sidelab", "version": env!("CARGO_PKG_VERSION"), "rules": rules}},
            "columnKind": "unicodeCodePoints",
            "results": faults.iter().map(result).collect::<Vec<_>>(),
        }],
    })
}

fn result(fault: &Fault) -> Value {
    let mut physical = json!({"artifactLocation": {"uri": uri(&fault.source.file)}});
    if let Some(place) = fault.place {
        physical["region"] = json!({"startLine": place.line, "startColumn": place.column});
    }
    json!({
        "ruleId": rule(fault),
        "level": match fault.severity {
            Severity::Error => "error",
            Severity::Warning => "warning",
            Severity::Note => "note",
        },
        "message": {"text": text(fault)},
        "locations": [{"physicalLocation": physical}],
    })
}

/// Faults in one field of one kind share a rule: `Service/spec.ports.targetPort`.
fn rule(fault: &Fault) -> String {
    let kind = fault.kind_and_name.split(' ').next().filter(|kind| !kind.is_empty()).unwrap_or("document");
    let mut field = String::new();
    let mut rest = fault.source.field.as_str();
    while let Some((before, inside)) = rest.split_once('[') {
        field.push_str(before);
        rest = inside.split_once(']').map_or("", |(_, after)| after);
    }
    field.push_str(rest);
    if field.is_empty() { kind.to_owned() } else { format!("{kind}/{field}") }
}

/// A path as a URI reference (RFC 3986).
fn uri(path: &str) -> String {
    let mut uri = String::with_capacity(path.len());
    for byte in path.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' | b'/' => uri.push(byte.into()),
            _ => uri.push_str(&format!("%{byte:02X}")),
        }
    }
    uri
}
