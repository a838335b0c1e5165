//! Compares the configuration that Istio's control plane generates for a sidecar with the compiler's.
//!
//! Both are normalized and compared field by field. A difference is either in the table of [`KNOWN`] ones, which
//! docs/differences.md shows, or a fault in the compiler.

mod canonical;
mod diff;
mod known;
mod row;

use serde_json::Value;

use self::row::{Scope, Side};
pub use self::{
    diff::Difference,
    known::KNOWN,
    row::{Known, Section},
};

/// A difference, with its explanation if there is one.
#[derive(Clone, Debug)]
pub struct Judged {
    pub difference: Difference,
    /// Its row in the table; `None` is a fault.
    pub known: Option<&'static Known>,
}

/// The kinds of resources that are compared, as [`crate::compile::PodConfig::to_json`] names them.
pub const KINDS: [&str; 4] = ["listeners", "routes", "clusters", "endpoints"];

/// Compares what Istio wrote for a sidecar with what the compiler wrote: both as objects with a list for each of [`KINDS`].
pub fn compare(istio: &Value, here: &Value) -> Vec<Judged> {
    let canonical = |side: &Value| {
        let list = |kind| side[kind].as_array().cloned().unwrap_or_default();
        let mut side = Value::Object(KINDS.iter().map(|&kind| (kind.into(), list(kind).into())).collect());
        canonical::canonical(&mut side);
        side
    };
    let differences = diff::diff(&canonical(istio), &canonical(here));
    differences.into_iter().map(|difference| Judged { known: explain(&difference), difference }).collect()
}

/// The row that explains a difference.
fn explain(difference: &Difference) -> Option<&'static Known> {
    let side = match (&difference.istio, &difference.here) {
        (Some(_), None) => Side::Istio,
        (None, _) => Side::Here,
        (Some(_), Some(_)) => Side::Both,
    };
    let path: Vec<&str> = difference.path.iter().map(String::as_str).collect();
    let explains = |Scope(of, pattern, last): &Scope| {
        *of == side && last.is(difference) && matches(&pattern.split(" / ").collect::<Vec<_>>(), &path)
    };
    KNOWN.iter().find(|known| known.scope.iter().any(explains))
}

fn matches(pattern: &[&str], path: &[&str]) -> bool {
    match (pattern, path) {
        ([], path) => path.is_empty(),
        (["**", rest @ ..], _) => (0..=path.len()).any(|skipped| matches(rest, &path[skipped..])),
        ([first, rest @ ..], [segment, below @ ..]) => (*first == "*" || first == segment) && matches(rest, below),
        (_, []) => false,
    }
}

/// The rows of a section, as in the table of docs/differences.md.
pub fn markdown(section: Section) -> String {
    let rows = KNOWN.iter().filter(|known| known.section == section);
    rows.map(|known| format!("| {} | {} | {} |\n", known.istio, known.here, known.why)).collect()
}

#[cfg(test)]
mod tests;
