//! A downstream connection: hyper's codec around it, and Envoy's answers to what is no HTTP.

use std::{
    pin::pin,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU32, Ordering::Relaxed},
    },
    time::Duration,
};

use bytes::BytesMut;
use http::Request;
use hyper::{
    body::Incoming,
    server::conn::{http1, http2},
    service::service_fn,
};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _},
    time::timeout,
};
use tokio_util::sync::CancellationToken;

use super::{
    activity::Activity,
    config::Hcm,
    exchange::Exchange,
    gate::{Gate, GateState},
    rejection::Rejection,
    request,
    sniff::{self, Version},
    wire::Wire,
};
use crate::{drain::Drain, outcome::Outcome, stream::Downstream, stream_info::ConnectionInfo, worker::Worker};

/// The most that a request's head may take, in bytes. Envoy's default.
const MAX_HEAD: usize = 60 * 1024;
/// How long a closed connection waits for the peer. Envoy's `delayed_close_timeout`.
const DELAYED_CLOSE: Duration = Duration::from_secs(1);
/// Streams at a time on an HTTP/2 connection where nothing is configured. Envoy's default.
const MAX_STREAMS: u32 = 1024;
/// The window of an HTTP/2 stream where nothing is configured, in bytes. Envoy's default.
const STREAM_WINDOW: u32 = 16 * 1024 * 1024;
/// The window of an HTTP/2 connection where nothing is configured, in bytes. Envoy's default.
const CONNECTION_WINDOW: u32 = 24 * 1024 * 1024;

/// A downstream connection, as its requests see it.
#[derive(Debug)]
pub(super) struct Connection {
    pub(super) info: Arc<ConnectionInfo>,
    pub(super) hcm: Arc<Hcm>,
    pub(super) worker: Arc<Worker>,
    pub(super) gate: Arc<GateState>,
    pub(super) version: Version,
    requests: AtomicU32,
    active: AtomicU32,
    activity: Activity,
    /// Cancelled when it has served as many requests as it may.
    worn_out: CancellationToken,
    closing: AtomicBool,
    ended: AtomicBool,
}

/// Serves the requests of a connection until it ends.
pub async fn serve(
    mut stream: Downstream,
    info: Arc<ConnectionInfo>,
    hcm: Arc<Hcm>,
    worker: Arc<Worker>,
    drain: Drain,
) {
    let stats = &hcm.stats;
    stats.connections.inc();
    if info.tls.is_some() {
        stats.connections_tls.inc();
    }
    let _active = stats.connections_active.hold();
    let silence = Activity::default();
    let sniffed = tokio::select! {
        biased;
        sniffed = sniff::version(&mut stream, &info, hcm.codec) => sniffed.ok(), // an error is a peer that left without a word
        () = drain.asked() => None,
        () = silence.idle_for(hcm.idle_timeout, || false) => None,
    };
    if let Some((version, first)) = sniffed {
        let stream = Wire::new(first, stream, &stats.received, &stats.sent);
        let id = info.id;
        let connection = Arc::new(Connection {
            info,
            hcm: hcm.clone(),
            worker: worker.clone(),
            gate: Arc::default(),
            version,
            requests: AtomicU32::new(0),
            active: AtomicU32::new(0),
            activity: Activity::default(),
            worn_out: CancellationToken::new(),
            closing: AtomicBool::new(false),
            ended: AtomicBool::new(false),
        });
        match version {
            Version::Http1 => {
                stats.connections_http1.inc();
                http1(stream, connection, drain).await;
            }
            Version::Http2 => {
                stats.connections_http2.inc();
                http2(stream, connection, drain).await;
            }
        }
        worker.http.forget(id);
    }
    stats.connections_destroyed.inc();
}

impl Connection {
    /// Notes that a request is under way.
    pub(super) fn exchange_begun(&self) {
        self.active.fetch_add(1, Relaxed);
        let served = self.requests.fetch_add(1, Relaxed) + 1;
        if self.hcm.max_requests.is_some_and(|max| served >= max) {
            self.worn_out.cancel();
        }
    }

    /// Notes that a response is with hyper as a whole, or dropped.
    pub(super) fn exchange_ended(&self) {
        self.active.fetch_sub(1, Relaxed);
        self.activity.touch();
        self.gate.response_ended();
    }

    /// Writes the line of a request whose head could not be read.
    pub(super) fn log_rejection(self: &Arc<Self>, rejection: Rejection) {
        self.hcm.stats.protocol_errors.inc();
        self.hcm.stats.responded(rejection.status.as_u16());
        let mut exchange = Exchange::begin(self, "HTTP/1.1");
        exchange.stream.response_code = Some(rejection.status.as_u16());
        exchange.stream.bytes_sent = rejection.body.len() as u64;
        exchange.settle(Outcome::DownstreamProtocolError(rejection.details.into()), rejection.details);
    }

    /// Whether the downstream is gone.
    pub(super) fn has_ended(&self) -> bool {
        self.ended.load(Relaxed)
    }

    /// Whether the next response says that it is the last.
    pub(super) fn is_closing(&self) -> bool {
        self.closing.load(Relaxed)
    }

    fn is_busy(&self) -> bool {
        self.active.load(Relaxed) > 0
    }

    /// Resolves when the connection is to end as soon as its requests are done.
    async fn to_be_closed(&self, drain: &Drain) {
        tokio::select! {
            () = drain.asked() => self.hcm.stats.drained.inc(),
            () = self.worn_out.cancelled() => {}
            () = self.activity.idle_for(self.hcm.idle_timeout, || self.is_busy()) => self.hcm.stats.idle_timeouts.inc(),
        }
    }

    /// Resolves when a connection of HTTP/1 is to be closed. The client is told by its next response, and has some time to
    /// ask for it: a connection that is closed as a request comes would cost that request.
    async fn last_call(&self, drain: &Drain) {
        self.to_be_closed(drain).await;
        self.closing.store(true, Relaxed);
        self.activity.touch();
        self.activity.idle_for(Some(self.hcm.drain_timeout), || self.is_busy()).await;
    }
}

async fn http1<S>(stream: S, connection: Arc<Connection>, drain: Drain)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let service = {
        let connection = connection.clone();
        service_fn(move |request: Request<Incoming>| request::handle(connection.clone(), request))
    };
    let mut serving = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(None)
        .max_buf_size(MAX_HEAD)
        .serve_connection(TokioIo::new(Gate::new(stream, connection.gate.clone())), service)
        .with_upgrades();
    let ended = tokio::select! {
        biased;
        ended = &mut serving => ended,
        () = drain.forced() => Ok(()),
        () = connection.last_call(&drain) => Ok(()),
    };
    let between_requests = connection.gate.is_between_requests(); // asked before what is under way is dropped
    let Some(parts) = serving.into_parts() else { return }; // upgraded: no longer HTTP's
    let mut stream = parts.io.into_inner().into_inner();
    if let Err(error) = ended
        && between_requests
    {
        if let Some(rejection) = Rejection::of(&error) {
            connection.log_rejection(rejection);
            let _ = stream.write_all(rejection.answer(&connection.hcm).as_bytes()).await; // the peer may be gone
        } else if error.is_incomplete_message() {
            drop(Exchange::begin(&connection, "HTTP/1.1")); // half a head: logged as left by the downstream
        }
    }
    tokio::select! {
        () = close(stream) => {}
        () = drain.forced() => {}
    }
}

/// Closes for writing, and then waits a little for the peer to close, so that what it still sends does not become a reset
/// that overtakes the last answer.
async fn close(mut stream: impl AsyncRead + AsyncWrite + Unpin) {
    if stream.shutdown().await.is_err() {
        return;
    }
    let mut waste = BytesMut::with_capacity(1024);
    let end = async {
        while let Ok(1..) = stream.read_buf(&mut waste).await {
            waste.clear();
        }
    };
    let _ = timeout(DELAYED_CLOSE, end).await; // either way it is over
}

async fn http2<S>(stream: S, connection: Arc<Connection>, drain: Drain)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let hcm = connection.hcm.clone();
    let service = {
        let connection = connection.clone();
        service_fn(move |request: Request<Incoming>| request::handle(connection.clone(), request))
    };
    let options = &hcm.http2;
    let mut serving = pin!(
        http2::Builder::new(TokioExecutor::new())
            .timer(TokioTimer::new())
            .max_concurrent_streams(options.max_concurrent_streams.unwrap_or(MAX_STREAMS))
            .initial_stream_window_size(options.initial_stream_window_size.unwrap_or(STREAM_WINDOW))
            .initial_connection_window_size(options.initial_connection_window_size.unwrap_or(CONNECTION_WINDOW))
            .max_header_list_size(MAX_HEAD as u32)
            .serve_connection(TokioIo::new(stream), service)
    );
    let _ = tokio::select! {
        biased;
        ended = serving.as_mut() => ended,
        () = connection.to_be_closed(&drain) => {
            serving.as_mut().graceful_shutdown();
            tokio::select! {
                ended = serving => ended,
                () = drain.forced() => Ok(()),
            }
        }
    };
    // The streams' tasks run on this thread, and so look after this.
    connection.ended.store(true, Relaxed);
}
