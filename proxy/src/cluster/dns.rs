//! Clusters with host names as endpoints: `STRICT_DNS` and `LOGICAL_DNS`.

use std::{
    net::SocketAddr,
    sync::{Arc, Weak},
    time::Duration,
};

use envoy_api::{DiscoveryType, LbEndpoint};
use envoy_rules::upstream::of_lookup_family;
use tokio::{net::lookup_host, time::sleep};

use super::{Cluster, Endpoint};

#[cfg(test)]
mod tests;

/// Interval for resolving names again; Envoy's default (`dns_refresh_rate`).
const REFRESH: Duration = Duration::from_secs(5);

impl Cluster {
    /// Whether its endpoints are host names.
    pub fn uses_dns(&self) -> bool {
        matches!(self.config.discovery_type, DiscoveryType::StrictDns | DiscoveryType::LogicalDns)
    }

    /// Resolves its names. If all of them fail, the endpoints stay the same, as in Envoy.
    pub async fn resolve(&self) {
        let family = self.config.dns_lookup_family;
        let mut endpoints = Vec::new();
        for named in self.named_endpoints() {
            let socket_address = &named.endpoint.address.socket_address;
            let found = lookup_host((socket_address.address.as_str(), socket_address.port_value)).await;
            let mut addresses = match found {
                Ok(addresses) => of_lookup_family(addresses.collect(), family),
                Err(error) => {
                    tracing::warn!(cluster = %self.name, name = socket_address.address, %error, "could not resolve a name");
                    continue;
                }
            };
            if self.config.discovery_type == DiscoveryType::LogicalDns && !addresses.is_empty() {
                // One host, whose other addresses are tried where the first does not answer.
                let others = addresses.split_off(1);
                endpoints.extend(addresses.into_iter().map(|address| (address, others.clone(), named)));
            } else {
                endpoints.extend(addresses.into_iter().map(|address| (address, vec![], named)));
            }
        }
        if !endpoints.is_empty() {
            let earlier = self.endpoints();
            let endpoint = |(address, others, named): (SocketAddr, Vec<SocketAddr>, &LbEndpoint)| {
                let is_same = |endpoint: &&Arc<Endpoint>| {
                    let addresses = endpoint.addresses();
                    addresses[0] == address && addresses[1..] == others[..]
                };
                let same = earlier.iter().find(is_same);
                same.cloned().unwrap_or_else(|| Arc::new(Endpoint::new(address, others, named, &self.transports)))
            };
            self.publish(endpoints.into_iter().map(endpoint).collect());
        }
    }

    fn named_endpoints(&self) -> impl Iterator<Item = &LbEndpoint> {
        self.config.load_assignment.iter().flat_map(|assignment| &assignment.endpoints).flat_map(|l| &l.lb_endpoints)
    }
}

/// Resolves the names of a cluster periodically, for as long as it is in use.
pub async fn refresh_names(cluster: Weak<Cluster>) {
    loop {
        sleep(REFRESH).await;
        let Some(cluster) = cluster.upgrade() else { return };
        cluster.resolve().await;
    }
}
