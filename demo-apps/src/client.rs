//! One call and its report.

mod args;
mod clock;
mod dial;
mod grpc;
mod head;
mod http;
mod stream;
#[cfg(test)]
mod tests;
mod websocket;

use std::net::SocketAddr;

pub(crate) use args::filling;
pub use args::{CallArgs, ConnectArgs, Group};
pub(crate) use clock::{CLOSE_TIMEOUT, Clock};
pub use demo_args::TlsVersion;
pub(crate) use dial::{Connection, Dialer, Progress};
pub(crate) use head::PROBE_HEADER;
pub(crate) use http::{HttpSession, Request as HttpRequest, chain, failure_of};

use crate::failure::Failure;
use crate::report::{Body, CLIENT_SCHEMA, ClientReport, StreamFacts, Timings};
use crate::{Scheme, UsageError};

/// Makes the call described by `args`. A failed call is a report, too.
///
/// # Errors
///
/// If `args` cannot be tried at all: missing files, files that are not PEM, contradictory options.
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
        data: data.map(|data| Body::from_bytes(&data)),
        ended: flow.ended,
    });
    exchanged
}
