//! Retry policies (`source/common/router/retry_state_impl.cc`).
//!
//! The route's timeout covers all attempts, so a request that exceeds it is not retried.

use std::time::Duration;

use envoy_api::ProtoDuration;

use crate::{
    grpc::GrpcStatus,
    outcome::{Outcome, UpstreamReset},
};

/// Default base interval of the back-off.
const BASE_INTERVAL: Duration = Duration::from_millis(25);

/// A parsed retry policy.
#[derive(Clone, Debug)]
pub struct RetryPolicy {
    on: Vec<Condition>,
    /// Maximum number of retries. With 0 there are none, but a failed request still counts as having used them up (`URX`).
    pub retries: u32,
    statuses: Vec<u16>,
    base: Duration,
    max: Duration,
    /// How long each attempt may take; as long as the whole if unset.
    pub per_try_timeout: Option<Duration>,
    /// How often an endpoint is chosen for one try, at most, where the first choices were tried before; 1 takes any.
    pub choices: u32,
}

/// A condition in `retry_on`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Condition {
    /// Any 5xx status, or no response.
    ServerError,
    /// 502, 503, 504, or no response.
    GatewayError,
    /// No response.
    Reset,
    /// No response, and the request was not sent.
    ResetBeforeRequest,
    /// No connection.
    ConnectFailure,
    /// The upstream refused the stream.
    RefusedStream,
    /// Status 409.
    Retriable4xx,
    /// One of the policy's statuses.
    RetriableStatusCodes,
    /// A gRPC status.
    Grpc(GrpcStatus),
}

impl RetryPolicy {
    /// The policy without [unsupported](Self::unsupported) conditions.
    pub fn new(configured: &envoy_api::RetryPolicy) -> Self {
        let back_off = configured.retry_back_off.as_ref();
        let base = back_off.map_or(BASE_INTERVAL, |back_off| back_off.base_interval.0);
        let max = back_off.and_then(|back_off| back_off.max_interval).map_or(base * 10, |ProtoDuration(max)| max);
        Self {
            on: conditions(configured).filter_map(Condition::parse).collect(),
            retries: configured.num_retries.unwrap_or(1),
            statuses: configured.retriable_status_codes.clone(),
            base,
            max,
            per_try_timeout: configured.per_try_timeout.map(|timeout| timeout.0).filter(|timeout| !timeout.is_zero()),
            choices: choices(configured),
        }
    }

    /// The first unknown condition in `retry_on`, if any. Envoy ignores those that it does not know.
    pub fn unsupported(configured: &envoy_api::RetryPolicy) -> Option<&str> {
        conditions(configured).find(|name| Condition::parse(name).is_none())
    }

    /// Whether a request with this failure is retried. `sent` says whether any part of it was sent upstream.
    pub fn retries_failure(&self, outcome: &Outcome, sent: bool) -> bool {
        let connect_failed = matches!(outcome, Outcome::ConnectFailed(_));
        let refused = *outcome == Outcome::UpstreamReset(UpstreamReset::RemoteRefused);
        if !connect_failed && !matches!(outcome, Outcome::UpstreamReset(_) | Outcome::PerTryTimeout) {
            return false;
        }
        self.on.iter().any(|condition| match condition {
            Condition::ServerError | Condition::GatewayError | Condition::Reset => true,
            Condition::ResetBeforeRequest => !sent,
            Condition::ConnectFailure => connect_failed,
            Condition::RefusedStream => refused,
            Condition::Retriable4xx | Condition::RetriableStatusCodes | Condition::Grpc(_) => false,
        })
    }

    /// Whether a request with this response is retried. `grpc` is the value of `grpc-status` in the response headers.
    pub fn retries_response(&self, status: u16, grpc: Option<&[u8]>) -> bool {
        let grpc = grpc.and_then(|text| std::str::from_utf8(text).ok()?.parse::<u8>().ok());
        self.on.iter().any(|condition| match condition {
            Condition::ServerError => (500..600).contains(&status),
            Condition::GatewayError => (502..=504).contains(&status),
            Condition::Retriable4xx => status == 409,
            Condition::RetriableStatusCodes => self.statuses.contains(&status),
            Condition::Grpc(wanted) => grpc == Some(wanted.code()),
            Condition::Reset | Condition::ResetBeforeRequest | Condition::ConnectFailure | Condition::RefusedStream => {
                false
            }
        })
    }

    /// Upper bound of the random delay before a retry (counted from 1). It doubles with each, up to the policy's maximum.
    pub fn back_off(&self, retry: u32) -> Duration {
        let doubled = self.base.saturating_mul(2_u32.saturating_pow(retry).saturating_sub(1));
        doubled.min(self.max).max(Duration::from_millis(1))
    }
}

/// One choice, and one more for each that `previous_hosts` may turn down (`host_selection_retry_max_attempts`, 1 when unset).
fn choices(configured: &envoy_api::RetryPolicy) -> u32 {
    if configured.retry_host_predicate.is_empty() {
        return 1;
    }
    let more = configured.host_selection_retry_max_attempts.unwrap_or(1).max(0);
    u32::try_from(more).unwrap_or(u32::MAX).saturating_add(1)
}

fn conditions(configured: &envoy_api::RetryPolicy) -> impl Iterator<Item = &str> {
    configured.retry_on.split(',').map(str::trim).filter(|name| !name.is_empty())
}

impl Condition {
    fn parse(name: &str) -> Option<Self> {
        Some(match name {
            "5xx" => Self::ServerError,
            "gateway-error" => Self::GatewayError,
            "reset" => Self::Reset,
            "reset-before-request" => Self::ResetBeforeRequest,
            "connect-failure" => Self::ConnectFailure,
            "refused-stream" => Self::RefusedStream,
            "retriable-4xx" => Self::Retriable4xx,
            "retriable-status-codes" => Self::RetriableStatusCodes,
            "cancelled" => Self::Grpc(GrpcStatus::Cancelled),
            "deadline-exceeded" => Self::Grpc(GrpcStatus::DeadlineExceeded),
            "resource-exhausted" => Self::Grpc(GrpcStatus::ResourceExhausted),
            "internal" => Self::Grpc(GrpcStatus::Internal),
            "unavailable" => Self::Grpc(GrpcStatus::Unavailable),
            _ => return None,
        })
    }
}

#[cfg(test)]
mod tests;
