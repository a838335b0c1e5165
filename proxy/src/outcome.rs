//! Why a connection or request ended, as one type.
//!
//! Access log, metrics, and the verdicts of those who run the proxy all derive from [`Outcome`]. Flags, details and
//! statuses are Envoy's (`source/common/stream_info/utility.h`, `envoy/stream_info/stream_info.h`).

use std::{borrow::Cow, fmt};

#[cfg(test)]
mod tests;

/// Why a connection or request ended.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Outcome {
    /// It ran its course: bytes went through until both sides were done, or a response came from upstream.
    #[default]
    Done,
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
    /// The upstream connection ended before its response was whole.
    UpstreamReset(UpstreamReset),
    /// The response did not come in the time that the route gives it.
    UpstreamTimeout,
    /// The downstream's handshake failed; BoringSSL's reason.
    DownstreamTlsFailed(Cow<'static, str>),
    /// The downstream did not speak the protocol; the codec's details, such as `http1.codec_error`.
    DownstreamProtocolError(Cow<'static, str>),
    /// The downstream went away before it was answered.
    DownstreamClosed,
    /// The downstream took back the request (HTTP/2).
    DownstreamReset,
    /// The request lacks what every request must have, or asks for what is not given; the details.
    Rejected(Cow<'static, str>),
    /// Nothing moved on a request's stream for as long as the stream idle timeout.
    IdleTimeout,
    /// Nothing moved on a TCP session for as long as the idle timeout.
    SessionIdle,
    /// The proxy closed it because it, or the listener, is going away.
    Drained,
    /// Policy refused it; the details that name the policy.
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
    /// The peer closed or reset the connection during the handshake.
    Closed,
    /// A name did not resolve.
    Unresolved,
}

/// How an upstream ended what had begun.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UpstreamReset {
    /// The connection was closed or reset.
    ConnectionTermination,
    /// The peer reset the stream (HTTP/2).
    RemoteReset,
    /// The peer refused the stream (HTTP/2).
    RemoteRefused,
    /// The peer did not speak the protocol.
    ProtocolError,
}

impl Outcome {
    /// Its response flags.
    pub fn flags(&self) -> Flags {
        use Flag as F;
        match self {
            Self::Done
            | Self::DirectResponse
            | Self::DownstreamTlsFailed(_)
            | Self::SessionIdle
            | Self::Drained
            | Self::Denied(_)
            | Self::Rejected(_)
            | Self::ConnectFailed(ConnectError::NotBound(_)) => Flags::NONE,
            Self::NoFilterChainMatch | Self::NoRoute => F::NoRouteFound.into(),
            Self::NoCluster => F::NoClusterFound.into(),
            Self::NoHealthyUpstream => F::NoHealthyUpstream.into(),
            Self::ConnectFailed(_) => F::UpstreamConnectionFailure.into(),
            Self::UpstreamReset(UpstreamReset::ConnectionTermination) => F::UpstreamConnectionTermination.into(),
            Self::UpstreamReset(UpstreamReset::RemoteReset | UpstreamReset::RemoteRefused) => {
                F::UpstreamRemoteReset.into()
            }
            Self::UpstreamReset(UpstreamReset::ProtocolError) => F::UpstreamProtocolError.into(),
            Self::UpstreamTimeout => F::UpstreamRequestTimeout.into(),
            Self::DownstreamProtocolError(_) => F::DownstreamProtocolError.into(),
            Self::DownstreamClosed => F::DownstreamConnectionTermination.into(),
            Self::DownstreamReset => F::DownstreamRemoteReset.into(),
            Self::IdleTimeout => F::StreamIdleTimeout.into(),
        }
    }

    /// A name for it that does not change: the metric label and the `reason` in reports.
    pub fn label(&self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::DirectResponse => "direct_response",
            Self::NoFilterChainMatch => "no_filter_chain_match",
            Self::NoRoute => "no_route",
            Self::NoCluster => "no_cluster",
            Self::NoHealthyUpstream => "no_healthy_upstream",
            Self::ConnectFailed(ConnectError::Refused(_)) => "upstream_connect_failed",
            Self::ConnectFailed(ConnectError::NotBound(_)) => "upstream_source_not_bound",
            Self::ConnectFailed(ConnectError::Timeout) => "upstream_connect_timeout",
            Self::ConnectFailed(ConnectError::Tls(_)) => "upstream_tls_failed",
            Self::ConnectFailed(ConnectError::Closed) => "upstream_closed_in_handshake",
            Self::ConnectFailed(ConnectError::Unresolved) => "upstream_name_unresolved",
            Self::UpstreamReset(UpstreamReset::ConnectionTermination) => "upstream_connection_termination",
            Self::UpstreamReset(UpstreamReset::RemoteReset) => "upstream_reset",
            Self::UpstreamReset(UpstreamReset::RemoteRefused) => "upstream_refused_stream",
            Self::UpstreamReset(UpstreamReset::ProtocolError) => "upstream_protocol_error",
            Self::UpstreamTimeout => "upstream_timeout",
            Self::DownstreamTlsFailed(_) => "tls_handshake_failed",
            Self::DownstreamProtocolError(_) => "downstream_protocol_error",
            Self::DownstreamClosed => "downstream_closed",
            Self::DownstreamReset => "downstream_reset",
            Self::Rejected(_) => "rejected",
            Self::IdleTimeout => "stream_idle_timeout",
            Self::SessionIdle => "idle_timeout",
            Self::Drained => "drained",
            Self::Denied(_) => "denied",
        }
    }
}

impl ConnectError {
    /// What the access log shows as `UPSTREAM_TRANSPORT_FAILURE_REASON`; empty where Envoy has none.
    pub fn transport_failure(&self) -> Cow<'static, str> {
        match self {
            Self::Refused(reason) | Self::NotBound(reason) | Self::Tls(reason) => reason.clone(),
            Self::Timeout | Self::Closed | Self::Unresolved => "".into(),
        }
    }
}

/// Declares the flags, each with its short name.
macro_rules! flags {
    ($($(#[$doc:meta])* $name:ident = $short:literal,)+) => {
        /// One of Envoy's response flags.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum Flag { $($(#[$doc])* $name,)+ }

        impl Flag {
            const ALL: &[Self] = &[$(Self::$name),+];

            /// The short name, as access logs print it.
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$name => $short,)+ }
            }
        }
    };
}

flags! {
    /// No endpoint of the cluster is healthy, or it has none.
    NoHealthyUpstream = "UH",
    /// The response took longer than the route allows.
    UpstreamRequestTimeout = "UT",
    /// The proxy reset the stream.
    LocalReset = "LR",
    /// The upstream reset the stream.
    UpstreamRemoteReset = "UR",
    /// Connecting upstream failed.
    UpstreamConnectionFailure = "UF",
    /// The upstream closed the connection.
    UpstreamConnectionTermination = "UC",
    /// The cluster has as much to do as it may.
    UpstreamOverflow = "UO",
    /// No route, or no filter chain.
    NoRouteFound = "NR",
    /// The downstream closed the connection.
    DownstreamConnectionTermination = "DC",
    /// The request was tried as often as it may be.
    UpstreamRetryLimitExceeded = "URX",
    /// Nothing moved for as long as the idle timeout.
    StreamIdleTimeout = "SI",
    /// The downstream did not speak the protocol.
    DownstreamProtocolError = "DPE",
    /// The connection or stream was as long as it may be.
    DurationTimeout = "DT",
    /// The upstream did not speak the protocol.
    UpstreamProtocolError = "UPE",
    /// The cluster is not there.
    NoClusterFound = "NC",
    /// The downstream reset the stream.
    DownstreamRemoteReset = "DR",
}

impl Flag {
    /// The flag of that short name, if it is one that this proxy sets.
    pub fn parse(short: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|flag| flag.as_str() == short)
    }
}

/// Response flags, each once, in the order that they were set in. Prints as access logs have it: short names with commas
/// between, or `-`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Flags([Option<Flag>; 4]);

impl Flags {
    /// No flag.
    pub const NONE: Self = Self([None; 4]);

    /// These and one more. More than four never come together; a fifth would be left out.
    #[must_use]
    pub fn with(mut self, flag: Flag) -> Self {
        if !self.contains(flag)
            && let Some(free) = self.0.iter_mut().find(|slot| slot.is_none())
        {
            *free = Some(flag);
        }
        self
    }

    /// These, and then those of the other that are not among them.
    #[must_use]
    pub fn union(self, other: Self) -> Self {
        other.0.into_iter().flatten().fold(self, Self::with)
    }

    /// Whether that one is in.
    pub fn contains(self, flag: Flag) -> bool {
        self.0.contains(&Some(flag))
    }

    /// Whether there is none.
    pub fn is_empty(self) -> bool {
        self == Self::NONE
    }
}

impl From<Flag> for Flags {
    fn from(flag: Flag) -> Self {
        Self::NONE.with(flag)
    }
}

impl fmt::Display for Flags {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_empty() {
            return f.write_str("-");
        }
        let mut separator = "";
        for flag in self.0.iter().flatten() {
            write!(f, "{separator}{}", flag.as_str())?;
            separator = ",";
        }
        Ok(())
    }
}
