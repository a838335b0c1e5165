//! Probes (`validateProbe`, `validateHandler`).

use k8s_openapi::{api::core::v1::Probe, apimachinery::pkg::util::intstr::IntOrString};

use super::super::Checked;
use crate::manifests::is_port_name;

/// Checks a probe. `once` requires a `successThreshold` of 1, as for liveness and startup probes.
pub(super) fn validate(checked: &mut Checked<'_>, field: &str, probe: &Probe, once: bool) {
    let handlers = [probe.exec.is_some(), probe.grpc.is_some(), probe.http_get.is_some(), probe.tcp_socket.is_some()];
    match handlers.into_iter().filter(|set| *set).count() {
        1 => {}
        0 => checked.error(field, "has no handler; expected one of exec, grpc, httpGet and tcpSocket"),
        _ => checked.error(field, "may have only one handler; keep one of exec, grpc, httpGet and tcpSocket"),
    }
    if let Some(get) = &probe.http_get {
        checked.one_of(&format!("{field}.httpGet.scheme"), get.scheme.as_deref(), &["HTTP", "HTTPS"]);
        port(checked, &format!("{field}.httpGet.port"), &get.port);
    }
    if let Some(socket) = &probe.tcp_socket {
        port(checked, &format!("{field}.tcpSocket.port"), &socket.port);
    }
    if let Some(grpc) = &probe.grpc {
        checked.port(format!("{field}.grpc.port"), grpc.port);
    }
    if probe.exec.as_ref().is_some_and(|exec| exec.command.as_ref().is_none_or(Vec::is_empty)) {
        checked.error(format!("{field}.exec.command"), "is missing");
    }
    for (name, seconds) in [
        ("initialDelaySeconds", probe.initial_delay_seconds),
        ("timeoutSeconds", probe.timeout_seconds),
        ("periodSeconds", probe.period_seconds),
        ("successThreshold", probe.success_threshold),
        ("failureThreshold", probe.failure_threshold),
    ] {
        if seconds.is_some_and(|seconds| seconds < 0) {
            checked.error(format!("{field}.{name}"), "is negative");
        }
    }
    // 0 means unset.
    if once && probe.success_threshold.is_some_and(|threshold| threshold > 1) {
        checked.error(format!("{field}.successThreshold"), "must be 1 for liveness and startup probes");
    }
}

fn port(checked: &mut Checked<'_>, field: &str, port: &IntOrString) {
    match port {
        IntOrString::Int(number) => checked.port(field, *number),
        IntOrString::String(name) if is_port_name(name) => {}
        IntOrString::String(name) => {
            checked.error(field, format!("{name:?} is neither a port number nor a port name"));
        }
    }
}
