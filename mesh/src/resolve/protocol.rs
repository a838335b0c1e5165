//! What a service's port speaks, as Istio makes it out (`pkg/config/kube/conversion.go`).

use k8s_openapi::api::core::v1::ServicePort;

use crate::model::Protocol;

/// Ports on which the server speaks first, so that waiting for the client's first bytes would hang: 25 SMTP, 53 DNS,
/// 3306 MySQL, 27017 MongoDB.
const SERVER_FIRST: [i32; 4] = [25, 53, 3306, 27017];

/// What a port speaks, and the field that says so.
pub(super) fn of(port: &ServicePort) -> (Protocol, &'static str) {
    if port.protocol.as_deref() == Some("UDP") {
        return (Protocol::Udp, "protocol");
    }
    // An appProtocol decides even when it is unknown: the name is not looked at any more.
    let (said, field) = match (&port.app_protocol, &port.name) {
        (Some(app_protocol), _) => (app_protocol.as_str(), "appProtocol"),
        (None, Some(name)) => (name.as_str(), "name"),
        (None, None) => ("", "name"),
    };
    let known = if field == "appProtocol" { kubernetes(said).or_else(|| istio(said)) } else { istio(said) };
    match known {
        Some(protocol) => (protocol, field),
        None if SERVER_FIRST.contains(&port.port) => (Protocol::Tcp, "port"),
        None => (Protocol::Auto, field),
    }
}

/// What a ServiceEntry's port speaks: its `protocol` alone says it (`pkg/config/protocol/instance.go`). Nothing for one that Istio
/// does not know.
pub(crate) fn of_entry(protocol: &str) -> Option<Protocol> {
    match protocol.to_ascii_lowercase().as_str() {
        "" => Some(Protocol::Auto),
        "grpc-web" => Some(Protocol::GrpcWeb),
        whole if whole.contains('-') => None,
        whole => istio(whole),
    }
}

/// What Kubernetes itself defines for `appProtocol`.
fn kubernetes(app_protocol: &str) -> Option<Protocol> {
    match app_protocol {
        "kubernetes.io/h2c" => Some(Protocol::Http2),
        "kubernetes.io/ws" => Some(Protocol::Http),
        "kubernetes.io/wss" => Some(Protocol::Https),
        _ => None,
    }
}

/// What Istio knows: the text up to the first `-`, but `grpc-web` as a prefix first since it holds one.
fn istio(said: &str) -> Option<Protocol> {
    let said = said.to_ascii_lowercase();
    if said.starts_with("grpc-web") {
        return Some(Protocol::GrpcWeb);
    }
    match said.split('-').next().unwrap_or_default() {
        "tcp" => Some(Protocol::Tcp),
        "udp" => Some(Protocol::Udp),
        "grpc" => Some(Protocol::Grpc),
        "http" => Some(Protocol::Http),
        "http_proxy" => Some(Protocol::HttpProxy),
        "http2" => Some(Protocol::Http2),
        "https" => Some(Protocol::Https),
        "tls" => Some(Protocol::Tls),
        "mongo" => Some(Protocol::Mongo),
        "redis" => Some(Protocol::Redis),
        "mysql" => Some(Protocol::MySql),
        _ => None,
    }
}

#[cfg(test)]
mod tests;
