//! What changes in a scenario's lab before a call.

use std::{
    path::{Component, Path},
    time::Duration,
};

use mesh::Key;
use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, de::Error};

use crate::{faults::LabFault, manifests::DEFAULT_NAMESPACE};

/// A change of the lab.
#[derive(Clone, Debug, PartialEq, Eq, JsonSchema, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Change {
    /// Replaces certificates, as `sidelab rotate` does.
    Rotate(Rotation),
    /// Applies a file below the scenario's folder, as `sidelab apply` does.
    Apply(String),
    /// Deletes an object of namespace `default`, `KIND/NAME`, as `sidelab delete` does.
    Delete(String),
    /// Makes a fault, as `sidelab fault` does. It lasts until it is cleared.
    Fault(LabFault),
    /// Clears faults, as `sidelab fault clear` does.
    Clear(Cleared),
}

/// The faults that are cleared.
#[derive(Clone, Copy, Debug, PartialEq, Eq, JsonSchema, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Cleared {
    All,
}

/// A rotation, perhaps repeated.
#[derive(Clone, Copy, Debug, PartialEq, Eq, JsonSchema, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rotation {
    pub what: Rotated,
    /// How often it is done; once by default. Each time counts as a change.
    #[serde(default = "once")]
    #[schemars(range(min = 1, max = 1000))]
    pub times: u32,
    /// How often, and at what interval, `sidelab run --soak` does it.
    #[serde(default)]
    pub soak: Option<Soak>,
}

/// A repetition for a longer run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, JsonSchema, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Soak {
    #[schemars(range(min = 1, max = 1000))]
    pub times: u32,
    /// The time from one beginning to the next, such as `1s`.
    #[serde(deserialize_with = "time")]
    #[schemars(with = "String")]
    pub every: Duration,
}

/// What is replaced, and in which order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, JsonSchema, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Rotated {
    /// The certificate of each sidecar.
    Certificates,
    /// The root of the mesh: both are trusted, then certificates are replaced, then the old one is distrusted.
    Root,
    /// Wrong: the certificates first, and then the root that is trusted.
    RootLeafFirst,
    /// Wrong: sidecar by sidecar, the new root and its certificate instead of the old ones.
    RootNoOverlap,
}

fn once() -> u32 {
    1
}

impl Change {
    /// Checks that it can be made.
    ///
    /// # Errors
    /// What is wrong with it.
    pub(super) fn check(&self, folder: &Path) -> Result<(), String> {
        match self {
            Self::Rotate(rotation) => {
                let times = [Some(rotation.times), rotation.soak.map(|soak| soak.times)];
                match times.into_iter().flatten().find(|times| !(1..=1000).contains(times)) {
                    Some(times) => Err(format!("rotate: times: {times} is not a number from 1 to 1000")),
                    None => Ok(()),
                }
            }
            Self::Apply(file) if !is_below(file) => {
                Err(format!("apply: {file:?} is not a path below the scenario's folder, such as changes/strict.yaml"))
            }
            Self::Apply(file) if !folder.join(file).is_file() => {
                Err(format!("apply: there is no file {file} in the scenario's folder"))
            }
            Self::Apply(_) | Self::Clear(Cleared::All) => Ok(()),
            Self::Fault(fault) => fault.check().map_err(|message| format!("fault: {message}")),
            Self::Delete(object) => key(object).map(drop).map_err(|message| format!("delete: {message}")),
        }
    }
}

/// Reads a time with its unit, such as `500ms`.
pub(super) fn time<'de, D: Deserializer<'de>>(from: D) -> Result<Duration, D::Error> {
    let text = String::deserialize(from)?;
    demo_apps::duration::parse(&text).map_err(D::Error::custom)
}

fn is_below(file: &str) -> bool {
    !file.is_empty() && Path::new(file).components().all(|part| matches!(part, Component::Normal(_)))
}

/// The kind and name in `KIND/NAME`, in namespace `default`.
///
/// # Errors
/// If it is neither.
pub(crate) fn key(object: &str) -> Result<Key, String> {
    let parts = object.split_once('/').filter(|(_, name)| !name.is_empty());
    let key = parts.and_then(|(kind, name)| {
        let kind = mesh::kind_of_word(kind)?.to_owned();
        Some(Key { group: String::new(), kind, namespace: DEFAULT_NAMESPACE.into(), name: name.into() })
    });
    key.ok_or_else(|| format!("{object:?} is not KIND/NAME, such as pa/default"))
}
