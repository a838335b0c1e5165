//! The TCP proxy: relays between a downstream and an upstream connection.

use std::{borrow::Cow, sync::Arc, time::Duration};

use envoy_api::{Metadata, TcpHashPolicy};
use envoy_rules::{
    hash,
    outcome::{Outcome, UpstreamReset},
    outlier::Sign,
};
use rand::RngExt as _;
use tokio::net::TcpStream;

use crate::{
    access_log::AccessLogs,
    authorization::{self, Authorization, Denied},
    cluster::{Cluster, Clusters, ConnectContext, ConnectFailure, Connected, ConnectionGuard},
    config::{At as _, Builder, Invalid},
    drain::Drain,
    istio_metrics::Reporter,
    listener::TransportSocket,
    relay::{End, Ended, Relay, RelayStats},
    stats::{Counter, Scope},
    stream_info::{ConnectionInfo, StreamInfo, UpstreamInfo},
};

const DEFAULT_IDLE_TIMEOUT: Duration = Duration::from_secs(3600);

/// The terminal filter `envoy.filters.network.tcp_proxy`.
#[derive(Debug)]
pub struct TcpProxy {
    /// Each with its weight; one of them gets a connection.
    clusters: Vec<(Arc<str>, u32)>,
    idle_timeout: Option<Duration>,
    /// How long a session may last.
    longest: Option<Duration>,
    attempts: u32,
    /// What is hashed, where a cluster chooses by a hash.
    hash_policy: Vec<TcpHashPolicy>,
    /// Decide which connections are allowed, in this order.
    authorization: Vec<Authorization>,
    access_log: AccessLogs,
    stats: TcpStats,
    /// Counts Istio's metrics.
    reporter: Option<Reporter>,
}

#[derive(Debug)]
struct TcpStats {
    cx_total: Counter,
    cx_no_route: Counter,
    idle_timeout: Counter,
    too_long: Counter,
    relay: RelayStats,
}

/// Why a session could not be opened on both sides.
enum NotOpened {
    Handshake(Cow<'static, str>),
    NoCluster,
    Connect(ConnectFailure),
    Forced,
}

/// The clusters of a proxy, each with its weight.
fn weighted(config: &envoy_api::TcpProxy) -> Result<Vec<(Arc<str>, u32)>, Invalid> {
    let all: Vec<(Arc<str>, u32)> = config
        .clusters()
        .into_iter()
        .filter(|(_, weight)| *weight > 0)
        .map(|(name, weight)| (name.into(), weight))
        .collect();
    let total = all.iter().try_fold(0_u32, |sum, (_, weight)| sum.checked_add(*weight));
    match total {
        Some(total) if total > 0 => Ok(all),
        _ => Err("the weights add up to 0, or to more than there are numbers").at("weighted_clusters"),
    }
}

impl TcpProxy {
    pub(crate) fn new(
        config: &envoy_api::TcpProxy,
        authorization: Vec<Authorization>,
        builder: &Builder<'_>,
    ) -> Result<Self, Invalid> {
        let scope = builder.stats.scope(Scope::Tcp(config.stat_prefix.clone()));
        Ok(Self {
            clusters: weighted(config)?,
            idle_timeout: Some(config.idle_timeout.map_or(DEFAULT_IDLE_TIMEOUT, |t| t.0)).filter(|t| !t.is_zero()),
            longest: config.max_downstream_connection_duration.map(|longest| longest.0).filter(|t| !t.is_zero()),
            attempts: config.max_connect_attempts.unwrap_or(1).max(1),
            hash_policy: config.hash_policy.clone(),
            authorization,
            access_log: AccessLogs::new(&config.access_log, builder.log_files)?,
            reporter: builder.reporter(),
            stats: TcpStats {
                cx_total: scope.counter("downstream_cx_total"),
                cx_no_route: scope.counter("downstream_cx_no_route"),
                idle_timeout: scope.counter("idle_timeout"),
                too_long: scope.counter("max_downstream_connection_duration"),
                relay: RelayStats::new(
                    builder.stats,
                    scope.counter("downstream_cx_rx_bytes_total"),
                    scope.counter("downstream_cx_tx_bytes_total"),
                ),
            },
        })
    }

    /// Serves a connection of a chain until both sides have closed, and logs it. Returns what was logged.
    pub(crate) async fn serve(
        &self,
        socket: TcpStream,
        connection: Arc<ConnectionInfo>,
        transport_socket: &TransportSocket,
        drain: &Drain,
        clusters: &Clusters,
    ) -> Box<StreamInfo> {
        self.stats.cx_total.inc();
        let mut session = Box::new(StreamInfo::session(connection));
        // Boxed, since opening needs far more memory than the relay, which may run for hours.
        let opened = Box::pin(self.open(socket, &mut session, transport_socket, drain, clusters)).await;
        match opened {
            Ok((relay, guard)) => {
                let relay = relay.lasting(self.longest);
                self.report(&session, clusters, Reporter::opened);
                // Envoy decides at the first bytes from downstream, all else being known by then; until then it relays what the
                // upstream says.
                let denied = authorization::check(&self.authorization, &session.connection, None, None).err();
                let ended = match &denied {
                    None => relay.run(self.idle_timeout, drain).await,
                    Some(_) => relay.refusing().run(self.idle_timeout, drain).await,
                };
                drop(guard);
                self.record_end(&mut session, &ended);
                if let (Some(Denied { details }), End::Unwanted) = (denied, &ended.end) {
                    session.termination_details = Some(details.clone().into());
                    session.outcome = Outcome::Denied(details.into());
                }
            }
            Err(why) => self.record_failure(&mut session, why),
        }
        session.end();
        self.access_log.log_session(&session);
        if session.upstream.as_ref().is_some_and(|upstream| upstream.local.is_some()) {
            self.report(&session, clusters, Reporter::closed);
        }
        session
    }

    /// Counts a session, if Istio's metrics are counted.
    fn report(&self, session: &StreamInfo, clusters: &Clusters, count: fn(&Reporter, &StreamInfo, Option<&Metadata>)) {
        let Some(reporter) = &self.reporter else { return };
        let cluster = session.cluster.as_deref().and_then(|name| clusters.load().get(name).cloned());
        count(reporter, session, cluster.as_ref().and_then(|cluster| cluster.config().metadata.as_ref()));
    }

    /// The cluster of a connection: by chance, where there are several.
    fn choose(&self) -> Arc<str> {
        let total: u32 = self.clusters.iter().map(|(_, weight)| weight).sum();
        let mut left = rand::rng().random_range(0..total.max(1));
        for (name, weight) in &self.clusters {
            if left < *weight {
                return name.clone();
            }
            left -= weight;
        }
        // The weights add up to the total.
        self.clusters[0].0.clone()
    }

    /// Opens both sides. Like Envoy, connects upstream without waiting for the downstream handshake. That hides one latency
    /// behind the other, but an endpoint may see a connection that is closed again.
    async fn open(
        &self,
        socket: TcpStream,
        session: &mut StreamInfo,
        transport_socket: &TransportSocket,
        drain: &Drain,
        clusters: &Clusters,
    ) -> Result<(Box<Relay<'_>>, Box<ConnectionGuard>), NotOpened> {
        let connection = session.connection.clone();
        let name = self.choose();
        session.cluster = Some(name.clone());
        let upstream = &mut session.upstream;
        let handshake = async {
            transport_socket.handshake(socket, connection.offered_in_tls()).await.map_err(NotOpened::Handshake)
        };
        let connect = async {
            let cluster = clusters.load().get(&*name).cloned().ok_or(NotOpened::NoCluster)?;
            // The relay starts at once, unless the downstream handshake is still in progress.
            self.connect(&cluster, &connection, transport_socket.tls().is_none(), upstream)
                .await
                .map_err(NotOpened::Connect)
        };
        let forced = async {
            drain.forced().await;
            Err::<(), _>(NotOpened::Forced)
        };
        let both = async { tokio::try_join!(handshake, connect) };
        let ((downstream, tls), connected) = tokio::select! {
            both = both => both?,
            forced = forced => return forced.map(|()| unreachable!("always an error")),
        };
        drop(connection);
        Arc::make_mut(&mut session.connection).tls = tls;
        Ok((Relay::new(downstream, connected.stream, &self.stats.relay), Box::new(connected.guard)))
    }

    /// Connects to an endpoint of the cluster, with as many attempts as configured. Records the last one.
    async fn connect(
        &self,
        cluster: &Cluster,
        connection: &ConnectionInfo,
        bytes_follow: bool,
        upstream: &mut Option<UpstreamInfo>,
    ) -> Result<Connected, ConnectFailure> {
        let context = ConnectContext {
            original_dst: connection.original_dst,
            filter_state: Some(&connection.filter_state),
            bytes_follow,
            hash: hash::of_connection(&self.hash_policy, connection.remote.0.ip()),
            ..ConnectContext::default()
        };
        let mut attempt = 1;
        loop {
            if !cluster.has_room_for_connection() {
                return Err(ConnectFailure::Overflow);
            }
            let endpoint = cluster.pick(&context)?;
            *upstream = Some(UpstreamInfo { host: endpoint.host, local: None, tls: None });
            let connected = cluster.connect(&endpoint, &context).await;
            cluster.observe(endpoint.host, if connected.is_ok() { Sign::Connected } else { Sign::Failed });
            match connected {
                Ok(connected) => {
                    *upstream = Some(connected.info.clone());
                    return Ok(connected);
                }
                Err(failure) if attempt >= self.attempts => return Err(failure),
                Err(_) => attempt += 1,
            }
        }
    }

    fn record_failure(&self, session: &mut StreamInfo, why: NotOpened) {
        session.outcome = match why {
            NotOpened::Handshake(reason) => {
                Arc::make_mut(&mut session.connection).transport_failure = reason.clone();
                Outcome::DownstreamTlsFailed(reason)
            }
            NotOpened::NoCluster => {
                session.cluster = None; // an unknown cluster is not logged
                self.stats.cx_no_route.inc();
                Outcome::NoCluster
            }
            NotOpened::Connect(failure) => failure.into(),
            NotOpened::Forced => Outcome::Drained,
        };
        if let Outcome::ConnectFailed(error) = &session.outcome {
            session.upstream_transport_failure = Some(error.transport_failure());
        }
    }

    fn record_end(&self, session: &mut StreamInfo, ended: &Ended) {
        session.bytes_received = ended.received;
        session.bytes_sent = ended.sent;
        session.outcome = match &ended.end {
            // In TLS 1.3, an upstream's refusal of our certificate shows up here. Like Envoy, it is not an error of the session.
            End::Done | End::DownstreamReset | End::UpstreamTls(_) => Outcome::Done,
            End::UpstreamReset => Outcome::UpstreamReset(UpstreamReset::RemoteReset),
            End::DownstreamTls(reason) => {
                Arc::make_mut(&mut session.connection).transport_failure = reason.clone();
                Outcome::Done
            }
            End::Idle => {
                self.stats.idle_timeout.inc();
                Outcome::SessionIdle
            }
            End::TooLong => {
                self.stats.too_long.inc();
                Outcome::SessionTooLong
            }
            End::Forced | End::Unwanted => Outcome::Drained,
        };
    }
}
