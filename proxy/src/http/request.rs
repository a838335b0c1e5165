//! Handling a request: validation, header changes, and forwarding according to its route.

use std::sync::Arc;

use http::{HeaderMap, HeaderValue, Method, Response, StatusCode, Version, header, uri::PathAndQuery};

use super::{
    body::{Incoming, RequestSource, ResponseBody},
    connection::Connection,
    exchange::{Abandoned, Exchange},
    headers, http1,
    local_reply::LocalReply,
    route::Target,
    router,
};
use crate::{access_log::RequestHead, authorization};
use envoy_rules::{outcome::Outcome, path, route};

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

    /// From an HTTP/2 request.
    pub(super) fn http2(request: http::Request<hyper::body::Incoming>) -> Self {
        let (parts, body) = request.into_parts();
        let mut headers = parts.headers;
        if let Some(authority) = parts.uri.authority() {
            headers.insert(header::HOST, headers::text(authority.as_str()));
        }
        join_cookies(&mut headers);
        let path = match parts.method {
            Method::CONNECT => None,
            _ => parts.uri.path_and_query().map(|path: &PathAndQuery| path.as_str().to_owned()),
        };
        Self {
            head: RequestHead { method: parts.method, path, headers },
            version: parts.version,
            upgrade: None,
            body: Incoming::Http2(body),
        }
    }
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
    let refusal = refusal(&mut head, hcm.normalize_path);
    let head = exchange.http.request.insert(head);
    if let Some(refusal) = refusal {
        return Ok(exchange.reply(refusal));
    }
    exchange.http.client = headers::prepare_request(&mut head.headers, hcm, &connection.info, upgrade.is_some());

    let (route, allowed) = {
        let authority = head.headers.get(header::HOST).and_then(|host| host.to_str().ok()).unwrap_or_default();
        let path = head.path.as_deref().unwrap_or_default();
        let method = head.method.as_str();
        let scheme = if connection.info.tls.is_some() { "https" } else { "http" };
        let facts = route::RequestHead { authority, path, method, scheme, headers: &head.headers };
        let route = hcm.routes.load().find(&facts).cloned().filter(|_| head.method != Method::CONNECT);
        let client = exchange.http.client;
        (route, authorization::check(&hcm.authorization, &connection.info, client, Some(facts)))
    };
    if let Err(details) = allowed {
        // The route is known, though it is not taken.
        if let Some(route) = &route {
            exchange.stream.route = Some(route.name.clone());
            exchange.stream.cluster =
                route.cluster().and_then(|name| Some(connection.worker.cluster(name)?.name.clone()));
        }
        return router::answer_failure(exchange, Outcome::Denied(details.into()));
    }
    let Some(route) = route else {
        hcm.stats.no_route.inc();
        let close = head.method == Method::CONNECT; // what follows would not be HTTP
        let reply = LocalReply::new(StatusCode::NOT_FOUND, "", Outcome::NoRoute);
        return Ok(exchange.reply(LocalReply { close, ..reply }));
    };
    exchange.stream.route = Some(route.name.clone());
    match &route.target {
        Target::Direct { status, body } => {
            hcm.stats.direct_responses.inc();
            Ok(exchange.reply(LocalReply::new(*status, body.clone(), Outcome::DirectResponse)))
        }
        Target::Cluster { name, timeout, retry } => {
            let body = RequestSource::new(body, &exchange.progress, retry.is_some() && upgrade.is_none());
            let plan = router::Plan { cluster: name, timeout: *timeout, retry: retry.as_ref(), route: &route };
            router::forward(connection, exchange, body, plan, upgrade.as_deref()).await
        }
    }
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
fn refusal(head: &mut RequestHead, normalize_path: bool) -> Option<LocalReply> {
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
    if normalize_path {
        match path::normalized(path) {
            Some(path) => head.path = Some(path),
            None => return Some(refuse(StatusCode::BAD_REQUEST, "path_normalization_failed").closing()),
        }
    }
    None
}
