//! When a request is tried again.

use std::time::Duration;

use envoy_api::ProtoDuration;
use http::{HeaderMap, StatusCode};
use rand::RngExt as _;

use crate::outcome::{Outcome, UpstreamReset};

/// The first wait is shorter than this where no policy says.
const BASE_INTERVAL: Duration = Duration::from_millis(25);

/// A route's retry policy.
#[derive(Debug)]
pub(super) struct RetryPolicy {
    on: Vec<Condition>,
    pub(super) retries: u32,
    statuses: Vec<u16>,
    base: Duration,
    max: Duration,
}

/// A condition of `retry_on`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Condition {
    /// Any status of 5xx, or no response.
    ServerError,
    /// 502, 503, 504, or no response.
    GatewayError,
    /// No response.
    Reset,
    /// No response, and the request had not been sent.
    ResetBeforeRequest,
    /// No connection.
    ConnectFailure,
    /// The upstream refused the stream.
    RefusedStream,
    /// 409.
    Retriable4xx,
    /// One of the policy's statuses.
    RetriableStatusCodes,
    /// This status of gRPC.
    Grpc(&'static str),
}

impl RetryPolicy {
    pub(super) fn new(configured: &envoy_api::RetryPolicy) -> Result<Self, String> {
        let conditions = configured.retry_on.split(',').map(str::trim).filter(|name| !name.is_empty());
        let on = conditions
            .map(|name| Condition::parse(name).ok_or_else(|| format!("retry_on: {name} is not supported")))
            .collect::<Result<_, _>>()?;
        let back_off = configured.retry_back_off.as_ref();
        let base = back_off.map_or(BASE_INTERVAL, |back_off| back_off.base_interval.0);
        let max = back_off.and_then(|back_off| back_off.max_interval).map_or(base * 10, |ProtoDuration(max)| max);
        Ok(Self {
            on,
            retries: configured.num_retries.unwrap_or(1),
            statuses: configured.retriable_status_codes.clone(),
            base,
            max,
        })
    }

    /// Whether a request that failed so is worth another try. `sent`: whether any of it had gone upstream.
    pub(super) fn retries_failure(&self, outcome: &Outcome, sent: bool) -> bool {
        let connect_failed = matches!(outcome, Outcome::ConnectFailed(_));
        let refused = *outcome == Outcome::UpstreamReset(UpstreamReset::RemoteRefused);
        if !connect_failed && !matches!(outcome, Outcome::UpstreamReset(_)) {
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

    /// Whether a request that was answered so is worth another try.
    pub(super) fn retries_response(&self, status: StatusCode, headers: &HeaderMap) -> bool {
        let grpc = headers.get("grpc-status").map(http::HeaderValue::as_bytes);
        self.on.iter().any(|condition| match condition {
            Condition::ServerError => status.is_server_error(),
            Condition::GatewayError => matches!(status.as_u16(), 502..=504),
            Condition::Retriable4xx => status == StatusCode::CONFLICT,
            Condition::RetriableStatusCodes => self.statuses.contains(&status.as_u16()),
            Condition::Grpc(code) => grpc == Some(code.as_bytes()),
            Condition::Reset | Condition::ResetBeforeRequest | Condition::ConnectFailure | Condition::RefusedStream => {
                false
            }
        })
    }

    /// How long to wait before the try of that number (from 1): at random up to a bound that doubles, as Envoy does it.
    pub(super) fn back_off(&self, retry: u32) -> Duration {
        let doubled = self.base.saturating_mul(2_u32.saturating_pow(retry).saturating_sub(1));
        let bound = doubled.min(self.max).max(Duration::from_millis(1));
        rand::rng().random_range(Duration::ZERO..bound)
    }
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
            "cancelled" => Self::Grpc("1"),
            "deadline-exceeded" => Self::Grpc("4"),
            "resource-exhausted" => Self::Grpc("8"),
            "internal" => Self::Grpc("13"),
            "unavailable" => Self::Grpc("14"),
            _ => return None,
        })
    }
}

#[cfg(test)]
mod tests;
