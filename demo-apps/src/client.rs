//! One call and its report.

mod args;
mod dial;
mod grpc;
mod head;
mod http;
mod stream;
#[cfg(test)]
mod tests;
mod websocket;

use std::future::Future;
use std::net::SocketAddr;
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use tokio::time::Instant as Deadline;

pub use args::{CallArgs, ConnectArgs, Group};
pub use demo_args::TlsVersion;
pub(crate) use dial::{Connection, Dialer, Progress};
pub(crate) use head::PROBE_HEADER;
pub(crate) use http::{HttpSession, Request as HttpRequest, chain, failure_of};
pub(crate) use stream::filling;

use crate::failure::{Cause, Failure, FailureKind, Stage};
use crate::report::{Body, CLIENT_SCHEMA, ClientReport, StreamFacts, Timings};
use crate::{Scheme, UsageError};

/// How long an orderly close may take.
pub(crate) const CLOSE_TIMEOUT: Duration = Duration::from_secs(1);

/// Makes the call described by `args`. A failed call is a report, too.
///
/// # Errors
///
/// If `args` cannot be tried at all: missing files, files that are not PEM, contradictory options.
/// contradict each other.
pub async fn call(args: &CallArgs) -> Result<ClientReport, UsageError> {
    let dialer = Dialer::new(&args.target, &args.connect)?;
    let exchange = match args.target.scheme {
        Scheme::Http | Scheme::Https => Exchange::Http(Box::new(http::Request::new(args)?)),
        Scheme::Grpc | Scheme::Grpcs => Exchange::Grpc(Box::new(grpc::Call::new(args)?)),
        Scheme::Ws | Scheme::Wss => Exchange::Websocket(Box::new(websocket::Exchange::new(args)?)),
        Scheme::Tcp | Scheme::Tls => Exchange::Stream(stream::Exchange::new(args)?),
    };
    let mut report = ClientReport {
        schema: CLIENT_SCHEMA.to_owned(),
        url: args.target.to_string(),
        ok: false,
        error: None,
        resolved: Vec::new(),
        local: None,
        remote: None,
        timings: Timings::default(),
        tls: None,
        http: None,
        grpc: None,
        ws: None,
        stream: None,
    };
    let clock = Clock::start(args.timeout);
    report.error = make(&dialer, &exchange, &clock, &mut report).await.err();
    report.ok = report.error.is_none();
    report.timings.total_us = clock.total();
    Ok(report)
}

enum Exchange {
    Http(Box<http::Request>),
    Grpc(Box<grpc::Call>),
    Websocket(Box<websocket::Exchange>),
    Stream(stream::Exchange),
}

async fn make(dialer: &Dialer, exchange: &Exchange, clock: &Clock, report: &mut ClientReport) -> Result<(), Failure> {
    let addresses = dialer.resolve(clock).await?;
    report.timings.resolve_us = Some(clock.micros());
    report.resolved = addresses.iter().map(SocketAddr::ip).collect();

    let mut progress = Progress { timings: report.timings.clone(), ..Progress::default() };
    let connected = dialer.connect(&addresses, clock, &mut progress).await;
    (report.timings, report.local, report.remote) = (progress.timings, progress.local, progress.remote);
    if report.timings.connect_us.is_some() {
        report.tls = dialer.tls_facts(connected.as_ref().ok().and_then(|connection| connection.session.as_ref()));
    }
    let connection = connected?;

    let account = connection.account.clone();
    let mut data = None;
    let exchanged = match exchange {
        Exchange::Http(request) => request.run(connection, clock, &mut report.http).await,
        Exchange::Grpc(call) => call.run(connection, clock, &mut report.http, &mut report.grpc).await,
        Exchange::Websocket(exchange) => exchange.run(connection, clock, &mut report.http, &mut report.ws).await,
        Exchange::Stream(exchange) => exchange.run(connection, clock, data.insert(Vec::new())).await,
    };
    let flow = account.read();
    report.timings.first_byte_us = flow.first_byte.map(|at| clock.micros_at(at));
    report.stream = Some(StreamFacts {
        sent: flow.sent,
        received: flow.received,
        data: data.map(|data| Body::of(&data)),
        ended: flow.ended,
    });
    exchanged
}

/// The time since the start of a call, with its deadline.
pub(crate) struct Clock {
    /// Times are relative to this.
    start: Instant,
    /// When the request was sent; later than `start` if a load's request had to wait for a connection.
    begun: Deadline,
    end: Option<Deadline>,
    stopped: OnceLock<Instant>,
}

impl Clock {
    pub(crate) fn start(limit: Option<Duration>) -> Self {
        Self::start_at(Instant::now(), limit)
    }

    /// A clock that started at `start`, which may be in the past.
    pub(crate) fn start_at(start: Instant, limit: Option<Duration>) -> Self {
        let begun = Deadline::now();
        Self { start, begun, end: limit.map(|limit| begun + limit), stopped: OnceLock::new() }
    }

    /// Microseconds since the start.
    pub(crate) fn micros(&self) -> u64 {
        self.micros_at(Instant::now())
    }

    /// Microseconds from the start to `at`.
    pub(crate) fn micros_at(&self, at: Instant) -> u64 {
        u64::try_from(at.saturating_duration_since(self.start).as_micros()).unwrap_or(u64::MAX)
    }

    /// Stops the clock: the answer is complete, or will never be. An orderly close is not counted.
    pub(crate) fn stop(&self) {
        self.stopped.get_or_init(Instant::now);
    }

    /// Microseconds from the start until the clock was stopped, or until now.
    fn total(&self) -> u64 {
        self.micros_at(self.stopped.get().copied().unwrap_or_else(Instant::now))
    }

    /// Runs one stage. It fails with `timeout` if the deadline of the call, or of connecting (`limit` after the start), passes first.
    pub(crate) async fn run<T>(
        &self,
        stage: Stage,
        limit: Option<Duration>,
        work: impl Future<Output = Result<T, Failure>>,
    ) -> Result<T, Failure> {
        let end = match (self.end, limit.map(|limit| self.begun + limit)) {
            (Some(a), Some(b)) => a.min(b),
            (Some(end), None) | (None, Some(end)) => end,
            (None, None) => return work.await,
        };
        tokio::time::timeout_at(end, work).await.unwrap_or_else(|_| {
            let after = Duration::from_micros(self.micros());
            Err(Cause::new(FailureKind::Timeout, format!("no result after {after:?}")).at(stage))
        })
    }
}
