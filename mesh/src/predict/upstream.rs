//! The upstream side of a sidecar: cluster, endpoint, transport socket, and the answer.

use std::net::{IpAddr, SocketAddr};

use envoy_api::{Cluster, TcpProxy};
use envoy_rules::{
    hash,
    outcome::{ConnectError, Outcome, UpstreamReset},
    tls_error::TlsError,
    upstream::{HelloFacts, alpn_override, http_options, http_version, source_addresses, source_for},
};

use crate::{
    account::{Decision, Reason},
    compile::Resource,
};

use self::target::{Target, Tried};
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

pub(super) mod target;

/// The outcome of an attempt to reach a cluster.
pub(super) enum Upstream {
    /// The connection and its handshake succeeded. For HTTP, with the version.
    Connected(Option<Version>, Reply),
    /// It failed: there is no cluster, no endpoint, or no connection.
    Failed(Outcome),
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
            let target = Target { address, others: vec![], may_be: vec![], context: target.context };
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
        let message = match (version, request) {
            (Some(version), Some((_, request))) => vec![Sent::Http(version, request.clone())],
            _ => sent.to_vec(),
        };
        let bound_to = source(cluster, address);
        let dialler = Dialler { host: at.host, sidecar: Some(at.role), bound_to, may_dial: &target.may_be };
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
            Reply::Reset | Reply::Closed | Reply::StreamReset => TlsError::ConnectionReset,
        };
        self.trace.refuse(at.role.party(), Reason::TlsHandshakeFailed);
        tls_failed(&error)
    }
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

/// The address that a cluster's connections are bound to; `None` if the kernel chooses.
fn source(cluster: &Cluster, destination: SocketAddr) -> Option<IpAddr> {
    let sources = source_addresses(cluster.upstream_bind_config.as_ref()?).ok()?;
    source_for(&sources, destination).map(|source| source.ip()).filter(|ip| !ip.is_unspecified())
}

#[cfg(test)]
mod tests;
