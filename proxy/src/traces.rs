//! Spans: who is told of them, in which batches, and in which form.
//!
//! Requests begin and end spans (`http/trace.rs`); a worker sends them to the collector (`http/export.rs`).

mod otlp;
mod span;

use std::sync::{Arc, Mutex, PoisonError, Weak};

use bytes::Bytes;
use envoy_api::{Bootstrap, OpenTelemetryConfig};
use serde_json::Value;
use tokio::sync::mpsc::{Receiver, Sender, channel};

pub(crate) use self::span::{Kind, Span};
use crate::stats::{Counter, Scope, Stats};

#[cfg(test)]
mod tests;

/// How many spans wait at most; what comes then is dropped, and counted.
const WAITING: usize = 10_000;

/// The runtime value with the number of spans that are sent at once.
pub(crate) const MIN_FLUSH_SPANS: &str = "tracing.opentelemetry.min_flush_spans";

/// The number of spans that are sent at once where nothing else is said (`tracer.cc`).
const BATCH: usize = 5;

/// All tracers of a proxy.
#[derive(Debug)]
pub(crate) struct Traces {
    node: String,
    /// How many spans of a tracer are sent at once.
    pub(crate) batch: usize,
    sender: Sender<Reported>,
    /// Taken by the worker that sends.
    receiver: Mutex<Option<Receiver<Reported>>>,
    by_config: Mutex<Vec<Weak<Tracer>>>,
    stats: Arc<TraceStats>,
}

/// A collector, as a connection manager is told of it. Those with equal configurations share one.
#[derive(Debug)]
pub(crate) struct Tracer {
    pub(crate) config: OpenTelemetryConfig,
    node: String,
    sender: Sender<Reported>,
    pub(crate) stats: Arc<TraceStats>,
}

/// A span that is over.
#[derive(Debug)]
pub(crate) struct Reported {
    pub(crate) tracer: Arc<Tracer>,
    pub(crate) span: Span,
}

/// Envoy's statistics of the tracer.
#[derive(Debug)]
pub(crate) struct TraceStats {
    pub(crate) sent: Counter,
    pub(crate) timer_flushed: Counter,
    pub(crate) dropped: Counter,
}

impl Traces {
    pub(crate) fn new(bootstrap: &Bootstrap, stats: &Stats) -> Arc<Self> {
        let (sender, receiver) = channel(WAITING);
        let root = stats.scope(Scope::Root);
        let counter = |name: &str| root.counter(&format!("tracing.opentelemetry.{name}"));
        Arc::new(Self {
            node: bootstrap.node.as_ref().map(|node| node.id.clone()).unwrap_or_default(),
            batch: batch(bootstrap.layered_runtime.as_ref()),
            sender,
            receiver: Mutex::new(Some(receiver)),
            by_config: Mutex::default(),
            stats: Arc::new(TraceStats {
                sent: counter("spans_sent"),
                timer_flushed: counter("timer_flushed"),
                dropped: counter("spans_dropped"),
            }),
        })
    }

    /// The tracer of a configuration.
    pub(crate) fn tracer(&self, config: &OpenTelemetryConfig) -> Arc<Tracer> {
        let mut known = self.by_config.lock().unwrap_or_else(PoisonError::into_inner);
        known.retain(|tracer| tracer.strong_count() > 0);
        if let Some(tracer) = known.iter().filter_map(Weak::upgrade).find(|tracer| tracer.config == *config) {
            return tracer;
        }
        let tracer = Arc::new(Tracer {
            config: config.clone(),
            node: self.node.clone(),
            sender: self.sender.clone(),
            stats: self.stats.clone(),
        });
        known.push(Arc::downgrade(&tracer));
        tracer
    }

    /// The spans that are over, for the one who sends them; `None` for all others.
    pub(crate) fn receiver(&self) -> Option<Receiver<Reported>> {
        self.receiver.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

/// How many spans are sent at once, by the layers of a runtime, the last of which counts.
fn batch(runtime: Option<&Value>) -> usize {
    let layers = runtime.and_then(|runtime| runtime.get("layers")?.as_array());
    let found = layers.into_iter().flatten().rev().find_map(|layer| layer.get("static_layer")?.get(MIN_FLUSH_SPANS));
    found.and_then(Value::as_u64).and_then(|spans| spans.try_into().ok()).unwrap_or(BATCH)
}

impl Tracer {
    /// The node's id, which each span has.
    pub(crate) fn node(&self) -> &str {
        &self.node
    }

    /// Reports a span that is over, if its trace is reported.
    pub(crate) fn report(self: &Arc<Self>, span: Span) {
        if !span.context.sampled {
            return;
        }
        if self.sender.try_send(Reported { tracer: self.clone(), span }).is_err() {
            self.stats.dropped.inc();
        }
    }

    /// A request to the collector, in protobuf.
    pub(crate) fn request(&self, spans: Vec<Span>) -> Bytes {
        otlp::request(&self.config.service_name, spans)
    }
}
