//! A downstream connection: its version, its requests, and its end.

use std::{
    pin::pin,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU32, Ordering::Relaxed},
    },
};

use http::{Response, Version};
use hyper::{body::Incoming, server::conn::http2, service::service_fn};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_util::sync::CancellationToken;

use super::{
    activity::Activity,
    body::ResponseBody,
    config::Hcm,
    exchange::{Abandoned, Exchange},
    http1::{self, End, Io, NoAnswer, Service},
    rejection::Rejection,
    request, sniff,
    wire::Wire,
};
use crate::{drain::Drain, stream::Downstream, stream_info::ConnectionInfo, worker::Worker};
use envoy_rules::{codec::HttpVersion, outcome::Outcome};

/// Maximum size of an HTTP/2 request's headers, in bytes. Envoy's default.
const MAX_HEAD: usize = 60 * 1024;
/// Default for concurrent streams on an HTTP/2 connection. Envoy's default.
const MAX_STREAMS: u32 = 1024;
/// Default window of an HTTP/2 stream, in bytes. Envoy's default.
const STREAM_WINDOW: u32 = 16 * 1024 * 1024;
/// Default window of an HTTP/2 connection, in bytes. Envoy's default.
const CONNECTION_WINDOW: u32 = 24 * 1024 * 1024;

/// A downstream connection, shared with its requests.
#[derive(Debug)]
pub(super) struct Connection {
    pub(super) info: Arc<ConnectionInfo>,
    pub(super) hcm: Arc<Hcm>,
    pub(super) worker: Arc<Worker>,
    pub(super) version: HttpVersion,
    requests: AtomicU32,
    active: AtomicU32,
    activity: Activity,
    /// Cancelled when it has served its maximum number of requests.
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
        sniffed = sniff::version(&mut stream, &info, hcm.codec) => sniffed.ok(), // an error means that the peer closed without sending anything
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
            version,
            requests: AtomicU32::new(0),
            active: AtomicU32::new(0),
            activity: Activity::default(),
            worn_out: CancellationToken::new(),
            closing: AtomicBool::new(false),
            ended: AtomicBool::new(false),
        });
        match version {
            HttpVersion::Http1 => {
                stats.connections_http1.inc();
                http1(stream, connection, drain).await;
            }
            HttpVersion::Http2 => {
                stats.connections_http2.inc();
                http2(stream, connection, drain).await;
            }
        }
        worker.http.forget(id);
    }
    stats.connections_destroyed.inc();
}

impl Connection {
    /// Records the start of a request.
    pub(super) fn exchange_begun(&self) {
        self.active.fetch_add(1, Relaxed);
        let served = self.requests.fetch_add(1, Relaxed) + 1;
        if self.hcm.max_requests.is_some_and(|max| served >= max) {
            self.worn_out.cancel();
        }
    }

    /// Records that a response was forwarded, or dropped.
    pub(super) fn exchange_ended(&self) {
        self.active.fetch_sub(1, Relaxed);
        self.activity.touch();
    }

    /// Writes the log line of a request whose head could not be parsed.
    pub(super) fn log_rejection(self: &Arc<Self>, rejection: Rejection) {
        self.hcm.stats.protocol_errors.inc();
        self.hcm.stats.responded(rejection.status.as_u16());
        let mut exchange = Exchange::begin(self, "HTTP/1.1");
        exchange.stream.response_code = Some(rejection.status.as_u16());
        exchange.stream.bytes_sent = rejection.body.len() as u64;
        exchange.settle(Outcome::DownstreamProtocolError(rejection.details.into()));
    }

    /// Whether the downstream connection has ended.
    pub(super) fn has_ended(&self) -> bool {
        self.ended.load(Relaxed)
    }

    fn is_busy(&self) -> bool {
        self.active.load(Relaxed) > 0
    }

    /// Completes when the connection should end as soon as its requests are complete.
    async fn to_be_closed(&self, drain: &Drain) {
        tokio::select! {
            () = drain.asked() => self.hcm.stats.drained.inc(),
            () = self.worn_out.cancelled() => {}
            () = self.activity.idle_for(self.hcm.idle_timeout, || self.is_busy()) => self.hcm.stats.idle_timeouts.inc(),
        }
    }

    /// Completes when an HTTP/1 connection should be closed. The client learns of it with the next response, and has some time to
    /// request it: closing a connection while a request arrives would lose that request.
    async fn last_call(&self, drain: &Drain) {
        self.to_be_closed(drain).await;
        self.closing.store(true, Relaxed);
        self.activity.touch();
        self.activity.idle_for(Some(self.hcm.drain_timeout), || self.is_busy()).await;
    }
}

async fn http1<S>(stream: S, connection: Arc<Connection>, drain: Drain)
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let mut io = Io::new(stream);
    let end = tokio::select! {
        biased;
        end = http1::serve(&mut io, &connection) => end,
        () = drain.forced() => End::Closed,
        () = connection.last_call(&drain) => End::Closed,
    };
    match end {
        End::Rejected(rejection) => {
            connection.log_rejection(rejection);
            io.push(rejection.answer(&connection.hcm).into());
        }
        End::HalfHead => drop(Exchange::begin(&connection, "HTTP/1.1")), // logged as closed by the downstream
        End::Closed | End::Gone | End::Last => {}
    }
    tokio::select! {
        () = io.close(matches!(end, End::Closed | End::Gone | End::HalfHead)) => {}
        () = drain.forced() => {}
    }
}

impl Service for Arc<Connection> {
    async fn answer(
        &self,
        request: http1::Request,
        body: Option<http1::Body>,
    ) -> Result<Response<ResponseBody>, NoAnswer> {
        if request.version == Version::HTTP_10 && !self.hcm.accept_http_10 {
            return Err(NoAnswer::Rejected(Rejection::VERSION));
        }
        request::handle(self, request::Request::http1(request, body)).await.map_err(|Abandoned| NoAnswer::Gone)
    }

    fn is_closing(&self) -> bool {
        self.closing.load(Relaxed)
    }
}

async fn http2<S>(stream: S, connection: Arc<Connection>, drain: Drain)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let hcm = connection.hcm.clone();
    let service = {
        let connection = connection.clone();
        service_fn(move |request: http::Request<Incoming>| {
            let connection = connection.clone();
            async move { request::handle(&connection, request::Request::http2(request)).await }
        })
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
    // The tasks of its streams run on this thread, so they see this afterwards.
    connection.ended.store(true, Relaxed);
}
