//! The conditions of a bench, as text.

use serde_json::Value;

use super::{report::BenchReport, setup::Settings};

/// Machine and time, in a line.
pub(super) fn machine(report: &BenchReport) -> String {
    let machine = &report.machine;
    let gib = machine.memory_bytes as f64 / (1_u64 << 30) as f64;
    let started = report.started.strftime("%Y-%m-%d %H:%M UTC");
    format!(
        "{} CPUs {}, {gib:.0} GiB, kernel {}; {started}, {:.0} s",
        machine.cpus, machine.cpu, machine.kernel, report.seconds
    )
}

/// Each setting: `key p256`, `resumption off`. Settings have their JSON names.
pub(super) fn settings(settings: &Settings) -> Vec<String> {
    let Ok(Value::Object(fields)) = serde_json::to_value(settings) else { return Vec::new() };
    fields.iter().map(|(name, value)| format!("{} {}", name.replace('_', " "), value_text(value))).collect()
}

pub(super) fn value_text(value: &Value) -> String {
    match value {
        Value::Null => "missing".into(),
        Value::Bool(on) => if *on { "on" } else { "off" }.into(),
        Value::String(text) => text.clone(),
        Value::Array(values) => values.iter().map(value_text).collect::<Vec<_>>().join(" "),
        other => other.to_string(),
    }
}
