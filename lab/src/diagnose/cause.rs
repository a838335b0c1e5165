//! A cause, and the clues that point to it.

/// What can point to a cause.
#[derive(Clone, Copy, Debug)]
pub(super) enum Clue {
    /// These words, in lower case, with spaces for underscores.
    Text(&'static str),
    /// A response flag.
    Flag(&'static str),
    Status(u16),
    /// An access log of a server's sidecar.
    Inbound,
    /// An access log of a client's sidecar.
    Outbound,
    /// A line about a connection rather than a request.
    Connection,
    /// A host of a public domain.
    OutsideHost,
    /// An access log with an SNI.
    Sni,
    /// An access log of something that took ten seconds or more: Istio's connect timeout (MeshConfig, `connectTimeout`).
    TenSeconds,
    /// A length that is the beginning of a TLS record, read as a number: the reader expected its own protocol, and got TLS.
    TlsAsLength,
    /// A length that is the beginning of an HTTP/1 message.
    HttpAsLength,
    /// Without this.
    No(&'static Clue),
}

/// A cause, and what points to it.
#[derive(Debug)]
pub struct Cause {
    /// A short name.
    pub id: &'static str,
    /// The failure's signature, such as `F7`.
    pub signature: Option<&'static str>,
    pub what: &'static str,
    pub why: &'static str,
    /// What to look at next.
    pub look: &'static [&'static str],
    /// The scenario that reproduces it.
    pub scenario: Option<&'static str>,
    /// Each a weight from 0 to 100, and the clues that must all be there.
    pub(super) rules: &'static [(u8, &'static [Clue])],
}

/// Where to look for modes.
pub(super) const MODES: &str = "istioctl x describe pod POD: the PeerAuthentication in force, and the DestinationRules";
/// Where to look for the deciding row.
pub(super) const ROWS: &str =
    "sidelab explain --from CLIENT --to HOST:PORT -f MANIFESTS: which policy decides, with its document and field";
