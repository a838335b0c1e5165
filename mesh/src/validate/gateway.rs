//! Gateway, by the rules of Istio's webhook (`ValidateGateway` in `pkg/config/validation/validation.go`).

#[cfg(test)]
mod tests;
mod tls;

use std::{collections::BTreeSet, net::IpAddr};

use super::{Checked, is_partial_wildcard, is_socket, is_wildcard_host};
use crate::{
    fault::Faults,
    load::is_dns_label,
    manifests::{
        Object,
        gateway::{GatewaySpec, Server},
        sidecar::{ServerTlsMode, SidecarPort},
    },
    model::Protocol,
    resolve::protocol_of_entry,
};

pub(super) fn validate(gateway: &Object<GatewaySpec>, faults: &mut Faults) {
    let mut checked = Checked::of(gateway, faults);
    let spec = &gateway.body;
    if !is_dns_label(&checked.head.name.name) {
        checked.error("metadata.name", "a Gateway's name is a DNS label: lower-case letters, digits and '-'");
    }
    if spec.servers.is_empty() {
        checked.error("spec.servers", "is empty; a gateway needs a server");
    }
    if spec.selector.is_empty() {
        checked.warn("spec.selector", "is empty: the Gateway is for every gateway of the mesh");
    }
    let mut names = BTreeSet::new();
    for (i, server) in spec.servers.iter().enumerate() {
        let field = format!("spec.servers[{i}]");
        one_server(&mut checked, &field, server);
        if let Some(port) = server.port.as_ref().filter(|port| !names.insert(port.name.as_str())) {
            let message = format!("{:?} is duplicated; port names in a Gateway must differ", port.name);
            checked.error(format!("{field}.port.name"), message);
        }
    }
}

fn one_server(checked: &mut Checked<'_>, field: &str, server: &Server) {
    if server.hosts.is_empty() {
        checked.error(format!("{field}.hosts"), "is empty; name a host, or \"*\" for all");
    }
    for (k, host) in server.hosts.iter().enumerate() {
        one_host(checked, &format!("{field}.hosts[{k}]"), host);
    }
    let protocol = match &server.port {
        Some(port) => one_port(checked, &format!("{field}.port"), port, server.bind.starts_with("unix://")),
        None => {
            checked.error(format!("{field}.port"), "is missing; name the port that callers dial");
            None
        }
    };
    if let Some(path) = server.bind.strip_prefix("unix://") {
        if !is_socket(path) {
            checked.error(format!("{field}.bind"), format!("{:?} has no absolute path", server.bind));
        }
        if server.port.as_ref().is_some_and(|port| port.number != 0) {
            checked.error(format!("{field}.port.number"), "is not for a socket, which has no port; write 0");
        }
        checked.set_aside(&format!("{field}.bind"), "is a socket of the pod's own, which is not supported yet");
    } else if !server.bind.is_empty() && server.bind.parse::<IpAddr>().is_err() {
        checked.error(format!("{field}.bind"), format!("{:?} is not an address", server.bind));
    }
    if !server.default_endpoint.is_empty() {
        checked.warn(format!("{field}.defaultEndpoint"), "has no effect: istiod does not read it");
    }
    if let Some(tls) = &server.tls {
        tls::settings(checked, &format!("{field}.tls"), tls);
    }
    let Some(protocol) = protocol else { return };
    let field = format!("{field}.tls");
    match &server.tls {
        None if protocol.is_tls() => {
            checked.error(field, format!("is missing; a port of {protocol} needs a TLS mode"));
        }
        Some(tls) if protocol.is_http() => {
            let files = [&tls.ca_certificates, &tls.private_key, &tls.server_certificate];
            let passes = matches!(tls.mode, ServerTlsMode::Passthrough | ServerTlsMode::AutoPassthrough);
            if !passes || files.iter().any(|file| !file.is_empty()) {
                let message = format!("a port of {protocol} is plaintext, and can only redirect; write protocol HTTPS");
                checked.error(field, message);
            }
        }
        Some(_) if !protocol.is_tls() => {
            checked.error(field, format!("a port of {protocol} has no TLS; write protocol TLS or HTTPS"));
        }
        Some(tls) if tls.https_redirect => {
            checked.warn(format!("{field}.httpsRedirect"), "has no effect: only a port of HTTP redirects");
        }
        _ => {}
    }
}

fn one_port(checked: &mut Checked<'_>, field: &str, port: &SidecarPort, is_socket: bool) -> Option<Protocol> {
    if !is_socket {
        checked.port(format!("{field}.number"), port.number);
    }
    if port.name.is_empty() {
        checked.error(format!("{field}.name"), "is missing; name the port, such as https");
    }
    if port.target_port > 0 {
        checked.error(format!("{field}.targetPort"), "has no effect in a Gateway; remove it");
    }
    let protocol = protocol_of_entry(&port.protocol).filter(|protocol| !protocol.is_auto());
    if protocol.is_none() {
        let message = format!(
            "{:?} is not a protocol that Istio knows; expected HTTP, HTTPS, TLS, TCP, GRPC or HTTP2",
            port.protocol
        );
        checked.error(format!("{field}.protocol"), message);
    }
    protocol
}

/// `ValidateNamespaceSlashWildcardHostname` in `pkg/config/validation/agent/validation.go`.
fn one_host(checked: &mut Checked<'_>, field: &str, text: &str) {
    let (namespace, host) = text.split_once('/').map_or((None, text), |(namespace, host)| (Some(namespace), host));
    // istiod makes such Gateways out of those of the Gateway API.
    let is_made = checked.head.annotations.get("internal.istio.io/gateway-semantics").is_some_and(|by| by == "gateway");
    if let Some(namespace) = namespace
        && !matches!(namespace, "*" | ".")
        && !(namespace == "~" && is_made)
        && !is_dns_label(namespace)
    {
        checked.error(field, format!("{namespace:?} is neither '.', '*', nor the name of a namespace"));
    }
    let is_address = host.parse::<IpAddr>().is_ok();
    if host != "*" && !is_address && (!is_wildcard_host(host) || is_partial_wildcard(host)) {
        checked.error(field, format!("{host:?} is not a host; expected a name, or a name with * as its first label"));
    } else if host != "*" && !host.contains('.') {
        checked.error(field, format!("{host:?} is a short name; write it in full, such as {host}.example.com"));
    }
}
