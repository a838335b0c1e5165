//! The facts of one connection and of one request on it: what access logs, headers and metrics are made from.

use std::{
    borrow::Cow,
    sync::Arc,
    time::{Duration, Instant, SystemTime},
};

pub use envoy_rules::Transport;
use envoy_rules::outcome::{Flag, Flags, Outcome};

use crate::{
    address::{DownstreamLocal, DownstreamRemote, OriginalDst, UpstreamHost, UpstreamLocal},
    tls::PeerCertificate,
};

/// What is known of a downstream connection once its handshake is done (or failed). Shared by all its requests.
#[derive(Clone, Debug)]
pub struct ConnectionInfo {
    /// Unique in this process.
    pub id: u64,
    /// When it was accepted.
    pub started: Instant,
    /// The same by the wall clock.
    pub start_time: SystemTime,
    /// The peer.
    pub remote: DownstreamRemote,
    /// The address that the peer believes to talk to.
    pub local: DownstreamLocal,
    /// Where it was going, if it was redirected here.
    pub original_dst: Option<OriginalDst>,
    /// What the TLS inspector saw; raw where none looked.
    pub transport: Transport,
    /// The SNI that the TLS inspector or the handshake saw, in lower case; empty when there was none.
    pub server_name: String,
    /// ALPN as the TLS inspector saw it offered, or what the HTTP inspector saw.
    pub application_protocols: Vec<String>,
    /// The name of the filter chain; empty when it has none.
    pub filter_chain: Arc<str>,
    /// What the handshake agreed on, where this proxy terminates TLS.
    pub tls: Option<TlsInfo>,
    /// Why the downstream handshake failed, in BoringSSL's words; empty when it did not.
    pub transport_failure: Cow<'static, str>,
    /// What `set_filter_state` set.
    pub filter_state: FilterState,
}

impl ConnectionInfo {
    /// The protocols that the ClientHello offers, if the TLS inspector saw one.
    pub fn offered_in_tls(&self) -> Option<&[String]> {
        (self.transport == Transport::Tls).then_some(&self.application_protocols[..])
    }
}

/// What a TLS handshake agreed on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlsInfo {
    /// As Envoy prints it: `TLSv1.2` or `TLSv1.3`.
    pub version: &'static str,
    /// OpenSSL's name of the suite, as Envoy prints it.
    pub cipher: &'static str,
    /// The group of the key exchange, such as `X25519MLKEM768`.
    pub group: Option<&'static str>,
    /// The protocol that was chosen by ALPN.
    pub alpn: Option<String>,
    /// The peer's certificate, if it sent one.
    pub peer: Option<Arc<PeerCertificate>>,
    /// The URI SANs of the own certificate.
    pub local_uri_sans: Arc<[String]>,
    /// Whether an earlier session was resumed.
    pub resumed: bool,
}

/// Objects that `envoy.filters.network.set_filter_state` sets for the upstream connection.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct FilterState {
    /// `envoy.network.application_protocols`: the ALPN that the upstream handshake offers in place of the context's.
    pub application_protocols: Option<Arc<[String]>>,
    /// `envoy.network.upstream_server_name`: the SNI that it sends in place of the context's.
    pub upstream_server_name: Option<Arc<str>>,
}

/// One TCP session or one HTTP request, from its begin to its end.
#[derive(Clone, Debug)]
pub struct StreamInfo {
    /// The connection that it came on.
    pub connection: Arc<ConnectionInfo>,
    /// When it began: for a TCP session when the connection was accepted, for a request when its headers came.
    pub started: Instant,
    /// The same by the wall clock.
    pub start_time: SystemTime,
    /// How long it took; set when it ended.
    pub duration: Option<Duration>,
    /// Bytes of payload (of a request's body) from downstream.
    pub bytes_received: u64,
    /// Bytes of payload (of a response's body) to downstream.
    pub bytes_sent: u64,
    /// The upstream that served it, or the last that was tried.
    pub upstream: Option<UpstreamInfo>,
    /// The cluster's name, known even where no upstream was.
    pub cluster: Option<Arc<str>>,
    /// The route's name.
    pub route: Option<Arc<str>>,
    /// Why it ended.
    pub outcome: Outcome,
    /// Flags that were set before the outcome was known, such as `URX` before `UF`.
    pub more_flags: Flags,
    /// The HTTP status; `None` for a TCP session and where nothing was answered (both are logged as 0).
    pub response_code: Option<u16>,
    /// `CONNECTION_TERMINATION_DETAILS`.
    pub termination_details: Option<Cow<'static, str>>,
    /// `UPSTREAM_TRANSPORT_FAILURE_REASON`.
    pub upstream_transport_failure: Option<Cow<'static, str>>,
}

/// The upstream side of a session or request.
#[derive(Clone, Debug)]
pub struct UpstreamInfo {
    /// The endpoint.
    pub host: UpstreamHost,
    /// The source address; `None` until the connection was made.
    pub local: Option<UpstreamLocal>,
    /// What the TLS handshake agreed on.
    pub tls: Option<TlsInfo>,
}

impl StreamInfo {
    /// A session or request that begins now.
    pub fn begin(connection: Arc<ConnectionInfo>) -> Self {
        Self { started: Instant::now(), start_time: SystemTime::now(), ..Self::session(connection) }
    }

    /// A TCP session, which began when its connection was accepted.
    pub fn session(connection: Arc<ConnectionInfo>) -> Self {
        Self {
            started: connection.started,
            start_time: connection.start_time,
            connection,
            duration: None,
            bytes_received: 0,
            bytes_sent: 0,
            upstream: None,
            cluster: None,
            route: None,
            outcome: Outcome::Done,
            more_flags: Flags::NONE,
            response_code: None,
            termination_details: None,
            upstream_transport_failure: None,
        }
    }

    /// Sets a flag beside the outcome's; it is printed before it.
    pub fn add_flag(&mut self, flag: Flag) {
        self.more_flags = self.more_flags.with(flag);
    }

    /// Marks it as ended now.
    pub fn end(&mut self) {
        self.duration = Some(self.started.elapsed());
    }
}
