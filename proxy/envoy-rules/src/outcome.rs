//! Outcomes of connections and requests.
//!
//! A proxy records an [`Outcome`], which determines the flags and details in its access log, and its local reply. Conversely,
//! [`Outcome::read`] interprets a log entry. Flags, details and statuses are Envoy's
//! (`source/common/stream_info/utility.h`, `envoy/stream_info/stream_info.h`, `source/common/router/router.cc`).

mod flags;
mod read;

pub use flags::{Flag, Flags};

use std::{borrow::Cow, net::SocketAddr};

use crate::rbac;

#[cfg(test)]
mod tests;

/// How a connection or request ended.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Outcome {
    /// A TCP session completed normally: both sides have closed.
    #[default]
    Done,
    /// The upstream's response was forwarded.
    Answered,
    /// The route has a direct response, or a redirect, which are one thing in logs.
    DirectResponse,
    /// The CORS filter answered a preflight.
    CorsPreflight,
    /// A fault that the route injects answered.
    FaultAbort,
    /// No filter chain of the listener matches.
    NoFilterChainMatch,
    /// No virtual host matches, or no route in it.
    NoRoute,
    /// The cluster of the route or TCP proxy does not exist.
    NoCluster,
    /// The cluster has no endpoint.
    NoHealthyUpstream,
    /// The cluster has as much as its limits allow.
    Overflow,
    /// No upstream connection could be established.
    ConnectFailed(ConnectError),
    /// The upstream connection or stream ended before the response started; a TCP session was reset.
    UpstreamReset(UpstreamReset),
    /// The upstream connection or stream ended during the response.
    ResponseBrokeOff(UpstreamReset),
    /// The response exceeded the route's timeout.
    ResponseTimeout,
    /// The last attempt exceeded the timeout that each has.
    PerTryTimeout,
    /// The downstream TLS handshake failed, with BoringSSL's error.
    DownstreamTlsFailed(Cow<'static, str>),
    /// The downstream violated the protocol, with the codec's details, such as `http1.codec_error`.
    DownstreamProtocolError(Cow<'static, str>),
    /// The downstream closed the connection before the response was complete.
    DownstreamClosed,
    /// The downstream reset its stream (HTTP/2).
    DownstreamReset,
    /// The request lacks something mandatory, or contains something forbidden, with the details.
    Rejected(Cow<'static, str>),
    /// The stream idle timeout expired.
    StreamIdle,
    /// The idle timeout of a TCP session expired.
    SessionIdle,
    /// A TCP session lasted as long as it may.
    SessionTooLong,
    /// Closed because the proxy or the listener is shutting down.
    Drained,
    /// An authorization policy denied it, with the details, which name the policy.
    Denied(Cow<'static, str>),
}

/// The reason why an upstream connection could not be established.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ConnectError {
    /// TCP failed, with Envoy's details, such as `delayed_connect_error: Connection refused`.
    Refused(Cow<'static, str>),
    /// The source address could not be bound, with Envoy's details.
    NotBound(Cow<'static, str>),
    /// Connection and handshake exceeded the connect timeout.
    Timeout,
    /// The TLS handshake failed, with BoringSSL's error, such as `TLS_error:|268435581:...:CERTIFICATE_VERIFY_FAILED`.
    Tls(Cow<'static, str>),
    /// The peer closed the connection during the handshake.
    Closed,
}

/// How an upstream ended a connection or stream early.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UpstreamReset {
    /// It closed or reset the connection.
    ConnectionTermination,
    /// It reset the stream (HTTP/2), or the connection of a TCP session.
    RemoteReset,
    /// It refused the stream (HTTP/2).
    RemoteRefused,
    /// It violated the protocol.
    ProtocolError,
}

/// The fields of a log entry that describe the outcome. `-` and the empty string both mean that there is no value.
#[derive(Clone, Copy, Debug, Default)]
pub struct Logged<'a> {
    /// `RESPONSE_FLAGS`, such as `UF,URX`.
    pub flags: &'a str,
    /// `RESPONSE_CODE_DETAILS`, such as `via_upstream`.
    pub details: &'a str,
    /// `UPSTREAM_TRANSPORT_FAILURE_REASON`.
    pub transport_failure: &'a str,
}

/// A local reply.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// HTTP status.
    pub status: u16,
    /// Body, in plain text.
    pub body: Cow<'static, str>,
}

impl Outcome {
    /// The response flags.
    pub fn flags(&self) -> Flags {
        use Flag as F;
        match self {
            Self::Done
            | Self::Answered
            | Self::DirectResponse
            | Self::CorsPreflight
            | Self::DownstreamTlsFailed(_)
            | Self::SessionIdle
            | Self::Drained
            | Self::Denied(_)
            | Self::Rejected(_) => Flags::NONE,
            Self::FaultAbort => F::FaultInjected.into(),
            Self::NoFilterChainMatch | Self::NoRoute => F::NoRouteFound.into(),
            Self::NoCluster => F::NoClusterFound.into(),
            Self::NoHealthyUpstream => F::NoHealthyUpstream.into(),
            Self::Overflow => F::UpstreamOverflow.into(),
            Self::ConnectFailed(_) => F::UpstreamConnectionFailure.into(),
            Self::UpstreamReset(reset) | Self::ResponseBrokeOff(reset) => reset.flag().into(),
            Self::ResponseTimeout | Self::PerTryTimeout => F::UpstreamRequestTimeout.into(),
            Self::DownstreamProtocolError(_) => F::DownstreamProtocolError.into(),
            Self::DownstreamClosed => F::DownstreamConnectionTermination.into(),
            Self::DownstreamReset => F::DownstreamRemoteReset.into(),
            Self::StreamIdle => F::StreamIdleTimeout.into(),
            Self::SessionTooLong => F::DurationTimeout.into(),
        }
    }

    /// The flags of a TCP session with this outcome. If connecting failed, all attempts have been used up, even if only one is
    /// configured (`source/common/tcp_proxy/tcp_proxy.cc`).
    pub fn session_flags(&self) -> Flags {
        match self {
            Self::ConnectFailed(ConnectError::NotBound(_)) => Flag::UpstreamRetryLimitExceeded.into(),
            Self::ConnectFailed(_) => self.flags().with(Flag::UpstreamRetryLimitExceeded),
            _ => self.flags(),
        }
    }

    /// `RESPONSE_CODE_DETAILS` of a request, or of a connection without a filter chain (`envoy/stream_info/stream_info.h`,
    /// `ResponseCodeDetailValues`). Other TCP sessions have none.
    pub fn details(&self) -> Cow<'static, str> {
        match self {
            Self::Done | Self::DownstreamTlsFailed(_) | Self::SessionIdle | Self::SessionTooLong | Self::Drained => {
                "".into()
            }
            Self::Answered => "via_upstream".into(),
            Self::DirectResponse => "direct_response".into(),
            Self::CorsPreflight => "cors_response".into(),
            Self::FaultAbort => "fault_filter_abort".into(),
            Self::NoFilterChainMatch => "filter_chain_not_found".into(),
            Self::NoRoute => "route_not_found".into(),
            Self::NoCluster => "cluster_not_found".into(),
            Self::NoHealthyUpstream => "no_healthy_upstream".into(),
            Self::Overflow => "upstream_reset_before_response_started{overflow}".into(),
            Self::ConnectFailed(error) => {
                let transport = error.transport_failure();
                let separator = if transport.is_empty() { "" } else { "|" };
                format!("upstream_reset_before_response_started{{{}{separator}{transport}}}", error.reason()).into()
            }
            Self::UpstreamReset(reset) => {
                format!("upstream_reset_before_response_started{{{}}}", reset.reason()).into()
            }
            Self::ResponseBrokeOff(reset) => {
                format!("upstream_reset_after_response_started{{{}}}", reset.reason()).into()
            }
            Self::ResponseTimeout => "response_timeout".into(),
            Self::PerTryTimeout => "upstream_per_try_timeout".into(),
            Self::DownstreamClosed => "downstream_remote_disconnect".into(),
            Self::DownstreamReset => "http2.remote_reset".into(),
            Self::StreamIdle => "stream_idle_timeout".into(),
            Self::DownstreamProtocolError(details) | Self::Rejected(details) | Self::Denied(details) => details.clone(),
        }
    }

    /// The local reply to a request with this outcome, before a response has started. `retried` says whether it was tried more
    /// than once, `whole` whether the whole request was received. `None` if there is no reply, or it does not follow from the
    /// outcome.
    pub fn answer(&self, retried: bool, whole: bool) -> Option<Answer> {
        let answer = |status, body: &'static str| Some(Answer { status, body: body.into() });
        let reset = |status, reason: &str| {
            let words = if retried { "retried and the latest reset reason" } else { "reset reason" };
            let body = format!("upstream connect error or disconnect/reset before headers. {words}: {reason}");
            Some(Answer { status, body: body.into() })
        };
        match self {
            Self::NoRoute => answer(404, ""),
            Self::Denied(_) => answer(403, rbac::BODY),
            Self::NoCluster => answer(503, ""),
            Self::NoHealthyUpstream => answer(503, "no healthy upstream"),
            Self::ResponseTimeout | Self::PerTryTimeout => answer(504, "upstream request timeout"),
            Self::StreamIdle => answer(if whole { 504 } else { 408 }, "stream timeout"),
            Self::Overflow => reset(503, "overflow"),
            Self::ConnectFailed(error) => reset(503, error.reason()),
            Self::UpstreamReset(UpstreamReset::ProtocolError) => reset(502, UpstreamReset::ProtocolError.reason()),
            Self::UpstreamReset(how) => reset(503, how.reason()),
            _ => None,
        }
    }
}

impl ConnectError {
    /// A failed `connect(2)`, with its error message. `at_once` says whether the kernel failed it without contacting the peer
    /// (`source/common/network/connection_impl.cc`).
    pub fn refused(words: &str, at_once: bool, remote: SocketAddr) -> Self {
        Self::Refused(match at_once {
            true => format!("immediate_connect_error: {words}|remote address:{remote}").into(),
            false => format!("delayed_connect_error: {words}").into(),
        })
    }

    /// `UPSTREAM_TRANSPORT_FAILURE_REASON` in access logs; empty if Envoy has none.
    pub fn transport_failure(&self) -> Cow<'static, str> {
        match self {
            Self::Refused(reason) | Self::NotBound(reason) | Self::Tls(reason) => reason.clone(),
            Self::Timeout | Self::Closed => "".into(),
        }
    }

    /// Envoy's description (`Utility::resetReasonToString`, `source/common/http/utility.cc`).
    pub fn reason(&self) -> &'static str {
        match self {
            Self::Timeout => "connection timeout",
            Self::NotBound(_) => "local connection failure",
            Self::Refused(_) | Self::Tls(_) | Self::Closed => "remote connection failure",
        }
    }
}

impl UpstreamReset {
    const ALL: [Self; 4] = [Self::ConnectionTermination, Self::RemoteReset, Self::RemoteRefused, Self::ProtocolError];

    /// Envoy's description.
    pub fn reason(self) -> &'static str {
        match self {
            Self::ConnectionTermination => "connection termination",
            Self::RemoteReset => "remote reset",
            Self::RemoteRefused => "remote refused stream reset",
            Self::ProtocolError => "protocol error",
        }
    }

    fn flag(self) -> Flag {
        match self {
            Self::ConnectionTermination => Flag::UpstreamConnectionTermination,
            Self::RemoteReset | Self::RemoteRefused => Flag::UpstreamRemoteReset,
            Self::ProtocolError => Flag::UpstreamProtocolError,
        }
    }
}
