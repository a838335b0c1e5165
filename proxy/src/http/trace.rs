//! Tracing: which requests have a span, what it is called, and how it is passed on (`ActiveStream::traceRequest` in
//! `source/common/http/conn_manager_impl.cc`).

mod attributes;

use std::{sync::Arc, time::SystemTime};

use envoy_api::{HttpConnectionManager, TracerConfig, TrafficDirection};
use envoy_rules::tracing::{Asked, Begin, Sampling};
use http::{HeaderMap, HeaderName, HeaderValue, header};
use rand::RngExt as _;

use self::attributes::{CLIENT_TRACE_ID, REQUEST_ID, Tag};
use super::header_value::{text, value};
use crate::{
    access_log::{Entry, RequestHead},
    config::{At as _, Invalid},
    traces::{Kind, Span, Tracer, Traces},
};

#[cfg(test)]
mod tests;

const DECORATOR_OPERATION: HeaderName = HeaderName::from_static("x-envoy-decorator-operation");
const FORCE_TRACE: HeaderName = HeaderName::from_static("x-envoy-force-trace");
const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");
const TRACESTATE: HeaderName = HeaderName::from_static("tracestate");

/// How much of a path a span has, in bytes (`DefaultMaxPathTagLength`).
const LONGEST_PATH: u32 = 256;

/// The tracing of a connection manager.
#[derive(Debug)]
pub(super) struct Tracing {
    sampling: Sampling,
    /// Whether the listener is for calls of the app: otherwise they are calls to it.
    is_outbound: bool,
    tags: Vec<Tag>,
    longest_path: usize,
    /// Whether each attempt has a span.
    spawns: bool,
    /// Whether upstreams are told of the span.
    propagates: bool,
    /// Who is told of spans; without one there are none, and only headers are changed.
    tracer: Option<Arc<Tracer>>,
}

/// The tracing of a request.
#[derive(Debug)]
pub(super) struct Trace {
    span: Option<Span>,
    /// The span of the attempt that was made last.
    attempt: Option<Span>,
    /// The operation's name, as the response tells it to the caller.
    told: Option<HeaderValue>,
}

impl Tracing {
    /// Reads a connection manager's configuration; `None` if it does not trace.
    ///
    /// # Errors
    /// If a value is invalid. The message starts with the path of the field.
    pub(super) fn new(
        config: &HttpConnectionManager,
        direction: Option<TrafficDirection>,
        traces: &Traces,
    ) -> Result<Option<Self>, Invalid> {
        let Some(tracing) = &config.tracing else { return Ok(None) };
        let tags = tracing.custom_tags.iter().enumerate();
        let tags = tags.map(|(i, tag)| Tag::new(tag).at(format_args!("tracing.custom_tags[{i}]")));
        let tracer = tracing.provider.as_ref().map(|provider| match &provider.typed_config {
            TracerConfig::OpenTelemetry(config) => traces.tracer(config),
        });
        Ok(Some(Self {
            sampling: Sampling::new(tracing, config.request_id_extension.as_ref()),
            is_outbound: direction == Some(TrafficDirection::Outbound),
            tags: tags.collect::<Result<_, Invalid>>()?,
            longest_path: tracing.max_path_tag_length.unwrap_or(LONGEST_PATH) as usize,
            spawns: tracing.spawn_upstream_span.unwrap_or(false),
            propagates: !tracing.no_context_propagation,
            tracer,
        }))
    }

    /// Begins the span of a request, whose route may name its operation.
    pub(super) fn begin(&self, head: &mut RequestHead, operation: Option<&str>, start: SystemTime) -> Trace {
        let headers = &mut head.headers;
        let asked = Asked {
            request_id: value(headers, &REQUEST_ID),
            has_client_trace_id: headers.contains_key(CLIENT_TRACE_ID),
            is_forced: headers.contains_key(FORCE_TRACE),
        };
        let decision = self.sampling.decide(asked, rand::rng().random_range(0..100));
        if let Some(id) = &decision.request_id {
            headers.insert(REQUEST_ID, text(id));
        }
        let begin = Begin::new(
            headers.get(TRACEPARENT).map(|parent| parent.to_str().unwrap_or_default()),
            value(headers, &TRACESTATE).unwrap_or_default(),
            decision.reason,
        );
        let operation = operation.filter(|operation| !operation.is_empty());
        let mut name = operation.map_or_else(|| self.name(headers), str::to_owned);
        let mut told = None;
        if self.is_outbound {
            if let Some(operation) = operation {
                headers.insert(DECORATOR_OPERATION, text(operation));
            }
        } else {
            told = operation.map(text);
            if let Some(by_caller) = headers.remove(DECORATOR_OPERATION).filter(|name| !name.is_empty()) {
                name = by_caller.to_str().unwrap_or_default().to_owned();
                told = None;
            }
        }
        let span = self.tracer.as_ref().and_then(|_| match begin {
            Begin::New { sampled } => Some(Span::first(sampled, name, self.kind(), start)),
            Begin::Child(parent) => Some(Span::below(parent, name, self.kind(), start)),
            Begin::Nothing => None,
        });
        Trace { span, attempt: None, told }
    }

    /// A request that each attempt's span is below of is the server's (`getSpanKind` in `opentelemetry_tracer_impl.cc`).
    fn kind(&self) -> Kind {
        if self.is_outbound && !self.spawns { Kind::Client } else { Kind::Server }
    }

    /// A span's name where no route names the operation.
    fn name(&self, headers: &HeaderMap) -> String {
        match self.is_outbound {
            true => format!("egress {}", value(headers, &header::HOST).unwrap_or_default()),
            false => "ingress".into(),
        }
    }

    /// Begins an attempt at an endpoint of a cluster, and tells the upstream of its span, or of the request's.
    pub(super) fn attempt(&self, trace: &mut Trace, headers: &mut HeaderMap, cluster: &str, number: u32) {
        let Some(span) = &trace.span else { return };
        let mut context = &span.context;
        if self.spawns {
            let name = format!("router {cluster} egress");
            let mut attempt = Span::below(context.clone(), name, Kind::Client, SystemTime::now());
            if number > 1 {
                attempt.set("retry.count", (number - 1).to_string());
            }
            context = &trace.attempt.insert(attempt).context;
        }
        if self.propagates {
            headers.insert(TRACEPARENT, text(&context.parent()));
            headers.insert(TRACESTATE, text(&context.state));
        }
    }

    /// Ends the span of an attempt.
    pub(super) fn end_attempt(&self, trace: &mut Trace, entry: &Entry<'_>, alt_name: Option<&str>) {
        if let (Some(mut span), Some(tracer)) = (trace.attempt.take(), &self.tracer) {
            attributes::of_attempt(&mut span, entry, alt_name);
            tracer.report(span);
        }
    }

    /// Passes the operation's name on to the caller, or takes it from the called.
    pub(super) fn respond(&self, trace: &mut Trace, headers: &mut HeaderMap) {
        if self.is_outbound {
            let by_called = headers.remove(DECORATOR_OPERATION).filter(|name| !name.is_empty());
            if let (Some(name), Some(span)) = (by_called, &mut trace.span) {
                span.name = name.to_str().unwrap_or_default().to_owned();
            }
        } else if let Some(told) = trace.told.take() {
            headers.insert(DECORATOR_OPERATION, told);
        }
    }

    /// Ends the span of a request.
    pub(super) fn end(&self, mut trace: Trace, entry: &Entry<'_>, alt_name: Option<&str>) {
        self.end_attempt(&mut trace, entry, alt_name);
        if let (Some(mut span), Some(tracer)) = (trace.span, &self.tracer) {
            span.set("node_id", tracer.node());
            span.set("zone", "");
            attributes::of_request(&mut span, entry, alt_name, self.longest_path);
            for tag in &self.tags {
                tag.apply(&mut span, entry);
            }
            tracer.report(span);
        }
    }
}
