//! The filter chains of a container port: the core of PeerAuthentication.
//!
//! A pure table, pinned by tests against `pilot/pkg/networking/core/filterchain_options.go` (istio) and the claims
//! (textbook).

use crate::{
    flavor::{Decisions, MeshAlpn},
    model::MtlsMode,
};

#[cfg(test)]
mod tests;

/// How the sidecar handles a port.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PortClass {
    /// As bytes.
    Tcp,
    Http,
    /// Detected for each connection.
    Detected,
}

/// One chain of a container port.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Chain {
    /// What the TLS inspector must have detected.
    pub transport: Transport,
    /// The protocols of which one must have been offered (TLS) or detected (plaintext); empty matches any.
    pub alpn: &'static [&'static str],
    /// Whether the sidecar terminates TLS and requires a mesh certificate; otherwise it passes the bytes on.
    pub terminates: bool,
    /// How the bytes are handled.
    pub terminal: Terminal,
}

/// The result of the TLS inspector.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transport {
    /// A ClientHello.
    Tls,
    /// Anything else, or anything if there is no inspector.
    RawBuffer,
}

impl Transport {
    /// Envoy's name for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Tls => "tls",
            Self::RawBuffer => "raw_buffer",
        }
    }
}

/// The terminal filter of a chain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Terminal {
    /// Parses HTTP.
    Http,
    /// Relays bytes.
    Tcp,
}

/// The ALPN protocols that mark mesh traffic carrying HTTP.
pub(super) const MESH_HTTP: &[&str] = &["istio-http/1.0", "istio-http/1.1", "istio-h2"];
/// The ALPN protocols that mark mesh traffic carrying other bytes.
pub(super) const MESH_TCP: &[&str] = &["istio-peer-exchange", "istio"];
/// Both, as a gateway that passes mTLS on lists them (`allIstioMtlsALPNs` in `pilot/pkg/networking/core/listener.go`).
pub(super) const MESH_ALPN: &[&str] = &["istio", "istio-peer-exchange", "istio-http/1.0", "istio-http/1.1", "istio-h2"];
/// Both.
const MESH_ANY: &[&str] = &["istio-http/1.0", "istio-http/1.1", "istio-h2", "istio-peer-exchange", "istio"];
/// The ALPN protocol that marks all mesh traffic in the textbook's mesh.
pub(super) const PEER_EXCHANGE: &[&str] = &["istio-peer-exchange"];
/// The protocols that the HTTP inspector reports.
pub(super) const PLAIN_HTTP: &[&str] = &["http/1.1", "h2c"];
/// Anything.
const ANY: &[&str] = &[];

/// The chains of a container port in a mode, in Istio's order.
pub fn chains(mode: MtlsMode, class: PortClass, decisions: &Decisions) -> Vec<Chain> {
    let marks = match decisions.mesh_alpn {
        MeshAlpn::PeerExchange => PEER_EXCHANGE,
        MeshAlpn::ByProtocol => MESH_ANY,
    };
    let strict_marks = if decisions.strict_matches_alpn { marks } else { ANY };
    match (mode, class) {
        (MtlsMode::Strict, PortClass::Tcp) => vec![terminate(strict_marks, Terminal::Tcp)],
        (MtlsMode::Strict, PortClass::Http) => vec![terminate(strict_marks, Terminal::Http)],
        (MtlsMode::Strict, PortClass::Detected) => {
            vec![terminate(MESH_HTTP, Terminal::Http), terminate(strict_marks, Terminal::Tcp)]
        }
        (MtlsMode::Permissive, PortClass::Tcp) => {
            vec![terminate(marks, Terminal::Tcp), pass_tls(), plain(ANY, Terminal::Tcp)]
        }
        (MtlsMode::Permissive, PortClass::Http) => {
            let mut chains = vec![terminate(marks, Terminal::Http), plain(ANY, Terminal::Http)];
            chains.extend(decisions.http_ports_pass_foreign_tls.then(pass_tls));
            chains
        }
        (MtlsMode::Permissive, PortClass::Detected) => vec![
            terminate(MESH_HTTP, Terminal::Http),
            plain(PLAIN_HTTP, Terminal::Http),
            terminate(MESH_TCP, Terminal::Tcp),
            plain(ANY, Terminal::Tcp),
            pass_tls(),
        ],
        (MtlsMode::Disable, PortClass::Tcp) => vec![plain(ANY, Terminal::Tcp)],
        (MtlsMode::Disable, PortClass::Http) => vec![plain(ANY, Terminal::Http)],
        (MtlsMode::Disable, PortClass::Detected) => vec![plain(PLAIN_HTTP, Terminal::Http), plain(ANY, Terminal::Tcp)],
    }
}

fn terminate(alpn: &'static [&'static str], terminal: Terminal) -> Chain {
    Chain { transport: Transport::Tls, alpn, terminates: true, terminal }
}

fn pass_tls() -> Chain {
    Chain { transport: Transport::Tls, alpn: ANY, terminates: false, terminal: Terminal::Tcp }
}

fn plain(alpn: &'static [&'static str], terminal: Terminal) -> Chain {
    Chain { transport: Transport::RawBuffer, alpn, terminates: false, terminal }
}
