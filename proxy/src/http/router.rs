//! The router: sends a request to an endpoint of its cluster, as often as the route allows, and words what came of it.

use std::{borrow::Cow, sync::Arc, time::Duration};

use http::{HeaderName, Request, Response, StatusCode, Version as HttpVersion, header};
use hyper::body::Incoming;
use tokio::time::sleep;

use super::{
    body::{BodyError, Deadline, RequestSource, ResponseBody},
    connection::Connection,
    exchange::{Exchange, LocalReply},
    headers,
    pool::{Lease, Wanted},
    rejection::Rejection,
    retry::RetryPolicy,
    route::{RouteEntry, without_port},
    sniff::Version,
    upgrade::{self, Upgrade},
    upstream::{self, Failure},
};
use crate::{
    cluster::{Cluster, ConnectContext, ConnectFailure},
    outcome::{ConnectError, Flag, Outcome, UpstreamReset},
    stream_info::UpstreamInfo,
};

const ATTEMPT_COUNT: HeaderName = HeaderName::from_static("x-envoy-attempt-count");
const EXPECTED_TIMEOUT: HeaderName = HeaderName::from_static("x-envoy-expected-rq-timeout-ms");
const SERVICE_TIME: HeaderName = HeaderName::from_static("x-envoy-upstream-service-time");

/// What a route says of sending a request upstream.
#[derive(Clone, Copy, Debug)]
pub(super) struct Plan<'a> {
    pub(super) cluster: &'a str,
    pub(super) timeout: Option<Duration>,
    pub(super) retry: Option<&'a RetryPolicy>,
    pub(super) route: &'a RouteEntry,
}

/// Sends a request upstream and answers with what comes back.
pub(super) async fn forward(
    connection: &Arc<Connection>,
    mut exchange: Box<Exchange>,
    body: RequestSource,
    plan: Plan<'_>,
    upgrade: Option<Upgrade>,
) -> Response<ResponseBody> {
    let hcm = &connection.hcm;
    let Some(cluster) = connection.worker.cluster(plan.cluster) else {
        hcm.stats.no_cluster.inc();
        let reply = LocalReply::new(StatusCode::SERVICE_UNAVAILABLE, "", Outcome::NoCluster, "cluster_not_found");
        return exchange.reply(reply);
    };
    exchange.stream.cluster = Some(cluster.name.clone());
    if upgrade.as_ref().is_some_and(|upgrade| !hcm.upgrades.contains(&upgrade.protocol)) {
        let refused = Outcome::Rejected("upgrade_failed".into());
        return exchange.reply(LocalReply::new(StatusCode::FORBIDDEN, "", refused, "upgrade_failed").closing());
    }
    if let (Some(timeout), Some(head), false) = (plan.timeout, &mut exchange.http.request, hcm.suppress_envoy_headers) {
        head.headers.insert(EXPECTED_TIMEOUT, headers::text(&timeout.as_millis().to_string()));
    }

    let mut deadline = deadline(&exchange, plan.timeout);
    let answered = tokio::select! {
        biased;
        answered = tries(connection, &cluster, &mut exchange, &body, plan) => answered,
        over = &mut deadline => {
            connection.worker.http.stats(&cluster).failed(&over);
            Err(over)
        }
    };
    match answered {
        Ok((response, _)) if response.status() == StatusCode::SWITCHING_PROTOCOLS => match upgrade {
            Some(upgrade) => upgrade::pass_on(exchange, response, upgrade),
            None => answer_failure(exchange, Outcome::UpstreamReset(UpstreamReset::ProtocolError)),
        },
        Ok((response, _)) if upgrade.is_some_and(|upgrade| upgrade.protocol == "websocket") => {
            let reply = LocalReply::new(response.status(), "", Outcome::Done, "websocket_handshake_unsuccessful");
            exchange.reply(reply.closing())
        }
        Ok((response, lease)) => pass_on(exchange, response, lease, deadline),
        Err(outcome) => answer_failure(exchange, outcome),
    }
}

/// Resolves when the route's time for a response is over, which counts from the end of the request, or when nothing has
/// moved for too long.
fn deadline(exchange: &Exchange, timeout: Option<Duration>) -> Deadline {
    let progress = exchange.progress.clone();
    let idle = exchange.hcm().stream_idle_timeout;
    Box::pin(async move {
        let response = async {
            let Some(timeout) = timeout else { return std::future::pending().await };
            progress.whole.cancelled().await;
            sleep(timeout).await;
        };
        tokio::select! {
            biased;
            () = response => Outcome::UpstreamTimeout,
            () = progress.activity.idle_for(idle, || false) => Outcome::IdleTimeout,
        }
    })
}

/// Tries until there is an answer to pass on, or none is to be expected.
async fn tries(
    connection: &Arc<Connection>,
    cluster: &Arc<Cluster>,
    exchange: &mut Exchange,
    body: &RequestSource,
    plan: Plan<'_>,
) -> Result<(Response<Incoming>, Lease), Outcome> {
    loop {
        exchange.http.attempts += 1;
        let stats = connection.worker.http.stats(cluster);
        let result = attempt(connection, cluster, exchange, body, plan).await;
        let retries_done = exchange.http.attempts - 1;
        if let Err(failure) = &result {
            stats.failed(&failure.outcome);
        }
        let retry = plan.retry.filter(|policy| {
            body.can_replay()
                && match &result {
                    Ok((response, _)) => policy.retries_response(response.status(), response.headers()),
                    Err(failure) => policy.retries_failure(&failure.outcome, failure.sent),
                }
        });
        match retry {
            Some(policy) if retries_done < policy.retries => {
                stats.retries.inc();
                drop(result);
                sleep(policy.back_off(retries_done + 1)).await;
            }
            exhausted => {
                if exhausted.is_none() && retries_done > 0 && result.is_ok() {
                    stats.retries_successful.inc();
                }
                if exhausted.is_some() {
                    stats.retries_exceeded.inc();
                    exchange.stream.add_flag(Flag::UpstreamRetryLimitExceeded);
                }
                return result.map_err(|failure| failure.outcome);
            }
        }
    }
}

async fn attempt(
    connection: &Arc<Connection>,
    cluster: &Arc<Cluster>,
    exchange: &mut Exchange,
    body: &RequestSource,
    plan: Plan<'_>,
) -> Result<(Response<Incoming>, Lease), Failure> {
    let version = upstream::version(cluster, connection.version);
    let request = upstream_request(exchange, version, plan.route.include_attempt_count);
    let host = exchange.http.request.as_ref().and_then(|head| head.headers.get(header::HOST)?.to_str().ok());
    let host = host.map(|host| without_port(host).to_owned());
    let context = ConnectContext {
        original_dst: connection.info.original_dst,
        filter_state: Some(&connection.info.filter_state),
        http_host: host.as_deref(),
        default_alpn: upstream::alpn(version),
        bytes_follow: false,
    };
    let endpoint = cluster.pick(&context)?;
    exchange.stream.upstream = Some(UpstreamInfo { host: endpoint.host, local: None, tls: None });
    exchange.stream.upstream_transport_failure = None;
    let pools = &connection.worker.http;
    let active = pools.stats(cluster).begun();
    let mut wanted = Wanted {
        cluster,
        endpoint: &endpoint,
        context: &context,
        version,
        downstream: connection.info.id,
        fresh: false,
    };
    loop {
        let found = pools.acquire(wanted).await;
        let upstream = found.inspect_err(|failure| {
            if let ConnectFailure::Endpoint(_, error) = failure {
                exchange.stream.upstream_transport_failure = Some(error.transport_failure()).filter(|s| !s.is_empty());
            }
        })?;
        exchange.stream.upstream = Some(upstream.info().clone());
        exchange.http.upstream_protocol = Some(upstream::protocol(version));
        let (parts, ()) = request.clone().into_parts();
        let reused = upstream.is_reused();
        match upstream.send(Request::from_parts(parts, body.body(version)), body).await {
            // Closed by the upstream while it was idle: not a try, for nothing was sent.
            Err(failure) if !failure.sent && reused => wanted.fresh = true,
            Err(failure) => return Err(failure_of(exchange, failure)),
            Ok((response, lease)) => {
                pools.stats(cluster).responded(response.status().as_u16());
                return Ok((response, lease.counted(active)));
            }
        }
    }
}

/// A failure whose cause is the request's own body is the downstream's.
fn failure_of(exchange: &Exchange, failure: Failure) -> Failure {
    let outcome = match exchange.progress.failed() {
        Some(BodyError::DownstreamProtocol) => Outcome::DownstreamProtocolError("http1.codec_error".into()),
        Some(_) => Outcome::DownstreamClosed,
        None => return failure,
    };
    Failure { outcome, ..failure }
}

/// The request as it goes upstream.
fn upstream_request(exchange: &mut Exchange, version: Version, count_attempts: bool) -> Request<()> {
    let attempts = exchange.http.attempts;
    let mut request = Request::new(());
    let Some(head) = &mut exchange.http.request else { return request };
    if count_attempts {
        head.headers.insert(ATTEMPT_COUNT, attempts.into());
    }
    *request.method_mut() = head.method.clone();
    *request.headers_mut() = head.headers.clone();
    *request.uri_mut() = head.uri.clone();
    if version == Version::Http2 {
        *request.version_mut() = HttpVersion::HTTP_2;
        upstream::with_authority(&mut request);
    }
    request
}

/// Passes an upstream's answer on.
fn pass_on(
    exchange: Box<Exchange>,
    response: Response<Incoming>,
    lease: Lease,
    deadline: Deadline,
) -> Response<ResponseBody> {
    let (parts, incoming) = response.into_parts();
    let mut headers = parts.headers;
    headers::remove_hop_by_hop(&mut headers, false);
    if let (Some(waited), false) = (exchange.progress.elapsed_since_whole(), exchange.hcm().suppress_envoy_headers) {
        headers.insert(SERVICE_TIME, headers::text(&waited.as_millis().to_string()));
    }
    let mut exchange = exchange;
    exchange.stream.outcome = Outcome::Done;
    exchange.stream.details = Some("via_upstream".into());
    exchange.respond(parts.status, headers, |exchange| ResponseBody::upstream(incoming, exchange, deadline, lease))
}

/// Answers in place of an upstream that did not.
fn answer_failure(exchange: Box<Exchange>, outcome: Outcome) -> Response<ResponseBody> {
    let retried = exchange.http.attempts > 1;
    let reset = |status: StatusCode, reason: &str, transport: &str| {
        let words = if retried { "retried and the latest reset reason" } else { "reset reason" };
        let body = format!("upstream connect error or disconnect/reset before headers. {words}: {reason}");
        let separator = if transport.is_empty() { "" } else { "|" };
        let details = format!("upstream_reset_before_response_started{{{reason}{separator}{transport}}}");
        (status, Cow::from(body), Cow::from(details.replace(' ', "_")))
    };
    let (status, body, details) = match &outcome {
        Outcome::NoHealthyUpstream => {
            (StatusCode::SERVICE_UNAVAILABLE, "no healthy upstream".into(), "no_healthy_upstream".into())
        }
        Outcome::UpstreamTimeout => {
            (StatusCode::GATEWAY_TIMEOUT, "upstream request timeout".into(), "response_timeout".into())
        }
        Outcome::IdleTimeout => {
            let whole = exchange.progress.whole.is_cancelled();
            let status = if whole { StatusCode::GATEWAY_TIMEOUT } else { StatusCode::REQUEST_TIMEOUT };
            (status, "stream timeout".into(), "stream_idle_timeout".into())
        }
        Outcome::ConnectFailed(error) => {
            reset(StatusCode::SERVICE_UNAVAILABLE, connect_reason(error), &error.transport_failure())
        }
        Outcome::UpstreamReset(UpstreamReset::ProtocolError) => {
            reset(StatusCode::BAD_GATEWAY, upstream::reason(UpstreamReset::ProtocolError), "")
        }
        Outcome::UpstreamReset(how) => reset(StatusCode::SERVICE_UNAVAILABLE, upstream::reason(*how), ""),
        Outcome::DownstreamProtocolError(_) => {
            let Rejection { status, body, details } = Rejection::CODEC;
            return exchange.reply(LocalReply::new(status, body, outcome, details).closing());
        }
        _ => return exchange.abandon(),
    };
    exchange.reply(LocalReply { status, body, outcome, details, close: false })
}

/// What Envoy calls it when there is no connection.
fn connect_reason(error: &ConnectError) -> &'static str {
    match error {
        ConnectError::Timeout => "connection timeout",
        ConnectError::NotBound(_) => "local connection failure",
        _ => "remote connection failure",
    }
}
