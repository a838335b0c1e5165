//! Rows of the table of known differences, and which differences they explain.

use super::diff::Difference;

/// A row of the table of known differences.
#[derive(Debug)]
pub struct Known {
    pub id: &'static str,
    /// Its table in docs/differences.md.
    pub section: Section,
    /// What a real sidecar has.
    pub istio: &'static str,
    /// What the compiler writes.
    pub here: &'static str,
    /// The reason, or the visible effect.
    pub why: &'static str,
    pub(super) scope: &'static [Scope],
}

/// A table of docs/differences.md.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Section {
    /// What stock Envoy does not have.
    StockEnvoy,
    /// What a lab does differently.
    Lab,
}

/// The side that has a value at a difference.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Side {
    /// Only Istio.
    Istio,
    /// Only the compiler.
    Here,
    /// Both, with different values.
    Both,
}

/// The differences at a path that one row explains.
#[derive(Debug)]
pub(super) struct Scope(pub(super) Side, pub(super) &'static str, pub(super) Key);

/// A condition on the last part of a path, or on its value.
#[derive(Clone, Copy, Debug)]
pub(super) enum Key {
    Any,
    /// Exactly this is written, by one side alone.
    Written(&'static str),
    /// Istio writes exactly the first, and the compiler the second.
    Instead(&'static str, &'static str),
    /// An address, or a range of them.
    Address,
    /// A further element with the same name.
    Again,
    /// A cluster that is resolved by name, and has none.
    Nameless,
}

impl Key {
    /// Whether a difference meets the condition.
    pub(super) fn is(self, difference: &Difference) -> bool {
        let Some(last) = difference.path.last() else { return false };
        let text = |side: &Option<serde_json::Value>| side.as_ref().map(ToString::to_string);
        match self {
            Self::Any => true,
            Self::Written(one) => {
                text(&difference.istio).is_none_or(|text| text == one)
                    && text(&difference.here).is_none_or(|text| text == one)
            }
            Self::Instead(istio, here) => {
                text(&difference.istio).is_some_and(|text| text == istio)
                    && text(&difference.here).is_some_and(|text| text == here)
            }
            Self::Address => {
                last.trim_matches(['[', ']']).parse::<std::net::IpAddr>().is_ok()
                    || last.parse::<ipnet::IpNet>().is_ok()
            }
            Self::Again => last.ends_with(')') && last.contains(" ("),
            Self::Nameless => difference.istio.as_ref().is_some_and(|cluster| {
                let by_name = cluster["type"] == "LOGICAL_DNS" || cluster["type"] == "STRICT_DNS";
                by_name && cluster["load_assignment"].get("endpoints").is_none()
            }),
        }
    }
}
