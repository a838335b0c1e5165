//! Whether a sidecar has taken its newest files, in istioctl's words.

use std::collections::BTreeMap;

#[cfg(test)]
mod tests;

/// A file of a sidecar.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ConfigFile {
    pub(crate) kind: Kind,
    /// The end of the names of its counters, with `_` for `:`.
    pub(crate) counted_by: String,
    /// When it was written, in milliseconds since the Unix epoch.
    pub(crate) written_ms: u64,
}

/// What a file contains.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Clusters,
    Listeners,
    Endpoints,
    Routes,
}

/// Counters and gauges by name, with `_` for `:`.
pub(crate) type Values = BTreeMap<String, u64>;

/// The state of a sidecar's files of a kind (istio: `xdsStatus` in `istioctl/pkg/writer/pilot/status.go`).
///
/// A file is taken when the time of the last update that succeeded is not before that of its writing. Files that nothing uses have no
/// such time.
pub(crate) fn status(kind: Kind, files: &[ConfigFile], values: &Values) -> &'static str {
    let of_kind = || files.iter().filter(|file| file.kind == kind);
    if of_kind().next().is_none() {
        return "NOT SENT";
    }
    let is_stale =
        |file: &ConfigFile| named(values, &file.counted_by, "update_time").any(|time| time < file.written_ms);
    let never = |file: &ConfigFile| {
        named(values, &file.counted_by, "update_success").all(|count| count == 0)
            && named(values, &file.counted_by, "update_rejected").any(|count| count > 0)
    };
    match () {
        () if of_kind().any(never) => "STALE (Never Acknowledged)",
        () if of_kind().any(is_stale) => "STALE",
        () => "SYNCED",
    }
}

/// The values of an update, in whatever scope they are.
fn named<'v>(values: &'v Values, update: &str, suffix: &str) -> impl Iterator<Item = u64> + use<'v> {
    let (whole, end) = (format!("{update}.{suffix}"), format!(".{update}.{suffix}"));
    values.iter().filter(move |(name, _)| **name == whole || name.ends_with(&end)).map(|(_, value)| *value)
}
