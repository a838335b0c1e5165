//! The object to be created.

use std::collections::BTreeMap;

use json_patch::{Patch, PatchError};
use serde_json::{Value, json};

use super::ApiserverArgs;
use super::configuration::documents;
use crate::UsageError;
use crate::admission::{GroupVersionKind, GroupVersionResource};
use crate::report::ObjectReference;

/// The only supported operation.
pub(super) const OPERATION: &str = "CREATE";

/// The supported kinds, with all versions that API servers have had.
const KINDS: [Served; 2] = [
    Served { kind: "Pod", resource: "pods", versions: &[("", "v1")] },
    Served {
        kind: "Deployment",
        resource: "deployments",
        versions: &[("apps", "v1"), ("apps", "v1beta2"), ("apps", "v1beta1"), ("extensions", "v1beta1")],
    },
];

/// A supported kind.
pub(super) struct Served {
    kind: &'static str,
    resource: &'static str,
    /// Groups and versions; objects can be converted between any two.
    versions: &'static [(&'static str, &'static str)],
}

/// A kind in a particular version.
#[derive(Clone, Copy)]
pub(super) struct Version {
    served: &'static Served,
    pub(super) group: &'static str,
    pub(super) version: &'static str,
}

/// An object in a particular version.
#[derive(Clone)]
pub(super) struct Object {
    pub(super) value: Value,
    pub(super) version: Version,
}

impl Version {
    pub(super) fn resource_name(self) -> &'static str {
        self.served.resource
    }

    /// All versions of the same kind, starting with this one.
    pub(super) fn equivalents(self) -> impl Iterator<Item = Self> {
        let others = self.served.versions.iter().filter(move |other| **other != (self.group, self.version));
        std::iter::once(self).chain(others.map(move |(group, version)| Self { group, version, ..self }))
    }

    pub(super) fn kind(self) -> GroupVersionKind {
        let Self { served, group, version } = self;
        GroupVersionKind { group: group.into(), version: version.into(), kind: served.kind.into() }
    }

    pub(super) fn resource(self) -> GroupVersionResource {
        let Self { served, group, version } = self;
        GroupVersionResource { group: group.into(), version: version.into(), resource: served.resource.into() }
    }

    pub(super) fn api_version(self) -> String {
        match self.group {
            "" => self.version.to_owned(),
            group => format!("{group}/{}", self.version),
        }
    }
}

impl Object {
    pub(super) fn read(args: &ApiserverArgs) -> Result<Self, UsageError> {
        let (place, value) = match &args.object {
            None => ("the object".to_owned(), simple_pod()),
            Some(file) => {
                let place = file.display().to_string();
                let mut documents = documents(file)?;
                match (documents.pop(), documents.len()) {
                    (Some(document), 0) => (place, document),
                    (None, _) => return Err(UsageError(format!("{place}: no object in it"))),
                    (Some(_), _) => return Err(UsageError(format!("{place}: more than one object in it; give one"))),
                }
            }
        };
        let mut object = Self::from_value(value).map_err(|why| UsageError(format!("{place}: {why}")))?;
        for (field, asked, default) in [("name", &args.name, None), ("namespace", &args.namespace, Some("default"))] {
            let known = object.value["metadata"].get(field).and_then(Value::as_str);
            let Some(text) = asked.as_deref().or(known).or(default) else {
                return Err(UsageError(format!("{place}: metadata.name is missing; give one, here or with --name")));
            };
            object.value["metadata"][field] = text.to_owned().into();
        }
        Ok(object)
    }

    fn from_value(value: Value) -> Result<Self, String> {
        let text = |key: &str| value.get(key).and_then(Value::as_str).unwrap_or_default();
        let (api_version, kind) = (text("apiVersion"), text("kind"));
        let (group, version) = api_version.split_once('/').unwrap_or(("", api_version));
        let known = KINDS.iter().filter(|served| served.kind == kind).find_map(|served| {
            let (group, version) = *served.versions.iter().find(|known| **known == (group, version))?;
            Some(Version { served, group, version })
        });
        let version = known.ok_or_else(|| {
            format!("{kind:?} of {api_version:?} can't be created here; v1 Pod and apps/v1 Deployment can")
        })?;
        if !value.get("metadata").is_some_and(Value::is_object) {
            return Err("metadata is missing, or no mapping".to_owned());
        }
        Ok(Self { value, version })
    }

    fn text(&self, field: &str) -> String {
        self.value["metadata"][field].as_str().unwrap_or_default().to_owned()
    }

    pub(super) fn name(&self) -> String {
        self.text("name")
    }

    pub(super) fn namespace(&self) -> String {
        self.text("namespace")
    }

    pub(super) fn labels(&self) -> BTreeMap<String, String> {
        let labels = self.value["metadata"]["labels"].as_object().into_iter().flatten();
        labels.filter_map(|(key, value)| Some((key.clone(), value.as_str()?.to_owned()))).collect()
    }

    /// The same object in another version of its kind. The versions do not differ in anything that matters here.
    pub(super) fn converted(&self, version: Version) -> Self {
        let mut value = self.value.clone();
        value["apiVersion"] = version.api_version().into();
        Self { value, version }
    }

    /// The object with a patch applied. If the patch was made for another version, the object keeps its own.
    pub(super) fn patched(&self, patch: &Patch) -> Result<Self, String> {
        let mut value = self.value.clone();
        // On a copy: a patch that fails halfway must not leave partial changes.
        json_patch::patch_unsafe(&mut value, patch).map_err(|error: PatchError| error.to_string())?;
        value["apiVersion"] = self.version.api_version().into();
        Ok(Self { value, version: self.version })
    }

    pub(super) fn reference(&self) -> ObjectReference {
        ObjectReference {
            api_version: self.version.api_version(),
            kind: self.version.served.kind.to_owned(),
            namespace: self.namespace(),
            name: self.name(),
        }
    }
}

fn simple_pod() -> Value {
    json!({
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "new"},
        "spec": {"containers": [{"name": "app", "image": "sidelab/demo-server"}]},
    })
}
