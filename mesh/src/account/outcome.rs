//! Maps an outcome at a sidecar to the reason of a refusal.

use envoy_rules::outcome::{ConnectError, Outcome, UpstreamReset};

use super::Reason;

impl Reason {
    /// The reason; `None` if nothing was refused, or the downstream gave up.
    pub fn of(outcome: &Outcome) -> Option<Self> {
        Some(match outcome {
            Outcome::Done
            | Outcome::Answered
            | Outcome::DownstreamClosed
            | Outcome::DownstreamReset
            | Outcome::Drained => return None,
            Outcome::DirectResponse | Outcome::CorsPreflight => Self::DirectResponse,
            Outcome::NoFilterChainMatch => Self::NoFilterChainMatch,
            Outcome::NoRoute => Self::NoRoute,
            Outcome::NoCluster | Outcome::NoHealthyUpstream => Self::NoHealthyUpstream,
            Outcome::Overflow => Self::Overflow,
            Outcome::ConnectFailed(ConnectError::Refused(_) | ConnectError::NotBound(_)) => Self::ConnectionRefused,
            Outcome::ConnectFailed(ConnectError::Tls(_)) | Outcome::DownstreamTlsFailed(_) => Self::TlsHandshakeFailed,
            Outcome::FaultAbort => Self::FaultAbort,
            Outcome::ConnectFailed(ConnectError::Timeout)
            | Outcome::ResponseTimeout
            | Outcome::PerTryTimeout
            | Outcome::StreamIdle
            | Outcome::SessionIdle
            | Outcome::SessionTooLong => Self::Timeout,
            Outcome::UpstreamReset(UpstreamReset::ProtocolError)
            | Outcome::ResponseBrokeOff(UpstreamReset::ProtocolError)
            | Outcome::DownstreamProtocolError(_)
            | Outcome::Rejected(_) => Self::ProtocolError,
            Outcome::ConnectFailed(ConnectError::Closed) | Outcome::UpstreamReset(_) | Outcome::ResponseBrokeOff(_) => {
                Self::ConnectionTerminated
            }
            Outcome::Denied(_) => Self::RbacDenied,
        })
    }
}
