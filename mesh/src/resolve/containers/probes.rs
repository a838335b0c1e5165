//! Probes of containers.

use k8s_openapi::{api::core::v1 as k8s, apimachinery::pkg::util::intstr::IntOrString};

use crate::model::{Check, ContainerPort, Probe};

/// A probe of a container that has these ports; nothing when it asks at none of them by a name, or asks nothing.
pub(super) fn of(probe: &k8s::Probe, ports: &[ContainerPort]) -> Option<Probe> {
    let number = |port: &IntOrString| match port {
        IntOrString::Int(number) => u16::try_from(*number).ok(),
        IntOrString::String(name) => {
            let named = ports.iter().find(|port| port.name.as_deref() == Some(name)).map(|port| port.port);
            named.or_else(|| name.parse().ok())
        }
    };
    let check = if let Some(http) = &probe.http_get {
        let headers = http.http_headers.iter().flatten().map(|header| (header.name.clone(), header.value.clone()));
        Check::Http {
            tls: http.scheme.as_deref() == Some("HTTPS"),
            port: number(&http.port)?,
            path: http.path.clone().unwrap_or_else(|| "/".into()),
            headers: headers.collect(),
        }
    } else if let Some(tcp) = &probe.tcp_socket {
        Check::Tcp(number(&tcp.port)?)
    } else if let Some(grpc) = &probe.grpc {
        Check::Grpc(u16::try_from(grpc.port).ok()?)
    } else {
        Check::Exec(probe.exec.as_ref()?.command.clone()?)
    };
    // Defaults of `SetDefaults_Probe` (kubernetes: pkg/apis/core/v1/defaults.go).
    let seconds =
        |given: Option<i32>, default| given.and_then(|n| u32::try_from(n).ok()).filter(|n| *n > 0).unwrap_or(default);
    Some(Probe { check, period: seconds(probe.period_seconds, 10), timeout: seconds(probe.timeout_seconds, 1) })
}
