//! Why a connection or request ended, as one type.
//!
//! A proxy notes an [`Outcome`]; its access log's flags and details, and what it answers in place of an upstream, follow from
//! it. [`Outcome::read`] is the way back, from a line of the log. Flags, details and statuses are Envoy's
//! (`source/common/stream_info/utility.h`, `envoy/stream_info/stream_info.h`, `source/common/router/router.cc`).

mod flags;
mod read;

pub use flags::{Flag, Flags};
pub use read::Logged;

use std::{borrow::Cow, net::SocketAddr};

#[cfg(test)]
mod tests;

/// Why a connection or request ended.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Outcome {
    /// A TCP session ran its course: bytes went through until both sides were done.
    #[default]
    Done,
    /// The response of the upstream was passed on.
    Answered,
    /// The proxy answered the request itself, as its route says.
    DirectResponse,
    /// No filter chain of the listener matches.
    NoFilterChainMatch,
    /// No virtual host, or no route in it, matches.
    NoRoute,
    /// The route or the TCP proxy names a cluster that is not there.
    NoCluster,
    /// The cluster has no endpoint.
    NoHealthyUpstream,
    /// No connection upstream could be made.
    ConnectFailed(ConnectError),
    /// The upstream connection or stream ended before a response began; a TCP session's was reset.
    UpstreamReset(UpstreamReset),
    /// The upstream connection or stream ended in the middle of a response.
    ResponseBrokeOff(UpstreamReset),
    /// The response did not come in the time that the route gives it.
    ResponseTimeout,
    /// The downstream's handshake failed; BoringSSL's reason.
    DownstreamTlsFailed(Cow<'static, str>),
    /// The downstream did not speak the protocol; the codec's details, such as `http1.codec_error`.
    DownstreamProtocolError(Cow<'static, str>),
    /// The downstream went away before it was answered.
    DownstreamClosed,
    /// The downstream reset its stream (HTTP/2).
    DownstreamReset,
    /// The request lacks what every request must have, or asks for what it can't have; the details.
    Rejected(Cow<'static, str>),
    /// Nothing moved on a request's stream for as long as the stream idle timeout.
    StreamIdle,
    /// Nothing moved on a TCP session for as long as the idle timeout.
    SessionIdle,
    /// The proxy closed it because it, or the listener, is going away.
    Drained,
    /// An authorization policy refused it; the details, which name the policy.
    Denied(Cow<'static, str>),
}

/// At which point connecting upstream failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ConnectError {
    /// There is no TCP connection; Envoy's words, such as `delayed_connect_error: Connection refused`.
    Refused(Cow<'static, str>),
    /// The source address can't be bound; Envoy's words.
    NotBound(Cow<'static, str>),
    /// Neither connection nor handshake was there in time.
    Timeout,
    /// The TLS handshake failed; BoringSSL's reason, such as `TLS_error:|268435581:...:CERTIFICATE_VERIFY_FAILED`.
    Tls(Cow<'static, str>),
    /// The peer closed the connection during the handshake.
    Closed,
}

/// How an upstream ended what had begun.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UpstreamReset {
    /// The connection was closed or reset.
    ConnectionTermination,
    /// The peer reset the stream (HTTP/2), or the connection of a TCP session.
    RemoteReset,
    /// The peer refused the stream (HTTP/2).
    RemoteRefused,
    /// The peer did not speak the protocol.
    ProtocolError,
}

/// What a proxy answers in place of an upstream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// The HTTP status.
    pub status: u16,
    /// The body, in plain text.
    pub body: Cow<'static, str>,
}

impl Outcome {
    /// Its response flags.
    pub fn flags(&self) -> Flags {
        use Flag as F;
        match self {
            Self::Done
            | Self::Answered
            | Self::DirectResponse
            | Self::DownstreamTlsFailed(_)
            | Self::SessionIdle
            | Self::Drained
            | Self::Denied(_)
            | Self::Rejected(_) => Flags::NONE,
            Self::NoFilterChainMatch | Self::NoRoute => F::NoRouteFound.into(),
            Self::NoCluster => F::NoClusterFound.into(),
            Self::NoHealthyUpstream => F::NoHealthyUpstream.into(),
            Self::ConnectFailed(_) => F::UpstreamConnectionFailure.into(),
            Self::UpstreamReset(reset) | Self::ResponseBrokeOff(reset) => reset.flag().into(),
            Self::ResponseTimeout => F::UpstreamRequestTimeout.into(),
            Self::DownstreamProtocolError(_) => F::DownstreamProtocolError.into(),
            Self::DownstreamClosed => F::DownstreamConnectionTermination.into(),
            Self::DownstreamReset => F::DownstreamRemoteReset.into(),
            Self::StreamIdle => F::StreamIdleTimeout.into(),
        }
    }

    /// The flags of a TCP session that ended so: where none of its attempts to connect succeeded it has used them all up, even
    /// if one is all there are (`source/common/tcp_proxy/tcp_proxy.cc`).
    pub fn session_flags(&self) -> Flags {
        match self {
            Self::ConnectFailed(ConnectError::NotBound(_)) => Flag::UpstreamRetryLimitExceeded.into(),
            Self::ConnectFailed(_) => self.flags().with(Flag::UpstreamRetryLimitExceeded),
            _ => self.flags(),
        }
    }

    /// `RESPONSE_CODE_DETAILS` of a request, or of a connection without a filter chain (`envoy/stream_info/stream_info.h`,
    /// `ResponseCodeDetailValues`). Other TCP sessions have none, whatever their outcome.
    pub fn details(&self) -> Cow<'static, str> {
        match self {
            Self::Done | Self::DownstreamTlsFailed(_) | Self::SessionIdle | Self::Drained => "".into(),
            Self::Answered => "via_upstream".into(),
            Self::DirectResponse => "direct_response".into(),
            Self::NoFilterChainMatch => "filter_chain_not_found".into(),
            Self::NoRoute => "route_not_found".into(),
            Self::NoCluster => "cluster_not_found".into(),
            Self::NoHealthyUpstream => "no_healthy_upstream".into(),
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
            Self::DownstreamClosed => "downstream_remote_disconnect".into(),
            Self::DownstreamReset => "http2.remote_reset".into(),
            Self::StreamIdle => "stream_idle_timeout".into(),
            Self::DownstreamProtocolError(details) | Self::Rejected(details) | Self::Denied(details) => details.clone(),
        }
    }

    /// What a request is answered with that ended so before a response began. `retried`: whether it was tried more than once;
    /// `whole`: whether all of the request was there. `None` where there is no one to answer, or what is answered does not
    /// follow from the outcome.
    pub fn answer(&self, retried: bool, whole: bool) -> Option<Answer> {
        let answer = |status, body: &'static str| Some(Answer { status, body: body.into() });
        let reset = |status, reason: &str| {
            let words = if retried { "retried and the latest reset reason" } else { "reset reason" };
            let body = format!("upstream connect error or disconnect/reset before headers. {words}: {reason}");
            Some(Answer { status, body: body.into() })
        };
        match self {
            Self::NoRoute => answer(404, ""),
            Self::NoCluster => answer(503, ""),
            Self::NoHealthyUpstream => answer(503, "no healthy upstream"),
            Self::ResponseTimeout => answer(504, "upstream request timeout"),
            Self::StreamIdle => answer(if whole { 504 } else { 408 }, "stream timeout"),
            Self::ConnectFailed(error) => reset(503, error.reason()),
            Self::UpstreamReset(UpstreamReset::ProtocolError) => reset(502, UpstreamReset::ProtocolError.reason()),
            Self::UpstreamReset(how) => reset(503, how.reason()),
            _ => None,
        }
    }
}

impl ConnectError {
    /// A failed `connect(2)`, with the text of its error. `at_once`: whether the kernel failed it without asking the peer
    /// (`source/common/network/connection_impl.cc`).
    pub fn refused(words: &str, at_once: bool, remote: SocketAddr) -> Self {
        Self::Refused(match at_once {
            true => format!("immediate_connect_error: {words}|remote address:{remote}").into(),
            false => format!("delayed_connect_error: {words}").into(),
        })
    }

    /// What the access log shows as `UPSTREAM_TRANSPORT_FAILURE_REASON`; empty where Envoy has none.
    pub fn transport_failure(&self) -> Cow<'static, str> {
        match self {
            Self::Refused(reason) | Self::NotBound(reason) | Self::Tls(reason) => reason.clone(),
            Self::Timeout | Self::Closed => "".into(),
        }
    }

    /// Envoy's words for it (`Utility::resetReasonToString`, `source/common/http/utility.cc`).
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

    /// Envoy's words for it.
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
