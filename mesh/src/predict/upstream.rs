//! The upstream side of a sidecar: cluster, endpoint, transport socket, and the answer.

use std::net::{IpAddr, SocketAddr};

use envoy_api::{
    Cluster, DiscoveryType, LbEndpoint, TcpProxy, TransportSocket, TransportSocketConfig, UpstreamTlsContext,
};
use envoy_rules::{
    hash,
    hash_table::HashTable,
    outcome::{ConnectError, Outcome, UpstreamReset},
    retry::RetryPolicy,
    tls_error::TlsError,
    upstream::{
        Candidates, HelloFacts, alpn_override, candidates, http_options, http_version, of_lookup_family,
        source_addresses, source_for, transport_socket_match,
    },
};

use crate::{
    account::{AppSpeaks, Decision, Reason},
    compile::Resource,
};

use super::{
    CallError,
    place::{Place, Shared},
    route,
    sidecar::Sidecar,
    simulate::{Dialler, Simulation},
    tls::{Broken, Hello, Side},
    trace::{Log, Role},
    wire::{Reply, Request, Sent, Version},
};

/// The outcome of an attempt to reach a cluster.
pub(super) enum Upstream {
    /// The connection and its handshake succeeded. For HTTP, with the version.
    Connected(Option<Version>, Reply),
    /// It failed: there is no cluster, no endpoint, or no connection.
    Failed(Outcome),
}

/// The endpoints that earlier tries of a request went to.
#[derive(Debug, Default)]
pub(super) struct Tried {
    hosts: Vec<SocketAddr>,
    /// Whether another try passes them over, as long as there are others.
    pub(super) are_avoided: bool,
    /// How many endpoints there were to choose from: of one alone each try ends alike.
    among: usize,
}

impl Tried {
    /// None yet.
    pub(super) fn of(policy: Option<&RetryPolicy>) -> Self {
        Self { are_avoided: policy.is_some_and(|policy| policy.choices > 1), ..Self::default() }
    }

    /// The endpoint that the last try went to, if another try may go to another one.
    pub(super) fn last_of_several(&self) -> Option<SocketAddr> {
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
struct Target<'a> {
    address: SocketAddr,
    /// The endpoint's other addresses, in the order that they are tried in.
    others: Vec<SocketAddr>,
    /// The TLS to speak there, if any.
    context: Option<&'a UpstreamTlsContext>,
}

impl Simulation<'_> {
    /// A TCP proxy relays to a cluster.
    pub(super) fn relay(
        &mut self,
        at: Place,
        proxy: &TcpProxy,
        shared: &Shared,
        sent: &[Sent],
    ) -> Result<Reply, CallError> {
        if self.trace.is_first(at.role) {
            self.trace.route = Some(route::of_cluster(proxy.clusters()));
        }
        let cluster = self.chosen(at, proxy);
        let hash = hash::of_connection(&proxy.hash_policy, at.arrival.source);
        let shared = &Shared { hash, ..shared.clone() };
        let upstream = self.upstream(at, cluster, shared, None, sent, &mut Tried::default())?;
        // What a plaintext peer has sent is still unread when its connection is closed, so the kernel resets it; TLS is closed in
        // order, and before the peer has sent anything inside.
        let gone = if at.ended_tls { Reply::Closed } else { Reply::Reset };
        let (outcome, reply) = match upstream {
            Upstream::Connected(_, Reply::Reset) => (Outcome::UpstreamReset(UpstreamReset::RemoteReset), Reply::Reset),
            Upstream::Connected(_, reply) => (Outcome::Done, reply),
            Upstream::Failed(outcome) => (outcome, gone),
        };
        self.trace.log(at.role, Log::of_session(&outcome));
        Ok(reply)
    }

    /// The cluster that a connection is relayed to: any of several by chance.
    fn chosen<'p>(&mut self, at: Place, proxy: &'p TcpProxy) -> &'p str {
        let open: Vec<(&str, u32)> = proxy.clusters().into_iter().filter(|(_, weight)| *weight > 0).collect();
        let (name, weight) = match open.len() {
            0 => return "",
            1 => return open[0].0,
            among => open[self.picks.pick(among)],
        };
        let total: u32 = open.iter().map(|(_, weight)| weight).sum();
        let because = format!("by chance: weight {weight} of {total}");
        self.trace.step(at.role.party(), Decision::Route, name, because, None);
        name
    }

    /// Sends something to a cluster. `request` is what an HTTP connection manager read, and is sent in the cluster's version of
    /// HTTP. `tried` are the endpoints of earlier tries, to which this one is added.
    pub(super) fn upstream(
        &mut self,
        at: Place,
        name: &str,
        shared: &Shared,
        request: Option<(Version, &Request)>,
        sent: &[Sent],
        tried: &mut Tried,
    ) -> Result<Upstream, CallError> {
        let sidecar = self.world.sidecar(at.host)?;
        let Some(cluster) = self.cluster(at, sidecar, name)? else {
            return Ok(Upstream::Failed(Outcome::NoCluster));
        };
        let Some(target) = self.target(at, sidecar, cluster, shared.hash, tried) else {
            return Ok(Upstream::Failed(Outcome::NoHealthyUpstream));
        };
        let before = self.trace.clone();
        let mut upstream = self.connect(at, cluster, &target, shared, request, sent)?;
        // An endpoint's addresses are tried one after the other; what is seen at the end is the last.
        for &address in &target.others {
            if !matches!(upstream, Upstream::Failed(Outcome::ConnectFailed(_))) {
                break;
            }
            self.trace = before.clone();
            let because = "the same endpoint, whose earlier addresses failed alike";
            self.trace.step(at.role.party(), Decision::Endpoint, address.to_string(), because, None);
            let target = Target { address, others: vec![], context: target.context };
            upstream = self.connect(at, cluster, &target, shared, request, sent)?;
        }
        Ok(upstream)
    }

    /// A connection to the first address of an endpoint, and what comes of it.
    fn connect(
        &mut self,
        at: Place,
        cluster: &Cluster,
        target: &Target<'_>,
        shared: &Shared,
        request: Option<(Version, &Request)>,
        sent: &[Sent],
    ) -> Result<Upstream, CallError> {
        let (sidecar, address) = (self.world.sidecar(at.host)?, target.address);
        let version = request.map(|(downstream, _)| http_version(cluster, downstream));
        let asks_for = request.and_then(|(_, request)| request.speaks);
        if (version, asks_for) == (Some(Version::Http2), Some(AppSpeaks::Websocket)) {
            return Err(CallError::WebsocketOverHttp2 { cluster: cluster.name.clone() });
        }
        let message = match (version, request) {
            (Some(version), Some((_, request))) => vec![Sent::Http(version, request.clone())],
            _ => sent.to_vec(),
        };
        let dialler = Dialler { host: at.host, sidecar: Some(at.role), bound_to: source(cluster, address) };
        let Some(context) = target.context else {
            let reply = self.dial(dialler, address, &message)?;
            return Ok(plain(version, address, reply));
        };
        let Ok(mut hello) = Hello::of(context, &sidecar.material) else {
            return Ok(self.without_secret(at));
        };
        let by_filter = shared.of_request.as_ref().zip(version);
        let by_filter =
            by_filter.and_then(|(filter, version)| alpn_override(filter, cluster.metadata.as_ref(), version));
        let options = http_options(cluster).and_then(|options| options.upstream_http_protocol_options.as_ref());
        let facts = HelloFacts {
            state_alpn: by_filter.or(shared.alpn.as_deref()),
            state_server_name: shared.server_name.as_deref(),
            request: version.zip(request).map(|(version, (_, request))| (request.authority.as_str(), version)),
        };
        let decided = envoy_rules::upstream::Hello::new(context, options, facts);
        hello.server_name = decided.server_name.map(str::to_owned);
        hello.alpn = decided.alpn.protocols();
        hello.check.host = decided.verify_host.map(str::to_owned);
        let layers: Vec<Sent> = [Sent::Tls(hello)].into_iter().chain(message).collect();
        let reply = self.dial(dialler, address, &layers)?;
        Ok(self.secured(at, version, address, reply))
    }

    /// The cluster of that name, or of the subset that the call asks for; `None` if there is none.
    fn cluster<'b>(&mut self, at: Place, sidecar: &'b Sidecar, name: &str) -> Result<Option<&'b Cluster>, CallError> {
        let of_subset = self.of_subset(at, name);
        let name = of_subset.as_deref().unwrap_or(name);
        if let Some(cluster) = sidecar.cluster(name) {
            let why = sidecar.why(&Resource::Cluster(name.into()));
            let because = why.map_or("the route or filter names it", |why| &why.because);
            self.trace.step(at.role.party(), Decision::Cluster, name, because, why.map(|why| &why.source));
            return Ok(Some(cluster));
        }
        if let Some(reason) = sidecar.unread(name) {
            return Err(CallError::Unread { resource: name.into(), reason: reason.clone() });
        }
        if let (Some(subset), Some((_, host))) =
            (self.subset, of_subset.as_deref().and_then(|name| name.rsplit_once('|')))
        {
            return Err(CallError::NoSubset { host: host.into(), subset: subset.into() });
        }
        self.trace.step(at.role.party(), Decision::Cluster, name, "there is no such cluster", None);
        self.trace.refuse(at.role.party(), Reason::NoHealthyUpstream);
        Ok(None)
    }

    /// Where a cluster sends to, and through which transport socket; `None` if it has no endpoint.
    fn target<'b>(
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

    /// The cluster of the subset that the call asks for, in place of the whole service's.
    fn of_subset(&self, at: Place, cluster: &str) -> Option<String> {
        let (subset, Role::Client) = (self.subset?, at.role) else { return None };
        match cluster.split('|').collect::<Vec<_>>().as_slice() {
            ["outbound", port, "", host] => Some(format!("outbound|{port}|{subset}|{host}")),
            _ => None,
        }
    }

    /// A TLS context without its secret closes each connection at once.
    fn without_secret(&mut self, at: Place) -> Upstream {
        self.trace.step(
            at.role.party(),
            Decision::Secret,
            "none",
            "the transport socket refers to a missing secret",
            None,
        );
        self.trace.refuse(at.role.party(), Reason::TlsHandshakeFailed);
        tls_failed(&TlsError::SecretNotSupplied)
    }

    /// The outcome of a reply to this sidecar's ClientHello.
    fn secured(&mut self, at: Place, version: Option<Version>, address: SocketAddr, reply: Reply) -> Upstream {
        let error = match reply {
            Reply::Tunnel(_, inner) => return Upstream::Connected(version, *inner),
            // The request was on its way already, and the connection ends before its answer.
            Reply::Broken(session, broken) if broken.is_late(&session) => {
                return Upstream::Connected(version, Reply::Closed);
            }
            Reply::Broken(_, Broken { by: Side::Server, why }) => {
                return tls_failed(&TlsError::Alert(why.alert_number()));
            }
            Reply::Silence => return Upstream::Failed(Outcome::ConnectFailed(ConnectError::Timeout)),
            Reply::Refused | Reply::Unreachable => return plain(version, address, reply),
            Reply::Broken(_, Broken { by: Side::Client, why }) => why.verify_error(),
            Reply::Response(..) => TlsError::WrongVersionNumber,
            Reply::Echo => TlsError::UnexpectedMessage,
            Reply::Alert => TlsError::Alert(DECODE_ERROR),
            Reply::Reset | Reply::Closed => TlsError::ConnectionReset,
        };
        self.trace.refuse(at.role.party(), Reason::TlsHandshakeFailed);
        tls_failed(&error)
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

/// The alert `decode_error` (RFC 8446, section 6).
const DECODE_ERROR: u8 = 50;

fn tls_failed(error: &TlsError) -> Upstream {
    Upstream::Failed(Outcome::ConnectFailed(ConnectError::Tls(error.to_string().into())))
}

/// The outcome of a reply on a connection without TLS.
fn plain(version: Option<Version>, address: SocketAddr, reply: Reply) -> Upstream {
    let error = match reply {
        Reply::Refused => ConnectError::refused("Connection refused", false, address),
        Reply::Unreachable => ConnectError::refused("Network is unreachable", true, address),
        reply => return Upstream::Connected(version, reply),
    };
    Upstream::Failed(Outcome::ConnectFailed(error))
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

/// The address that a cluster's connections are bound to; `None` if the kernel chooses.
fn source(cluster: &Cluster, destination: SocketAddr) -> Option<IpAddr> {
    let sources = source_addresses(cluster.upstream_bind_config.as_ref()?).ok()?;
    source_for(&sources, destination).map(|source| source.ip()).filter(|ip| !ip.is_unspecified())
}

#[cfg(test)]
mod tests;
