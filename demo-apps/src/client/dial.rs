//! From a target to a connection: name resolution, TCP, TLS.

use std::net::SocketAddr;
use std::time::Duration;

use rustls::ProtocolVersion;
use socket2::SockRef;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use super::{Clock, ConnectArgs};
use crate::failure::{Cause, Failure, FailureKind, InStage as _, Stage};
use crate::report::{Timings, TlsFacts};
use crate::tap::{Account, Io, Tap};
use crate::tls::{ClientTls, Session};
use crate::{Target, UsageError};

/// Opens connections to one target.
pub(crate) struct Dialer {
    host: String,
    port: u16,
    family: Family,
    tls: Option<ClientTls>,
    http2: bool,
    reset: bool,
    connect_timeout: Option<Duration>,
    connect_to: Option<SocketAddr>,
}

#[derive(Clone, Copy, PartialEq)]
enum Family {
    Any,
    V4,
    V6,
}

impl Family {
    fn has(self, address: SocketAddr) -> bool {
        match self {
            Self::Any => true,
            Self::V4 => address.is_ipv4(),
            Self::V6 => address.is_ipv6(),
        }
    }
}

/// The addresses so far, for reports of failures.
#[derive(Default)]
pub(crate) struct Progress {
    pub(crate) timings: Timings,
    pub(crate) local: Option<SocketAddr>,
    pub(crate) remote: Option<SocketAddr>,
}

/// A connection that is ready for application data.
pub(crate) struct Connection {
    pub(crate) io: Tap<Box<dyn Io>>,
    pub(crate) account: Account,
    /// Whether to use HTTP/2.
    pub(crate) http2: bool,
    /// Whether to close it with RST, by dropping it without shutdown.
    pub(crate) reset: bool,
    /// The TLS session, if any.
    pub(crate) session: Option<Session>,
}

impl Dialer {
    pub(crate) fn new(target: &Target, args: &ConnectArgs) -> Result<Self, UsageError> {
        let http2 = args.http2 || target.scheme.is_grpc();
        let tls = target.scheme.is_tls().then(|| {
            let name = args.sni.as_ref().unwrap_or(&target.host);
            let alpn = match &args.alpn {
                Some(alpn) => alpn.clone(),
                None if target.scheme.is_raw() => Vec::new(),
                None if http2 => vec!["h2".to_owned()],
                None => vec!["http/1.1".to_owned()],
            };
            ClientTls::new(args, name, &alpn)
        });
        if tls.is_none() && (args.cert.is_some() || args.sni.is_some() || args.alpn.is_some()) {
            return Err(UsageError(format!(
                "--cert, --sni and --alpn are only for https://, grpcs://, wss:// and tls://, not for {target}"
            )));
        }
        if !target.scheme.is_raw() && args.reset {
            return Err(UsageError("--reset is only for tcp:// and tls://".into()));
        }
        Ok(Self {
            host: target.host.clone(),
            port: target.port,
            family: match (args.ipv4, args.ipv6) {
                (true, _) => Family::V4,
                (_, true) => Family::V6,
                _ => Family::Any,
            },
            tls: tls.transpose()?,
            http2,
            reset: args.reset,
            connect_timeout: args.connect_timeout,
            connect_to: args.connect_to,
        })
    }

    /// Connects to the first of `addresses` that accepts the connection.
    pub(crate) async fn connect(
        &self,
        addresses: &[SocketAddr],
        clock: &Clock,
        progress: &mut Progress,
    ) -> Result<Connection, Failure> {
        let tcp = clock.run(Stage::Connect, self.connect_timeout, connect_any(addresses, &mut progress.remote)).await?;
        progress.timings.connect_us = Some(clock.micros());
        progress.local = tcp.local_addr().ok();
        // Requests are written at once; Nagle's algorithm would only add the peer's delayed ACK to each.
        tcp.set_nodelay(true).at(Stage::Connect)?;
        if self.reset {
            // With a zero linger time, closing the socket sends RST.
            SockRef::from(&tcp).set_linger(Some(Duration::ZERO)).at(Stage::Connect)?;
        }

        let Some(tls) = &self.tls else {
            let (io, account) = Tap::on_tcp(Box::new(tcp) as Box<dyn Io>);
            return Ok(Connection { io, account, http2: self.http2, reset: self.reset, session: None });
        };
        let (io, wire) = Tap::on_tcp(tcp);
        let handshake = async {
            let connector = TlsConnector::from(tls.config());
            let result = connector.connect(tls.name(), io).await;
            result.map_err(|error| Cause::from_io(&error).or_not_tls(&wire.read().head).at(Stage::Tls))
        };
        let stream = clock.run(Stage::Tls, self.connect_timeout, handshake).await?;
        progress.timings.tls_us = Some(clock.micros());
        let session = Session::from_state(stream.get_ref().1);
        let http2 = self.http2 || session.alpn.as_deref() == Some(b"h2");
        let verdict_is_open = tls.was_asked_for_certificate() && session.version == Some(ProtocolVersion::TLSv1_3);
        let (io, account) = Tap::on_tls(Box::new(stream) as Box<dyn Io>, verdict_is_open);
        Ok(Connection { io, account, http2, reset: self.reset, session: Some(session) })
    }

    /// Facts about the last TLS session that was tried, whether or not it was established.
    pub(crate) fn tls_facts(&self, session: Option<&Session>) -> Option<TlsFacts> {
        self.tls.as_ref().map(|tls| tls.facts(session))
    }

    /// Resolves the host with getaddrinfo, like any app in the pod, with the pod's `/etc/hosts` and `/etc/resolv.conf`.
    pub(crate) async fn resolve(&self, clock: &Clock) -> Result<Vec<SocketAddr>, Failure> {
        clock.run(Stage::Resolve, self.connect_timeout, self.lookup()).await
    }

    async fn lookup(&self) -> Result<Vec<SocketAddr>, Failure> {
        if let Some(address) = self.connect_to {
            return Ok(vec![address]);
        }
        let failed = |why: String| {
            Cause::new(FailureKind::Resolution, format!("{} does not resolve: {why}", self.host)).at(Stage::Resolve)
        };
        let found = tokio::net::lookup_host((self.host.as_str(), self.port))
            .await
            .map_err(|error| failed(error.to_string()))?;
        let mut addresses: Vec<SocketAddr> = found.filter(|address| self.family.has(*address)).collect();
        addresses.dedup();
        if addresses.is_empty() {
            return Err(failed("no address of the requested IP version".to_owned()));
        }
        Ok(addresses)
    }
}

/// Tries the addresses in order. The failure is that of the last one, as with curl.
async fn connect_any(addresses: &[SocketAddr], dialled: &mut Option<SocketAddr>) -> Result<TcpStream, Failure> {
    let mut failure = None;
    for address in addresses {
        *dialled = Some(*address);
        match TcpStream::connect(address).await {
            Ok(tcp) => return Ok(tcp),
            Err(error) => {
                let mut cause = Cause::from_io(&error);
                cause.message = format!("{address}: {}", cause.message);
                failure = Some(cause.at(Stage::Connect));
            }
        }
    }
    Err(failure.unwrap_or_else(|| Cause::new(FailureKind::Resolution, "no address to dial").at(Stage::Resolve)))
}
