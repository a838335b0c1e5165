//! Simulates TLS handshakes.

use envoy_api::{DownstreamTlsContext, TlsProtocol, UpstreamTlsContext};

use crate::account::TlsFacts;

use super::certificate::{Certificate, Check, Material, NotThere, Why};

/// The client's side of a handshake.
#[derive(Clone, Debug)]
pub(super) struct Hello {
    pub(super) server_name: Option<String>,
    pub(super) alpn: Vec<String>,
    pub(super) certificate: Option<Certificate>,
    pub(super) check: Check,
    pub(super) latest: TlsProtocol,
}

/// The server's side of a handshake.
#[derive(Clone, Debug)]
pub(super) struct Acceptor {
    pub(super) certificate: Certificate,
    /// In order of preference.
    pub(super) alpn: Vec<String>,
    /// Whether to reject a client that offers only other protocols, as rustls does and Envoy does not.
    pub(super) insists_on_alpn: bool,
    /// The validation of client certificates; `None` does not request one.
    pub(super) client: Option<Check>,
    /// Whether a client without a certificate is accepted, too.
    pub(super) accepts_none: bool,
    pub(super) latest: TlsProtocol,
}

/// The known properties of a session, even if it failed.
#[derive(Clone, Debug, Default)]
pub(super) struct Session {
    pub(super) facts: TlsFacts,
    /// Whether both sides presented a certificate, and accepted the other's.
    pub(super) mutual: bool,
}

/// A failed handshake.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Broken {
    pub(super) by: Side,
    pub(super) why: Why,
}

/// A side of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Side {
    /// The side that connected.
    Client,
    /// The side that accepted.
    Server,
}

impl Broken {
    /// Whether the client considered the handshake complete and continued, as in TLS 1.3 before the server has checked its
    /// certificate.
    pub(super) fn is_late(&self, session: &Session) -> bool {
        self.by == Side::Server
            && self.why != Why::NoCommonProtocol
            && session.facts.version.as_deref() == Some("TLSv1.3")
    }
}

impl Hello {
    /// The known properties of a session of which only this was sent.
    pub(super) fn unanswered(&self) -> Session {
        let (alpn_offered, sni) = (self.alpn.clone(), self.server_name.clone());
        Session { facts: TlsFacts { alpn_offered, sni, ..TlsFacts::default() }, mutual: false }
    }

    /// What an upstream TLS context sends.
    ///
    /// # Errors
    /// If it refers to a missing secret.
    pub(super) fn of(context: &UpstreamTlsContext, material: &Material) -> Result<Self, NotThere> {
        let common = &context.common_tls_context;
        Ok(Self {
            server_name: (!context.sni.is_empty()).then(|| context.sni.clone()),
            alpn: common.alpn_protocols.clone(),
            certificate: material.certificate(common)?,
            check: material.check(common)?,
            // Envoy's clients use at most 1.2 unless configured.
            latest: latest(common, TlsProtocol::V1_2),
        })
    }
}

impl Acceptor {
    /// How a downstream TLS context answers.
    ///
    /// # Errors
    /// If it refers to a missing secret.
    pub(super) fn of(context: &DownstreamTlsContext, material: &Material) -> Result<Self, NotThere> {
        let common = &context.common_tls_context;
        let requires = context.require_client_certificate.unwrap_or(false);
        Ok(Self {
            certificate: material.certificate(common)?.ok_or(NotThere)?,
            alpn: common.alpn_protocols.clone(),
            insists_on_alpn: false,
            client: if requires || verifies(common) { Some(material.check(common)?) } else { None },
            accepts_none: !requires,
            latest: latest(common, TlsProtocol::V1_3),
        })
    }

    /// How an app's TLS port answers, which asks for a client certificate if it says how to check it.
    pub(super) fn of_app(certificate: Certificate, alpn: &[&str], client: Option<Check>) -> Self {
        Self {
            certificate,
            alpn: alpn.iter().map(ToString::to_string).collect(),
            insists_on_alpn: true,
            client,
            accepts_none: false,
            latest: TlsProtocol::V1_3,
        }
    }

    /// The handshake with a client: the session, and who aborted it.
    pub(super) fn handshake(&self, hello: &Hello) -> (Box<Session>, Option<Broken>) {
        let mut session = Box::new(hello.unanswered());
        let chosen = self.alpn.iter().find(|protocol| hello.alpn.contains(protocol));
        let broken = |by, why| Some(Broken { by, why });
        if chosen.is_none() && self.insists_on_alpn && !self.alpn.is_empty() && !hello.alpn.is_empty() {
            return (session, broken(Side::Server, Why::NoCommonProtocol));
        }
        session.facts.alpn = chosen.cloned();
        session.facts.server_identity = self.certificate.identity();
        session.facts.version = Some(version(hello.latest, self.latest).into());
        if let Err(why) = hello.check.admits(&self.certificate) {
            return (session, broken(Side::Client, why));
        }
        let Some(check) = &self.client else { return (session, None) };
        let Some(certificate) = &hello.certificate else {
            if self.accepts_none {
                return (session, None);
            }
            return (session, broken(Side::Server, Why::NoCertificate));
        };
        session.facts.client_identity = certificate.identity();
        let refused = check.admits(certificate).err();
        session.mutual = refused.is_none();
        (session, refused.and_then(|why| broken(Side::Server, why)))
    }
}

/// Whether a context has roots: then a certificate is requested, and verified if there is one.
fn verifies(common: &envoy_api::CommonTlsContext) -> bool {
    let in_place = common.validation_context.as_ref().is_some_and(|context| context.trusted_ca.is_some());
    in_place || common.combined_validation_context.is_some() || common.validation_context_sds_secret_config.is_some()
}

fn latest(common: &envoy_api::CommonTlsContext, default: TlsProtocol) -> TlsProtocol {
    match common.tls_params.as_ref().and_then(|params| params.tls_maximum_protocol_version) {
        None | Some(TlsProtocol::Auto) => default,
        Some(version) => version,
    }
}

fn version(one: TlsProtocol, other: TlsProtocol) -> &'static str {
    if [one, other].contains(&TlsProtocol::V1_2) { "TLSv1.2" } else { "TLSv1.3" }
}

#[cfg(test)]
mod tests;
