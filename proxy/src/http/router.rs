//! The router: sends a request to an endpoint of its cluster, with the retries that the route allows, and reports the outcome.

use std::{sync::Arc, time::Duration};

use envoy_api::RouteAction;
use http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode, header};
use rand::RngExt as _;
use tokio::time::sleep;

use super::{
    body::{BodyError, Deadline, Incoming, RequestSource, ResponseBody},
    connection::Connection,
    exchange::{Abandoned, Exchange},
    headers,
    local_reply::LocalReply,
    mirror,
    pool::{Lease, Wanted},
    rejection::Rejection,
    route::RouteEntry,
    upstream::Failure,
};
use crate::{
    access_log::Entry,
    address::UpstreamHost,
    cluster::{Cluster, ConnectContext, ConnectFailure},
    stream_info::UpstreamInfo,
};
use envoy_rules::{
    grpc,
    outcome::{Flag, Outcome, UpstreamReset},
    outlier::Sign,
    retry::RetryPolicy,
    rewrite::Mutations,
    upstream::{alpn_override, http_version},
};

const ATTEMPT_COUNT: HeaderName = HeaderName::from_static("x-envoy-attempt-count");
const EXPECTED_TIMEOUT: HeaderName = HeaderName::from_static("x-envoy-expected-rq-timeout-ms");
const OVERLOADED: HeaderName = HeaderName::from_static("x-envoy-overloaded");
const SERVICE_TIME: HeaderName = HeaderName::from_static("x-envoy-upstream-service-time");

/// A route's options for sending a request upstream.
#[derive(Clone, Copy, Debug)]
pub(super) struct Plan<'a> {
    pub(super) cluster: &'a str,
    pub(super) timeout: Option<Duration>,
    pub(super) retry: Option<&'a RetryPolicy>,
    pub(super) route: &'a RouteEntry,
    pub(super) action: &'a RouteAction,
    /// By which an endpoint is chosen, where the cluster does that by a hash.
    pub(super) hash: Option<u64>,
}

/// Sends a request upstream and returns the response.
pub(super) async fn forward(
    connection: &Arc<Connection>,
    mut exchange: Box<Exchange>,
    body: RequestSource,
    plan: Plan<'_>,
    upgrade: Option<&str>,
) -> Result<Response<ResponseBody>, Abandoned> {
    let hcm = &connection.hcm;
    let Some(cluster) = connection.worker.cluster(plan.cluster) else {
        hcm.stats.no_cluster.inc();
        return answer_failure(exchange, Outcome::NoCluster);
    };
    exchange.stream.cluster = Some(cluster.name.clone());
    if upgrade.is_some_and(|protocol| !hcm.upgrades.iter().any(|allowed| allowed == protocol)) {
        let refused = Outcome::Rejected("upgrade_failed".into());
        return Ok(exchange.reply(LocalReply::new(StatusCode::FORBIDDEN, "", refused).closing()));
    }
    if let (Some(peers), Some(own), Some(head)) = (&hcm.peers, hcm.introduction(), &mut exchange.http.request) {
        peers.introduce(&mut head.headers, own, cluster.config());
    }
    if let (Some(timeout), Some(head), false) = (plan.timeout, &mut exchange.http.request, hcm.suppress_envoy_headers) {
        head.headers.insert(EXPECTED_TIMEOUT, headers::text(&timeout.as_millis().to_string()));
    }

    let mut deadline = deadline(&exchange, plan.timeout);
    let answered = tokio::select! {
        biased;
        answered = attempts(connection, &cluster, &mut exchange, &body, plan, upgrade.is_some()) => answered,
        over = &mut deadline => {
            connection.worker.http.stats(&cluster).failed(&over);
            observe(&cluster, &exchange, Sign::TimedOut);
            Err(over)
        }
    };
    mirror::send(connection, &exchange, &body, &plan.action.request_mirror_policies);
    match answered {
        Ok((response, _)) if upgrade == Some("websocket") && response.status() != StatusCode::SWITCHING_PROTOCOLS => {
            let refused = Outcome::Rejected("websocket_handshake_unsuccessful".into());
            Ok(exchange.reply(LocalReply::new(response.status(), "", refused).closing()))
        }
        Ok((response, lease)) => Ok(forward_response(exchange, response, lease, deadline, upgrade.is_some())),
        Err(outcome) => answer_failure(exchange, outcome),
    }
}

/// Completes when the route's timeout has expired, which starts at the end of the request, or when there has been no activity
/// for too long.
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
            () = response => Outcome::ResponseTimeout,
            () = progress.activity.idle_for(idle, || false) => Outcome::StreamIdle,
        }
    })
}

/// Makes attempts until there is a response to forward, or no more are allowed.
async fn attempts(
    connection: &Arc<Connection>,
    cluster: &Arc<Cluster>,
    exchange: &mut Exchange,
    body: &RequestSource,
    plan: Plan<'_>,
    upgrade: bool,
) -> Result<(Response<Incoming>, Lease), Outcome> {
    let mut tried = vec![];
    // Counts a retry until the next decision.
    let mut _retrying = None;
    loop {
        exchange.http.attempts += 1;
        let stats = connection.worker.http.stats(cluster);
        let too_long = per_try_timeout(exchange, plan.retry);
        let result = tokio::select! {
            biased;
            result = attempt(connection, cluster, exchange, body, plan, &tried, upgrade) => result,
            () = too_long => Err(Failure { outcome: Outcome::PerTryTimeout, sent: true }),
        };
        tried.extend(exchange.stream.upstream.as_ref().map(|upstream| upstream.host));
        if let Some(sign) = sign(&result) {
            observe(cluster, exchange, sign);
        }
        if result.is_err() {
            end_span(exchange, cluster);
        }
        let retries_done = exchange.http.attempts - 1;
        if let Err(failure) = &result {
            stats.failed(&failure.outcome);
        }
        let retry = plan.retry.filter(|policy| {
            body.can_replay()
                && match &result {
                    // Another proxy on the way has no room: a retry would not help it.
                    Ok((response, _)) if response.headers().contains_key(OVERLOADED) => false,
                    Ok((response, _)) => {
                        policy.retries_response(response.status().as_u16(), grpc_status(response.headers()))
                    }
                    Err(failure) => policy.retries_failure(&failure.outcome, failure.sent),
                }
        });
        match retry {
            Some(policy) if retries_done < policy.retries => {
                _retrying = None;
                let Some(in_use) = cluster.resources.retries.take() else {
                    stats.retries_overflow.inc();
                    exchange.stream.add_flag(Flag::UpstreamOverflow);
                    return result.map_err(|failure| failure.outcome);
                };
                _retrying = Some(in_use);
                stats.retries.inc();
                drop(result);
                let wait = rand::rng().random_range(Duration::ZERO..policy.back_off(retries_done + 1));
                sleep(wait).await;
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

/// Ends the span of an attempt that has failed.
fn end_span(exchange: &mut Exchange, cluster: &Cluster) {
    if let (Some(tracing), Some(trace)) = (&exchange.connection.hcm.tracing, &mut exchange.trace) {
        let entry = Entry { stream: &exchange.stream, http: Some(&exchange.http) };
        tracing.end_attempt(trace, &entry, Some(&cluster.config().alt_stat_name));
    }
}

/// Notes what became of an attempt, for the detection of outliers.
fn observe(cluster: &Cluster, exchange: &Exchange, sign: Sign) {
    if let Some(upstream) = &exchange.stream.upstream {
        cluster.observe(upstream.host, sign);
    }
}

/// What an attempt says of its endpoint; nothing if it is not the endpoint's doing (`Filter::onUpstreamHeaders`, `onUpstreamReset`).
fn sign(result: &Result<(Response<Incoming>, Lease), Failure>) -> Option<Sign> {
    match result {
        Ok((response, _)) => {
            let of_grpc =
                grpc_status(response.headers()).and_then(|status| std::str::from_utf8(status).ok()?.parse().ok());
            Some(Sign::Response(of_grpc.map_or(response.status().as_u16(), grpc::http_status)))
        }
        Err(failure) => match &failure.outcome {
            Outcome::PerTryTimeout | Outcome::ResponseTimeout => Some(Sign::TimedOut),
            Outcome::ConnectFailed(_) | Outcome::UpstreamReset(_) => Some(Sign::Failed),
            _ => None,
        },
    }
}

/// Completes when one attempt has taken too long, once the whole request is there.
fn per_try_timeout(exchange: &Exchange, retry: Option<&RetryPolicy>) -> impl Future<Output = ()> + use<> {
    let limit = retry.and_then(|policy| policy.per_try_timeout);
    let progress = exchange.progress.clone();
    async move {
        let Some(limit) = limit else { return std::future::pending().await };
        progress.whole.cancelled().await;
        sleep(limit).await;
    }
}

async fn attempt(
    connection: &Arc<Connection>,
    cluster: &Arc<Cluster>,
    exchange: &mut Exchange,
    body: &RequestSource,
    plan: Plan<'_>,
    tried: &[UpstreamHost],
    upgrade: bool,
) -> Result<(Response<Incoming>, Lease), Failure> {
    let version = http_version(cluster.config(), connection.version);
    count_attempt(exchange, plan.route.include_attempt_count);
    let tracing = connection.hcm.tracing.as_ref();
    if let (Some(tracing), Some(trace), Some(head)) = (tracing, &mut exchange.trace, &mut exchange.http.request) {
        let name = &cluster.config().alt_stat_name;
        let name = if name.is_empty() { &*cluster.name } else { name };
        tracing.attempt(trace, &mut head.headers, name, exchange.http.attempts);
    }
    let host = exchange.http.request.as_ref().and_then(|head| head.headers.get(header::HOST)?.to_str().ok());
    let host = host.map(ToOwned::to_owned);
    let context = ConnectContext {
        original_dst: connection.info.original_dst,
        filter_state: Some(&connection.info.filter_state),
        request: Some((host.as_deref().unwrap_or_default(), version)),
        alpn: connection
            .hcm
            .alpn
            .as_ref()
            .and_then(|filter| alpn_override(filter, cluster.config().metadata.as_ref(), version)),
        bytes_follow: false,
        tried,
        hash: plan.hash,
        choices: plan.retry.filter(|_| !tried.is_empty()).map_or(1, |policy| policy.choices),
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
        exchange.http.upstream_protocol = Some(version);
        let reused = upstream.is_reused();
        let Some(head) = &exchange.http.request else { return Err(UpstreamReset::ProtocolError.into()) };
        match upstream.send(head, body, upgrade).await {
            // The upstream closed it while it was idle. This does not count as an attempt, since nothing was sent.
            Err(failure) if !failure.sent && reused => wanted.fresh = true,
            Err(failure) => return Err(failure_of(exchange, failure)),
            Ok((response, lease)) => {
                pools.stats(cluster).responded(response.status().as_u16());
                return Ok((response, lease.counted(active)));
            }
        }
    }
}

/// A failure caused by the request's own body is the downstream's.
fn failure_of(exchange: &Exchange, failure: Failure) -> Failure {
    let outcome = match exchange.progress.failed() {
        Some(BodyError::DownstreamProtocol(rejection)) => Outcome::DownstreamProtocolError(rejection.details.into()),
        Some(_) => Outcome::DownstreamClosed,
        None => return failure,
    };
    Failure { outcome, ..failure }
}

/// Sets the number of the attempt in the request's headers, if configured.
fn count_attempt(exchange: &mut Exchange, wanted: bool) {
    let attempts = exchange.http.attempts;
    if let Some(head) = exchange.http.request.as_mut().filter(|_| wanted) {
        head.headers.insert(ATTEMPT_COUNT, attempts.into());
    }
}

/// Forwards an upstream's response.
fn forward_response(
    exchange: Box<Exchange>,
    response: Response<Incoming>,
    lease: Lease,
    deadline: Deadline,
    upgrade: bool,
) -> Response<ResponseBody> {
    let (parts, incoming) = response.into_parts();
    let mut headers = parts.headers;
    let is_upgrade = upgrade && parts.status == StatusCode::SWITCHING_PROTOCOLS;
    if is_upgrade {
        exchange.hcm().stats.upgrades.inc();
    }
    headers::remove_hop_by_hop(&mut headers, is_upgrade);
    if let (Some(waited), false) = (exchange.progress.elapsed_since_whole(), exchange.hcm().suppress_envoy_headers) {
        headers.insert(SERVICE_TIME, headers::text(&waited.as_millis().to_string()));
    }
    let mut exchange = exchange;
    let peer = exchange.hcm().peers.as_ref().and_then(|peers| peers.read_response(&mut headers));
    if let Some(peer) = peer {
        exchange.stream.peer = Some(Arc::new(peer.without_pod()));
    }
    if let Some((route, weight)) = &exchange.route {
        let mutations = Mutations::of_response(&route.configured, weight.as_ref());
        let entry = Entry { stream: &exchange.stream, http: Some(&exchange.http) };
        mutations.apply(&mut headers, |text| route.value(text, &entry));
    }
    headers.extend(std::mem::take(&mut exchange.of_cors));
    for cookie in std::mem::take(&mut exchange.set_cookies) {
        headers.append(header::SET_COOKIE, cookie);
    }
    exchange.stream.outcome = Outcome::Answered;
    exchange.respond(parts.status, headers, |exchange| ResponseBody::upstream(incoming, exchange, deadline, lease))
}

/// Replies locally after a failure.
pub(super) fn answer_failure(exchange: Box<Exchange>, outcome: Outcome) -> Result<Response<ResponseBody>, Abandoned> {
    if let Outcome::DownstreamProtocolError(_) = outcome {
        let rejection = match exchange.progress.failed() {
            Some(BodyError::DownstreamProtocol(rejection)) => rejection,
            _ => Rejection::CODEC,
        };
        let Rejection { status, body, .. } = rejection;
        return Ok(exchange.reply(LocalReply::new(status, body, outcome).closing()));
    }
    let Some(answer) = outcome.answer(exchange.http.attempts > 1, exchange.progress.whole.is_cancelled()) else {
        return Err(Abandoned);
    };
    let mut headers = HeaderMap::new();
    if outcome == Outcome::Overflow && !exchange.hcm().suppress_envoy_headers {
        headers.insert(OVERLOADED, HeaderValue::from_static("true"));
    }
    Ok(exchange.reply(LocalReply { headers, ..LocalReply::for_outcome(answer, outcome) }))
}

fn grpc_status(headers: &HeaderMap) -> Option<&[u8]> {
    headers.get("grpc-status").map(HeaderValue::as_bytes)
}
