//! ProxyConfigs, by the pods that they are for (`pilot/pkg/model/proxy_config.go`).

use std::collections::BTreeMap;

use super::selects;
use crate::{
    fault::Faults,
    manifests::{Manifests, Object, proxy_config::ProxyConfigSpec as Spec},
    model::{MeshConfig, Pod},
};

/// All of them, the oldest first.
pub(super) struct ProxyConfigs<'m> {
    all: Vec<&'m Object<Spec>>,
    root: &'m str,
}

/// What is in force for one pod. Each overrides the one before; between the last two comes the pod's annotation.
pub(super) struct Layers<'m> {
    pub(super) of_mesh: Option<&'m Object<Spec>>,
    pub(super) of_namespace: Option<&'m Object<Spec>>,
    pub(super) of_workload: Option<&'m Object<Spec>>,
}

impl<'m> ProxyConfigs<'m> {
    pub(super) fn new(manifests: &'m Manifests, config: &'m MeshConfig) -> Self {
        let mut all: Vec<_> = manifests.proxy_configs.iter().collect();
        all.sort_by_key(|object| &object.head.age);
        Self { all, root: &config.root_namespace }
    }

    /// Those for a pod: of each scope the oldest.
    pub(super) fn layers(&self, namespace: &str, labels: &BTreeMap<String, String>) -> Layers<'m> {
        let oldest = |of: &str, fits: &dyn Fn(&Spec) -> bool| {
            self.all.iter().copied().find(|object| object.head.name.namespace == of && fits(&object.body))
        };
        let is_for_all = |spec: &Spec| spec.selector.is_none();
        Layers {
            of_mesh: oldest(self.root, &is_for_all),
            of_namespace: if namespace == self.root { None } else { oldest(namespace, &is_for_all) },
            of_workload: oldest(namespace, &|spec| is_for_some(spec, labels)),
        }
    }
}

fn is_for_some(spec: &Spec, labels: &BTreeMap<String, String>) -> bool {
    let selected = spec.selector.as_ref().map(|selector| &selector.match_labels).filter(|labels| !labels.is_empty());
    selected.is_some_and(|selected| selects(selected, labels))
}

/// Warns about those that are for no pod.
pub(super) fn warn(manifests: &Manifests, pods: &[Pod], faults: &mut Faults) {
    for object in &manifests.proxy_configs {
        let namespace = &object.head.name.namespace;
        let has_labels = object.body.selector.as_ref().is_some_and(|selector| !selector.match_labels.is_empty());
        let mut of_namespace = pods.iter().filter(|pod| pod.name.namespace == *namespace);
        if has_labels && !of_namespace.any(|pod| is_for_some(&object.body, &pod.labels)) {
            let message = format!("selects no pod of namespace {namespace}");
            faults.warn(object, "spec.selector.matchLabels", message);
        }
    }
}
