//! Which requests are traced, and how traces go on: `ConnectionManagerUtility::mutateTracingRequestHeader` and
//! `ActiveStream::traceRequest` in `source/common/http`, `source/extensions/request_id/uuid/config.cc`, and
//! `source/extensions/tracers/opentelemetry`.

mod context;

#[cfg(test)]
mod tests;

use envoy_api::{HttpTracing, Percent, RequestIdExtension, RequestIds};

pub use self::context::{InvalidContext, SpanId, TraceContext, TraceId};

/// Of how many requests a share is counted.
const ALL: u32 = 10_000;

/// The length of a UUID in text.
const UUID_LENGTH: usize = 36;

/// The position of the digit that says why a request is traced; the UUID's version stands there otherwise.
const REASON: usize = 14;

/// Why a request is traced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    /// It is not.
    NotTraced,
    /// By chance.
    Sampled,
    /// A service demands it, by `x-envoy-force-trace`.
    Forced,
    /// The client demands it, by `x-client-trace-id`.
    Client,
}

impl Reason {
    /// The digit of a request id.
    fn digit(self) -> u8 {
        match self {
            Self::NotTraced => b'4',
            Self::Sampled => b'9',
            Self::Forced => b'a',
            Self::Client => b'b',
        }
    }

    fn of_request_id(id: &str) -> Self {
        let digit = id.as_bytes().get(REASON).filter(|_| id.len() == UUID_LENGTH);
        let traced = [Self::Sampled, Self::Forced, Self::Client];
        digit.and_then(|digit| traced.into_iter().find(|reason| reason.digit() == *digit)).unwrap_or(Self::NotTraced)
    }
}

/// Which requests are traced.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Sampling {
    /// Percent of the requests whose client demands it.
    client: f64,
    /// Of 10,000 requests.
    random: u32,
    /// Of 10,000 requests, at most.
    overall: u32,
    /// Whether the request id decides; otherwise every request is sampled.
    uses_request_id: bool,
    packs_reason: bool,
}

/// A request, as far as it decides.
#[derive(Clone, Copy, Debug, Default)]
pub struct Asked<'a> {
    /// Its `x-request-id`.
    pub request_id: Option<&'a str>,
    /// Whether it has `x-client-trace-id`.
    pub has_client_trace_id: bool,
    /// Whether it has `x-envoy-force-trace`.
    pub is_forced: bool,
}

/// What is decided about a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decision {
    /// Why it is traced, if it is.
    pub reason: Reason,
    /// Its request id from now on, if that changes.
    pub request_id: Option<String>,
}

impl Sampling {
    /// Reads the configuration.
    pub fn new(tracing: &HttpTracing, ids: Option<&RequestIdExtension>) -> Self {
        let uuid = ids.map(|ids| match &ids.typed_config {
            RequestIds::Uuid(uuid) => uuid,
        });
        Self {
            client: tracing.client_sampling.map_or(100.0, |share| share.value),
            random: of_all(tracing.random_sampling),
            overall: of_all(tracing.overall_sampling),
            uses_request_id: uuid.and_then(|uuid| uuid.use_request_id_for_trace_sampling).unwrap_or(true),
            packs_reason: uuid.and_then(|uuid| uuid.pack_trace_reason).unwrap_or(true),
        }
    }

    /// Decides about a request. `percent` is a random number from 0 to 99, by which clients that demand traces are limited.
    pub fn decide(self, asked: Asked<'_>, percent: u32) -> Decision {
        let unchanged = |reason| Decision { reason, request_id: None };
        if !self.uses_request_id {
            return unchanged(Reason::Sampled);
        }
        let Some((id, number)) = asked.request_id.and_then(|id| Some((id, number(id)?))) else {
            return unchanged(Reason::NotTraced);
        };
        let before = Reason::of_request_id(id);
        let wanted = match before {
            Reason::NotTraced if asked.has_client_trace_id && f64::from(percent) < self.client => Reason::Client,
            Reason::NotTraced if asked.is_forced => Reason::Forced,
            Reason::NotTraced if number < self.random => Reason::Sampled,
            before => before,
        };
        let reason = if number < self.overall { wanted } else { Reason::NotTraced };
        let changes = reason != before && self.packs_reason && id.len() == UUID_LENGTH;
        Decision { reason, request_id: changes.then(|| with_reason(id, reason)) }
    }
}

/// The share of a percentage, of 10,000 (`PROTOBUF_PERCENT_TO_ROUNDED_INTEGER_OR_DEFAULT`); all if unset.
#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // from 0 to 10,000
fn of_all(share: Option<Percent>) -> u32 {
    share.map_or(ALL, |share| (share.value.clamp(0.0, 100.0) * 100.0).round() as u32)
}

/// The number by which an id is sampled: the same in each proxy.
fn number(id: &str) -> Option<u32> {
    u32::from_str_radix(id.get(..8)?, 16).ok().map(|number| number % ALL)
}

fn with_reason(id: &str, reason: Reason) -> String {
    let digit = char::from(reason.digit());
    id.char_indices().map(|(at, c)| if at == REASON { digit } else { c }).collect()
}

/// How a request's span begins.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Begin {
    /// As the first of a trace.
    New {
        /// Whether the trace is reported.
        sampled: bool,
    },
    /// As part of the caller's trace.
    Child(TraceContext),
    /// There is none, since the caller's `traceparent` cannot be read. It is passed on as it is.
    Nothing,
}

impl Begin {
    /// How the span of a request begins. A trace that the caller has begun goes on as the caller says, whatever is decided here
    /// (`Driver::startSpan` in `opentelemetry_tracer_impl.cc`).
    pub fn new(traceparent: Option<&str>, tracestate: &str, reason: Reason) -> Self {
        match traceparent.map(|parent| TraceContext::read(parent, tracestate)) {
            None => Self::New { sampled: reason != Reason::NotTraced },
            Some(Ok(context)) => Self::Child(context),
            Some(Err(InvalidContext)) => Self::Nothing,
        }
    }
}
