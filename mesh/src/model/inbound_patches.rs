//! Which patches of EnvoyFilters apply to an inbound cluster.

use super::{
    envoy_filter::{EnvoyFilter, InboundPatch},
    pod::Pod,
    resolved::Resolved,
};

impl Resolved {
    /// The patches of an inbound cluster of a pod, in order of application; see [`InboundPatch::matches`].
    pub fn inbound_patches(
        &self,
        pod: &Pod,
        cluster: &str,
        port: u16,
        services: &[&str],
    ) -> Vec<(&EnvoyFilter, &InboundPatch)> {
        let filters = self.envoy_filters.iter().filter(|filter| filter.is_for(pod));
        let patches = filters.flat_map(|filter| filter.patches.iter().map(move |patch| (filter, patch)));
        patches.filter(|(_, patch)| patch.matches(cluster, port, services)).collect()
    }
}
