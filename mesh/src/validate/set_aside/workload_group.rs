//! WorkloadGroup (`ValidateWorkloadGroup` in `pkg/config/validation/validation.go`; its fields:
//! `networking/v1alpha3/workload_group.proto` in istio/api).

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;

use super::Checked;
use crate::manifests::service_entry::WorkloadEntrySpec;

#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct WorkloadGroup {
    metadata: Metadata,
    template: Option<WorkloadEntrySpec>,
    probe: Option<Probe>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Metadata {
    labels: BTreeMap<String, String>,
    #[serde(rename = "annotations")]
    _annotations: BTreeMap<String, String>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Probe {
    initial_delay_seconds: i64,
    timeout_seconds: i64,
    period_seconds: i64,
    success_threshold: i64,
    failure_threshold: i64,
    http_get: Option<Method>,
    tcp_socket: Option<Method>,
    exec: Option<Method>,
    #[serde(rename = "grpc")]
    _grpc: Option<Value>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Method {
    port: i64,
    scheme: String,
    command: Vec<String>,
    http_headers: Vec<Header>,
    #[serde(rename = "path")]
    _path: String,
    #[serde(rename = "host")]
    _host: String,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Header {
    name: String,
    #[serde(rename = "value")]
    _value: String,
}

pub(super) fn validate(checked: &mut Checked<'_>, spec: &WorkloadGroup) {
    match &spec.template {
        // Its address is filled in for each machine.
        Some(template) => checked.labels("spec.template.labels", &template.labels),
        None => checked.error("spec.template", "is missing; write {} for one without settings"),
    }
    checked.labels("spec.metadata.labels", &spec.metadata.labels);
    if let Some(probe) = &spec.probe {
        self::probe(checked, probe);
    }
}

/// `validateReadinessProbe`.
fn probe(checked: &mut Checked<'_>, probe: &Probe) {
    for (name, number) in [
        ("initialDelaySeconds", probe.initial_delay_seconds),
        ("timeoutSeconds", probe.timeout_seconds),
        ("periodSeconds", probe.period_seconds),
        ("successThreshold", probe.success_threshold),
        ("failureThreshold", probe.failure_threshold),
    ] {
        if number < 0 {
            checked.error(format!("spec.probe.{name}"), format!("{number} is negative"));
        }
    }
    match (&probe.http_get, &probe.tcp_socket, &probe.exec) {
        (Some(http), None, None) => {
            checked.port("spec.probe.httpGet.port", http.port);
            checked.one_of("spec.probe.httpGet.scheme", Some(&http.scheme), &["HTTP", "HTTPS"]);
            for (i, header) in http.http_headers.iter().enumerate() {
                let name = &header.name;
                if name.is_empty() || !name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte)) {
                    let field = format!("spec.probe.httpGet.httpHeaders[{i}].name");
                    checked.error(field, format!("{name:?} is not a name of a header"));
                }
            }
        }
        (None, Some(tcp), None) => checked.port("spec.probe.tcpSocket.port", tcp.port),
        (None, None, Some(exec)) if exec.command.is_empty() => {
            checked.error("spec.probe.exec.command", "is missing; give a command");
        }
        (None, None, Some(_)) => {}
        (None, None, None) => checked.error("spec.probe", "has no way to probe; give httpGet, tcpSocket or exec"),
        _ => checked.error("spec.probe", "has several ways to probe; keep one"),
    }
}
