//! A request as it came: checked, prepared, and sent where its route says.

use std::sync::Arc;

use http::{
    HeaderMap, HeaderValue, Method, Request, Response, StatusCode, Uri, Version, header, request::Parts,
    uri::PathAndQuery,
};
use hyper::body::Incoming;

use super::{
    body::{RequestSource, ResponseBody},
    connection::Connection,
    exchange::{Exchange, LocalReply},
    headers,
    rejection::Rejection,
    route::Target,
    router, sniff,
    upgrade::Upgrade,
};
use crate::{access_log::RequestHead, outcome::Outcome};

/// The methods that Envoy's HTTP/1 codec knows.
const METHODS: [&str; 34] = [
    "ACL",
    "BIND",
    "CHECKOUT",
    "CONNECT",
    "COPY",
    "DELETE",
    "GET",
    "HEAD",
    "LINK",
    "LOCK",
    "MERGE",
    "MKACTIVITY",
    "MKCALENDAR",
    "MKCOL",
    "MOVE",
    "MSEARCH",
    "NOTIFY",
    "OPTIONS",
    "PATCH",
    "POST",
    "PROPFIND",
    "PROPPATCH",
    "PURGE",
    "PUT",
    "REBIND",
    "REPORT",
    "SEARCH",
    "SOURCE",
    "SUBSCRIBE",
    "TRACE",
    "UNBIND",
    "UNLINK",
    "UNLOCK",
    "UNSUBSCRIBE",
];

/// Answers a request.
///
/// # Errors
/// When Envoy's codec refuses what hyper's took: the connection answers and ends.
pub(super) async fn handle(
    connection: Arc<Connection>,
    request: Request<Incoming>,
) -> Result<Response<ResponseBody>, Rejection> {
    if request.version() == Version::HTTP_10 && !connection.hcm.accept_http_10 {
        return Err(Rejection::VERSION);
    }
    if connection.version == sniff::Version::Http1 && !METHODS.contains(&request.method().as_str()) {
        return Err(Rejection::CODEC);
    }
    connection.gate.request_begun();
    // hyper closes after a request of HTTP/1.0 that does not ask otherwise, but does not say so.
    let closes = request.version() == Version::HTTP_10 && !asks(request.headers(), "keep-alive");
    let mut response = answer(connection.clone(), request).await;
    let last = connection.version == sniff::Version::Http1 && connection.is_closing();
    if closes || (last && response.status() != StatusCode::SWITCHING_PROTOCOLS) {
        response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
    }
    Ok(response)
}

async fn answer(connection: Arc<Connection>, mut request: Request<Incoming>) -> Response<ResponseBody> {
    let hcm = connection.hcm.clone();
    let mut exchange = Exchange::begin(&connection, protocol(request.version()));
    let upgrade = upgrade(&mut request);
    let (parts, incoming) = request.into_parts();
    let head = normalized(parts, hcm.normalize_path);
    let refusal = refusal(&head);
    let head = exchange.http.request.insert(head);
    if let Some(refusal) = refusal {
        return exchange.reply(refusal);
    }
    exchange.http.client = headers::prepare_request(&mut head.headers, &hcm, &connection.info, upgrade.is_some());

    let route = {
        let authority = head.headers.get(header::HOST).and_then(|host| host.to_str().ok()).unwrap_or_default();
        let path = head.uri.path_and_query().map_or("", PathAndQuery::as_str);
        hcm.routes.load().find(authority, path, &head.headers).cloned()
    };
    let Some(route) = route.filter(|_| head.method != Method::CONNECT) else {
        hcm.stats.no_route.inc();
        let close = head.method == Method::CONNECT; // what follows would be no HTTP
        let reply = LocalReply::new(StatusCode::NOT_FOUND, "", Outcome::NoRoute, "route_not_found");
        return exchange.reply(LocalReply { close, ..reply });
    };
    exchange.stream.route = Some(route.name.clone());
    match &route.target {
        Target::Direct { status, body } => {
            hcm.stats.direct_responses.inc();
            exchange.reply(LocalReply::new(*status, body.clone(), Outcome::DirectResponse, "direct_response"))
        }
        Target::Cluster { name, timeout, retry } => {
            let body = RequestSource::new(incoming, &exchange.progress, retry.is_some());
            let plan = router::Plan { cluster: name, timeout: *timeout, retry: retry.as_ref(), route: &route };
            router::forward(&connection, exchange, body, plan, upgrade).await
        }
    }
}

/// A version's name, as access logs have it.
fn protocol(version: Version) -> &'static str {
    match version {
        Version::HTTP_2 => "HTTP/2",
        Version::HTTP_10 => "HTTP/1.0",
        _ => "HTTP/1.1",
    }
}

/// The head with its host in `host` and only path and query in its URI, whatever form and version it came in.
fn normalized(parts: Parts, normalize_path: bool) -> RequestHead {
    let Parts { method, uri, mut headers, .. } = parts;
    if method == Method::CONNECT {
        return RequestHead { method, uri, headers }; // it has no path
    }
    if let Some(authority) = uri.authority() {
        headers.insert(header::HOST, headers::text(authority.as_str()));
    }
    let path = uri.path_and_query().map(|path| match normalize_path {
        true => without_dots(path),
        false => path.clone(),
    });
    let mut uri = Uri::builder();
    if let Some(path) = path {
        uri = uri.path_and_query(path);
    }
    RequestHead { method, uri: uri.build().unwrap_or_default(), headers }
}

/// A path without `.` and `..`.
fn without_dots(path: &PathAndQuery) -> PathAndQuery {
    let mut segments: Vec<&str> = Vec::new();
    let mut ends_in_dots = false;
    for segment in path.path().split('/').skip(1) {
        let dots = segment.replace("%2e", ".").replace("%2E", ".");
        ends_in_dots = matches!(&*dots, "." | "..");
        match &*dots {
            "." => {}
            ".." => drop(segments.pop()),
            _ => segments.push(segment),
        }
    }
    if ends_in_dots {
        segments.push("");
    }
    let query = path.query().map(|query| format!("?{query}")).unwrap_or_default();
    format!("/{}{query}", segments.join("/")).parse().unwrap_or_else(|_| path.clone())
}

/// What Envoy refuses before it looks for a route.
fn refusal(head: &RequestHead) -> Option<LocalReply> {
    let refuse =
        |status, details: &'static str| LocalReply::new(status, "", Outcome::Rejected(details.into()), details);
    if !head.headers.contains_key(header::HOST) {
        return Some(refuse(StatusCode::BAD_REQUEST, "missing_host_header").closing());
    }
    let path = head.uri.path_and_query().map_or("", PathAndQuery::as_str);
    (!path.starts_with('/') && head.method != Method::CONNECT)
        .then(|| refuse(StatusCode::NOT_FOUND, "absolute_path_rejected"))
}

/// The upgrade that a request asks for, if it does.
fn upgrade(request: &mut Request<Incoming>) -> Option<Upgrade> {
    let protocol = request.headers().get(header::UPGRADE)?.to_str().ok()?.to_ascii_lowercase();
    let asked = request.version() == Version::HTTP_11 && asks(request.headers(), "upgrade");
    asked.then(|| Upgrade { protocol, downstream: hyper::upgrade::on(request) })
}

/// Whether the `connection` header has that option.
fn asks(headers: &HeaderMap, option: &str) -> bool {
    let values = headers.get_all(header::CONNECTION).iter().filter_map(|value| value.to_str().ok());
    values.flat_map(|value| value.split(',')).any(|token| token.trim().eq_ignore_ascii_case(option))
}

#[cfg(test)]
mod tests;
