//! The names that documents can refer to, and those that they do.

use std::collections::{BTreeMap, HashSet};

use k8s_openapi::api::core::v1::{Container, PodSpec, PodTemplateSpec};

use crate::{manifests::Manifests, model::ObjectName};

/// Annotation with the volumes of a pod's sidecar, as JSON.
const USER_VOLUME: &str = "sidecar.istio.io/userVolume";

/// What is looked up when a document is checked.
pub(super) struct Known<'m> {
    /// By namespace and name.
    pub(super) service_accounts: HashSet<(&'m str, &'m str)>,
    /// Secrets that pods mount or read, by namespace and name.
    of_pods: HashSet<(&'m str, &'m str)>,
    /// `credentialName` of Gateways and DestinationRules.
    credentials: HashSet<&'m str>,
    /// The sidecars' volumes.
    user_volumes: Vec<&'m str>,
}

impl<'m> Known<'m> {
    pub(super) fn new(manifests: &'m Manifests) -> Self {
        let accounts = manifests.service_accounts.iter().map(|account| &account.head.name);
        let mut known = Self {
            service_accounts: accounts.map(|name| (name.namespace.as_str(), name.name.as_str())).collect(),
            of_pods: HashSet::new(),
            credentials: HashSet::new(),
            user_volumes: Vec::new(),
        };
        for pod in &manifests.pods {
            known.refer(&pod.head.name.namespace, pod.body.spec.as_ref(), Some(&pod.head.annotations));
        }
        for workload in &manifests.workloads {
            let PodTemplateSpec { metadata, spec } = &workload.body.template;
            let annotations = metadata.as_ref().and_then(|metadata| metadata.annotations.as_ref());
            known.refer(&workload.head.name.namespace, spec.as_ref(), annotations);
        }
        let servers = manifests.gateways.iter().flat_map(|gateway| &gateway.body.servers);
        for tls in servers.filter_map(|server| server.tls.as_ref()) {
            known.credentials.extend(tls.credential_names.iter().chain([&tls.credential_name]).map(String::as_str));
        }
        let settings = manifests.destination_rules.iter().flat_map(|rule| rule.body.tls_settings());
        known.credentials.extend(settings.map(|tls| tls.credential_name.trim_start_matches("kubernetes://")));
        known
    }

    fn refer(
        &mut self,
        namespace: &'m str,
        spec: Option<&'m PodSpec>,
        annotations: Option<&'m BTreeMap<String, String>>,
    ) {
        self.of_pods.extend(spec.into_iter().flat_map(secrets).map(|name| (namespace, name)));
        self.user_volumes.extend(annotations.and_then(|all| all.get(USER_VOLUME)).map(String::as_str));
    }

    /// Whether anything refers to a Secret.
    pub(super) fn is_secret_used(&self, name: &ObjectName) -> bool {
        let ObjectName { namespace, name } = name;
        self.of_pods.contains(&(namespace.as_str(), name.as_str()))
            || self.credentials.contains(name.as_str())
            || self.user_volumes.iter().any(|volumes| volumes.contains(&format!("{name:?}")))
    }
}

/// The Secrets that a pod's volumes and variables take content from.
fn secrets(spec: &PodSpec) -> impl Iterator<Item = &str> {
    let volumes = spec.volumes.iter().flatten();
    let mounted = volumes.clone().filter_map(|volume| volume.secret.as_ref()?.secret_name.as_deref());
    let sources = volumes.filter_map(|volume| volume.projected.as_ref()?.sources.as_ref()).flatten();
    let projected = sources.filter_map(|source| Some(source.secret.as_ref()?.name.as_str()));
    mounted.chain(projected).chain(spec.containers.iter().flat_map(variables))
}

fn variables(container: &Container) -> impl Iterator<Item = &str> {
    let each = container.env.iter().flatten();
    let each = each.filter_map(|one| Some(one.value_from.as_ref()?.secret_key_ref.as_ref()?.name.as_str()));
    let whole = container.env_from.iter().flatten().filter_map(|from| Some(from.secret_ref.as_ref()?.name.as_str()));
    each.chain(whole)
}
