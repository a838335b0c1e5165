//! Serving a downstream connection: its version, its requests, and its end.

use std::{pin::pin, sync::Arc};

use envoy_rules::{codec::HttpVersion, outcome::Outcome};
use http::{Response, Version};
use hyper::{body::Incoming, ext::Protocol, server::conn::http2, service::service_fn};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    sync::Notify,
};

use super::{
    activity::Activity,
    body::ResponseBody,
    config::Hcm,
    connection::Connection,
    exchange::{Abandoned, Exchange},
    http1::{self, End, Io, NoAnswer, Service},
    rejection::Rejection,
    request, sniff,
    wire::Wire,
};
use crate::{drain::Drain, stream::Downstream, stream_info::ConnectionInfo, worker::Worker};

/// Maximum size of an HTTP/2 request's headers, in bytes. Envoy's default.
const MAX_HEAD: usize = 60 * 1024;
/// Default for concurrent streams on an HTTP/2 connection. Envoy's default.
const MAX_STREAMS: u32 = 1024;
/// Maximum number of HTTP/2 streams of a connection that a client resets before they were taken up. Envoy's default
/// (`source/common/http/conn_manager_impl.cc`, `overload.premature_reset_total_stream_count`).
const MAX_EARLY_RESETS: usize = 500;
/// Default window of an HTTP/2 stream, in bytes. Envoy's default.
const STREAM_WINDOW: u32 = 16 * 1024 * 1024;
/// Default window of an HTTP/2 connection, in bytes. Envoy's default.
const CONNECTION_WINDOW: u32 = 24 * 1024 * 1024;

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
        let connection = Arc::new(Connection::new(info, hcm.clone(), worker.clone(), version));
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
            log_rejection(&connection, rejection);
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

/// Writes the log line of a request whose head could not be parsed.
fn log_rejection(connection: &Arc<Connection>, rejection: Rejection) {
    connection.hcm.stats.protocol_errors.inc();
    connection.hcm.stats.responded(rejection.status.as_u16());
    let mut exchange = Exchange::begin(connection, "HTTP/1.1");
    exchange.stream.response_code = Some(rejection.status.as_u16());
    exchange.stream.bytes_sent = rejection.body.len() as u64;
    exchange.settle(Outcome::DownstreamProtocolError(rejection.details.into()));
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
        Connection::is_closing(self)
    }
}

/// Writes the log line of an extended CONNECT: without `allow_connect` its field `:protocol` is invalid, and ends the connection.
fn refuse_extended_connect(connection: &Arc<Connection>) {
    connection.hcm.stats.protocol_errors.inc();
    let mut exchange = Exchange::begin(connection, "HTTP/2");
    exchange.settle(Outcome::DownstreamProtocolError("http2.invalid.header.field".into()));
}

async fn http2<S>(stream: S, connection: Arc<Connection>, drain: Drain)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let hcm = connection.hcm.clone();
    let invalid = Arc::new(Notify::new());
    let service = {
        let (connection, invalid) = (connection.clone(), invalid.clone());
        service_fn(move |request: http::Request<Incoming>| {
            let (connection, invalid) = (connection.clone(), invalid.clone());
            async move {
                if request.extensions().get::<Protocol>().is_some() {
                    refuse_extended_connect(&connection);
                    invalid.notify_one();
                    // Until the connection is closed.
                    return std::future::pending().await;
                }
                // The error resets the stream.
                let request = request::Request::http2(request).ok_or(Abandoned)?;
                request::handle(&connection, request).await
            }
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
            // Only so that it comes as far as the service, which refuses it.
            .enable_connect_protocol()
            .max_pending_accept_reset_streams(MAX_EARLY_RESETS)
            .serve_connection(TokioIo::new(stream), service)
    );
    let _ = tokio::select! {
        biased;
        ended = serving.as_mut() => ended,
        () = invalid.notified() => Ok(()),
        () = connection.to_be_closed(&drain) => {
            serving.as_mut().graceful_shutdown();
            tokio::select! {
                ended = serving => ended,
                () = drain.forced() => Ok(()),
            }
        }
    };
    // The tasks of its streams run on this thread, so they see this afterwards.
    connection.end();
}
