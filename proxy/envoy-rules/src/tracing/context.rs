//! Trace contexts: `traceparent` and `tracestate` (W3C Trace Context; `span_context_extractor.cc` in Envoy's tracer).

use std::fmt;

use thiserror::Error;

/// The length of a `traceparent`.
const LENGTH: usize = 55;

/// The flag of a trace that is reported.
const SAMPLED: u8 = 1;

/// The id of a trace.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct TraceId(pub [u8; 16]);

/// The id of a span.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct SpanId(pub [u8; 8]);

/// Where a span is in its trace.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TraceContext {
    /// The trace.
    pub trace: TraceId,
    /// The span.
    pub span: SpanId,
    /// Whether the trace is reported.
    pub sampled: bool,
    /// `tracestate`, which is passed on.
    pub state: String,
}

/// A `traceparent` that cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("not a traceparent")]
pub struct InvalidContext;

impl TraceContext {
    /// Reads the headers of a request.
    ///
    /// # Errors
    /// If the first is not of the form `VERSION-TRACE-SPAN-FLAGS`, or an id is zero.
    pub fn read(parent: &str, state: &str) -> Result<Self, InvalidContext> {
        let parts: Vec<&str> = parent.split('-').collect();
        let [version, trace, span, flags] = parts[..] else { return Err(InvalidContext) };
        if parent.len() != LENGTH {
            return Err(InvalidContext);
        }
        let [_] = hex(version).ok_or(InvalidContext)?;
        let [flags] = hex(flags).ok_or(InvalidContext)?;
        let trace = hex(trace).filter(|id| *id != [0; 16]).ok_or(InvalidContext)?;
        let span = hex(span).filter(|id| *id != [0; 8]).ok_or(InvalidContext)?;
        Ok(Self { trace: TraceId(trace), span: SpanId(span), sampled: flags & SAMPLED != 0, state: state.to_owned() })
    }

    /// As `traceparent`, in version 00.
    pub fn parent(&self) -> String {
        format!("00-{}-{}-{:02x}", self.trace, self.span, u8::from(self.sampled))
    }
}

fn hex<const N: usize>(text: &str) -> Option<[u8; N]> {
    let is_hex = text.len() == 2 * N && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    let mut bytes = [0; N];
    for (i, byte) in bytes.iter_mut().enumerate().filter(|_| is_hex) {
        *byte = u8::from_str_radix(&text[2 * i..2 * i + 2], 16).ok()?;
    }
    is_hex.then_some(bytes)
}

impl fmt::Display for TraceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Display for SpanId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}
