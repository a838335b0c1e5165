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
    /// No bytes went either way for as long as the idle timeout.
    IdleTimeout,
    /// The proxy closed it because it, or the listener, is going away.
    Drained,
    /// Policy refused it; the details that name the policy.
    Denied(Cow<'static, str>),
}

/// At which point connecting upstream failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ConnectError {
    /// There is no TCP connection.
    Refused {
        /// Whether the kernel said so at once (binding the source address, no route), not after a while.
        immediate: bool,
        /// The operating system's error number.
        errno: Option<i32>,
    },
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
            Self::Done | Self::DirectResponse | Self::DownstreamTlsFailed(_) | Self::Drained | Self::Denied(_) => {
                Flags::NONE
            }
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
            Self::ConnectFailed(ConnectError::Refused { .. }) => "upstream_connect_failed",
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
            Self::IdleTimeout => "idle_timeout",
            Self::Drained => "drained",
            Self::Denied(_) => "denied",
        }
    }
}

impl ConnectError {
    /// What the access log shows as `UPSTREAM_TRANSPORT_FAILURE_REASON`; empty where Envoy has none.
    pub fn transport_failure(&self) -> Cow<'static, str> {
        match self {
            Self::Refused { immediate, errno: Some(errno) } => {
                let when = if *immediate { "immediate" } else { "delayed" };
                format!("{when}_connect_error: {}", nix::errno::Errno::from_raw(*errno).desc()).into()
            }
            Self::Tls(reason) => reason.clone(),
            Self::Refused { errno: None, .. } | Self::Timeout | Self::Closed | Self::Unresolved => "".into(),
        }
    }
}

/// Declares the flags in Envoy's order, which is the order that they are printed in.
macro_rules! flags {
    ($($(#[$doc:meta])* $name:ident = $short:literal,)+) => {
        /// One of Envoy's response flags.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
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
}

impl Flag {
    /// The flag of that short name, if it is one that this proxy sets.
    pub fn parse(short: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|flag| flag.as_str() == short)
    }
}

/// A set of response flags. Prints as access logs have it: short names with commas between, or `-`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Flags(u32);

impl Flags {
    /// No flag.
    pub const NONE: Self = Self(0);

    /// These and one more.
    #[must_use]
    pub fn with(self, flag: Flag) -> Self {
        Self(self.0 | 1 << flag as u32)
    }

    /// Both sets together.
    #[must_use]
    pub fn union(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Whether that one is in.
    pub fn contains(self, flag: Flag) -> bool {
        self.0 & (1 << flag as u32) != 0
    }

    /// Whether there is none.
    pub fn is_empty(self) -> bool {
        self.0 == 0
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
        for flag in Flag::ALL.iter().filter(|flag| self.contains(**flag)) {
            write!(f, "{separator}{}", flag.as_str())?;
            separator = ",";
        }
        Ok(())
    }
}
