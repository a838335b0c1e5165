//! TLS contexts on rustls, with the semantics of Envoy's `DownstreamTlsContext` and `UpstreamTlsContext`.
//!
//! A context is built once, and again whenever one of its secrets is rotated. A handshake uses the current one.

mod chain;
mod client;
mod failure;
mod keylog;
mod known;
mod params;
mod peer;
mod roots;
mod secrets;
mod server;
mod stats;
mod stream;
mod verify;

pub use client::{ClientContext, Offer};
pub use failure::{broke, reason};
pub use peer::PeerCertificate;
pub use server::ServerContext;
pub use stats::{ContextStats, TlsStats};
pub use stream::TlsStream;

use std::sync::Arc;

use rustls::{CommonState, ProtocolVersion};

use crate::stream_info::TlsInfo;

/// The negotiated parameters of a connection.
fn info(connection: &CommonState, local_uri_sans: &Arc<[String]>) -> TlsInfo {
    TlsInfo {
        version: match connection.protocol_version() {
            Some(ProtocolVersion::TLSv1_3) => "TLSv1.3",
            _ => "TLSv1.2",
        },
        cipher: connection.negotiated_cipher_suite().map_or("", |suite| params::openssl_name(suite.suite())),
        group: connection.negotiated_key_exchange_group().and_then(|group| params::group_name(group.name())),
        alpn: connection.alpn_protocol().map(|alpn| String::from_utf8_lossy(alpn).into_owned()),
        peer: connection
            .peer_certificates()
            .and_then(|chain| chain.first())
            .and_then(|leaf| PeerCertificate::cached(leaf).ok()),
        local_uri_sans: local_uri_sans.clone(),
        resumed: connection.handshake_kind() == Some(rustls::HandshakeKind::Resumed),
    }
}
