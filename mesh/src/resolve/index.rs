//! Indexes of objects, so that resolving takes linear time.

use std::collections::HashMap;

use k8s_openapi::api::{
    admissionregistration::v1::ValidatingWebhook,
    core::v1::{ConfigMap, Namespace, Secret},
};

use crate::manifests::{Head, Manifests, Object, peer_authentication::PeerAuthenticationSpec};

/// Objects by name and namespace.
pub(super) struct Index<'m> {
    namespaces: HashMap<&'m str, &'m Object<Namespace>>,
    secrets: HashMap<(&'m str, &'m str), &'m Object<Secret>>,
    config_maps: HashMap<(&'m str, &'m str), &'m Object<ConfigMap>>,
    policies: HashMap<&'m str, Vec<&'m Object<PeerAuthenticationSpec>>>,
    injectors: Vec<(&'m Head, &'m ValidatingWebhook)>,
}

impl<'m> Index<'m> {
    pub(super) fn new(manifests: &'m Manifests) -> Self {
        let mut policies: HashMap<_, Vec<_>> = HashMap::new();
        for policy in &manifests.peer_authentications {
            policies.entry(policy.head.name.namespace.as_str()).or_default().push(policy);
        }
        let webhooks = manifests.webhook_configurations.iter().filter(|configuration| configuration.body.mutating);
        let webhooks = webhooks.flat_map(|object| object.body.webhooks.iter().map(|hook| (&object.head, hook)));
        Self {
            namespaces: manifests.namespaces.iter().map(|object| (object.head.name.name.as_str(), object)).collect(),
            secrets: by_name(&manifests.secrets),
            config_maps: by_name(&manifests.config_maps),
            policies,
            injectors: webhooks.filter(|(_, hook)| hook.name.ends_with("sidecar-injector.istio.io")).collect(),
        }
    }

    pub(super) fn namespace(&self, name: &str) -> Option<&'m Object<Namespace>> {
        self.namespaces.get(name).copied()
    }

    pub(super) fn secret(&self, namespace: &str, name: &str) -> Option<&'m Secret> {
        self.secrets.get(&(namespace, name)).map(|object| &object.body)
    }

    pub(super) fn config_map(&self, namespace: &str, name: &str) -> Option<&'m ConfigMap> {
        self.config_maps.get(&(namespace, name)).map(|object| &object.body)
    }

    /// The PeerAuthentications of a namespace.
    pub(super) fn policies(&self, namespace: &str) -> &[&'m Object<PeerAuthenticationSpec>] {
        self.policies.get(namespace).map(Vec::as_slice).unwrap_or_default()
    }

    /// The sidecar injectors' webhooks in the manifests, if any.
    pub(super) fn injectors(&self) -> &[(&'m Head, &'m ValidatingWebhook)] {
        &self.injectors
    }
}

fn by_name<T>(objects: &[Object<T>]) -> HashMap<(&str, &str), &Object<T>> {
    objects
        .iter()
        .map(|object| ((object.head.name.namespace.as_str(), object.head.name.name.as_str()), object))
        .collect()
}
