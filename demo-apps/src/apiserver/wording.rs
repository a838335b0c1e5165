//! Failures in the words of kube-apiserver and Go: what people search for.

use std::net::SocketAddr;

use crate::failure::{CertificateProblem, Failure, FailureKind, Stage};
use crate::report::ClientReport;

/// A webhook that said no (`plugin/webhook/errors/statuserror.go`).
pub(super) fn denied(webhook: &str, told: Option<&str>) -> String {
    match told {
        Some(told) => format!("admission webhook {webhook:?} denied the request: {told}"),
        None => format!("admission webhook {webhook:?} denied the request without explanation"),
    }
}

/// A webhook that said nothing that counts.
pub(super) fn failed_calling(webhook: &str, why: &str) -> String {
    format!("failed calling webhook {webhook:?}: {why}")
}

/// What the client of a request gets for an error inside the API server.
pub(super) fn internal(why: &str) -> String {
    format!("Internal error occurred: {why}")
}

/// What the API server's log has of a webhook that is ignored.
pub(super) fn failing_open(webhook: &str, why: &str) -> String {
    format!("Failed calling webhook, failing open {webhook}: {why}")
}

/// An answer that came and breaks the contract.
pub(super) fn invalid_response(why: &str) -> String {
    format!("received invalid webhook response: {why}")
}

/// A client that cannot even be made.
pub(super) fn no_rest_client(why: &str) -> String {
    format!("could not get REST client: unable to load root certificates: {why}")
}

/// A call that failed, as Go's `net/http` tells it.
pub(super) fn failed_to_call(url: &str, failure: &Failure, report: &ClientReport) -> String {
    format!("failed to call webhook: Post {url:?}: {}", as_go(failure, report))
}

fn as_go(failure: &Failure, report: &ClientReport) -> String {
    let address = |address: Option<SocketAddr>| address.map_or_else(|| "?".to_owned(), |known| known.to_string());
    let remote = address(report.remote);
    match &failure.kind {
        FailureKind::Timeout => "context deadline exceeded".to_owned(),
        FailureKind::ConnectionRefused => format!("dial tcp {remote}: connect: connection refused"),
        FailureKind::HostUnreachable => format!("dial tcp {remote}: connect: no route to host"),
        FailureKind::NetworkUnreachable => format!("dial tcp {remote}: connect: network is unreachable"),
        FailureKind::ConnectionReset => {
            format!("read tcp {}->{remote}: read: connection reset by peer", address(report.local))
        }
        FailureKind::Eof => "EOF".to_owned(),
        FailureKind::NotTls { first_bytes } if first_bytes.starts_with("HTTP/") => {
            "http: server gave HTTP response to HTTPS client".to_owned()
        }
        FailureKind::NotTls { .. } => "tls: first record does not look like a TLS handshake".to_owned(),
        FailureKind::TlsAlert { alert } => format!("remote error: tls: {}", alert.replace('_', " ")),
        FailureKind::Certificate { problem } if failure.stage == Stage::Tls => {
            format!("tls: failed to verify certificate: x509: {}", x509(*problem, failure, report))
        }
        _ => failure.message.clone(),
    }
}

/// What Go's `crypto/x509` says of a certificate.
fn x509(problem: CertificateProblem, failure: &Failure, report: &ClientReport) -> String {
    let tls = report.tls.as_ref();
    let certificate = tls.and_then(|tls| tls.peer_certificate.as_ref());
    let names: Vec<&str> = certificate
        .iter()
        .flat_map(|certificate| &certificate.sans)
        .filter_map(|san| san.strip_prefix("DNS:").or(san.strip_prefix("IP:")))
        .collect();
    let wanted = tls.and_then(|tls| tls.sni.as_deref()).unwrap_or_default();
    match problem {
        CertificateProblem::UnknownIssuer => "certificate signed by unknown authority".to_owned(),
        CertificateProblem::Expired | CertificateProblem::NotYetValid => {
            format!("certificate has expired or is not yet valid: {}", failure.message)
        }
        CertificateProblem::NotValidForName if names.is_empty() => {
            format!("certificate is not valid for any names, but wanted to match {wanted}")
        }
        CertificateProblem::NotValidForName => {
            format!("certificate is valid for {}, not {wanted}", names.join(", "))
        }
        _ => failure.message.clone(),
    }
}
