//! Certificates: their issuer, their names, and who accepts them.

use std::{collections::BTreeMap, net::IpAddr};

use envoy_api::{CommonTlsContext, DataSource, SanType, Secret, SubjectAltNameMatcher};
use envoy_rules::{
    string_match::{matches, san_matchers},
    tls_error::{TlsError, VerifyError},
};
use x509_parser::{certificate::X509Certificate, extensions::GeneralName, pem::Pem};

use crate::{
    model::{Sidecar as Injected, SvidKind, ValidAt},
    system_roots,
};

/// The secret of the mesh's root; that of the workload's SVID is [`SVID`].
const MESH_ROOT: &str = "ROOTCA";
/// The secret of the workload's SVID.
const SVID: &str = "default";

/// An issuer of certificates.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Authority {
    /// The mesh's authority.
    Mesh,
    /// An authority known by its subject.
    Named(String),
    /// The unknown authority that apps are assumed to trust, if their certificates are not in the manifests.
    Apps,
    /// A public authority, which every host trusts.
    Public,
    /// Whichever is asked for, but for the mesh's: nothing is known of it.
    Unknown,
    /// An authority that nobody trusts.
    Rogue,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Certificate {
    pub(super) issuer: Authority,
    /// Its URI SANs.
    pub(super) uris: Vec<String>,
    /// Its IP SANs, as text.
    pub(super) addresses: Vec<String>,
    /// Its DNS SANs; `None` if unknown, and assumed to match.
    pub(super) hosts: Option<Vec<String>>,
    pub(super) valid: ValidAt,
}

/// The validation of a peer's certificate.
#[derive(Clone, Debug, Default)]
pub(super) struct Check {
    /// The trusted authorities; all if unset.
    pub(super) roots: Option<Vec<Authority>>,
    /// The SAN matchers, of which one must match; empty accepts all.
    pub(super) sans: Vec<SubjectAltNameMatcher>,
    /// The host that the certificate must be for.
    pub(super) host: Option<String>,
    /// Whether its names are checked before its issuer, as Go does.
    pub(super) names_first: bool,
}

/// Why a handshake failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Why {
    /// The peer's certificate is from an untrusted authority.
    UnknownIssuer,
    /// It has expired.
    Expired,
    /// It is not valid yet.
    NotYetValid,
    /// None of its SANs matches; contains its SANs.
    WrongSan(Vec<String>),
    /// The client has no certificate, and one is required.
    NoCertificate,
    /// The client offers no protocol that the server has.
    NoCommonProtocol,
}

impl Why {
    /// The number of that alert.
    pub(super) fn alert_number(&self) -> u8 {
        match self {
            Self::UnknownIssuer => 48,
            Self::Expired | Self::NotYetValid => 45,
            Self::WrongSan(_) => 46,
            Self::NoCertificate => 116,
            Self::NoCommonProtocol => 120,
        }
    }

    /// The error message of a BoringSSL client that aborted the handshake.
    pub(super) fn verify_error(&self) -> TlsError {
        TlsError::CertificateVerifyFailed(match self {
            Self::WrongSan(sans) => VerifyError::SanMismatch(sans.clone()),
            Self::Expired => VerifyError::Expired,
            Self::NotYetValid => VerifyError::NotYetValid,
            Self::UnknownIssuer | Self::NoCertificate | Self::NoCommonProtocol => VerifyError::UnknownIssuer,
        })
    }

    /// The alert sent to the peer, by its name in the RFCs.
    pub(super) fn alert(&self) -> &'static str {
        match self {
            Self::UnknownIssuer => "unknown_ca",
            Self::Expired | Self::NotYetValid => "certificate_expired",
            Self::WrongSan(_) => "certificate_unknown",
            Self::NoCertificate => "certificate_required",
            Self::NoCommonProtocol => "no_application_protocol",
        }
    }
}

impl Certificate {
    /// The certificate of a workload's sidecar.
    pub(super) fn of_sidecar(sidecar: &Injected) -> Self {
        let kind = sidecar.svid;
        Self {
            issuer: if kind.signed_by_mesh() { Authority::Mesh } else { Authority::Rogue },
            uris: kind.uris(&sidecar.spiffe_id),
            addresses: vec![],
            hosts: Some(kind.hosts()),
            valid: kind.valid(),
        }
    }

    /// The mesh's certificate for a SPIFFE ID.
    pub(super) fn of_mesh(spiffe_id: &str) -> Self {
        let uris = SvidKind::Proper.uris(spiffe_id);
        Self { issuer: Authority::Mesh, uris, addresses: vec![], hosts: Some(vec![]), valid: ValidAt::Now }
    }

    /// The unknown certificate of an app.
    pub(super) fn of_app(issuer: Authority) -> Self {
        Self { issuer, uris: vec![], addresses: vec![], hosts: None, valid: ValidAt::Now }
    }

    /// One that a lab makes for a host, of an authority that each pod trusts.
    pub(super) fn public(hosts: Vec<String>) -> Self {
        Self { hosts: Some(hosts), ..Self::of_app(Authority::Public) }
    }

    /// A self-signed certificate that an app creates for these names.
    pub(super) fn self_signed<'a>(names: impl Iterator<Item = &'a str>) -> Self {
        let (addresses, hosts): (Vec<_>, Vec<_>) =
            names.map(str::to_owned).partition(|name| name.parse::<IpAddr>().is_ok());
        Self { issuer: Authority::Rogue, uris: vec![], addresses, hosts: Some(hosts), valid: ValidAt::Now }
    }

    /// The first in a PEM text.
    pub(super) fn of_pem(pem: &[u8]) -> Option<Self> {
        let leaf = Pem::iter_from_buffer(pem).next()?.ok()?;
        let certificate = leaf.parse_x509().ok()?;
        let (mut uris, mut hosts, mut addresses) = (vec![], vec![], vec![]);
        for name in names(&certificate) {
            match name {
                GeneralName::URI(uri) => uris.push((*uri).to_owned()),
                GeneralName::DNSName(host) => hosts.push((*host).to_owned()),
                GeneralName::IPAddress(octets) => addresses.extend(address(octets)),
                _ => {}
            }
        }
        let validity = certificate.validity();
        let valid = match (validity.is_valid(), validity.time_to_expiration()) {
            (true, _) => ValidAt::Now,
            (false, None) if validity.not_after < x509_parser::time::ASN1Time::now() => ValidAt::Past,
            (false, _) => ValidAt::Future,
        };
        let issuer = Authority::Named(certificate.issuer().to_string());
        Some(Self { issuer, uris, addresses, hosts: Some(hosts), valid })
    }

    /// What identifies it: its first URI, else its first host name.
    pub(super) fn identity(&self) -> Option<String> {
        self.uris.first().or_else(|| self.hosts.as_ref()?.first()).cloned()
    }
}

fn address(octets: &[u8]) -> Option<String> {
    let v4 = <[u8; 4]>::try_from(octets).map(IpAddr::from);
    v4.or_else(|_| <[u8; 16]>::try_from(octets).map(IpAddr::from)).ok().map(|ip| ip.to_string())
}

fn names<'a>(certificate: &'a X509Certificate<'_>) -> impl Iterator<Item = &'a GeneralName<'a>> {
    let extension = certificate.subject_alternative_name().ok().flatten();
    extension.into_iter().flat_map(|extension| &extension.value.general_names)
}

impl Check {
    /// The validation of apps without configured roots.
    pub(super) fn of_apps() -> Self {
        Self { roots: Some(vec![Authority::Apps, Authority::Public]), ..Self::default() }
    }

    /// Whether a certificate passes.
    pub(super) fn admits(&self, certificate: &Certificate) -> Result<(), Why> {
        if self.names_first {
            // `Certificate.Verify` in Go's `crypto/x509`.
            self.valid(certificate).and_then(|()| self.named(certificate)).and_then(|()| self.issued(certificate))
        } else {
            self.issued(certificate).and_then(|()| self.valid(certificate)).and_then(|()| self.named(certificate))
        }
    }

    fn issued(&self, certificate: &Certificate) -> Result<(), Why> {
        let trusted = |roots: &Vec<Authority>| roots.iter().any(|root| vouches(root, &certificate.issuer));
        if self.roots.as_ref().is_none_or(trusted) { Ok(()) } else { Err(Why::UnknownIssuer) }
    }

    fn valid(&self, certificate: &Certificate) -> Result<(), Why> {
        match certificate.valid {
            ValidAt::Now => Ok(()),
            // Without roots the chain is not checked, including its validity.
            _ if self.roots.is_none() => Ok(()),
            ValidAt::Past => Err(Why::Expired),
            ValidAt::Future => Err(Why::NotYetValid),
        }
    }

    fn named(&self, certificate: &Certificate) -> Result<(), Why> {
        let Certificate { uris, hosts, addresses, .. } = certificate;
        let any_host =
            |test: &dyn Fn(&str) -> bool| hosts.as_ref().is_none_or(|hosts| hosts.iter().any(|host| test(host)));
        let fits = |san: &SubjectAltNameMatcher| match san.san_type {
            SanType::Uri => uris.iter().any(|uri| matches(&san.matcher, uri)),
            SanType::Dns => any_host(&|host| matches(&san.matcher, host)),
            SanType::Email | SanType::IpAddress => false,
        };
        let named = self.sans.is_empty() || self.sans.iter().any(fits);
        let for_host =
            self.host.as_ref().is_none_or(|asked| any_host(&|host| is_for(host, asked)) || addresses.contains(asked));
        if named && for_host {
            return Ok(());
        }
        Err(Why::WrongSan(uris.iter().chain(hosts.iter().flatten()).cloned().collect()))
    }
}

/// Whether trust in a root covers what an authority issued.
fn vouches(root: &Authority, issuer: &Authority) -> bool {
    use Authority::{Apps, Mesh, Named, Rogue, Unknown};
    match (root, issuer) {
        (_, Rogue) | (Rogue, _) | (Mesh, Unknown) => false,
        // What is unknown is otherwise assumed to fit, as are the apps' own authorities by another name.
        (_, Unknown) | (Unknown, _) | (Apps, Named(_)) | (Named(_), Apps) => true,
        (root, issuer) => root == issuer,
    }
}

/// Whether a DNS SAN, perhaps with a wildcard for its first label, is for a host.
fn is_for(san: &str, host: &str) -> bool {
    let wildcard = || Some(san.strip_prefix("*.")?.eq_ignore_ascii_case(host.split_once('.')?.1));
    san.eq_ignore_ascii_case(host) || wildcard().unwrap_or(false)
}

/// A TLS context refers to a missing secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct NotThere;

/// The certificates and roots that a sidecar has.
#[derive(Debug, Default)]
pub(super) struct Material {
    /// Its own, in secret `default`.
    svid: Option<Certificate>,
    /// Those that DestinationRules name; `None` is a missing secret.
    own: BTreeMap<String, Option<Secret>>,
}

impl Material {
    pub(super) fn new(svid: Option<Certificate>, own: BTreeMap<String, Option<Secret>>) -> Self {
        Self { svid, own }
    }

    /// The certificate that a TLS context presents, if it has one.
    pub(super) fn certificate(&self, context: &CommonTlsContext) -> Result<Option<Certificate>, NotThere> {
        let Some(config) = context.tls_certificate_sds_secret_configs.first() else {
            let in_place = context.tls_certificates.first().map(|certificate| &certificate.certificate_chain);
            return Ok(in_place.map(of_source));
        };
        match (config.name.as_str(), self.own.get(&config.name)) {
            (SVID, _) => self.svid.clone().map(Some).ok_or(NotThere),
            (_, Some(Some(secret))) => {
                let certificate = secret.tls_certificate.as_ref().ok_or(NotThere)?;
                Ok(Some(of_source(&certificate.certificate_chain)))
            }
            (_, Some(None)) => Err(NotThere),
            // A dump can refer to secrets that it does not contain.
            (_, None) => Ok(Some(Certificate::of_app(Authority::Apps))),
        }
    }

    /// How a TLS context checks its peer's certificate.
    pub(super) fn check(&self, context: &CommonTlsContext) -> Result<Check, NotThere> {
        let combined = context.combined_validation_context.as_ref();
        let in_place = combined.map(|combined| &combined.default_validation_context);
        let stated = context.validation_context.as_ref().or(in_place);
        let by_secret = combined.map(|combined| &combined.validation_context_sds_secret_config);
        let by_secret = by_secret.or(context.validation_context_sds_secret_config.as_ref());
        let roots = match (by_secret, stated) {
            (Some(config), _) => Some(self.roots(&config.name)?),
            (None, stated) => stated.and_then(|stated| stated.trusted_ca.as_ref()).map(of_roots),
        };
        let sans = stated.map(san_matchers).unwrap_or_default();
        Ok(Check { roots, sans, ..Check::default() })
    }

    fn roots(&self, name: &str) -> Result<Vec<Authority>, NotThere> {
        match (name, self.own.get(name)) {
            (MESH_ROOT, _) => Ok(vec![Authority::Mesh]),
            (_, Some(Some(secret))) => {
                let context = secret.validation_context.as_ref().ok_or(NotThere)?;
                context.trusted_ca.as_ref().map(of_roots).ok_or(NotThere)
            }
            (_, Some(None)) => Err(NotThere),
            (_, None) => Ok(vec![Authority::Apps]),
        }
    }
}

/// The certificate in a data source; an unknown one if it isn't inline or can't be read.
fn of_source(source: &DataSource) -> Certificate {
    let known = inline(source).and_then(|pem| Certificate::of_pem(&pem));
    known.unwrap_or_else(|| Certificate::of_app(Authority::Apps))
}

/// The authorities whose certificates are in a data source.
fn of_roots(source: &DataSource) -> Vec<Authority> {
    match source {
        DataSource::Filename(file) if file.as_os_str() == system_roots::FILE => vec![Authority::Public],
        source => inline(source).map_or_else(|| vec![Authority::Apps], |pem| subjects(&pem)),
    }
}

/// The authorities whose certificates are in a PEM text.
pub(super) fn subjects(pem: &[u8]) -> Vec<Authority> {
    let subject = |pem: Pem| Some(Authority::Named(pem.parse_x509().ok()?.subject().to_string()));
    Pem::iter_from_buffer(pem).filter_map(|pem| subject(pem.ok()?)).collect()
}

fn inline(source: &DataSource) -> Option<Vec<u8>> {
    use base64::{Engine as _, engine::general_purpose::STANDARD};
    match source {
        DataSource::InlineString(text) => Some(text.clone().into_bytes()),
        DataSource::InlineBytes(text) => STANDARD.decode(text).ok(),
        DataSource::Filename(_) => None,
    }
}

#[cfg(test)]
mod tests;
