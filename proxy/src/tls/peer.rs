//! What a peer's certificate says, parsed once.

/// The facts of a peer's leaf certificate.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PeerCertificate {
    /// Its URI SANs: SPIFFE IDs.
    pub uri_sans: Vec<String>,
    /// Its DNS SANs.
    pub dns_sans: Vec<String>,
    /// Its IP SANs.
    pub ip_sans: Vec<String>,
    /// Its email SANs.
    pub email_sans: Vec<String>,
    /// Its subject as RFC 2253 has it; empty for an SVID.
    pub subject: String,
    /// Its issuer as RFC 2253 has it.
    pub issuer: String,
    /// Its serial number, lower-case hexadecimal.
    pub serial: String,
    /// SHA-256 of its DER, lower-case hexadecimal.
    pub sha256: String,
}
