//! The objects of a mesh that runs, which change as `kubectl apply` and `kubectl delete` change those of a cluster.

use std::{
    collections::{HashMap, HashSet},
    fmt,
};

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

pub use crate::load::Applied;
use crate::{
    Fault, SourceFile, load,
    load::{Loaded, load_objects},
    manifests::{KINDS, Scope},
};

#[cfg(test)]
mod tests;

/// What a mesh was made from, in order of age: an object that is replaced keeps its place.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Objects(Vec<Applied>);

/// What identifies an object in a cluster.
///
/// Printed as kubectl does: `peerauthentication.security.istio.io/default`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key {
    /// The API group; empty for the core group.
    pub group: String,
    pub kind: String,
    /// `default` for objects that name none, including those of cluster-scoped kinds.
    pub namespace: String,
    pub name: String,
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { group, kind, name, .. } = self;
        let dot = if group.is_empty() { "" } else { "." };
        write!(f, "{}{dot}{group}/{name}", kind.to_lowercase())
    }
}

impl Key {
    fn is_namespace(&self) -> bool {
        self.group.is_empty() && self.kind == "Namespace"
    }

    fn of(object: &Value) -> Self {
        let text = |pointer: &str| object.pointer(pointer).and_then(Value::as_str).unwrap_or_default().to_owned();
        let group = text("/apiVersion").rsplit_once('/').map_or_else(String::new, |(group, _)| group.to_owned());
        let namespace = Some(text("/metadata/namespace")).filter(|namespace| !namespace.is_empty());
        Self {
            group,
            kind: text("/kind"),
            namespace: namespace.unwrap_or_else(|| "default".to_owned()),
            name: text("/metadata/name"),
        }
    }
}

/// What happened to an object, in kubectl's words.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum What {
    Created,
    Configured,
    Unchanged,
    Deleted,
}

crate::display_as_serialized!(What);

impl Objects {
    /// The objects of files; items of lists are separate objects. A later one replaces an earlier one of its name.
    ///
    /// # Errors
    /// The documents that are not YAML.
    pub fn read(files: &[SourceFile]) -> Result<Self, Vec<Fault>> {
        let mut applied = load::documents(files)?;
        applied.retain(|one| one.object.is_object());
        let mut all = Self::default();
        all.apply(Self(applied));
        Ok(all)
    }

    /// Puts objects without a namespace into one, as `kubectl -n` does; those of cluster-scoped kinds have none.
    pub fn put_in(&mut self, namespace: &str) {
        for Applied { object, .. } in &mut self.0 {
            let kind = object.get("kind").and_then(Value::as_str);
            let is_namespaced = KINDS.iter().any(|one| Some(one.name) == kind && one.scope == Scope::Namespaced);
            let metadata = object.as_object_mut().map(|fields| fields.entry("metadata").or_insert(Map::new().into()));
            if let (true, Some(Value::Object(metadata))) = (is_namespaced, metadata) {
                metadata.entry("namespace").or_insert(namespace.into());
            }
        }
    }

    /// Checks each object, as [`load`](load::load) does.
    pub fn load(&self) -> Loaded {
        load_objects(&self.0)
    }

    /// The identity of each object.
    pub fn keys(&self) -> impl Iterator<Item = Key> {
        self.0.iter().map(|applied| Key::of(&applied.object))
    }

    /// Each object with its identity.
    pub fn iter(&self) -> impl Iterator<Item = (Key, &Value)> {
        self.0.iter().map(|applied| (Key::of(&applied.object), &applied.object))
    }

    /// Each object as a file.
    pub fn files(&self) -> Vec<SourceFile> {
        let file = |applied: &Applied| SourceFile { name: applied.file.clone(), text: applied.object.to_string() };
        self.0.iter().map(file).collect()
    }

    /// Replaces objects of the same names, and adds the others. Returns what happened to each, in their order.
    pub fn apply(&mut self, new: Self) -> Vec<(Key, What)> {
        let mut done = Vec::new();
        let names: HashSet<String> = new.0.iter().map(|applied| applied.file.clone()).collect();
        let mut places: HashMap<Key, usize> = self.keys().enumerate().map(|(at, key)| (key, at)).collect();
        let mut is_replaced = vec![false; self.0.len()];
        for applied in new.0 {
            let key = Key::of(&applied.object);
            let what = match places.get(&key) {
                None => {
                    places.insert(key.clone(), self.0.len());
                    self.0.push(applied);
                    What::Created
                }
                Some(&at) => {
                    is_replaced.get_mut(at).into_iter().for_each(|replaced| *replaced = true);
                    let is_same = self.0[at].object == applied.object;
                    self.0[at] = applied;
                    if is_same { What::Unchanged } else { What::Configured }
                }
            };
            done.push((key, what));
        }
        // Documents of an earlier version of a file have other numbers than those of the new one.
        for (applied, _) in self.0.iter_mut().zip(is_replaced).filter(|(_, replaced)| !replaced) {
            if names.contains(&applied.file) {
                applied.file.push_str(EARLIER);
            }
        }
        done
    }

    /// Removes objects, and with a Namespace all that is in it, as a cluster does. Returns those that were there.
    pub fn delete(&mut self, keys: &[Key]) -> Vec<Key> {
        let mut gone: Vec<Key> = Vec::new();
        let namespaces: Vec<String> =
            self.keys().filter(|key| key.is_namespace() && keys.contains(key)).map(|key| key.name).collect();
        self.0.retain(|applied| {
            let key = Key::of(&applied.object);
            let is_inside = is_namespaced(&key.kind) && namespaces.contains(&key.namespace);
            let is_gone = is_inside || keys.contains(&key);
            gone.extend(is_gone.then_some(key));
            !is_gone
        });
        // In the order in which they were named, and then what was inside.
        gone.sort_by_key(|key| keys.iter().position(|one| one == key).unwrap_or(usize::MAX));
        gone
    }

    /// Removes the objects of a file.
    pub fn delete_file(&mut self, name: &str) {
        self.0.retain(|applied| applied.file != name);
    }
}

/// What follows the name of a file of which a newer version was applied.
const EARLIER: &str = " (applied earlier)";

/// The kind that a word means, as kubectl reads it: the kind in any case, its plural, or a short name; `GROUP` may follow it.
/// `None` if there is no such kind.
pub fn kind_of_word(word: &str) -> Option<&'static str> {
    let word = word.to_lowercase();
    let word = word.split('.').next().unwrap_or(&word);
    if let Some((_, kind)) = SHORT.iter().find(|(short, _)| *short == word) {
        return Some(kind);
    }
    KINDS.iter().map(|kind| kind.name).find(|name| {
        let name = name.to_lowercase();
        let plural = match name.strip_suffix('y').filter(|stem| !stem.ends_with(['a', 'e', 'o', 'u'])) {
            Some(stem) => format!("{stem}ies"),
            None if name.ends_with('s') => format!("{name}es"),
            None => format!("{name}s"),
        };
        word == name || word == plural
    })
}

/// Whether objects of a kind are in a namespace, as those of unknown kinds are assumed to be.
pub fn is_namespaced(kind: &str) -> bool {
    KINDS.iter().all(|one| one.name != kind || one.scope == Scope::Namespaced)
}

/// Short names of kinds (`kubectl api-resources`; Istio: `manifests/charts/base/files/crd-all.gen.yaml`, `shortNames`).
const SHORT: &[(&str, &str)] = &[
    ("ap", "AuthorizationPolicy"),
    ("cj", "CronJob"),
    ("cm", "ConfigMap"),
    ("deploy", "Deployment"),
    ("dr", "DestinationRule"),
    ("ds", "DaemonSet"),
    ("endpoints", "Endpoints"),
    ("ep", "Endpoints"),
    ("gw", "Gateway"),
    ("ns", "Namespace"),
    ("pa", "PeerAuthentication"),
    ("po", "Pod"),
    ("rc", "ReplicationController"),
    ("rs", "ReplicaSet"),
    ("sa", "ServiceAccount"),
    ("se", "ServiceEntry"),
    ("sts", "StatefulSet"),
    ("svc", "Service"),
    ("vs", "VirtualService"),
];
