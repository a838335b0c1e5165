//! Which endpoint of a cluster is chosen, at which of its addresses, and how it is reached.

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

#[cfg(test)]
mod tests;

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
    fn open(&self, hosts: &[Host<'_>]) -> Vec<usize> {
        let others: Vec<usize> =
            (0..hosts.len()).filter(|&i| self.are_avoided && !self.hosts.contains(&hosts[i].first())).collect();
        if others.is_empty() { (0..hosts.len()).collect() } else { others }
    }
}

/// Where a sidecar connects to.
pub(super) struct Target<'a> {
    pub(super) address: SocketAddr,
    /// The endpoint's other addresses, in the order that they are tried in.
    pub(super) others: Vec<SocketAddr>,
    /// All addresses that may be chosen instead, and this one; none if there is no choice.
    pub(super) may_be: Vec<SocketAddr>,
    /// The TLS to speak there, if any.
    pub(super) context: Option<&'a UpstreamTlsContext>,
}

/// What a load balancer chooses among.
struct Host<'a> {
    endpoint: &'a LbEndpoint,
    /// Its addresses, in the order that they are tried in; one at least.
    addresses: Vec<SocketAddr>,
    /// The addresses that may be the first, if the resolver's answer decides; one at least.
    may_be_first: Vec<SocketAddr>,
}

impl<'a> Host<'a> {
    /// A host with these addresses; `None` if it has none.
    fn new(endpoint: &'a LbEndpoint, addresses: Vec<SocketAddr>) -> Option<Self> {
        let may_be_first = vec![*addresses.first()?];
        Some(Self { endpoint, addresses, may_be_first })
    }

    /// The only host of a `LOGICAL_DNS` cluster. Envoy tries the addresses in the order of the answer
    /// (`source/extensions/clusters/logical_dns/logical_dns_cluster.cc`), in which either family may be first: they are two queries, whose
    /// answers are not sorted (`ARES_AI_NOSORT` in `source/extensions/network/dns_resolver/cares/dns_impl.cc`).
    fn logical(
        endpoint: &'a LbEndpoint,
        mut found: Vec<SocketAddr>,
        pick: impl FnOnce(usize) -> usize,
    ) -> Option<Self> {
        let of_a_family = |one: &SocketAddr, other: &SocketAddr| one.is_ipv4() == other.is_ipv4();
        let starts: Vec<usize> = found
            .chunk_by(of_a_family)
            .scan(0, |next, family| {
                let start = *next;
                *next += family.len();
                Some(start)
            })
            .collect();
        let may_be_first = starts.iter().map(|&start| found[start]).collect();
        if starts.len() > 1 {
            found.rotate_left(starts[pick(starts.len())]);
        }
        Some(Self { may_be_first, ..Self::new(endpoint, found)? })
    }

    fn first(&self) -> SocketAddr {
        self.addresses[0]
    }
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
        let hosts = self.hosts(cluster, &endpoints);
        let (endpoint, addresses, which, may_be) = match candidates(cluster, Some(at.arrival.destination), &hosts) {
            Candidates::None => {
                let because = match endpoints.first().map(|endpoint| &endpoint.endpoint.address.socket_address.address)
                {
                    Some(name) => format!("{name} does not resolve"),
                    None => "the cluster has no endpoint".to_owned(),
                };
                self.trace.step(party, Decision::Endpoint, "none", because, None);
                self.trace.refuse(party, Reason::NoHealthyUpstream);
                return None;
            }
            Candidates::Original(address) => {
                let which = match address == at.arrival.destination {
                    true => "the original destination",
                    false => "the original destination, at another port",
                };
                (None, vec![address], which.to_owned(), vec![])
            }
            Candidates::OneOf(hosts) => {
                let open = tried.open(hosts);
                let hashed = hash.and_then(|hash| hashed(cluster, hosts, &open, hash));
                let may_be_chosen = hashed.map_or(open, |hashed| vec![hashed]);
                let pods = may_be_chosen.iter().map(|&i| self.world.host_at(hosts[i].first().ip()));
                let pods: Vec<_> = pods.collect();
                let host = &hosts[may_be_chosen[self.pick(&pods).unwrap_or_default()]];
                tried.among = hosts.len();
                tried.hosts.push(host.first());
                let may_be: Vec<_> =
                    may_be_chosen.iter().flat_map(|&i| hosts[i].may_be_first.iter().copied()).collect();
                let name = &host.endpoint.endpoint.address.socket_address.address;
                let which = match (endpoints.len(), hosts.len(), may_be.len()) {
                    (2.., 2.., _) if hashed.is_some() => {
                        format!("the one of {} endpoints that the hash leads to", hosts.len())
                    }
                    (2.., 2.., _) => format!("one of {} endpoints", hosts.len()),
                    (_, _, addresses @ 2..) => format!("one of {addresses} addresses of {name}"),
                    _ => "the only endpoint".to_owned(),
                };
                (Some(host.endpoint), host.addresses.clone(), which, may_be)
            }
        };
        let (address, others) = (addresses[0], addresses[1..].to_vec());
        let name = endpoint.map_or_else(
            || address.ip().to_string(),
            |endpoint| endpoint.endpoint.address.socket_address.address.clone(),
        );
        let why = sidecar.why(&Resource::Endpoint { cluster: cluster.name.clone(), host: name, port: address.port() });
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
        let may_be = if may_be.len() > 1 { may_be } else { vec![] };
        Some(Target { address, others, may_be, context })
    }

    /// The hosts of a cluster: each endpoint with an address, each address of a name (`STRICT_DNS`), or a name with all its addresses
    /// (`LOGICAL_DNS`).
    fn hosts<'b>(&mut self, cluster: &Cluster, endpoints: &[&'b LbEndpoint]) -> Vec<Host<'b>> {
        let mut hosts = Vec::new();
        for &endpoint in endpoints {
            let address = &endpoint.endpoint.address;
            let port = address.socket_address.port_value;
            if let Some(ip) = address.ip() {
                let others = endpoint.endpoint.additional_addresses.iter().filter_map(|other| {
                    Some(SocketAddr::new(other.address.ip()?, other.address.socket_address.port_value))
                });
                hosts.extend(Host::new(endpoint, [SocketAddr::new(ip, port)].into_iter().chain(others).collect()));
                continue;
            }
            let found = self.world.resolve(&address.socket_address.address);
            let found = found.into_iter().map(|ip| SocketAddr::new(ip, port)).collect();
            let found = of_lookup_family(found, cluster.dns_lookup_family);
            match cluster.discovery_type {
                DiscoveryType::LogicalDns => {
                    hosts.extend(Host::logical(endpoint, found, |among| self.picks.pick(among)));
                }
                _ => hosts.extend(found.into_iter().filter_map(|address| Host::new(endpoint, vec![address]))),
            }
        }
        hosts
    }
}

/// The index of the host that a hash leads to, among those that are open; none if the cluster does not choose by a hash.
fn hashed(cluster: &Cluster, hosts: &[Host<'_>], open: &[usize], hash: u64) -> Option<usize> {
    let weighted = |host: &Host<'_>| (host.first().to_string(), host.endpoint.load_balancing_weight.unwrap_or(1));
    let hosts: Vec<_> = hosts.iter().map(weighted).collect();
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
