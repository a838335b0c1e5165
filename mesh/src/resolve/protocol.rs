//! How Istio determines the protocol of a service's port (`pkg/config/kube/conversion.go`).

use k8s_openapi::api::core::v1::ServicePort;

use crate::model::{Protocol, ProtocolField};

/// Ports whose servers speak first, so that waiting for the client's first bytes would hang: 25 SMTP, 53 DNS,
/// 3306 MySQL, 27017 MongoDB.
const SERVER_FIRST: [i32; 4] = [25, 53, 3306, 27017];

/// The protocol of a Service's port, and the field that decides it.
pub(super) fn of_service_port(port: &ServicePort) -> (Protocol, ProtocolField) {
    if port.protocol.as_deref() == Some("UDP") {
        return (Protocol::Udp, ProtocolField::Protocol);
    }
    // An appProtocol decides even if it is unknown: the name is then ignored.
    let (text, field) = match (&port.app_protocol, &port.name) {
        (Some(app_protocol), _) => (app_protocol.as_str(), ProtocolField::AppProtocol),
        (None, Some(name)) => (name.as_str(), ProtocolField::Name),
        (None, None) => ("", ProtocolField::Name),
    };
    let known = match field {
        ProtocolField::AppProtocol => kubernetes(text).or_else(|| istio(text)),
        _ => istio(text),
    };
    match known {
        Some(protocol) => (protocol, field),
        None if SERVER_FIRST.contains(&port.port) => (Protocol::Tcp, ProtocolField::Port),
        None => (Protocol::Auto, field),
    }
}

/// The protocol of a ServiceEntry's port, which only its `protocol` decides (`pkg/config/protocol/instance.go`); `None` if Istio
/// does not know it.
pub(crate) fn of_entry_port(protocol: &str) -> Option<Protocol> {
    match protocol.to_ascii_lowercase().as_str() {
        "" => Some(Protocol::Auto),
        "grpc-web" => Some(Protocol::GrpcWeb),
        whole if whole.contains('-') => None,
        whole => istio(whole),
    }
}

/// What the name of a port says, whichever object names it.
pub(crate) fn of_name(name: &str) -> Protocol {
    istio(name).unwrap_or(Protocol::Auto)
}

/// The values of `appProtocol` that Kubernetes defines.
fn kubernetes(app_protocol: &str) -> Option<Protocol> {
    match app_protocol {
        "kubernetes.io/h2c" => Some(Protocol::Http2),
        "kubernetes.io/ws" => Some(Protocol::Http),
        "kubernetes.io/wss" => Some(Protocol::Https),
        _ => None,
    }
}

/// The names that Istio knows: the text up to the first `-`; the prefix `grpc-web`, which contains one, comes first.
fn istio(text: &str) -> Option<Protocol> {
    let text = text.to_ascii_lowercase();
    if text.starts_with("grpc-web") {
        return Some(Protocol::GrpcWeb);
    }
    match text.split('-').next().unwrap_or_default() {
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
