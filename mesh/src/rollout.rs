//! How a sidecar's files become those of another configuration: what changes, and in which order files are moved into place so that no
//! connection finds something missing.
//!
//! The order is that of xDS (Envoy: `docs/root/api-docs/xds_protocol.rst`, "Eventual consistency considerations"): clusters and their
//! endpoints first, then listeners and routes, and clusters that nothing uses any more are removed last.

mod changes;
mod resources;

use std::path::{Path, PathBuf};

use envoy_api::Secret;
use serde_json::Value;

use self::resources::{name, resources};
pub use self::{changes::Change, resources::Files};
use crate::compile::files::{self, BOOTSTRAP, CLUSTERS, LISTENERS};

#[cfg(test)]
mod tests;

/// What to do to a running sidecar.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rollout {
    /// What changes, in words.
    pub changes: Vec<Change>,
    /// One after the other, each once the sidecar has taken the one before.
    pub steps: Vec<Step>,
    /// Files that nothing refers to afterwards.
    pub obsolete: Vec<PathBuf>,
    /// Whether the change takes effect only when the sidecar is started again.
    pub restarts: bool,
}

/// Files that are moved into place together, in order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Step {
    pub files: Vec<(PathBuf, String)>,
    /// What counts each of these updates: the end of the names of Envoy's counters without `.update_success` and
    /// `.update_rejected`, with `_` for `:`.
    pub counted_by: Vec<String>,
}

impl Step {
    fn add(&mut self, path: &Path, text: &str, counter: Option<String>) {
        self.files.push((path.to_owned(), text.to_owned()));
        self.counted_by.extend(counter);
    }
}

/// The step to another version of a secret that the mesh's authority issues.
pub fn to_secret(secret: &Secret) -> Step {
    let mut step = Step::default();
    step.add(&files::secret(&secret.name), &files::of_secret(secret), Some(format!("sds.{}", secret.name)));
    step
}

/// The way from one set of files to another. Secrets that the mesh's authority issues are not part of either.
pub fn rollout(old: &Files, new: &Files) -> Rollout {
    let is_new = |path: &&PathBuf| !old.contains_key(*path);
    let is_changed = |path: &&PathBuf| old.get(*path).is_some_and(|text| *text != new[*path]);
    let in_folder = |folder: &'static str| new.keys().filter(move |path| path.starts_with(folder));
    let (lds, cds) = (PathBuf::from(LISTENERS), PathBuf::from(CLUSTERS));

    // Before anything names them.
    let mut first = Step::default();
    for path in ["sds", "eds", "rds"].into_iter().flat_map(|folder| in_folder(folder).filter(is_new)) {
        first.add(path, &new[path], None);
    }
    let mut clusters = Step::default();
    for path in in_folder("sds").filter(is_changed) {
        clusters.add(path, &new[path], resource_name(&new[path]).map(|name| format!("sds.{name}")));
    }
    let with_unused = old.get(&cds).zip(new.get(&cds)).and_then(|(old, new)| with_unused(old, new));
    if let Some(text) = new.get(&cds).filter(|text| old.get(&cds) != Some(text)) {
        clusters.add(&cds, with_unused.as_deref().unwrap_or(text), Some("cluster_manager.cds".to_owned()));
    }
    for path in in_folder("eds").filter(is_changed) {
        clusters.add(path, &new[path], resource_name(&new[path]).map(|name| format!("cluster.{name}")));
    }
    let mut listeners = Step::default();
    if let Some(text) = new.get(&lds).filter(|text| old.get(&lds) != Some(text)) {
        listeners.add(&lds, text, Some("listener_manager.lds".to_owned()));
    }
    for path in in_folder("rds").filter(is_changed) {
        listeners.add(path, &new[path], resource_name(&new[path]).map(|name| format!("rds.{name}")));
    }
    let mut last = Step::default();
    if with_unused.is_some() {
        last.add(&cds, &new[&cds], Some("cluster_manager.cds".to_owned()));
    }
    Rollout {
        changes: changes::between(old, new),
        steps: [first, clusters, listeners, last].into_iter().filter(|step| !step.files.is_empty()).collect(),
        obsolete: old.keys().filter(|path| !new.contains_key(*path)).cloned().collect(),
        restarts: is_changed(&&PathBuf::from(BOOTSTRAP)),
    }
}

/// The new clusters, and those of the old ones that are no longer there; `None` if there are none.
fn with_unused(old: &str, new: &str) -> Option<String> {
    let mut all = resources(new);
    let is_there = |cluster: &Value| all.iter().any(|other| other["name"] == cluster["name"]);
    let unused: Vec<Value> = resources(old).into_iter().filter(|cluster| !is_there(cluster)).collect();
    if unused.is_empty() {
        return None;
    }
    all.extend(unused);
    Some(files::response(all))
}

/// The name of a file's single resource, as Envoy's counters spell it.
fn resource_name(text: &str) -> Option<String> {
    let resource = resources(text).pop()?;
    Some(name(&resource)).filter(|name| !name.is_empty()).map(|name| name.replace(':', "_"))
}
