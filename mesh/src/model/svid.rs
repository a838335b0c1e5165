//! The kinds of certificates of sidecars: proper ones, and ones that peers should reject.

use std::str::FromStr;

/// The kind of a sidecar's certificate (annotation `sidelab.io/svid` on its pod). All but the first are wrong in one way each, to show
/// which side rejects them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SvidKind {
    /// As the mesh's authority issues it.
    #[default]
    Proper,
    /// The right id, signed by another authority.
    RogueCa,
    /// An id of another trust domain, signed by the mesh's authority.
    OtherTrustDomain,
    /// The id of another service account of the namespace.
    WrongServiceAccount,
    /// Expired an hour ago.
    Expired,
    /// Valid in an hour.
    NotYetValid,
    /// No URI: only a common name.
    NoUri,
    /// The right id, and a second one.
    TwoUris,
    /// A client certificate of another PKI, with a host name.
    PlainClientCert,
}

/// When a certificate is valid.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ValidAt {
    Past,
    Now,
    Future,
}

impl SvidKind {
    /// All, in the order above.
    pub const ALL: [Self; 9] = [
        Self::Proper,
        Self::RogueCa,
        Self::OtherTrustDomain,
        Self::WrongServiceAccount,
        Self::Expired,
        Self::NotYetValid,
        Self::NoUri,
        Self::TwoUris,
        Self::PlainClientCert,
    ];

    /// As the annotation writes it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Proper => "proper",
            Self::RogueCa => "rogue-ca",
            Self::OtherTrustDomain => "other-trust-domain",
            Self::WrongServiceAccount => "wrong-service-account",
            Self::Expired => "expired",
            Self::NotYetValid => "not-yet-valid",
            Self::NoUri => "no-uri",
            Self::TwoUris => "two-uris",
            Self::PlainClientCert => "plain-client-cert",
        }
    }

    /// Whether the mesh's authority signed it.
    pub fn signed_by_mesh(self) -> bool {
        !matches!(self, Self::RogueCa | Self::PlainClientCert)
    }

    /// The URIs in it, for a workload of this SPIFFE id.
    pub fn uris(self, spiffe_id: &str) -> Vec<String> {
        let path = spiffe_id.strip_prefix("spiffe://").and_then(|id| id.split_once('/')).map_or("", |(_, path)| path);
        let someone_else = || match spiffe_id.rsplit_once('/') {
            Some((namespace, _)) => format!("{namespace}/someone-else"),
            None => spiffe_id.to_owned(),
        };
        match self {
            Self::Proper | Self::RogueCa | Self::Expired | Self::NotYetValid => vec![spiffe_id.to_owned()],
            Self::OtherTrustDomain => vec![format!("spiffe://other.example/{path}")],
            Self::WrongServiceAccount => vec![someone_else()],
            Self::TwoUris => vec![spiffe_id.to_owned(), someone_else()],
            Self::NoUri | Self::PlainClientCert => vec![],
        }
    }

    /// The host names in it.
    pub fn hosts(self) -> Vec<String> {
        if self == Self::PlainClientCert { vec!["client.example.com".to_owned()] } else { vec![] }
    }

    /// The subject's common name, if it has one.
    pub fn common_name(self) -> Option<&'static str> {
        match self {
            Self::NoUri => Some("no-uri"),
            Self::PlainClientCert => Some("client.example.com"),
            _ => None,
        }
    }

    /// When it is valid.
    pub fn valid(self) -> ValidAt {
        match self {
            Self::Expired => ValidAt::Past,
            Self::NotYetValid => ValidAt::Future,
            _ => ValidAt::Now,
        }
    }
}

impl FromStr for SvidKind {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        Self::ALL.into_iter().find(|kind| kind.name() == text).ok_or_else(|| {
            let names: Vec<_> = Self::ALL.iter().map(|kind| kind.name()).collect();
            format!("{text:?} is not a kind of certificate; known are {}", names.join(", "))
        })
    }
}
