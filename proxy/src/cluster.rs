//! Clusters: finding an endpoint and connecting to it.

use std::sync::Arc;

use crate::{
    address::{OriginalDst, UpstreamHost},
    outcome::{ConnectError, Outcome},
    stream::Upstream,
    stream_info::{FilterState, UpstreamInfo},
};

/// What a connection upstream depends on beside the cluster.
#[derive(Clone, Copy, Debug, Default)]
pub struct ConnectContext<'a> {
    /// Where the downstream connection was going, for `ORIGINAL_DST` clusters.
    pub original_dst: Option<OriginalDst>,
    /// What the filter state overrides.
    pub filter_state: Option<&'a FilterState>,
    /// The request's host, for clusters with `auto_sni` and `auto_san_validation`; without a port.
    pub http_host: Option<&'a str>,
    /// The ALPN to offer where neither filter state nor context names any (the HTTP pool's own protocol).
    pub default_alpn: &'a [&'a str],
}

/// A cluster, as built from its configuration.
#[derive(Debug)]
pub struct Cluster {
    /// Unique among all clusters that this process ever built: a replaced cluster has another.
    pub id: u64,
    /// Its name.
    pub name: Arc<str>,
}

/// One endpoint of a cluster.
#[derive(Debug)]
pub struct Endpoint {
    /// Where it is.
    pub host: UpstreamHost,
}

/// A connection upstream.
#[derive(Debug)]
pub struct Connected {
    /// The bytes.
    pub stream: Upstream,
    /// The facts.
    pub info: UpstreamInfo,
}

/// Why there is no connection upstream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ConnectFailure {
    /// The cluster has no endpoint (or, of an `ORIGINAL_DST` cluster, the connection no original destination).
    NoHealthyUpstream,
    /// This endpoint could not be reached.
    Endpoint(UpstreamHost, ConnectError),
}

impl From<ConnectFailure> for Outcome {
    fn from(failure: ConnectFailure) -> Self {
        match failure {
            ConnectFailure::NoHealthyUpstream => Self::NoHealthyUpstream,
            ConnectFailure::Endpoint(_, error) => Self::ConnectFailed(error),
        }
    }
}

/// What two connections must agree on for the later to be replaced by the earlier.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct PoolKey {
    cluster: u64,
    host: UpstreamHost,
    filter_state: FilterState,
    http_host: Option<Box<str>>,
    default_alpn: Vec<String>,
}

impl Cluster {
    /// Chooses an endpoint.
    ///
    /// # Errors
    /// [`ConnectFailure::NoHealthyUpstream`].
    pub fn pick(&self, _context: &ConnectContext<'_>) -> Result<Arc<Endpoint>, ConnectFailure> {
        Err(ConnectFailure::NoHealthyUpstream)
    }

    /// What a pooled connection to that endpoint has to agree on with a new one.
    pub fn pool_key(&self, endpoint: &Endpoint, context: &ConnectContext<'_>) -> PoolKey {
        PoolKey {
            cluster: self.id,
            host: endpoint.host,
            filter_state: context.filter_state.cloned().unwrap_or_default(),
            http_host: None,
            default_alpn: context.default_alpn.iter().map(ToString::to_string).collect(),
        }
    }

    /// Connects to an endpoint, handshake included, within the cluster's connect timeout.
    ///
    /// # Errors
    /// [`ConnectFailure::Endpoint`].
    #[allow(clippy::unused_async)]
    pub async fn connect(
        &self,
        endpoint: &Arc<Endpoint>,
        _context: &ConnectContext<'_>,
    ) -> Result<Connected, ConnectFailure> {
        Err(ConnectFailure::Endpoint(endpoint.host, ConnectError::Unresolved))
    }
}
