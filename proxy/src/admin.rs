//! The administration interface, with Envoy's paths and formats. It runs on its own thread, so that scrapes and traffic do not
//! delay each other.

mod certificates;
mod clusters;
mod config_dump;
mod listeners;

use std::{convert::Infallible, io, net::SocketAddr, sync::Arc, time::Instant};

use bytes::Bytes;
use http::{HeaderValue, Method, Request, Response, StatusCode, header};
use http_body_util::Full;
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio::{net::TcpListener, sync::mpsc::UnboundedSender};

use crate::{config::Shared, logging::Seldom};

/// The paths, their purposes, and whether they change something (and so require POST).
const PATHS: &[(&str, &str, bool)] = &[
    ("/", "this list", false),
    ("/certs", "the certificates in use", false),
    ("/clusters", "the clusters and their endpoints (?format=json)", false),
    ("/config_dump", "the configuration in use (?include_eds)", false),
    ("/drain_listeners", "stop accepting, and ask connections to end", true),
    ("/listeners", "the listeners and their addresses (?format=json)", false),
    ("/quitquitquit", "exit the proxy", true),
    ("/ready", "whether the proxy serves", false),
    ("/server_info", "what this process is", false),
    ("/stats", "counters and gauges (?filter=TEXT, ?format=prometheus)", false),
    ("/stats/prometheus", "the same for Prometheus", false),
];

/// A request from the administration interface to the process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Command {
    Quit,
    /// Stop accepting connections, and drain existing ones.
    DrainListeners,
}

#[derive(Debug)]
struct Admin {
    shared: Arc<Shared>,
    commands: UnboundedSender<Command>,
    started: Instant,
}

#[derive(Debug)]
enum Answer {
    Text(StatusCode, String),
    Json(Value),
}

/// Starts the administration interface if the bootstrap has one. Returns its address.
///
/// # Errors
/// If the address is not an IP address or can't be bound, or the thread can't be started.
pub fn start(shared: Arc<Shared>, commands: UnboundedSender<Command>) -> io::Result<Option<SocketAddr>> {
    let Some(configured) = &shared.bootstrap.admin else { return Ok(None) };
    let ip =
        crate::config::require_ip(&configured.address).map_err(|e| io::Error::other(format!("admin.address: {e}")))?;
    let address = SocketAddr::new(ip, configured.address.socket_address.port_value);
    let socket = std::net::TcpListener::bind(address)
        .map_err(|e| io::Error::new(e.kind(), format!("admin.address: {address} can't be listened on: {e}")))?;
    socket.set_nonblocking(true)?;
    let address = socket.local_addr()?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let admin = Arc::new(Admin { shared, commands, started: Instant::now() });
    std::thread::Builder::new().name("admin".into()).spawn(move || {
        runtime.block_on(async {
            match TcpListener::from_std(socket) {
                Ok(socket) => serve(socket, admin).await,
                Err(error) => tracing::error!(%error, "the admin socket can't be used"),
            }
        });
    })?;
    Ok(Some(address))
}

async fn serve(socket: TcpListener, admin: Arc<Admin>) {
    static NOT_ACCEPTED: Seldom = Seldom::new();
    loop {
        let stream = match socket.accept().await {
            Ok((stream, _)) => stream,
            Err(error) => {
                // Most likely out of descriptors: wait until some are free again.
                if let Some(left_out) = NOT_ACCEPTED.due() {
                    tracing::warn!(%error, left_out, "the admin interface can't accept");
                }
                tokio::time::sleep(std::time::Duration::from_millis(100)).await;
                continue;
            }
        };
        let admin = admin.clone();
        let service = service_fn(move |request: Request<Incoming>| {
            let response = admin.answer(&request).into_response();
            async move { Ok::<_, Infallible>(response) }
        });
        // A client that disconnects is not an error.
        tokio::spawn(async move { drop(http1::Builder::new().serve_connection(TokioIo::new(stream), service).await) });
    }
}

impl Admin {
    fn answer(&self, request: &Request<Incoming>) -> Answer {
        let path = request.uri().path();
        let query = Query(request.uri().query().unwrap_or_default());
        let Some((_, _, changes)) = PATHS.iter().find(|(known, _, _)| *known == path) else {
            return Answer::Text(StatusCode::NOT_FOUND, format!("invalid path. {}", help()));
        };
        if *changes && request.method() != Method::POST {
            return Answer::Text(
                StatusCode::METHOD_NOT_ALLOWED,
                format!("Method {} not allowed, POST required.", request.method()),
            );
        }
        match path {
            "/certs" => Answer::Json(certificates::certs(&self.shared)),
            "/clusters" if query.get("format") == Some("json") => Answer::Json(clusters::json(&self.shared)),
            "/clusters" => Answer::ok(clusters::text(&self.shared)),
            "/config_dump" => Answer::Json(config_dump::dump(&self.shared, query.get("include_eds").is_some())),
            "/drain_listeners" => self.command(Command::DrainListeners),
            "/listeners" if query.get("format") == Some("json") => Answer::Json(listeners::json(&self.shared)),
            "/listeners" => Answer::ok(listeners::text(&self.shared)),
            "/quitquitquit" => self.command(Command::Quit),
            "/ready" => self.ready(),
            "/server_info" => Answer::Json(self.server_info()),
            "/stats/prometheus" => Answer::ok(self.shared.stats.prometheus()),
            "/stats" if query.get("format") == Some("prometheus") => Answer::ok(self.shared.stats.prometheus()),
            "/stats" => {
                let filter = query.get("filter").unwrap_or_default();
                Answer::ok(self.shared.stats.text(|name| name.contains(filter)))
            }
            _ => Answer::ok(help()),
        }
    }

    fn command(&self, command: Command) -> Answer {
        let _ = self.commands.send(command); // fails only while the process is exiting
        Answer::ok("OK\n".into())
    }

    /// Envoy's responses, and another one for stalled accepting.
    fn ready(&self) -> Answer {
        let unavailable = |text: String| Answer::Text(StatusCode::SERVICE_UNAVAILABLE, text);
        let stalled = self.shared.accept_stats.stalled();
        if self.is_draining() {
            unavailable("DRAINING\n".into())
        } else if stalled > 0 {
            unavailable(format!("NOT ACCEPTING: {stalled} listening sockets can't accept connections\n"))
        } else {
            Answer::ok("LIVE\n".into())
        }
    }

    fn is_draining(&self) -> bool {
        self.shared.drain.is_asked()
    }

    fn server_info(&self) -> Value {
        let uptime = format!("{}s", self.started.elapsed().as_secs());
        json!({
            "version": format!("sidecar-proxy/{}", env!("CARGO_PKG_VERSION")),
            "state": if self.is_draining() { "DRAINING" } else { "LIVE" },
            "uptime_current_epoch": uptime,
            "uptime_all_epochs": uptime,
            "node": self.shared.bootstrap.node,
        })
    }
}

impl Answer {
    fn ok(text: String) -> Self {
        Self::Text(StatusCode::OK, text)
    }

    fn into_response(self) -> Response<Full<Bytes>> {
        let (status, content_type, body) = match self {
            Self::Text(status, text) => (status, "text/plain; charset=UTF-8", text),
            Self::Json(value) => (StatusCode::OK, "application/json", format!("{value:#}\n")),
        };
        let mut response = Response::new(Full::new(Bytes::from(body)));
        *response.status_mut() = status;
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache, max-age=0"));
        headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
        response
    }
}

/// The part of a URL after `?`.
struct Query<'a>(&'a str);

impl<'a> Query<'a> {
    fn get(&self, name: &str) -> Option<&'a str> {
        self.0
            .split('&')
            .map(|pair| pair.split_once('=').unwrap_or((pair, "")))
            .find(|(key, _)| *key == name)
            .map(|(_, v)| v)
    }
}

fn help() -> String {
    PATHS.iter().fold("admin commands are:\n".to_owned(), |text, (path, purpose, changes)| {
        let post = if *changes { " (POST)" } else { "" };
        format!("{text}  {path}{post}: {purpose}\n")
    })
}

#[cfg(test)]
mod tests;
