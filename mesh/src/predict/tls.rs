//! TLS handshakes: who offers what, who checks whom, and what comes of it.

use envoy_api::{
    CertificateValidationContext, CommonTlsContext, DownstreamTlsContext, SanType, StringMatcher,
    SubjectAltNameMatcher, TlsProtocol, UpstreamTlsContext,
};

use crate::account::TlsFacts;

/// Who issued a certificate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Issuer {
    /// The mesh's authority.
    Mesh,
    /// Whoever the apps trust among themselves.
    Apps,
}

/// A certificate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Certificate {
    pub(super) issuer: Issuer,
    /// The URI SAN of an SVID. What an app's certificate says is not known here.
    pub(super) uri: Option<String>,
}

/// How a peer's certificate is checked.
#[derive(Clone, Debug, Default)]
pub(super) struct Check {
    /// Whose certificates are taken; anybody's if unset.
    issuer: Option<Issuer>,
    /// One of these must match; all do if there are none.
    sans: Vec<SubjectAltNameMatcher>,
}

/// What a client brings to a handshake.
#[derive(Clone, Debug)]
pub(super) struct Hello {
    pub(super) server_name: Option<String>,
    pub(super) alpn: Vec<String>,
    pub(super) certificate: Option<Certificate>,
    pub(super) check: Check,
    pub(super) latest: TlsProtocol,
}

/// What a server brings to a handshake.
#[derive(Clone, Debug)]
pub(super) struct Acceptor {
    pub(super) certificate: Certificate,
    /// In order of preference.
    pub(super) alpn: Vec<String>,
    /// Whether a client that offers other protocols alone is refused, as rustls does it and Envoy does not.
    pub(super) insists_on_alpn: bool,
    /// How client certificates are checked; `None` asks for none.
    pub(super) client: Option<Check>,
    pub(super) latest: TlsProtocol,
}

/// What is known of a session, also of one that was broken off.
#[derive(Clone, Debug, Default)]
pub(super) struct Session {
    pub(super) facts: TlsFacts,
    /// Whether both sides showed a certificate.
    pub(super) mutual: bool,
}

/// A handshake that was broken off.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Broken {
    pub(super) by: Side,
    pub(super) why: Why,
}

/// A side of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Side {
    /// Who connected.
    Client,
    /// Who was connected to.
    Server,
}

/// Why a handshake was broken off.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Why {
    /// The peer's certificate is of an authority that is not trusted.
    UnknownIssuer,
    /// No SAN of the peer's certificate is among those asked for; the SANs that it has.
    WrongSan(Vec<String>),
    /// The client has no certificate, and one is required.
    NoCertificate,
    /// The client offers no protocol that the server has.
    NoCommonProtocol,
}

impl Why {
    /// The alert that tells the peer, by its name in the RFCs.
    pub(super) fn alert(&self) -> &'static str {
        match self {
            Self::UnknownIssuer => "unknown_ca",
            Self::WrongSan(_) => "bad_certificate",
            Self::NoCertificate => "certificate_required",
            Self::NoCommonProtocol => "no_application_protocol",
        }
    }
}

impl Hello {
    /// What is known of a session of which nothing but this was sent.
    pub(super) fn unanswered(&self) -> Session {
        let (alpn_offered, sni) = (self.alpn.clone(), self.server_name.clone());
        Session { facts: TlsFacts { alpn_offered, sni, ..TlsFacts::default() }, mutual: false }
    }

    /// What an upstream TLS context sends. `identity` is the workload's, if the context has a certificate.
    pub(super) fn of(context: &UpstreamTlsContext, identity: Option<&str>) -> Self {
        let common = &context.common_tls_context;
        Self {
            server_name: (!context.sni.is_empty()).then(|| context.sni.clone()),
            alpn: common.alpn_protocols.clone(),
            certificate: has_certificate(common).then(|| svid(identity)),
            check: Check::of(common),
            // Envoy's clients stop at 1.2 unless they are told otherwise.
            latest: latest(common, TlsProtocol::V1_2),
        }
    }
}

impl Acceptor {
    /// How a downstream TLS context answers.
    pub(super) fn of(context: &DownstreamTlsContext, identity: Option<&str>) -> Self {
        let common = &context.common_tls_context;
        Self {
            certificate: svid(identity),
            alpn: common.alpn_protocols.clone(),
            insists_on_alpn: false,
            client: context.require_client_certificate.unwrap_or(false).then(|| Check::of(common)),
            latest: latest(common, TlsProtocol::V1_3),
        }
    }

    /// How an app's TLS port answers.
    pub(super) fn of_app(alpn: &[&str], asks_for_certificate: bool) -> Self {
        Self {
            certificate: Certificate { issuer: Issuer::Apps, uri: None },
            alpn: alpn.iter().map(ToString::to_string).collect(),
            insists_on_alpn: true,
            client: asks_for_certificate.then(|| Check { issuer: Some(Issuer::Apps), sans: vec![] }),
            latest: TlsProtocol::V1_3,
        }
    }

    /// The handshake with a client: what is known of it, and who broke it off.
    pub(super) fn handshake(&self, hello: &Hello) -> (Box<Session>, Option<Broken>) {
        let mut session = Box::new(hello.unanswered());
        let chosen = self.alpn.iter().find(|protocol| hello.alpn.contains(protocol));
        let broken = |by, why| Some(Broken { by, why });
        if chosen.is_none() && self.insists_on_alpn && !self.alpn.is_empty() && !hello.alpn.is_empty() {
            return (session, broken(Side::Server, Why::NoCommonProtocol));
        }
        session.facts.alpn = chosen.cloned();
        session.facts.server_identity = self.certificate.uri.clone();
        session.facts.version = Some(version(hello.latest, self.latest).into());
        if let Err(why) = hello.check.of_peer(&self.certificate) {
            return (session, broken(Side::Client, why));
        }
        let Some(check) = &self.client else { return (session, None) };
        let Some(certificate) = &hello.certificate else {
            return (session, broken(Side::Server, Why::NoCertificate));
        };
        session.mutual = true;
        session.facts.client_identity = certificate.uri.clone();
        let refused = check.of_peer(certificate).err();
        (session, refused.and_then(|why| broken(Side::Server, why)))
    }
}

impl Check {
    /// What apps trust.
    pub(super) fn of_apps() -> Self {
        Self { issuer: Some(Issuer::Apps), sans: vec![] }
    }

    fn of(common: &CommonTlsContext) -> Self {
        let combined = common.combined_validation_context.as_ref();
        let in_place = combined.map(|combined| &combined.default_validation_context);
        let context = common.validation_context.as_ref().or(in_place);
        let roots_by_secret = combined.is_some() || common.validation_context_sds_secret_config.is_some();
        let has_roots = |context: &CertificateValidationContext| context.trusted_ca.is_some();
        Self {
            issuer: (roots_by_secret || context.is_some_and(has_roots)).then_some(Issuer::Mesh),
            sans: context.map(|context| context.match_typed_subject_alt_names.clone()).unwrap_or_default(),
        }
    }

    fn of_peer(&self, certificate: &Certificate) -> Result<(), Why> {
        if self.issuer.as_ref().is_some_and(|issuer| *issuer != certificate.issuer) {
            return Err(Why::UnknownIssuer);
        }
        let uri = certificate.uri.as_deref().unwrap_or_default();
        let fits = |san: &SubjectAltNameMatcher| san.san_type == SanType::Uri && matches(&san.matcher, uri);
        if self.sans.is_empty() || self.sans.iter().any(fits) {
            return Ok(());
        }
        Err(Why::WrongSan(certificate.uri.iter().cloned().collect()))
    }
}

/// Whether a text is what a string matcher asks for.
pub(super) fn matches(matcher: &StringMatcher, text: &str) -> bool {
    let fold = |text: &str| if matcher.ignore_case { text.to_ascii_lowercase() } else { text.to_owned() };
    let text = fold(text);
    let is = |pattern: &Option<String>, test: fn(&str, &str) -> bool| {
        pattern.as_deref().is_none_or(|pattern| test(&text, &fold(pattern)))
    };
    is(&matcher.exact, |text, pattern| text == pattern)
        && is(&matcher.prefix, |text, pattern| text.starts_with(pattern))
        && is(&matcher.suffix, |text, pattern| text.ends_with(pattern))
        && is(&matcher.contains, |text, pattern| text.contains(pattern))
}

fn has_certificate(common: &CommonTlsContext) -> bool {
    !common.tls_certificate_sds_secret_configs.is_empty() || !common.tls_certificates.is_empty()
}

fn svid(identity: Option<&str>) -> Certificate {
    Certificate { issuer: Issuer::Mesh, uri: identity.map(Into::into) }
}

fn latest(common: &CommonTlsContext, default: TlsProtocol) -> TlsProtocol {
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
