//! What a row of the table of known differences says, and which differences it explains.

/// A row of the table of known differences.
#[derive(Debug)]
pub struct Known {
    /// A name for it.
    pub id: &'static str,
    /// Where it stands in docs/differences.md.
    pub section: Section,
    /// What a real sidecar has.
    pub istio: &'static str,
    /// What is written here.
    pub here: &'static str,
    /// Why, or what one would notice.
    pub why: &'static str,
    pub(super) scope: &'static [Scope],
}

/// A part of docs/differences.md.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Section {
    /// What stock Envoy does not have.
    StockEnvoy,
    /// What a lab does otherwise.
    Lab,
}

/// Who has written something where two sides differ.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Side {
    /// Istio alone.
    Istio,
    /// The compiler alone.
    Here,
    /// Both, and not the same.
    Both,
}

/// Differences at a path, by who has written something there.
#[derive(Debug)]
pub(super) struct Scope(pub(super) Side, pub(super) &'static str, pub(super) Key);

/// What the last part of a path is.
#[derive(Clone, Copy, Debug)]
pub(super) enum Key {
    /// Anything.
    Any,
    /// An address, or a range of them.
    Address,
    /// An element that is there before under the same name.
    Again,
}

impl Key {
    pub(super) fn is(self, last: &str) -> bool {
        match self {
            Self::Any => true,
            Self::Address => last.trim_matches(['[', ']']).parse::<std::net::IpAddr>().is_ok(),
            Self::Again => last.ends_with(')') && last.contains(" ("),
        }
    }
}
