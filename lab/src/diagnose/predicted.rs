//! From a predicted refusal to its causes.

use mesh::account::{Account, AppProtocol, AppSpeaks, LayerKind, LegNumber, Party, Reason};

#[cfg(test)]
mod tests;

/// The causes of a call's refusal, by their short names, most likely first; none for one that is delivered, or answered by a route.
pub(super) fn causes(account: &Account) -> Vec<&'static str> {
    let outcome = &account.outcome;
    let is_at = |party| outcome.at == Some(party);
    match outcome.reason {
        Some(Reason::BadRequest) if account.app_speaks == Some(AppSpeaks::Http10) => vec!["http10"],
        None | Some(Reason::DirectResponse | Reason::Redirect | Reason::BadRequest) => vec![],
        Some(Reason::NameNotResolved) => vec!["name-not-resolved"],
        Some(Reason::NoFilterChainMatch) if is_at(Party::ServerSidecar) => vec![no_filter_chain(account)],
        Some(Reason::NoFilterChainMatch) => vec!["tls-to-http-port"],
        Some(Reason::TlsHandshakeFailed) => handshake(account),
        Some(Reason::ConnectionRefused) if matches!(outcome.at, Some(Party::ServerSidecar | Party::ServerApp)) => {
            vec!["app-on-loopback", "nothing-listens"]
        }
        Some(Reason::ConnectionRefused) => vec!["nothing-listens"],
        Some(Reason::ConnectionTerminated) => terminated(account),
        Some(Reason::ProtocolError) => protocol(account),
        Some(Reason::NoHealthyUpstream) if leads_to(account, "BlackHoleCluster") => vec!["registry-only"],
        Some(Reason::NoHealthyUpstream) if outcome.response_flags == "NC" => vec!["no-cluster"],
        Some(Reason::NoHealthyUpstream) => vec!["no-endpoint"],
        Some(Reason::Overflow) => vec!["overflow"],
        Some(Reason::NoRoute) => vec!["no-route"],
        Some(Reason::BlockAll) => vec!["registry-only"],
        Some(Reason::FaultAbort) => vec!["fault-injected"],
        Some(Reason::Timeout) if account.app_speaks == Some(AppSpeaks::Greeting) => vec!["server-speaks-first"],
        Some(Reason::Timeout) => vec!["timeout"],
        Some(Reason::RbacDenied) if outcome.status.is_some() || outcome.grpc_status.is_some() => vec!["denied"],
        Some(Reason::RbacDenied) => vec!["denied-tcp"],
    }
}

/// No filter chain of the server's sidecar takes what leg 2 carries.
fn no_filter_chain(account: &Account) -> &'static str {
    let has_sidecar = account.from.sidecar;
    match layer(account, LegNumber::BetweenPods) {
        Some(LayerKind::Tls | LayerKind::Mtls) if has_sidecar && account.app_sends == AppProtocol::Https => {
            "app-tls-past-the-routes"
        }
        Some(LayerKind::Tls | LayerKind::Mtls) => "tls-to-http-port",
        _ if !has_sidecar => "plaintext-to-strict",
        _ if leads_to(account, "PassthroughCluster") => "past-the-registry",
        Some(LayerKind::Tcp) => "disable-to-strict-tcp",
        _ => "disable-to-strict",
    }
}

/// A handshake failed: of the mesh's TLS, or of an app's.
fn handshake(account: &Account) -> Vec<&'static str> {
    let reaches_app = layer(account, LegNumber::ToApp).is_some();
    let leg_2 = account.leg(LegNumber::BetweenPods);
    let shows_identity = leg_2.and_then(|leg| leg.tls.first()).is_some_and(|tls| tls.client_identity.is_some());
    match account.outcome.at {
        Some(Party::ClientApp) => client_apps_handshake(account, reaches_app),
        Some(Party::ClientSidecar | Party::Gateway) if reaches_app => vec!["mutual-to-opaque"],
        Some(Party::ClientSidecar | Party::Gateway) => {
            vec!["server-identity-not-accepted", "server-certificate-not-trusted", "expired", "roots-differ"]
        }
        Some(Party::ServerSidecar) if reaches_app => vec!["server-certificate-not-trusted"],
        Some(Party::ServerSidecar) if shows_identity => vec!["client-identity-not-accepted", "expired", "roots-differ"],
        Some(Party::ServerSidecar) => vec!["one-way-tls-to-strict"],
        Some(Party::ServerApp) if account.from.sidecar => vec!["mutual-to-no-sidecar", "origination-to-plaintext"],
        _ => vec!["wrong-ca-bundle"],
    }
}

/// The calling app's own TLS failed. `reaches_app`: the called app answered it.
fn client_apps_handshake(account: &Account, reaches_app: bool) -> Vec<&'static str> {
    let sees = account.outcome.app_sees.to_string();
    let in_tls = account.leg(LegNumber::BetweenPods).is_some_and(|leg| leg.layers == [LayerKind::Tls, LayerKind::Tls]);
    match sees.as_str() {
        "expired" => vec!["expired"],
        "not_tls" | "tls_protocol" if in_tls && !reaches_app => vec!["tls-in-tls-to-the-outside"],
        "not_tls" | "tls_protocol" => vec!["tls-to-a-plaintext-app"],
        _ if reaches_app || account.leg(LegNumber::ToApp).is_none() => vec!["wrong-ca-bundle"],
        _ => vec!["one-way-tls-to-strict"],
    }
}

/// A connection ended before an answer.
fn terminated(account: &Account) -> Vec<&'static str> {
    match account.outcome.at {
        _ if account.app_speaks == Some(AppSpeaks::Grpc) => vec!["grpc-over-http1", "app-closes"],
        Some(Party::ServerApp) if account.app_sends == AppProtocol::Http => {
            vec!["plaintext-to-a-tls-app", "app-closes"]
        }
        _ => vec!["app-closes"],
    }
}

/// Bytes of another protocol than the receiver's.
fn protocol(account: &Account) -> Vec<&'static str> {
    let is_tls = matches!(layer(account, LegNumber::BetweenPods), Some(LayerKind::Tls | LayerKind::Mtls));
    match (account.outcome.at, account.app_sends) {
        _ if account.app_speaks == Some(AppSpeaks::Grpc) => vec!["grpc-over-http1"],
        (Some(Party::ServerSidecar), AppProtocol::Https) => vec!["tls-to-http-port-without-mtls"],
        (Some(Party::ServerSidecar), _) if is_tls => vec!["mutual-to-disable"],
        (Some(Party::ServerApp), AppProtocol::Https) => vec!["tls-to-a-plaintext-app"],
        (Some(Party::ServerApp), AppProtocol::Http) if account.outcome.status.is_some() => {
            vec!["plaintext-to-a-tls-app"]
        }
        (Some(Party::ServerApp), AppProtocol::Http) => vec!["plaintext-to-a-tls-app-on-an-opaque-port"],
        _ => vec!["not-http"],
    }
}

/// The outermost layer of a leg.
fn layer(account: &Account, leg: LegNumber) -> Option<LayerKind> {
    account.leg(leg)?.layers.first().copied()
}

fn leads_to(account: &Account, cluster: &str) -> bool {
    account.route.iter().flat_map(|route| &route.clusters).any(|target| target.name == cluster)
}
