//! Facts about connections and requests, for access logs, headers and statistics.

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
    workload::Workload,
};

/// Facts about a downstream connection after its handshake (successful or not). Shared by all its requests.
#[derive(Clone, Debug)]
pub struct ConnectionInfo {
    /// Unique in this process.
    pub id: u64,
    /// Time at which it was accepted.
    pub started: Instant,
    /// The same as wall-clock time.
    pub start_time: SystemTime,
    pub remote: DownstreamRemote,
    /// The address that the peer connected to, from its point of view.
    pub local: DownstreamLocal,
    /// The destination before a redirect, if any.
    pub original_dst: Option<OriginalDst>,
    /// The transport protocol that the TLS inspector detected; raw without an inspector.
    pub transport: Transport,
    /// SNI from the TLS inspector or the handshake, in lower case; empty if there is none.
    pub server_name: String,
    /// ALPN as offered to the TLS inspector, or the protocol that the HTTP inspector detected.
    pub application_protocols: Vec<String>,
    /// Name of the filter chain; empty if it has none.
    pub filter_chain: Arc<str>,
    /// Negotiated parameters, if this proxy terminates TLS.
    pub tls: Option<TlsInfo>,
    /// Why the downstream handshake failed, in BoringSSL's wording; empty if it did not.
    pub transport_failure: Cow<'static, str>,
    /// Values from `set_filter_state`.
    pub filter_state: FilterState,
}

impl ConnectionInfo {
    /// The ALPN protocols of the ClientHello, if the TLS inspector saw one.
    pub fn offered_in_tls(&self) -> Option<&[String]> {
        (self.transport == Transport::Tls).then_some(&self.application_protocols[..])
    }
}

/// Negotiated parameters of a TLS connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlsInfo {
    /// Version in Envoy's format: `TLSv1.2` or `TLSv1.3`.
    pub version: &'static str,
    /// OpenSSL's name of the cipher suite, as in Envoy.
    pub cipher: &'static str,
    /// Key exchange group, such as `X25519MLKEM768`.
    pub group: Option<&'static str>,
    /// Protocol selected by ALPN.
    pub alpn: Option<String>,
    /// The peer's certificate, if it sent one.
    pub peer: Option<Arc<PeerCertificate>>,
    /// URI SANs of the local certificate.
    pub local_uri_sans: Arc<[String]>,
    /// Whether an earlier session was resumed.
    pub resumed: bool,
}

/// Values that `envoy.filters.network.set_filter_state` sets for the upstream connection.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct FilterState {
    /// `envoy.network.application_protocols`: ALPN for the upstream handshake, instead of the context's.
    pub application_protocols: Option<Arc<[String]>>,
    /// `envoy.network.upstream_server_name`: SNI for the upstream handshake, instead of the context's.
    pub upstream_server_name: Option<Arc<str>>,
}

/// Facts about a TCP session or an HTTP request.
#[derive(Clone, Debug)]
pub struct StreamInfo {
    pub connection: Arc<ConnectionInfo>,
    /// Start time: of a TCP session when the connection was accepted, of a request when its headers arrived.
    pub started: Instant,
    /// The same as wall-clock time.
    pub start_time: SystemTime,
    /// Duration; set at the end.
    pub duration: Option<Duration>,
    /// Payload (of a request's body) from downstream, in bytes.
    pub bytes_received: u64,
    /// Payload (of a response's body) to downstream, in bytes.
    pub bytes_sent: u64,
    /// The upstream, or the last one that was tried.
    pub upstream: Option<UpstreamInfo>,
    /// The workload of the peer's sidecar, if it has said it: of the caller's on inbound listeners, else of the called.
    pub peer: Option<Arc<Workload>>,
    /// Name of the cluster, even if no upstream was reached.
    pub cluster: Option<Arc<str>>,
    /// Name of the route.
    pub route: Option<Arc<str>>,
    pub outcome: Outcome,
    /// Flags that were set before the outcome was known, such as `URX` before `UF`.
    pub more_flags: Flags,
    /// HTTP status; `None` for a TCP session or without a response (both are logged as 0).
    pub response_code: Option<u16>,
    /// Value of `CONNECTION_TERMINATION_DETAILS`.
    pub termination_details: Option<Cow<'static, str>>,
    /// Value of `UPSTREAM_TRANSPORT_FAILURE_REASON`.
    pub upstream_transport_failure: Option<Cow<'static, str>>,
}

/// Facts about the upstream side of a session or request.
#[derive(Clone, Debug)]
pub struct UpstreamInfo {
    /// Address of the endpoint.
    pub host: UpstreamHost,
    /// Source address; `None` before the connection was established.
    pub local: Option<UpstreamLocal>,
    /// Negotiated TLS parameters, if any.
    pub tls: Option<TlsInfo>,
}

impl StreamInfo {
    /// Starts a session or request now.
    pub fn begin(connection: Arc<ConnectionInfo>) -> Self {
        Self { started: Instant::now(), start_time: SystemTime::now(), ..Self::session(connection) }
    }

    /// A TCP session, which started when its connection was accepted.
    pub fn session(connection: Arc<ConnectionInfo>) -> Self {
        Self {
            started: connection.started,
            start_time: connection.start_time,
            connection,
            duration: None,
            bytes_received: 0,
            bytes_sent: 0,
            upstream: None,
            peer: None,
            cluster: None,
            route: None,
            outcome: Outcome::Done,
            more_flags: Flags::NONE,
            response_code: None,
            termination_details: None,
            upstream_transport_failure: None,
        }
    }

    /// Sets a flag in addition to the outcome's, which it precedes in logs.
    pub fn add_flag(&mut self, flag: Flag) {
        self.more_flags = self.more_flags.with(flag);
    }

    /// Sets the duration.
    pub fn end(&mut self) {
        self.duration = Some(self.started.elapsed());
    }
}
