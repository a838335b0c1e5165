//! A span.

use std::{borrow::Cow, time::SystemTime};

use envoy_rules::tracing::{SpanId, TraceContext, TraceId};
use rand::RngExt as _;

/// Which end of a call a span is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Server,
    Client,
}

/// A span, until it is sent.
#[derive(Clone, Debug)]
pub(crate) struct Span {
    /// Its trace and its id.
    pub(crate) context: TraceContext,
    pub(crate) parent: Option<SpanId>,
    pub(crate) name: String,
    pub(crate) kind: Kind,
    pub(crate) start: SystemTime,
    pub(crate) end: SystemTime,
    /// In the order in which they were set.
    pub(crate) attributes: Vec<(Cow<'static, str>, String)>,
    /// Whether what it is of has failed.
    pub(crate) failed: bool,
}

impl Span {
    /// The first span of a trace.
    pub(crate) fn first(sampled: bool, name: String, kind: Kind, start: SystemTime) -> Self {
        let context = TraceContext {
            trace: TraceId(rand::rng().random()),
            span: SpanId(rand::rng().random()),
            sampled,
            state: String::new(),
        };
        Self { context, parent: None, name, kind, start, end: start, attributes: vec![], failed: false }
    }

    /// A span below another.
    pub(crate) fn below(parent: TraceContext, name: String, kind: Kind, start: SystemTime) -> Self {
        let above = Some(parent.span);
        let context = TraceContext { span: SpanId(rand::rng().random()), ..parent };
        Self { context, parent: above, name, kind, start, end: start, attributes: vec![], failed: false }
    }

    /// Sets an attribute, in place of an earlier one of its name.
    pub(crate) fn set(&mut self, name: impl Into<Cow<'static, str>>, value: impl Into<String>) {
        let (name, value) = (name.into(), value.into());
        match self.attributes.iter_mut().find(|(known, _)| *known == name) {
            Some((_, old)) => *old = value,
            None => self.attributes.push((name, value)),
        }
    }
}
