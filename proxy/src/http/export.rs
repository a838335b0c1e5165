//! Sends spans to their collectors, in batches (`Tracer::flushSpans` and the exporters in `source/extensions/tracers/opentelemetry`).

use std::{sync::Arc, time::Duration};

use bytes::{BufMut as _, Bytes, BytesMut};
use envoy_rules::{codec::HttpVersion, upstream::http_version};
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use http_body_util::BodyExt as _;
use thiserror::Error;
use tokio::{
    sync::mpsc::Receiver,
    time::{Instant, timeout, timeout_at},
};

use super::{body::RequestSource, header_value::text, pool::Wanted};
use crate::{
    access_log::RequestHead,
    cluster::ConnectContext,
    traces::{Reported, Span, Tracer},
    worker::Worker,
};

/// How long a span waits for others at most (`tracing.opentelemetry.flush_interval_ms`).
const FLUSH_INTERVAL: Duration = Duration::from_secs(5);

/// How long a call may take where nothing else is said: nobody waits for it, but others wait behind it.
const TIMEOUT: Duration = Duration::from_secs(5);

/// The method of gRPC.
const EXPORT: &str = "/opentelemetry.proto.collector.trace.v1.TraceService/Export";

/// Why spans have not arrived.
#[derive(Debug, Error)]
enum Lost {
    #[error("there is no cluster {0}")]
    NoCluster(String),
    #[error("no endpoint of {0} can be reached")]
    Unreachable(String),
    #[error("the collector answers {0}")]
    Status(StatusCode),
    #[error("the collector answers with gRPC status {0}")]
    GrpcStatus(String),
    #[error("the collector does not answer in time")]
    Timeout,
}

/// Sends spans as they come, `batch` at a time, or what there is after a while.
pub(crate) async fn export(worker: Arc<Worker>, mut reported: Receiver<Reported>, batch: usize) {
    let mut waiting: Vec<(Arc<Tracer>, Vec<Span>)> = vec![];
    let mut flush_at = Instant::now() + FLUSH_INTERVAL;
    loop {
        match timeout_at(flush_at, reported.recv()).await {
            Ok(Some(Reported { tracer, span })) => {
                let known = waiting.iter_mut().find(|(known, _)| Arc::ptr_eq(known, &tracer));
                match known {
                    Some((_, spans)) => spans.push(span),
                    None => waiting.push((tracer, vec![span])),
                }
                // What has come meanwhile goes with it.
                if !reported.is_empty() {
                    continue;
                }
            }
            Ok(None) => return,
            Err(_) => {
                flush_at = Instant::now() + FLUSH_INTERVAL;
                for (tracer, spans) in waiting.drain(..) {
                    tracer.stats.timer_flushed.inc();
                    send(&worker, &tracer, spans).await;
                }
            }
        }
        for (tracer, spans) in waiting.extract_if(.., |(_, spans)| spans.len() >= batch) {
            send(&worker, &tracer, spans).await;
        }
    }
}

async fn send(worker: &Arc<Worker>, tracer: &Tracer, spans: Vec<Span>) {
    let count = spans.len() as u64;
    let config = &tracer.config;
    let limit = config.grpc_service.as_ref().and_then(|grpc| grpc.timeout);
    let limit = limit.or_else(|| config.http_service.as_ref()?.http_uri.timeout);
    let limit = limit.map(|limit| limit.0).filter(|limit| !limit.is_zero()).unwrap_or(TIMEOUT);
    tracer.stats.sent.add(count);
    if let Err(lost) = timeout(limit, call(worker, tracer, spans)).await.unwrap_or(Err(Lost::Timeout)) {
        tracing::warn!(spans = count, "spans were not delivered: {lost}");
    }
}

async fn call(worker: &Arc<Worker>, tracer: &Tracer, spans: Vec<Span>) -> Result<(), Lost> {
    let request = tracer.request(spans);
    let Some((cluster, head, body)) = message(tracer, request) else { return Ok(()) };
    let Some(cluster) = worker.cluster(cluster) else { return Err(Lost::NoCluster(cluster.to_owned())) };
    let version = http_version(cluster.config(), HttpVersion::Http2);
    let host = head.headers.get(header::HOST).and_then(|host| host.to_str().ok()).unwrap_or_default().to_owned();
    let context = ConnectContext { request: Some((&host, version)), choices: 1, ..ConnectContext::default() };
    let unreachable = || Lost::Unreachable(cluster.name.to_string());
    let endpoint = cluster.pick(&context).map_err(|_| unreachable())?;
    let wanted =
        Wanted { cluster: &cluster, endpoint: &endpoint, context: &context, version, downstream: 0, fresh: false };
    let upstream = worker.http.acquire(wanted).await.map_err(|_| unreachable())?;
    let sent = upstream.send(&head, &RequestSource::of_bytes(body), false).await;
    let (response, lease) = sent.map_err(|_| unreachable())?;
    let (parts, incoming) = response.into_parts();
    let trailers = incoming.collect().await.map_err(|_| unreachable())?.trailers().cloned().unwrap_or_default();
    lease.give_back();
    if !parts.status.is_success() {
        return Err(Lost::Status(parts.status));
    }
    let status = trailers.get("grpc-status").or_else(|| parts.headers.get("grpc-status"));
    match status.map(HeaderValue::as_bytes) {
        None | Some(b"0") => Ok(()),
        Some(status) => Err(Lost::GrpcStatus(String::from_utf8_lossy(status).into_owned())),
    }
}

/// The cluster, the head and the body of a request; `None` if the configuration names no collector.
fn message(tracer: &Tracer, request: Bytes) -> Option<(&str, RequestHead, Bytes)> {
    let mut headers = HeaderMap::new();
    if let Some(grpc) = &tracer.config.grpc_service {
        let cluster = grpc.envoy_grpc.cluster_name.as_str();
        let authority = Some(grpc.envoy_grpc.authority.as_str()).filter(|authority| !authority.is_empty());
        for more in &grpc.initial_metadata {
            if let Ok(name) = HeaderName::try_from(&more.key) {
                headers.append(name, text(&more.value));
            }
        }
        headers.insert(header::HOST, text(authority.unwrap_or(cluster)));
        headers.insert(header::TE, HeaderValue::from_static("trailers"));
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/grpc"));
        let mut framed = BytesMut::with_capacity(request.len() + 5);
        framed.put_u8(0); // not compressed
        framed.put_u32(request.len().try_into().ok()?);
        framed.put(request);
        return Some((
            cluster,
            RequestHead { method: Method::POST, path: Some(EXPORT.into()), headers },
            framed.freeze(),
        ));
    }
    let http = tracer.config.http_service.as_ref()?;
    let uri = http.http_uri.uri.split_once("://").map_or(http.http_uri.uri.as_str(), |(_, rest)| rest);
    let (host, path) = uri.split_at(uri.find('/').unwrap_or(uri.len()));
    for more in &http.request_headers_to_add {
        if let Ok(name) = HeaderName::try_from(&more.header.key) {
            headers.insert(name, text(&more.header.value));
        }
    }
    headers.insert(header::HOST, text(host));
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/x-protobuf"));
    headers.insert(header::CONTENT_LENGTH, request.len().into());
    let path = if path.is_empty() { "/" } else { path };
    Some((
        http.http_uri.cluster.as_str(),
        RequestHead { method: Method::POST, path: Some(path.into()), headers },
        request,
    ))
}
