//! Sidecar, by the rules of Istio's webhook (`ValidateSidecar` in `pkg/config/validation/validation.go`).

use std::{
    collections::{BTreeMap, BTreeSet},
    net::IpAddr,
};

use super::{Checked, is_full_name, is_partial_wildcard, is_socket, is_wildcard_host, traffic_policy::connection_pool};
use crate::{
    fault::Faults,
    load::{is_dns_label, is_istio_label},
    manifests::{
        Object,
        sidecar::{
            CaptureMode, EgressListener, IngressListener, OutboundMode, OutboundTrafficPolicySpec, ServerTls,
            ServerTlsMode, SidecarPort, SidecarSpec,
        },
    },
    model::Protocol,
    resolve::protocol_of_entry,
};

/// The prefix of a socket's path.
const UNIX: &str = "unix://";

pub(super) fn validate(sidecar: &Object<SidecarSpec>, faults: &mut Faults) {
    let mut checked = Checked::of(sidecar, faults);
    let spec = &sidecar.body;
    selector(&mut checked, spec);
    let is_empty = spec.egress.is_empty()
        && spec.ingress.is_empty()
        && spec.outbound_traffic_policy.is_none()
        && spec.inbound_connection_pool.is_none();
    if is_empty {
        checked.error("spec", "is empty; give egress, ingress, outboundTrafficPolicy or inboundConnectionPool");
    }
    ingress(&mut checked, &spec.ingress);
    connection_pool(&mut checked, "spec.inboundConnectionPool", spec.inbound_connection_pool.as_ref());
    egress(&mut checked, &spec.egress);
    if let Some(policy) = &spec.outbound_traffic_policy {
        outbound_traffic_policy(&mut checked, policy);
    }
}

fn selector(checked: &mut Checked<'_>, spec: &SidecarSpec) {
    let Some(selector) = &spec.workload_selector else { return };
    if selector.labels.is_empty() {
        checked.warn("spec.workloadSelector", "has no labels: the Sidecar is for the whole namespace");
    }
    checked.selector_labels("spec.workloadSelector.labels", &selector.labels);
}

fn ingress(checked: &mut Checked<'_>, listeners: &[IngressListener]) {
    let mut numbers = BTreeSet::new();
    for (i, listener) in listeners.iter().enumerate() {
        let field = format!("spec.ingress[{i}]");
        let Some(port) = &listener.port else {
            checked.error(format!("{field}.port"), "is missing; name the port that callers dial");
            continue;
        };
        let protocol = sidecar_port(checked, &field, port);
        checked.port(format!("{field}.port.number"), port.number);
        address(checked, &field, &listener.bind);
        if !numbers.insert(port.number) {
            checked.error(format!("{field}.port.number"), format!("{} is duplicated; ports must differ", port.number));
        }
        if !listener.default_endpoint.is_empty() {
            default_endpoint(checked, &format!("{field}.defaultEndpoint"), &listener.default_endpoint);
        }
        if let Some(tls) = &listener.tls {
            server_tls(checked, &format!("{field}.tls"), tls, protocol);
        }
        connection_pool(checked, &format!("{field}.connectionPool"), listener.connection_pool.as_ref());
        let has_http = listener.connection_pool.as_ref().is_some_and(|pool| pool.http.is_some());
        if has_http && protocol.is_some_and(|protocol| !protocol.is_http()) {
            checked.warn(format!("{field}.connectionPool.http"), "has no effect on a port that is not HTTP");
        }
        if listener.capture_mode == CaptureMode::None {
            let message = "NONE is not supported yet: calls to the port that the sidecar would bind are not predicted";
            checked.set_aside(&format!("{field}.captureMode"), message);
        }
    }
}

/// `ADDRESS:PORT` of the pod itself, or a socket.
fn default_endpoint(checked: &mut Checked<'_>, field: &str, text: &str) {
    if let Some(path) = text.strip_prefix(UNIX) {
        unix(checked, field, path);
        return checked
            .set_aside(field, "is a socket of the pod's own, which is not supported yet: nobody is at it here");
    }
    let parts = match text.strip_prefix('[') {
        Some(rest) => rest.split_once("]:"),
        None => text.rsplit_once(':').filter(|(host, _)| !host.contains(':')),
    };
    let Some((host, port)) = parts else {
        return checked.error(field, format!("{text:?} has no port; write ADDRESS:PORT, such as 127.0.0.1:8080"));
    };
    if !["", "127.0.0.1", "0.0.0.0", "::1", "::"].contains(&host) {
        let message = format!("{host:?} is not the pod itself; write 127.0.0.1, 0.0.0.0, [::1], [::] or unix://PATH");
        checked.error(field, message);
    }
    match port.parse::<i64>() {
        Ok(port) => checked.port(field, port),
        Err(_) => checked.error(field, format!("{port:?} is not a port")),
    }
}

fn server_tls(checked: &mut Checked<'_>, field: &str, tls: &ServerTls, protocol: Option<Protocol>) {
    let refused = [
        ("subjectAltNames", !tls.subject_alt_names.is_empty()),
        ("httpsRedirect", tls.https_redirect),
        ("credentialName", !tls.credential_name.is_empty()),
        ("credentialNames", !tls.credential_names.is_empty()),
        ("tlsCertificates", !tls.tls_certificates.is_empty()),
    ];
    for (name, _) in refused.iter().filter(|(_, given)| *given) {
        checked.error(format!("{field}.{name}"), "is not supported in a Sidecar");
    }
    if matches!(tls.mode, ServerTlsMode::IstioMutual | ServerTlsMode::AutoPassthrough) {
        checked.error(format!("{field}.mode"), "is not allowed in a Sidecar; write SIMPLE or MUTUAL");
    }
    if protocol.is_some_and(|protocol| !protocol.is_tls()) {
        checked.error(field, "needs a port of protocol HTTPS or TLS");
    }
    let keeps_files = matches!(tls.mode, ServerTlsMode::Simple | ServerTlsMode::Mutual | ServerTlsMode::OptionalMutual);
    if keeps_files && tls.server_certificate.is_empty() {
        checked.error(format!("{field}.serverCertificate"), "is missing; name a file in the sidecar");
    }
    if keeps_files && tls.private_key.is_empty() {
        checked.error(format!("{field}.privateKey"), "is missing; name a file in the sidecar");
    }
    let verifies = matches!(tls.mode, ServerTlsMode::Mutual | ServerTlsMode::OptionalMutual);
    if verifies && tls.ca_certificates.is_empty() {
        checked.error(format!("{field}.caCertificates"), "is missing; the mode verifies clients");
    }
    // `ENABLE_TLS_ON_SIDECAR_INGRESS` is off (`pilot/pkg/features/experimental.go`).
    checked.warn(field, "has no effect: istiod ignores it unless ENABLE_TLS_ON_SIDECAR_INGRESS is set");
}

fn egress(checked: &mut Checked<'_>, listeners: &[EgressListener]) {
    let (mut numbers, mut sockets) = (BTreeSet::new(), BTreeSet::new());
    for (i, listener) in listeners.iter().enumerate() {
        let field = format!("spec.egress[{i}]");
        match &listener.port {
            None if i + 1 < listeners.len() => {
                checked.error(format!("{field}.port"), "is missing; only the last listener is for all other ports");
            }
            None => {}
            Some(port) => {
                egress_port(checked, &field, listener, port);
                let is_new = match port.number {
                    0 => sockets.insert(listener.bind.as_str()),
                    number => numbers.insert(number),
                };
                if !is_new {
                    checked.error(format!("{field}.port.number"), "is duplicated; each port has one listener");
                }
            }
        }
        if listener.capture_mode == CaptureMode::None {
            let message = "NONE is not supported yet: calls to the port that the sidecar would bind are not predicted";
            checked.set_aside(&format!("{field}.captureMode"), message);
        }
        hosts(checked, &format!("{field}.hosts"), &listener.hosts);
    }
}

fn egress_port(checked: &mut Checked<'_>, field: &str, listener: &EgressListener, port: &SidecarPort) {
    let protocol = sidecar_port(checked, field, port);
    if port.number == 0 {
        match listener.bind.strip_prefix(UNIX) {
            Some(path) => unix(checked, &format!("{field}.bind"), path),
            None => checked.error(format!("{field}.bind"), "needs a socket (unix://PATH) where the port is 0"),
        }
        if listener.capture_mode == CaptureMode::Iptables {
            checked.error(format!("{field}.captureMode"), "a socket is not captured; write DEFAULT or NONE");
        }
        return checked.set_aside(&format!("{field}.bind"), "is a socket of the pod's own, which is not supported yet");
    }
    checked.port(format!("{field}.port.number"), port.number);
    address(checked, field, &listener.bind);
    if protocol == Some(Protocol::HttpProxy) {
        checked.set_aside(
            &format!("{field}.port.protocol"),
            "HTTP_PROXY is not supported yet: it listens for nothing here",
        );
    }
}

/// Checks the port but for its number, and returns its protocol.
fn sidecar_port(checked: &mut Checked<'_>, field: &str, port: &SidecarPort) -> Option<Protocol> {
    if port.target_port > 0 {
        checked.error(format!("{field}.port.targetPort"), "has no effect in a Sidecar; remove it");
    }
    if !port.name.is_empty() && !is_istio_label(&port.name) {
        let message = format!("{:?} is not a port name: letters, digits and '-'", port.name);
        checked.error(format!("{field}.port.name"), message);
    }
    let protocol = protocol_of_entry(&port.protocol);
    if protocol.is_none() {
        let message = format!(
            "{:?} is not a protocol that Istio knows; expected HTTP, HTTPS, TLS, TCP, GRPC or HTTP2",
            port.protocol
        );
        checked.error(format!("{field}.port.protocol"), message);
    }
    protocol
}

fn address(checked: &mut Checked<'_>, field: &str, bind: &str) {
    if !bind.is_empty() && bind.parse::<IpAddr>().is_err() {
        checked.error(format!("{field}.bind"), format!("{bind:?} is not an address"));
    }
}

/// `ValidateUnixAddress`.
fn unix(checked: &mut Checked<'_>, field: &str, path: &str) {
    if !is_socket(path) {
        checked.error(field, format!("{path:?} is not an absolute path of a file"));
    }
}

fn hosts(checked: &mut Checked<'_>, field: &str, hosts: &[String]) {
    if hosts.is_empty() {
        return checked.error(field, "is empty; name a host as NAMESPACE/HOST, such as ./*");
    }
    let own = checked.head.name.namespace.clone();
    let mut seen: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for (k, text) in hosts.iter().enumerate() {
        let field = format!("{field}[{k}]");
        let Some((namespace, host)) = text.split_once('/') else {
            checked.error(field, format!("{text:?} has no namespace; write NAMESPACE/HOST, such as ./{text}"));
            continue;
        };
        if !namespace.starts_with('~') {
            let namespace = if namespace == "." { own.as_str() } else { namespace };
            let of_namespace = seen.entry(namespace).or_default();
            let is_covered = match host {
                "*" => !of_namespace.is_empty(),
                _ => of_namespace.contains(host) || of_namespace.contains("*"),
            };
            if is_covered {
                checked.warn(&field, format!("{text:?} is duplicated, or covered by another host"));
            }
            of_namespace.insert(host);
        }
        one_host(checked, &field, namespace, host);
    }
    if seen.get("*").is_some_and(|all| all.contains("*")) && seen.len() > 1 {
        checked.warn(field, "*/* is everything: the other hosts have no effect");
    }
}

/// `ValidateNamespaceSlashWildcardHostname` in `pkg/config/validation/agent/validation.go`.
fn one_host(checked: &mut Checked<'_>, field: &str, namespace: &str, host: &str) {
    if namespace.is_empty() || host.is_empty() {
        return checked.error(field, "has an empty part; write NAMESPACE/HOST, such as ./*");
    }
    let name = namespace.strip_prefix('~').unwrap_or(namespace);
    if !matches!(name, "" | "*" | ".") && !is_dns_label(name) {
        checked.error(field, format!("{namespace:?} is neither '.', '*', nor the name of a namespace"));
    }
    if host != "*" && !host.contains('.') {
        let message = format!("{host:?} is a short name; write it in full, such as {host}.NAMESPACE.svc.cluster.local");
        checked.error(field, message);
    } else if !is_wildcard_host(host) || is_partial_wildcard(host) {
        checked.error(field, format!("{host:?} is not a host; expected a name, or a name with * as its first label"));
    }
}

fn outbound_traffic_policy(checked: &mut Checked<'_>, policy: &OutboundTrafficPolicySpec) {
    const FIELD: &str = "spec.outboundTrafficPolicy.egressProxy";
    let Some(proxy) = &policy.egress_proxy else { return };
    if policy.mode != OutboundMode::AllowAny {
        return checked.error(FIELD, "needs mode ALLOW_ANY");
    }
    if !is_full_name(&proxy.host) {
        checked.error(format!("{FIELD}.host"), format!("{:?} is not a full host name", proxy.host));
    }
    match &proxy.port {
        Some(port) => checked.port(format!("{FIELD}.port.number"), port.number),
        None => checked.error(format!("{FIELD}.port"), "is missing; name the proxy's port"),
    }
    if !proxy.subset.is_empty() && !is_istio_label(&proxy.subset) {
        checked.error(format!("{FIELD}.subset"), format!("{:?} is not a subset name", proxy.subset));
    }
}

#[cfg(test)]
mod tests;
