use k8s_openapi::api::core::v1::ServicePort;
use pretty_assertions::assert_eq;

use super::of_service_port;
use crate::model::{
    Protocol::{self, *},
    ProtocolField,
};

/// The protocol of a port with this name, `appProtocol` and number, and the field that decides it.
fn protocol(name: &str, app_protocol: &str, port: i32) -> (Protocol, &'static str) {
    let text = |text: &str| Some(text.to_owned()).filter(|text| !text.is_empty());
    let port = ServicePort { name: text(name), app_protocol: text(app_protocol), port, ..ServicePort::default() };
    let (protocol, field) = of_service_port(&port);
    (protocol, field.name())
}

#[test]
fn the_name_up_to_the_first_dash_decides() {
    for (name, expected) in [
        ("http", Http),
        ("HTTP-web", Http),
        ("http2", Http2),
        ("http2-x", Http2),
        ("grpc", Grpc),
        ("grpc-api", Grpc),
        ("grpc-web", GrpcWeb),
        ("grpc-web-x", GrpcWeb),
        ("https", Https),
        ("https-webhook", Https),
        ("tls-a", Tls),
        ("tcp-a", Tcp),
        ("mongo", Mongo),
        ("mysql", MySql),
        ("redis", Redis),
        ("udp", Udp),
    ] {
        assert_eq!(protocol(name, "", 8080), (expected, "name"), "{name}");
    }
}

#[test]
fn a_name_with_only_a_known_beginning_is_detected() {
    for name in ["", "web", "httpbin", "webhook-https", "grpcweb-x", "http_x", "tcpx"] {
        assert_eq!(protocol(name, "", 8080).0, Auto, "{name}");
    }
}

#[test]
fn app_protocol_takes_precedence_over_the_name() {
    assert_eq!(protocol("http", "tcp", 8080), (Tcp, "appProtocol"));
    assert_eq!(protocol("http", "https", 8080), (Https, "appProtocol"));
    assert_eq!(protocol("http", "unknown", 8080), (Auto, "appProtocol"));
    assert_eq!(protocol("tcp", "kubernetes.io/h2c", 8080), (Http2, "appProtocol"));
    assert_eq!(protocol("tcp", "kubernetes.io/ws", 8080), (Http, "appProtocol"));
    assert_eq!(protocol("tcp", "kubernetes.io/wss", 8080), (Https, "appProtocol"));
}

#[test]
fn well_known_ports_whose_servers_speak_first_are_tcp() {
    for port in [25, 53, 3306, 27017] {
        assert_eq!(protocol("", "", port), (Tcp, "port"), "{port}");
        assert_eq!(protocol("http", "", port), (Http, "name"), "{port}");
    }
    assert_eq!(protocol("", "", 5432).0, Auto);
}

#[test]
fn a_port_of_kubernetes_protocol_udp_is_udp() {
    let port =
        ServicePort { name: Some("http".into()), protocol: Some("UDP".into()), port: 53, ..ServicePort::default() };
    assert_eq!(of_service_port(&port), (Udp, ProtocolField::Protocol));
}
