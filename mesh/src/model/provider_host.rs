//! The hosts of MeshConfig's extension providers.

use super::{
    object::ObjectName,
    resolved::{ExternalName, Resolved},
    service::Service,
};

/// Every host that the mesh knows.
#[derive(Clone, Copy, Debug)]
pub struct KnownHosts<'m> {
    /// Kubernetes' services.
    pub services: &'m [Service],
    /// Those of ServiceEntries.
    pub entries: &'m [Service],
    pub external_names: &'m [ExternalName],
}

/// Why a provider's service is no host of the mesh.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoHost {
    #[error("has service {0}, which the mesh does not know")]
    Unknown(String),
    #[error("has service {0}, which several namespaces have: write NAMESPACE/{0}")]
    Several(String),
}

impl Resolved {
    /// Every host that the mesh knows.
    pub fn known_hosts(&self) -> KnownHosts<'_> {
        KnownHosts { services: &self.services, entries: &self.entries, external_names: &self.external_names }
    }
}

impl<'m> KnownHosts<'m> {
    /// The host of a provider's `service`, written as `HOST` or `NAMESPACE/HOST` (`LookupCluster` in
    /// `pilot/pkg/model/telemetry_logging.go`).
    ///
    /// # Errors
    /// If the mesh knows none, or several.
    pub fn find(&self, service: &str) -> Result<&'m str, NoHost> {
        let (namespace, host) = match service.split_once('/') {
            Some((namespace, host)) => (Some(namespace), host),
            None => (None, service),
        };
        let services = self.services.iter().chain(self.entries).map(|service| (&service.name, &service.host));
        let all = services.chain(self.external_names.iter().map(|alias| (&alias.name, &alias.host)));
        let is_meant = |(name, known): &(&ObjectName, &String)| {
            known.as_str() == host && namespace.is_none_or(|namespace| namespace == name.namespace)
        };
        let mut found: Vec<_> = all.filter(is_meant).collect();
        found.dedup_by_key(|(name, _)| &name.namespace);
        match found[..] {
            [] => Err(NoHost::Unknown(service.to_owned())),
            [(_, host)] => Ok(host),
            _ => Err(NoHost::Several(service.to_owned())),
        }
    }
}
