//! Handling a request: validation, header changes, and forwarding according to its route.

use std::{borrow::Cow, sync::Arc, time::Duration};

use http::{HeaderMap, HeaderName, HeaderValue, Method, Response, StatusCode, Version, header, uri::PathAndQuery};

use super::{
    body::{Incoming, RequestSource, ResponseBody},
    connection::Connection,
    exchange::{Abandoned, Exchange},
    fault, grpc, headers, http1,
    local_reply::LocalReply,
    route::{RouteEntry, Target},
    router,
};
use crate::{
    access_log::{Entry, RequestHead},
    authorization,
};
use envoy_api::{ClusterWeight, RouteAction};
use envoy_rules::{
    cors::{self, Cors},
    forwarded, hash,
    outcome::Outcome,
    path::{Normalization, Normalized},
    rewrite::{self, Mutations},
    route,
};

const ORIGINAL_PATH: HeaderName = HeaderName::from_static("x-envoy-original-path");
const ORIGINAL_HOST: HeaderName = HeaderName::from_static("x-envoy-original-host");

#[cfg(test)]
mod tests;

/// A request in either version.
#[derive(Debug)]
pub(super) struct Request {
    pub(super) head: RequestHead,
    pub(super) version: Version,
    /// Requested upgrade protocol, in lower case.
    pub(super) upgrade: Option<String>,
    pub(super) body: Incoming,
}

impl Request {
    /// From an HTTP/1 request.
    pub(super) fn http1(request: http1::Request, body: Option<http1::Body>) -> Self {
        let http1::Request { method, path, headers, version, upgrade, .. } = request;
        Self { head: RequestHead { method, path, headers }, version, upgrade, body: body.into() }
    }

    /// From an HTTP/2 request; `None` if Envoy would not accept it, though the HTTP/2 library does.
    pub(super) fn http2(request: http::Request<hyper::body::Incoming>) -> Option<Self> {
        let (parts, body) = request.into_parts();
        if !is_acceptable(&parts) {
            return None;
        }
        let mut headers = parts.headers;
        if let Some(authority) = parts.uri.authority() {
            headers.insert(header::HOST, headers::text(authority.as_str()));
        }
        join_cookies(&mut headers);
        let path = match parts.method {
            Method::CONNECT => None,
            _ => parts.uri.path_and_query().map(|path: &PathAndQuery| path.as_str().to_owned()),
        };
        Some(Self {
            head: RequestHead { method: parts.method, path, headers },
            version: parts.version,
            upgrade: None,
            body: Incoming::Http2(body),
        })
    }
}

/// Whether Envoy accepts an HTTP/2 request's fields: with pseudo-headers as many as in HTTP/1, none twice that there can be once, and
/// no user in the authority (nghttp2: `lib/nghttp2_http.c`, `http_request_on_header`).
fn is_acceptable(parts: &http::request::Parts) -> bool {
    let uri = &parts.uri;
    let given = [uri.scheme().is_some(), uri.authority().is_some(), uri.path_and_query().is_some()];
    let pseudo = 1 + given.into_iter().filter(|given| *given).count();
    let is_single = |name| parts.headers.get_all(name).iter().count() <= 1;
    parts.headers.len() + pseudo <= http1::MAX_HEADERS
        && is_single(header::HOST)
        && is_single(header::CONTENT_LENGTH)
        && !uri.authority().is_some_and(|authority| authority.as_str().contains('@'))
}

/// Handles a request.
///
/// # Errors
/// If the downstream has closed.
pub(super) async fn handle(
    connection: &Arc<Connection>,
    request: Request,
) -> Result<Response<ResponseBody>, Abandoned> {
    let Request { mut head, version, upgrade, body } = request;
    let hcm = &connection.hcm;
    let mut exchange = Exchange::begin(connection, protocol(version));
    let refusal = refusal(&mut head, hcm.normalization);
    let head = exchange.http.request.insert(head);
    if let Some(refusal) = refusal {
        return Ok(exchange.reply(refusal));
    }
    exchange.http.client = headers::prepare_request(&mut head.headers, hcm, &connection.info, upgrade.is_some());
    if let Some(peers) = &hcm.peers {
        let (received, peer) = peers.read_request(&mut head.headers);
        exchange.received = received;
        exchange.stream.peer = peer.map(|peer| Arc::new(peer.without_pod()));
    }

    let (route, allowed) = {
        let authority = head.headers.get(header::HOST).and_then(|host| host.to_str().ok()).unwrap_or_default();
        let path = head.path.as_deref().unwrap_or_default();
        let method = head.method.as_str();
        let scheme = forwarded::scheme(&head.headers, connection.info.tls.is_some());
        let facts = route::RequestHead { authority, path, method, scheme, headers: &head.headers };
        let route = hcm.routes.load().find(&facts).cloned().filter(|_| head.method != Method::CONNECT);
        let client = exchange.http.client;
        (route, authorization::check(&hcm.authorization, &connection.info, client, Some(facts)))
    };
    if let Some(tracing) = &hcm.tracing {
        let decorator = route.as_ref().and_then(|route| route.configured.decorator.as_ref());
        let operation = decorator.map(|decorator| decorator.operation.as_str());
        exchange.trace = Some(tracing.begin(head, operation, exchange.stream.start_time));
    }
    if let Err(denied) = allowed {
        // The route is known, though it is not taken.
        if let Some(route) = &route {
            exchange.stream.route = Some(route.name.clone());
            exchange.stream.cluster =
                route.cluster().and_then(|name| Some(connection.worker.cluster(name)?.name.clone()));
        }
        return router::answer_failure(exchange, Outcome::Denied(denied.details.into()));
    }
    let Some(route) = route else {
        hcm.stats.no_route.inc();
        let close = head.method == Method::CONNECT; // what follows would not be HTTP
        let reply = LocalReply::new(StatusCode::NOT_FOUND, "", Outcome::NoRoute);
        return Ok(exchange.reply(LocalReply { close, ..reply }));
    };
    exchange.stream.route = Some(route.name.clone());
    if let Some(fault) = route.configured.fault().filter(|_| hcm.injects_faults)
        && let Some(reply) = fault::inject(&mut exchange, fault).await
    {
        exchange.stream.cluster = route.cluster().and_then(|name| Some(connection.worker.cluster(name)?.name.clone()));
        return Ok(exchange.reply(reply));
    }
    if let Some(policy) = route.configured.cors().filter(|_| hcm.answers_cors)
        && let Some(head) = &exchange.http.request
    {
        match cors::decide(policy, head.method.as_str(), &head.headers) {
            Cors::Answered(headers) => {
                let reply = LocalReply::new(StatusCode::OK, "", Outcome::CorsPreflight);
                return Ok(exchange.reply(LocalReply { headers, ..reply }));
            }
            Cors::Passed(headers) => exchange.of_cors = headers,
        }
    }
    match &route.target {
        Target::Redirect(redirect) => {
            hcm.stats.redirects.inc();
            let status = StatusCode::from_u16(redirect.response_code.status()).unwrap_or(StatusCode::FOUND);
            let location = with_head(&exchange, |head| rewrite::location(redirect, &route.configured.matcher, head));
            let mut reply = LocalReply::new(status, "", Outcome::DirectResponse);
            reply.headers.insert(header::LOCATION, headers::text(&location));
            Ok(exchange.reply_of_route(reply, &route))
        }
        Target::Direct { status, body } => {
            hcm.stats.direct_responses.inc();
            let reply = LocalReply::new(*status, body.clone(), Outcome::DirectResponse);
            Ok(exchange.reply_of_route(reply, &route))
        }
        Target::Cluster { clusters, action, timeout, retry } => {
            let (name, weight) = clusters.choose();
            send_as(&mut exchange, &route, action, weight);
            exchange.route = Some((route.clone(), weight.cloned()));
            let mirrored = !action.request_mirror_policies.is_empty();
            let body = RequestSource::new(body, &exchange.progress, (retry.is_some() || mirrored) && upgrade.is_none());
            let timeout = timeout_of(&exchange, action, *timeout);
            let hash = hash_of(&mut exchange, action);
            let plan = router::Plan { cluster: name, timeout, retry: retry.as_ref(), route: &route, action, hash };
            router::forward(connection, exchange, body, plan, upgrade.as_deref()).await
        }
    }
}

/// Asks something of the request's head, as routes match it.
fn with_head<T>(exchange: &Exchange, ask: impl FnOnce(&route::RequestHead<'_>) -> T) -> T {
    let none = HeaderMap::new();
    let head = exchange.http.request.as_ref();
    let headers = head.map_or(&none, |head| &head.headers);
    let authority = headers.get(header::HOST).and_then(|host| host.to_str().ok()).unwrap_or_default();
    let path = head.and_then(|head| head.path.as_deref()).unwrap_or_default();
    let method = head.map_or("", |head| head.method.as_str());
    let scheme = forwarded::scheme(headers, exchange.stream.connection.tls.is_some());
    ask(&route::RequestHead { authority, path, method, scheme, headers })
}

/// Makes a request what its route sends upstream: headers, path, host (`RouteEntryImplBase::finalizeRequestHeaders`).
fn send_as(exchange: &mut Exchange, route: &RouteEntry, action: &RouteAction, weight: Option<&ClusterWeight>) {
    let mutations = Mutations::of_request(&route.configured, weight);
    let Some(mut head) = exchange.http.request.clone() else { return };
    if !mutations.is_empty() {
        let entry = Entry { stream: &exchange.stream, http: Some(&exchange.http) };
        mutations.apply(&mut head.headers, |text| route.value(text, &entry));
    }
    let suppressed = exchange.hcm().suppress_envoy_headers;
    if let Some(before) = &head.path
        && let Some(path) = rewrite::path(action, &route.configured.matcher, before)
    {
        if !suppressed {
            head.headers.insert(ORIGINAL_PATH, headers::text(before));
        }
        head.path = Some(path);
    }
    if let Some(host) = rewrite::authority(action, weight)
        && let Some(before) = head.headers.insert(header::HOST, headers::text(host)).filter(|_| !suppressed)
    {
        head.headers.insert(ORIGINAL_HOST, before);
    }
    exchange.http.request = Some(head);
}

/// The hash of a request, where its route has a policy for one. Notes the cookies that have to be set for it.
fn hash_of(exchange: &mut Exchange, action: &RouteAction) -> Option<u64> {
    if action.hash_policy.is_empty() {
        return None;
    }
    let connection = exchange.stream.connection.clone();
    let client = exchange.http.client.unwrap_or(connection.remote.0).ip();
    let mut set = vec![];
    let hash = with_head(exchange, |head| {
        hash::of_request(&action.hash_policy, head, client, |cookie| {
            let value = hash::cookie_of_connection(&connection.remote.0.to_string(), &connection.local.0.to_string());
            set.push(headers::text(&hash::set_cookie(cookie, &value)));
            Some(value)
        })
    });
    exchange.set_cookies = set;
    hash
}

/// How long a request may take: the route's timeout, but for gRPC what the request says, up to the route's limit
/// (`FilterUtility::finalTimeout`).
fn timeout_of(exchange: &Exchange, action: &RouteAction, of_route: Option<Duration>) -> Option<Duration> {
    let headers = exchange.http.request.as_ref().map(|head| &head.headers);
    let Some(headers) = headers.filter(|headers| grpc::is_grpc(headers)) else { return of_route };
    let Some(most) = action.max_grpc_timeout.map(|most| most.0).filter(|most| !most.is_zero()) else { return of_route };
    let asked = headers.get("grpc-timeout").and_then(|text| grpc::timeout(text.to_str().ok()?));
    Some(asked.filter(|asked| !asked.is_zero()).map_or(most, |asked| asked.min(most)))
}

/// Name of a version in access logs.
fn protocol(version: Version) -> &'static str {
    match version {
        Version::HTTP_2 => "HTTP/2",
        Version::HTTP_10 => "HTTP/1.0",
        _ => "HTTP/1.1",
    }
}

/// Joins the parts of `cookie`, which HTTP/2 may split (RFC 9113, section 8.2.3).
fn join_cookies(headers: &mut HeaderMap) {
    let parts: Vec<&[u8]> = headers.get_all(header::COOKIE).iter().map(HeaderValue::as_bytes).collect();
    if parts.len() > 1
        && let Ok(whole) = HeaderValue::from_bytes(&parts.join(&b"; "[..]))
    {
        headers.insert(header::COOKIE, whole);
    }
}

/// The reply to a request that Envoy refuses before looking for a route. Normalizes the path.
fn refusal(head: &mut RequestHead, normalization: Normalization) -> Option<LocalReply> {
    let refuse = |status, details: &'static str| LocalReply::new(status, "", Outcome::Rejected(details.into()));
    if !head.headers.contains_key(header::HOST) {
        return Some(refuse(StatusCode::BAD_REQUEST, "missing_host_header").closing());
    }
    if head.method == Method::CONNECT {
        return None;
    }
    if head.method.as_str() == "QUERY" && !head.headers.contains_key(header::CONTENT_TYPE) {
        return Some(refuse(StatusCode::BAD_REQUEST, "query_missing_content_type").closing());
    }
    let path = head.path.as_ref().filter(|path| path.starts_with('/'));
    let Some(path) = path else { return Some(refuse(StatusCode::NOT_FOUND, "absolute_path_rejected")) };
    let failed = |status| refuse(status, "path_normalization_failed").closing();
    match normalization.apply(path) {
        Normalized::Path(Cow::Borrowed(_)) => None,
        Normalized::Path(Cow::Owned(path)) => {
            head.path = Some(path);
            None
        }
        Normalized::Redirected(path) if !grpc::is_grpc(&head.headers) => {
            let mut reply = failed(StatusCode::TEMPORARY_REDIRECT);
            reply.headers.insert(header::LOCATION, headers::text(&path));
            Some(reply)
        }
        Normalized::Redirected(_) | Normalized::Rejected => Some(failed(StatusCode::BAD_REQUEST)),
    }
}
