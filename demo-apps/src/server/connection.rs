//! One connection of a server: TLS if any, then the port's protocol.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use demo_args::Protocol;
use socket2::SockRef;
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;

use super::context::Ends;
use super::shared::Shared;
use super::{http, stream};
use crate::failure::{Cause, Failure, FailureKind, Stage};
use crate::report::{Closed, Event, ServerTls};
use crate::tap::{Io, Tap};
use crate::tls::facts_of_session;

/// Maximum duration of a client's TLS handshake.
const HANDSHAKE_LIMIT: Duration = Duration::from_secs(10);

/// An accepted connection.
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
        let Some(tls) = tls else {
            let (io, account) = Tap::on_tcp(Box::new(self.tcp) as Box<dyn Io>);
            return serve_protocol(self.protocol, io, account, self.ends, None, self.shared).await;
        };
        let (io, wire) = Tap::on_tcp(self.tcp);
        let handshake = match tokio::time::timeout(HANDSHAKE_LIMIT, tls.accept(io)).await {
            Ok(result) => result.map_err(|error| Cause::from_io(&error).or_not_tls(&wire.read().head)),
            Err(_) => Err(Cause::new(FailureKind::Timeout, format!("no handshake within {HANDSHAKE_LIMIT:?}"))),
        };
        match handshake {
            Ok(stream) => {
                let facts = facts_of_session(stream.get_ref().1);
                let (io, account) = Tap::on_tls(Box::new(stream) as Box<dyn Io>, false);
                serve_protocol(self.protocol, io, account, self.ends, Some(facts), self.shared).await;
            }
            Err(cause) => self.shared.log(|| Event::TlsFailed {
                protocol: self.protocol,
                peer: self.ends.peer,
                failure: Box::new(cause.at(Stage::Tls)),
            }),
        }
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
        Protocol::Http | Protocol::Http2 | Protocol::Https | Protocol::Webhook | Protocol::MtlsHttp => {
            http::serve(protocol, io, &account, ends, tls.clone(), &shared).await
        }
        Protocol::Tcp | Protocol::Tls | Protocol::Mtls => stream::echo(io).await,
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
