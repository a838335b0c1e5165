//! Connecting to an endpoint, including the TLS handshake.

use std::{
    io,
    net::{IpAddr, SocketAddr},
    pin::{Pin, pin},
    sync::Arc,
    time::Duration,
};

use nix::errno::Errno;
use tokio::{net::TcpStream, time::timeout};

use super::{Cluster, Endpoint, InUse, Load, Transport, eligible::Eligible};
use crate::{
    address::{OriginalDst, UpstreamHost, UpstreamLocal},
    stats::Held,
    stream::Upstream,
    stream_info::{FilterState, UpstreamInfo},
    tls::{self, Offer},
};
use envoy_rules::{
    codec::HttpVersion,
    outcome::{ConnectError, Outcome},
    upstream::{Candidates, Hello, HelloFacts, candidates, http_options},
};

/// How long an address of an endpoint may take before the next is tried in parallel.
const NEXT_ADDRESS: Duration = Duration::from_millis(300);

/// What an upstream connection depends on besides the cluster.
#[derive(Clone, Copy, Debug, Default)]
pub struct ConnectContext<'a> {
    /// Original destination of the downstream connection, for `ORIGINAL_DST` clusters.
    pub original_dst: Option<OriginalDst>,
    /// Overrides in filter state.
    pub filter_state: Option<&'a FilterState>,
    /// `host` and upstream version of the request that needs the connection; `None` for a TCP session.
    pub request: Option<(&'a str, HttpVersion)>,
    /// ALPN from an HTTP filter, which overrides that in filter state.
    pub alpn: Option<&'a [String]>,
    /// Whether data will be written immediately.
    pub bytes_follow: bool,
    /// Hosts of earlier attempts, to be avoided.
    pub tried: &'a [UpstreamHost],
    /// Maximum number of choices to find an endpoint that was not tried; with 0 and 1 any is used.
    pub choices: u32,
    /// Which endpoint is chosen, where the cluster chooses by a hash; any if unknown.
    pub hash: Option<u64>,
}

/// An established upstream connection.
#[derive(Debug)]
pub struct Connected {
    pub stream: Upstream,
    /// Facts for access logs.
    pub info: UpstreamInfo,
    /// Counts the connection as open until dropped.
    pub guard: ConnectionGuard,
}

/// Counts an open connection of an endpoint and its cluster.
#[derive(Debug)]
pub struct ConnectionGuard {
    _in_use: InUse,
    _load: Load,
    _active: Held,
}

/// Why no upstream connection could be established.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ConnectFailure {
    /// The cluster has no endpoint (or the connection has no original destination, for an `ORIGINAL_DST` cluster).
    NoHealthyUpstream,
    /// The cluster has as many connections or requests as its limits allow.
    Overflow,
    /// Connecting to this endpoint failed.
    Endpoint(UpstreamHost, ConnectError),
}

impl From<ConnectFailure> for Outcome {
    fn from(failure: ConnectFailure) -> Self {
        match failure {
            ConnectFailure::NoHealthyUpstream => Self::NoHealthyUpstream,
            ConnectFailure::Overflow => Self::Overflow,
            ConnectFailure::Endpoint(_, error) => Self::ConnectFailed(error),
        }
    }
}

/// Connections with equal keys are interchangeable.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct PoolKey {
    cluster: u64,
    host: UpstreamHost,
    server_name: Option<Box<str>>,
    alpn: Vec<String>,
}

/// A race of connections to the addresses of one endpoint.
type Race<'a> = Pin<Box<dyn Future<Output = Result<(Upstream, UpstreamInfo), ConnectError>> + Send + 'a>>;

impl Cluster {
    /// Chooses an endpoint.
    ///
    /// # Errors
    /// [`ConnectFailure::NoHealthyUpstream`] if there is none.
    pub fn pick(&self, context: &ConnectContext<'_>) -> Result<Arc<Endpoint>, ConnectFailure> {
        self.take_back();
        let eligible = self.eligible.load();
        let chosen = match candidates(&self.config, context.original_dst.map(|dst| dst.0), &eligible.endpoints) {
            Candidates::None => None,
            Candidates::Original(address) => Some(Arc::new(Endpoint::bare(address, self.transports.unmatched()))),
            Candidates::OneOf(_) => self.choose(&eligible, context).cloned(),
        };
        chosen.ok_or_else(|| {
            self.stats.cx_none_healthy.inc();
            ConnectFailure::NoHealthyUpstream
        })
    }

    /// Whether there is room for another connection; counts it if there is none.
    pub fn has_room_for_connection(&self) -> bool {
        let has_room = self.resources.connections.has_room();
        if !has_room {
            self.stats.cx_overflow.inc();
        }
        has_room
    }

    /// Chooses again, as often as allowed, if the chosen endpoint was tried before
    /// (`ClusterManagerImpl::ClusterEntry::chooseHost`).
    fn choose<'a>(&self, eligible: &'a Eligible, context: &ConnectContext<'_>) -> Option<&'a Arc<Endpoint>> {
        let mut chosen = self.balancer.choose(eligible, context.hash, 0)?;
        for attempt in 1..context.choices {
            if !context.tried.iter().any(|tried| chosen.addresses().contains(&tried.0)) {
                break;
            }
            chosen = self.balancer.choose(eligible, context.hash, attempt)?;
        }
        Some(chosen)
    }

    /// The key that a pooled connection must have to be used for this context.
    pub fn pool_key(&self, endpoint: &Endpoint, context: &ConnectContext<'_>) -> PoolKey {
        let (server_name, alpn) = match endpoint.transport() {
            Transport::Plain => (None, Vec::new()),
            Transport::Tls(tls) => {
                let offer = self.offer(tls, context);
                (offer.server_name.map(Into::into), offer.alpn.protocols())
            }
        };
        PoolKey { cluster: self.id, host: endpoint.host, server_name, alpn }
    }

    /// Connects to an endpoint, including the handshake, within the cluster's connect timeout.
    ///
    /// # Errors
    /// [`ConnectFailure::Endpoint`] with the reason.
    pub async fn connect(
        &self,
        endpoint: &Arc<Endpoint>,
        context: &ConnectContext<'_>,
    ) -> Result<Connected, ConnectFailure> {
        self.stats.cx_total.inc();
        let guard = ConnectionGuard {
            _in_use: self.resources.connections.take_anyway(),
            _load: endpoint.load(),
            _active: self.stats.cx_active.hold(),
        };
        let attempt = self.race(endpoint, endpoint.addresses(), context);
        let result = timeout(self.connect_timeout, attempt).await.unwrap_or(Err(ConnectError::Timeout));
        match result {
            Ok((stream, info)) => Ok(Connected { stream, info, guard }),
            Err(error) => {
                self.stats.cx_connect_fail.inc();
                if error == ConnectError::Timeout {
                    self.stats.cx_connect_timeout.inc();
                }
                Err(ConnectFailure::Endpoint(endpoint.host, error))
            }
        }
    }

    /// Connects to the first of an endpoint's addresses that succeeds, including the handshake. The next is tried when one has failed,
    /// or in parallel after [`NEXT_ADDRESS`] (`source/common/network/happy_eyeballs_connection_impl.cc`).
    fn race<'a>(
        &'a self,
        endpoint: &'a Endpoint,
        addresses: &'a [SocketAddr],
        context: &'a ConnectContext<'_>,
    ) -> Race<'a> {
        Box::pin(async move {
            let (first, others) = match addresses {
                [] => return Err(ConnectError::Closed),
                [only] => return self.attempt(endpoint, *only, context).await,
                [first, others @ ..] => (*first, others),
            };
            let mut attempt = pin!(self.attempt(endpoint, first, context));
            match timeout(NEXT_ADDRESS, &mut attempt).await {
                Ok(Ok(connected)) => return Ok(connected),
                Ok(Err(_)) => return self.race(endpoint, others, context).await,
                Err(_) => {}
            }
            let mut rest = self.race(endpoint, others, context);
            tokio::select! {
                first = &mut attempt => match first {
                    Ok(connected) => Ok(connected),
                    Err(_) => rest.await,
                },
                others = &mut rest => match others {
                    Ok(connected) => Ok(connected),
                    Err(_) => attempt.await,
                },
            }
        })
    }

    async fn attempt(
        &self,
        endpoint: &Endpoint,
        address: SocketAddr,
        context: &ConnectContext<'_>,
    ) -> Result<(Upstream, UpstreamInfo), ConnectError> {
        let socket = self.source.socket(address)?.connect(address).await.map_err(|e| refused(&e, address))?;
        let mut info = UpstreamInfo { host: UpstreamHost(address), local: local(&socket), tls: None };
        let stream = match endpoint.transport() {
            Transport::Plain => Upstream::Plain(socket),
            Transport::Tls(tls) => {
                let handshake = tls.connect(socket, self.offer(tls, context)).await;
                if let Some(stats) = &self.stats.tls {
                    stats.count(handshake.as_ref().map(|(_, info)| info));
                }
                let (stream, facts) = handshake.map_err(|error| match tls::reason(&error) {
                    reason if reason.is_empty() => ConnectError::Closed,
                    reason => ConnectError::Tls(reason),
                })?;
                info.tls = Some(facts);
                Upstream::Tls(Box::new(stream))
            }
        };
        Ok((stream, info))
    }

    fn offer<'a>(&self, tls: &'a tls::ClientContext, context: &ConnectContext<'a>) -> Offer<'a> {
        let state = context.filter_state;
        let options = http_options(&self.config).and_then(|http| http.upstream_http_protocol_options.as_ref());
        let facts = HelloFacts {
            state_alpn: context.alpn.or_else(|| state.and_then(|state| state.application_protocols.as_deref())),
            state_server_name: state.and_then(|state| state.upstream_server_name.as_deref()),
            request: context.request,
        };
        let hello = Hello::new(tls.configured(), options, facts);
        // An IP address to verify takes the SNI's place in rustls, which does not send it.
        let address = hello.verify_host.filter(|host| host.parse::<IpAddr>().is_ok());
        let server_name = hello.server_name.or(address);
        Offer { server_name, alpn: hello.alpn, bytes_follow: context.bytes_follow }
    }
}

/// A failed `connect(2)` in Envoy's wording.
fn refused(error: &io::Error, remote: SocketAddr) -> ConnectError {
    let words = error.raw_os_error().map_or("unknown error", |errno| Errno::from_raw(errno).desc());
    let delayed = matches!(
        error.kind(),
        io::ErrorKind::ConnectionRefused | io::ErrorKind::ConnectionReset | io::ErrorKind::TimedOut
    );
    ConnectError::refused(words, !delayed, remote)
}

fn local(socket: &TcpStream) -> Option<UpstreamLocal> {
    socket.local_addr().ok().map(UpstreamLocal)
}
