//! One connection of a server: TLS if any, then the port's protocol.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use demo_args::Protocol;
use rustls::ServerConfig;
use rustls::server::Acceptor;
use socket2::SockRef;
use tokio::net::TcpStream;
use tokio_rustls::{LazyConfigAcceptor, TlsAcceptor};

use super::context::Ends;
use super::detect::{HEAD, Reread, Spoken};
use super::shared::Shared;
use super::{http, stream};
use crate::failure::{Cause, Failure, FailureKind, Stage};
use crate::report::{Closed, Event, ServerTls};
use crate::tap::{Io, Tap};
use crate::tls::facts_of_session;

/// Maximum duration of a client's TLS handshake.
const HANDSHAKE_LIMIT: Duration = Duration::from_secs(10);

pub(super) struct Connection {
    protocol: Protocol,
    tcp: TcpStream,
    ends: Ends,
    shared: Arc<Shared>,
}

impl Connection {
    pub(super) fn new(protocol: Protocol, tcp: TcpStream, peer: SocketAddr, shared: Arc<Shared>) -> Self {
        let plain = |address: SocketAddr| SocketAddr::new(address.ip().to_canonical(), address.port());
        // Fails only if the client is gone already.
        let local = tcp.local_addr().unwrap_or_else(|_| SocketAddr::from(([0, 0, 0, 0], 0)));
        Self { protocol, tcp, ends: Ends { peer: plain(peer), local: plain(local) }, shared }
    }

    /// Serves the connection until its end.
    pub(super) async fn serve(self, tls: Option<TlsAcceptor>) {
        // Responses are written at once; Nagle's algorithm would only add the client's delayed ACK to each.
        let _ = self.tcp.set_nodelay(true);
        if self.protocol == Protocol::TcpReset {
            // With a zero linger time, closing the socket sends RST.
            let _ = SockRef::from(&self.tcp).set_linger(Some(Duration::ZERO));
        }
        if self.protocol == Protocol::Any {
            return self.serve_as_spoken_to(tls).await;
        }
        let Some(tls) = tls else {
            let (io, account) = Tap::on_tcp(Box::new(self.tcp) as Box<dyn Io>);
            return serve_protocol(self.protocol, io, account, self.ends, None, self.shared).await;
        };
        let (io, wire) = Tap::on_tcp(self.tcp);
        match in_time(tls.accept(io)).await.map_err(|cause| cause.or_not_tls(&wire.read().head)) {
            Ok(stream) => {
                let facts = facts_of_session(stream.get_ref().1);
                let (io, account) = Tap::on_tls(Box::new(stream) as Box<dyn Io>, false);
                serve_protocol(self.protocol, io, account, self.ends, Some(facts), self.shared).await;
            }
            Err(cause) => tls_failed(self.protocol, self.ends, cause, &self.shared),
        }
    }

    /// Detects what the client speaks, and serves that.
    async fn serve_as_spoken_to(self, tls: Option<TlsAcceptor>) {
        let mut head = [0; HEAD];
        // An error is read again by the connection, which records it.
        let length = self.tcp.peek(&mut head).await.unwrap_or(0);
        let spoken = Spoken::detect(&head[..length]);
        let Some(tls) = tls.filter(|_| spoken == Spoken::Tls) else {
            let (io, account) = Tap::on_tcp(Box::new(self.tcp) as Box<dyn Io>);
            return serve_protocol(spoken.protocol(), io, account, self.ends, None, self.shared).await;
        };
        let (io, _) = Tap::on_tcp(self.tcp);
        let accepting = async {
            let start = LazyConfigAcceptor::new(Acceptor::default(), io).await?;
            let knows = |offered: &[u8]| tls.config().alpn_protocols.iter().any(|own| own == offered);
            let agrees = start.client_hello().alpn().is_some_and(|mut offered| offered.any(knows));
            let mut config = ServerConfig::clone(tls.config());
            if !agrees {
                config.alpn_protocols.clear();
            }
            start.into_stream(Arc::new(config)).await
        };
        match in_time(accepting).await {
            Ok(stream) => {
                let facts = facts_of_session(stream.get_ref().1);
                let Ok((spoken, stream)) = Reread::read(stream).await else { return };
                let (io, account) = Tap::on_tls(Box::new(stream) as Box<dyn Io>, false);
                serve_protocol(spoken.protocol(), io, account, self.ends, Some(facts), self.shared).await;
            }
            Err(cause) => tls_failed(self.protocol, self.ends, cause, &self.shared),
        }
    }
}

fn tls_failed(protocol: Protocol, ends: Ends, cause: Cause, shared: &Shared) {
    shared.log(|| Event::TlsFailed { protocol, peer: ends.peer, failure: Box::new(cause.at(Stage::Tls)) });
}

/// A handshake, if it ends in time.
async fn in_time<T>(handshake: impl Future<Output = io::Result<T>>) -> Result<T, Cause> {
    match tokio::time::timeout(HANDSHAKE_LIMIT, handshake).await {
        Ok(result) => result.map_err(|error| Cause::from_io(&error)),
        Err(_) => Err(Cause::new(FailureKind::Timeout, format!("no handshake within {HANDSHAKE_LIMIT:?}"))),
    }
}

async fn serve_protocol(
    protocol: Protocol,
    io: Tap<Box<dyn Io>>,
    account: crate::tap::Account,
    ends: Ends,
    tls: Option<ServerTls>,
    shared: Arc<Shared>,
) {
    let result: Result<(), Failure> = match protocol {
        Protocol::Http
        | Protocol::Http1
        | Protocol::Http2
        | Protocol::Https
        | Protocol::Webhook
        | Protocol::MtlsHttp => http::serve(protocol, io, &account, ends, tls.clone(), &shared).await,
        Protocol::Tcp | Protocol::Tls | Protocol::Mtls | Protocol::Any => stream::echo(io).await,
        Protocol::TcpGreeting => stream::greet(io, &shared.name).await,
        Protocol::TcpReset => stream::once(io).await,
        Protocol::TcpBulk | Protocol::TlsBulk => stream::bulk(io).await,
    };
    let flow = account.read();
    shared.log(|| {
        Event::Closed(Box::new(Closed {
            protocol,
            peer: ends.peer,
            local: ends.local,
            received: flow.received,
            sent: flow.sent,
            ended: flow.ended,
            tls,
            error: result.err(),
        }))
    });
}
