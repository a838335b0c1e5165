//! Fixes: objects which, once applied, let the call be delivered.

use std::{collections::BTreeMap, fmt::Write as _};

use super::{Ends, scope};
use crate::{
    account::{Account, AppProtocol, AppSpeaks, Decision, Note, NoteKind, Party, Reason, Step},
    model::{ClientTlsMode, MtlsMode, OutboundTrafficPolicy, Pod, PolicyHead, Protocol, is_host_for},
};

/// The first fix that applies to a call that was not delivered.
pub(super) fn notes(ends: &Ends<'_>, account: &Account) -> Vec<Note> {
    let fixes = [scope::fix, rule, strict, tls_to_http, greeting, dns_capture, registry_only];
    match account.outcome.delivered {
        true => vec![],
        false => fixes.iter().find_map(|fix| fix(ends, account)).into_iter().collect(),
    }
}

fn fix(text: String, yaml: String) -> Option<Note> {
    Some(Note::new(NoteKind::Fix, text).applying(yaml))
}

/// The client's DestinationRule disagrees with the server's sidecar about mTLS.
fn rule(ends: &Ends<'_>, account: &Account) -> Option<Note> {
    let ((Some(service), Some(port)), Some(server)) = (ends.to, ends.server) else { return None };
    ends.client.sidecar.as_ref()?;
    // Whatever else is wrong, such as a cluster that is not there, other settings of TLS don't change.
    let is_about_tls = [
        Reason::NoFilterChainMatch,
        Reason::TlsHandshakeFailed,
        Reason::ConnectionTerminated,
        Reason::ConnectionRefused,
        Reason::ProtocolError,
        Reason::Timeout,
    ];
    account.outcome.reason.filter(|reason| is_about_tls.contains(reason))?;
    let rule = ends.mesh.destination_rules.find(ends.client, &service.host, &service.name.namespace)?;
    let tls = rule.tls(port.port, ends.call.subset.as_deref())?;
    let strict = mode(server, account) == Some(MtlsMode::Strict);
    let takes_mtls = mode(server, account).is_some_and(|mode| mode != MtlsMode::Disable);
    let by_server = account.outcome.at != Some(Party::ClientApp);
    let meant = match tls.spec.mode {
        ClientTlsMode::IstioMutual if !takes_mtls => "DISABLE",
        ClientTlsMode::IstioMutual => return None,
        _ if strict && by_server => "ISTIO_MUTUAL",
        _ => return None,
    };
    let (_, name) = tls.by.rsplit_once(' ')?;
    let (namespace, name) = name.split_once('/')?;
    let why = if meant == "DISABLE" { "accepts no mTLS" } else { "accepts only mTLS" };
    let text = format!(
        "{} sets tls.mode {}, and {} {why}: set it to {meant}, or remove tls",
        tls.by,
        tls.spec.mode.name(),
        server.name
    );
    // A rule that says more, or is for more hosts, would lose that by a new one of its name.
    if rule.host != service.host || rule.from.len() > 1 || !rule.is_about_tls_alone() {
        return Some(Note::new(NoteKind::Fix, text).about(&tls.source));
    }
    fix(
        text,
        format!(
            "apiVersion: networking.istio.io/v1\nkind: DestinationRule\nmetadata: {{name: {name}, namespace: {namespace}}}\nspec:\n  host: {}\n  \
         trafficPolicy: {{tls: {{mode: {meant}}}}}\n",
            service.host
        ),
    )
}

/// A caller without mTLS meets a port that accepts nothing else.
fn strict(ends: &Ends<'_>, account: &Account) -> Option<Note> {
    let (server, port) = ends.server.zip(account.to.target_port)?;
    let refused = matches!(account.outcome.reason, Some(Reason::NoFilterChainMatch | Reason::TlsHandshakeFailed));
    if account.outcome.at != Some(Party::ServerSidecar) || !refused || mode(server, account)? != MtlsMode::Strict {
        return None;
    }
    let service = ends.to.0.and_then(|service| service.selector.as_ref());
    let labels = service.or_else(|| Some(&server.labels).filter(|labels| !labels.is_empty()))?;
    let sends = |step: &&Step| step.at == Party::ClientSidecar && step.what == Decision::TransportSocket;
    let who = match (&ends.client.sidecar, account.steps.iter().find(sends)) {
        (None, _) => format!("{} has no sidecar: give it one, or", ends.client.name),
        (Some(_), Some(step)) => {
            format!("the sidecar of {} sends no mTLS there ({}): change that, or", ends.client.name, step.because)
        }
        (Some(_), None) => {
            "the call bypasses its sidecar, and comes without mTLS: remove what exempts it, or".to_owned()
        }
    };
    // Of several policies for a pod only the oldest counts.
    let is_for_it = |policy: &&PolicyHead| {
        policy.namespace == server.name.namespace && policy.selector.is_some() && policy.selects(&server.labels)
    };
    if let Some(policy) = ends.mesh.policies.iter().filter(is_for_it).min_by(|a, b| a.age.cmp(&b.age)) {
        let text = format!("{who} set portLevelMtls of port {port} to PERMISSIVE in {}", policy.full_name);
        return Some(Note::new(NoteKind::Fix, text).about(&policy.source));
    }
    fix(
        format!("{who} let port {port} of {} also accept plaintext", server.workload),
        format!(
            "apiVersion: security.istio.io/v1\nkind: PeerAuthentication\nmetadata: {{name: {}-{port}, namespace: {}}}\nspec:\n  \
         selector: {{matchLabels: {{{}}}}}\n  mtls: {{mode: STRICT}}\n  portLevelMtls: {{\"{port}\": {{mode: PERMISSIVE}}}}\n",
            server.workload,
            server.name.namespace,
            flow(labels)
        ),
    )
}

/// The app sends TLS to a port that is declared as HTTP.
fn tls_to_http(ends: &Ends<'_>, account: &Account) -> Option<Note> {
    if ends.call.app != AppProtocol::Https || !account.to.protocol?.is_http() {
        return None;
    }
    let text = "the app sends TLS to a port that is declared as plaintext HTTP: call it with http://, or declare the port as TLS";
    of_port(ends, text, Protocol::Https)
}

/// A server that speaks first, on a port where a sidecar waits for the client's first bytes.
fn greeting(ends: &Ends<'_>, account: &Account) -> Option<Note> {
    if ends.call.speaks != Some(AppSpeaks::Greeting) || account.outcome.reason != Some(Reason::Timeout) {
        return None;
    }
    let (server, port) = (ends.server, account.to.target_port);
    if let (Some(Party::ServerSidecar), Some((server, port))) = (account.outcome.at, server.zip(port)) {
        let labels = ends.to.0.and_then(|service| service.selector.as_ref()).unwrap_or(&server.labels);
        return fix(
            format!(
                "the server speaks first, and its sidecar waits for the client: set the mTLS mode of port {port} to DISABLE"
            ),
            format!(
                "apiVersion: security.istio.io/v1\nkind: PeerAuthentication\nmetadata: {{name: {}-{port}, namespace: {}}}\nspec:\n  \
             selector: {{matchLabels: {{{}}}}}\n  portLevelMtls: {{\"{port}\": {{mode: DISABLE}}}}\n",
                server.workload,
                server.name.namespace,
                flow(labels)
            ),
        );
    }
    of_port(
        ends,
        "the server speaks first, and the sidecar waits for the client: declare the port as TCP",
        Protocol::Tcp,
    )
}

/// A fix that declares the called port as `protocol`.
fn of_port(ends: &Ends<'_>, text: &str, protocol: Protocol) -> Option<Note> {
    let (Some(service), Some(port)) = ends.to else { return None };
    let (name, number) = (&service.name.name, port.port);
    if service.entry.is_some() {
        return Some(Note::new(NoteKind::Fix, format!("{text} (protocol: {protocol})")).about(&port.protocol_source));
    }
    let word = protocol.to_string().to_ascii_lowercase();
    let ports = if port.name.is_empty() { String::new() } else { format!("name: {}, ", port.name) };
    fix(
        format!("{text} (kubectl patch service {name} --patch-file)"),
        format!(
            "apiVersion: v1\nkind: Service\nmetadata: {{name: {name}, namespace: {}}}\nspec:\n  ports:\n  - {{{ports}port: {number}, appProtocol: {word}}}\n",
            service.name.namespace
        ),
    )
}

/// The host is that of a ServiceEntry, and only DNS capture would resolve it.
fn dns_capture(ends: &Ends<'_>, account: &Account) -> Option<Note> {
    let is_entry = || {
        ends.mesh.entries.iter().any(|entry| entry.host.eq_ignore_ascii_case(&ends.call.host) && !entry.vips.is_empty())
    };
    if account.outcome.reason != Some(Reason::NameNotResolved) || ends.client.sidecar.is_none() || !is_entry() {
        return None;
    }
    fix(format!("let the sidecar of {} answer DNS queries (in its pod's template)", ends.client.name),
        "metadata:\n  annotations:\n    proxy.istio.io/config: |\n      proxyMetadata: {ISTIO_META_DNS_CAPTURE: \"true\"}\n".to_owned())
}

/// The host is not in the registry, and nothing else may be called (`REGISTRY_ONLY`).
fn registry_only(ends: &Ends<'_>, account: &Account) -> Option<Note> {
    let closed = ends.mesh.outbound_traffic_policy_of(ends.client).0 == OutboundTrafficPolicy::RegistryOnly;
    let host = &ends.call.host;
    let named = host.contains('.') && host.parse::<std::net::IpAddr>().is_err();
    // An entry that has the host by a wildcard is there; routes of TLS can take its place.
    let has_entry = ends
        .mesh
        .entries
        .iter()
        .any(|entry| is_host_for(&entry.host, host) && entry.ports.iter().any(|port| port.port == ends.call.port));
    let is_closed = closed && account.outcome.at == Some(Party::ClientSidecar);
    if !is_closed || ends.to.1.is_some() || !named || has_entry {
        return None;
    }
    let port = ends.call.port;
    let protocol = match ends.call.app {
        AppProtocol::Https => "TLS",
        AppProtocol::Http => "HTTP",
        AppProtocol::H2 => "HTTP2",
        AppProtocol::Tcp => "TCP",
    };
    fix(
        format!("outboundTrafficPolicy is REGISTRY_ONLY, and no ServiceEntry has {host}:{port}"),
        format!(
            "apiVersion: networking.istio.io/v1\nkind: ServiceEntry\nmetadata: {{name: {}, namespace: {}}}\nspec:\n  hosts: [{host}]\n  \
         location: MESH_EXTERNAL\n  resolution: DNS\n  ports: [{{number: {port}, name: port-{port}, protocol: {protocol}}}]\n",
            host.replace('.', "-").to_ascii_lowercase(),
            ends.client.name.namespace
        ),
    )
}

/// The mTLS mode in force on the called port.
fn mode(server: &Pod, account: &Account) -> Option<MtlsMode> {
    server.sidecar.as_ref()?;
    Some(server.peer_authentication.on_port(account.to.target_port?).mode)
}

fn flow(labels: &BTreeMap<String, String>) -> String {
    let mut text = String::new();
    for (key, value) in labels {
        let comma = if text.is_empty() { "" } else { ", " };
        let _ = write!(text, "{comma}{key}: {value:?}");
    }
    text
}
