//! What a handshake negotiated.

use rustls::crypto::SupportedKxGroup;
use rustls::{CipherSuite, CommonState, NamedGroup, ProtocolVersion};

/// Negotiated parameters.
pub(crate) struct Session {
    pub(crate) version: Option<ProtocolVersion>,
    pub(crate) suite: Option<CipherSuite>,
    pub(crate) group: Option<NamedGroup>,
    pub(crate) alpn: Option<Vec<u8>>,
}

impl Session {
    /// The parameters of a complete handshake.
    pub(crate) fn from_state(state: &CommonState) -> Self {
        Self {
            version: state.protocol_version(),
            suite: state.negotiated_cipher_suite().map(|suite| suite.suite()),
            group: state.negotiated_key_exchange_group().map(SupportedKxGroup::name),
            alpn: state.alpn_protocol().map(<[u8]>::to_vec),
        }
    }

    /// The version as written by Envoy and OpenSSL: `TLSv1.3`.
    pub(crate) fn version_name(&self) -> Option<String> {
        self.version.map(|version| match version {
            ProtocolVersion::TLSv1_2 => "TLSv1.2".to_owned(),
            ProtocolVersion::TLSv1_3 => "TLSv1.3".to_owned(),
            other => format!("{other:?}"),
        })
    }

    /// IANA name of the suite. rustls' names differ from it only in TLS 1.3.
    pub(crate) fn suite_name(&self) -> Option<String> {
        self.suite.map(|suite| format!("{suite:?}").replacen("TLS13_", "TLS_", 1))
    }

    pub(crate) fn group_name(&self) -> Option<String> {
        self.group.map(|group| format!("{group:?}"))
    }

    pub(crate) fn alpn_name(&self) -> Option<String> {
        self.alpn.as_deref().map(|alpn| String::from_utf8_lossy(alpn).into_owned())
    }
}
