//! Which endpoint of a cluster is chosen, and how it is reached.

use std::net::SocketAddr;

use envoy_api::{Cluster, DiscoveryType, LbEndpoint, TransportSocket, TransportSocketConfig, UpstreamTlsContext};
use envoy_rules::{
    hash_table::HashTable,
    retry::RetryPolicy,
    upstream::{Candidates, candidates, of_lookup_family, transport_socket_match},
};

use crate::{
    account::{Decision, Reason},
    compile::Resource,
    predict::{place::Place, sidecar::Sidecar, simulate::Simulation},
};

/// The endpoints that earlier tries of a request went to.
#[derive(Debug, Default)]
pub(crate) struct Tried {
    hosts: Vec<SocketAddr>,
    /// Whether another try passes them over, as long as there are others.
    pub(crate) are_avoided: bool,
    /// How many endpoints there were to choose from: of one alone each try ends alike.
    among: usize,
}

impl Tried {
    /// None yet.
    pub(crate) fn of(policy: Option<&RetryPolicy>) -> Self {
        Self { are_avoided: policy.is_some_and(|policy| policy.choices > 1), ..Self::default() }
    }

    /// The endpoint that the last try went to, if another try may go to another one.
    pub(crate) fn last_of_several(&self) -> Option<SocketAddr> {
        self.hosts.last().copied().filter(|_| self.among > 1)
    }

    /// The indices of those that the next try may go to.
    fn open(&self, endpoints: &[&LbEndpoint]) -> Vec<usize> {
        let is_new = |endpoint: &LbEndpoint| {
            let address = &endpoint.endpoint.address;
            let port = address.socket_address.port_value;
            !self.hosts.iter().any(|tried| Some(tried.ip()) == address.ip() && tried.port() == port)
        };
        let others = (0..endpoints.len()).filter(|&i| self.are_avoided && is_new(endpoints[i]));
        let others: Vec<usize> = others.collect();
        if others.is_empty() { (0..endpoints.len()).collect() } else { others }
    }
}

/// Where a sidecar connects to.
pub(super) struct Target<'a> {
    pub(super) address: SocketAddr,
    /// The endpoint's other addresses, in the order that they are tried in.
    pub(super) others: Vec<SocketAddr>,
    /// The TLS to speak there, if any.
    pub(super) context: Option<&'a UpstreamTlsContext>,
}

impl Simulation<'_> {
    /// Where a cluster sends to, and through which transport socket; `None` if it has no endpoint.
    pub(super) fn target<'b>(
        &mut self,
        at: Place,
        sidecar: &'b Sidecar,
        cluster: &'b Cluster,
        hash: Option<u64>,
        tried: &mut Tried,
    ) -> Option<Target<'b>> {
        let party = at.role.party();
        let endpoints = sidecar.endpoints(cluster);
        let candidates = candidates(cluster, Some(at.arrival.destination), &endpoints);
        let mut by_hash = false;
        let (endpoint, addresses) = match candidates {
            Candidates::None => (None, vec![]),
            Candidates::Original(address) => (None, vec![address]),
            Candidates::OneOf(endpoints) => {
                let open = tried.open(endpoints);
                let picked = if let Some(hashed) = hash.and_then(|hash| hashed(cluster, endpoints, &open, hash)) {
                    by_hash = true;
                    endpoints[hashed]
                } else {
                    let pods = open.iter().map(|&i| self.world.host_at(endpoints[i].endpoint.address.ip()?));
                    let pods: Vec<_> = pods.collect();
                    endpoints[open[self.pick(pods.into_iter()).unwrap_or_default()]]
                };
                let addresses = self.addresses_of(cluster, picked);
                tried.among = endpoints.len();
                tried.hosts.extend(addresses.first());
                (Some(picked), addresses)
            }
        };
        let Some((&address, others)) = addresses.split_first() else {
            let because = match endpoint.map(|endpoint| &endpoint.endpoint.address.socket_address.address) {
                Some(name) => format!("{name} does not resolve"),
                None => "the cluster has no endpoint".to_owned(),
            };
            self.trace.step(party, Decision::Endpoint, "none", because, None);
            self.trace.refuse(party, Reason::NoHealthyUpstream);
            return None;
        };
        let host = endpoint.map_or_else(
            || address.ip().to_string(),
            |endpoint| endpoint.endpoint.address.socket_address.address.clone(),
        );
        let why = sidecar.why(&Resource::Endpoint { cluster: cluster.name.clone(), host, port: address.port() });
        let which = match candidates {
            Candidates::Original(address) if address != at.arrival.destination => {
                "the original destination, at another port".to_owned()
            }
            Candidates::OneOf(endpoints @ [_, _, ..]) if by_hash => {
                format!("the one of {} endpoints that the hash leads to", endpoints.len())
            }
            Candidates::OneOf(endpoints @ [_, _, ..]) => format!("one of {} endpoints", endpoints.len()),
            Candidates::OneOf(_) => "the only endpoint".to_owned(),
            Candidates::Original(_) | Candidates::None => "the original destination".to_owned(),
        };
        let because = why.map_or_else(|| which.clone(), |why| format!("{which}; {}", why.because));
        self.trace.step(party, Decision::Endpoint, address.to_string(), because, why.map(|why| &why.source));

        let (name, context) = transport_socket(cluster, endpoint);
        let why = sidecar.why(&Resource::TransportSocket { cluster: cluster.name.clone() });
        let choice = match (name, context) {
            ("", Some(_)) => "tls",
            ("", None) => "raw_buffer",
            (name, _) => name,
        };
        let because = why.map_or("the cluster's transport socket", |why| &why.because);
        self.trace.step(party, Decision::TransportSocket, choice, because, why.map(|why| &why.source));
        Some(Target { address, others: others.to_vec(), context })
    }

    /// The addresses of an endpoint, in the order that they are tried in; none if it is an unknown name.
    fn addresses_of(&self, cluster: &Cluster, endpoint: &LbEndpoint) -> Vec<SocketAddr> {
        let address = &endpoint.endpoint.address;
        let port = address.socket_address.port_value;
        if let Some(ip) = address.ip() {
            let others = endpoint.endpoint.additional_addresses.iter().filter_map(|other| {
                Some(SocketAddr::new(other.address.ip()?, other.address.socket_address.port_value))
            });
            return [SocketAddr::new(ip, port)].into_iter().chain(others).collect();
        }
        let found = self.world.resolve(&address.socket_address.address);
        let found = found.into_iter().map(|ip| SocketAddr::new(ip, port)).collect();
        let mut found = of_lookup_family(found, cluster.dns_lookup_family);
        if cluster.discovery_type != DiscoveryType::LogicalDns {
            // Each is a separate endpoint.
            found.truncate(1);
        }
        found
    }
}

/// The index of the endpoint that a hash leads to, among those that are open; none if the cluster does not choose by a hash.
fn hashed(cluster: &Cluster, endpoints: &[&LbEndpoint], open: &[usize], hash: u64) -> Option<usize> {
    let host = |endpoint: &&LbEndpoint| {
        let address =
            SocketAddr::new(endpoint.endpoint.address.ip()?, endpoint.endpoint.address.socket_address.port_value);
        Some((address.to_string(), endpoint.load_balancing_weight.unwrap_or(1)))
    };
    let hosts: Vec<_> = endpoints.iter().map(host).collect::<Option<_>>()?;
    let table = HashTable::new(cluster, &hosts)?;
    // Envoy goes on a few times, and then takes what it finds.
    const ATTEMPTS: u32 = 5;
    let chosen = |attempt| table.choose(hash, attempt);
    (0..=ATTEMPTS).map(chosen).find(|chosen| open.contains(chosen)).or_else(|| Some(chosen(ATTEMPTS)))
}

/// The transport socket for an endpoint, with its name if a match chose it.
fn transport_socket<'a>(
    cluster: &'a Cluster,
    endpoint: Option<&LbEndpoint>,
) -> (&'a str, Option<&'a UpstreamTlsContext>) {
    let metadata = endpoint.and_then(|endpoint| endpoint.metadata.as_ref());
    let matched = transport_socket_match(&cluster.transport_socket_matches, metadata);
    let (name, socket) = match matched.map(|index| &cluster.transport_socket_matches[index]) {
        Some(matched) => (matched.name.as_str(), Some(&matched.transport_socket)),
        None => ("", cluster.transport_socket.as_ref()),
    };
    (name, socket.and_then(upstream_tls))
}

fn upstream_tls(socket: &TransportSocket) -> Option<&UpstreamTlsContext> {
    match &socket.typed_config {
        TransportSocketConfig::UpstreamTls(context) => Some(context),
        TransportSocketConfig::DownstreamTls(_) | TransportSocketConfig::RawBuffer(_) => None,
    }
}

#[cfg(test)]
mod tests;
