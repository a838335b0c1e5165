//! Error messages in the wording of kube-apiserver and Go, which people search for.

use std::net::SocketAddr;

use crate::failure::{CertificateProblem, Failure, FailureKind, Stage};
use crate::report::ClientReport;

/// A webhook denied the request (`plugin/webhook/errors/statuserror.go`).
pub(super) fn denied(webhook: &str, reason: Option<&str>) -> String {
    match reason {
        Some(reason) => format!("admission webhook {webhook:?} denied the request: {reason}"),
        None => format!("admission webhook {webhook:?} denied the request without explanation"),
    }
}

/// A webhook gave no valid response.
pub(super) fn failed_calling(webhook: &str, why: &str) -> String {
    format!("failed calling webhook {webhook:?}: {why}")
}

/// What the API server's client sees of an internal error.
pub(super) fn internal(why: &str) -> String {
    format!("Internal error occurred: {why}")
}

/// What the API server logs if it ignores a failed webhook.
pub(super) fn failing_open(webhook: &str, why: &str) -> String {
    format!("Failed calling webhook, failing open {webhook}: {why}")
}

/// A response violates the contract.
pub(super) fn invalid_response(why: &str) -> String {
    format!("received invalid webhook response: {why}")
}

/// JSON of another type has no version and kind; as worded by Go's `encoding/json`.
pub(super) fn not_an_object(found: &str) -> String {
    format!(
        r#"json: cannot unmarshal {found} into Go value of type struct {{ APIVersion string "json:\"apiVersion,omitempty\""; Kind string "json:\"kind,omitempty\"" }}"#
    )
}

/// The client for a webhook cannot be created.
pub(super) fn no_rest_client(why: &str) -> String {
    format!("could not get REST client: unable to load root certificates: {why}")
}

/// A call failed; the reason is worded as by Go's `net/http`.
pub(super) fn failed_to_call(url: &str, failure: &Failure, report: &ClientReport) -> String {
    format!("failed to call webhook: Post {url:?}: {}", go_net_error(failure, report))
}

fn go_net_error(failure: &Failure, report: &ClientReport) -> String {
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
            format!("tls: failed to verify certificate: x509: {}", go_x509_error(*problem, failure, report))
        }
        _ => failure.message.clone(),
    }
}

/// The wording of Go's `crypto/x509`.
fn go_x509_error(problem: CertificateProblem, failure: &Failure, report: &ClientReport) -> String {
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
