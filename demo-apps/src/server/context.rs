//! What the server knows about a connection when it answers a request.

use std::future::Future;
use std::net::SocketAddr;
use std::sync::Arc;

use demo_args::Protocol;
use http::header::{HOST, HeaderValue};
use http::{HeaderMap, StatusCode};

use super::shared::Shared;
use crate::report::{Event, SEEN_SCHEMA, Seen, ServerTls, SpanReport, headers_of};

/// Both addresses of a connection. IPv4-mapped addresses of dual-stack sockets are converted to IPv4.
#[derive(Clone, Copy)]
pub(super) struct Ends {
    pub(super) peer: SocketAddr,
    pub(super) local: SocketAddr,
}

/// What the requests of one connection share.
pub(super) struct Context {
    pub(super) protocol: Protocol,
    pub(super) ends: Ends,
    pub(super) tls: Option<ServerTls>,
    pub(super) shared: Arc<Shared>,
}

impl Context {
    pub(super) fn seen(&self, head: &http::request::Parts, body_bytes: u64) -> Seen {
        Seen {
            schema: SEEN_SCHEMA.to_owned(),
            app: self.shared.name.to_string(),
            peer: self.ends.peer,
            local: self.ends.local,
            method: head.method.to_string(),
            path: head.uri.path_and_query().map_or_else(|| "/".to_owned(), ToString::to_string),
            version: format!("{:?}", head.version),
            headers: headers_of(&with_host(head)),
            body_bytes,
            tls: self.tls.clone(),
            grpc: None,
            websocket: None,
        }
    }

    /// The origin of the request: the first address in `x-forwarded-for`, else the peer.
    pub(super) fn origin(&self, headers: &HeaderMap) -> String {
        let forwarded = headers.get("x-forwarded-for").and_then(|value| value.to_str().ok());
        let first = forwarded.and_then(|all| all.split(',').next()).map(str::trim);
        first.map_or_else(|| self.ends.peer.ip().to_string(), str::to_owned)
    }

    pub(super) fn url(&self, head: &http::request::Parts) -> String {
        let scheme = if self.tls.is_some() { "https" } else { "http" };
        let headers = with_host(head);
        let host = headers.get(HOST).and_then(|host| host.to_str().ok()).unwrap_or_default();
        let path = head.uri.path_and_query().map_or("/", |path| path.as_str());
        format!("{scheme}://{host}{path}")
    }

    /// Completes when the server is to stop.
    pub(super) fn stopped(&self) -> impl Future<Output = ()> + Send + use<> {
        self.shared.stopped()
    }

    pub(super) fn log_spans(&self, spans: Vec<SpanReport>) {
        for span in spans {
            self.shared.log(|| Event::Span(Box::new(span)));
        }
    }

    pub(super) fn log(&self, status: StatusCode, seen: Seen) {
        self.shared.log(|| Event::Request { status: status.as_u16(), seen: Box::new(seen) });
    }
}

/// Adds HTTP/2's `:authority` as `host`.
pub(super) fn with_host(head: &http::request::Parts) -> HeaderMap {
    let mut headers = head.headers.clone();
    if let (None, Some(authority)) = (headers.get(HOST), head.uri.authority())
        && let Ok(value) = HeaderValue::from_str(authority.as_str())
    {
        headers.insert(HOST, value);
    }
    headers
}
