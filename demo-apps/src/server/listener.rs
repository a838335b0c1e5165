//! Listening sockets. All are bound before any is served.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use demo_args::{BindAddress, Protocol, ServerArgs, TlsVersion, WebhookArgs};
use socket2::{Domain, Socket, Type};
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;

use super::connection::Connection;
use super::shared::Shared;
use crate::UsageError;
use crate::report::Event;
use crate::tls::{Identity, ServerTlsSetup};

#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The options contradict each other, or name files that cannot be used.
    #[error(transparent)]
    Usage(#[from] UsageError),
    /// A port cannot be bound.
    #[error("cannot listen on {address} ({protocol:?}): {source}")]
    Bind {
        /// Protocol of the port.
        protocol: Protocol,
        address: String,
        /// Error of the operating system.
        source: io::Error,
    },
}

pub(super) struct Listener {
    pub(super) protocol: Protocol,
    pub(super) address: SocketAddr,
    socket: TcpListener,
    tls: Option<TlsAcceptor>,
}

/// Delay after an error of `accept` (no file descriptors left), to avoid spinning.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// Maximum number of connections in the accept queue; the kernel limits it to `net.core.somaxconn`.
const BACKLOG: i32 = 4096;

pub(super) fn bind_all(args: &ServerArgs) -> Result<Vec<Listener>, StartError> {
    if let Some(misuse) = args.misuse() {
        return Err(UsageError(misuse.into()).into());
    }
    let setup = tls_setup(args)?;
    let mut listeners = Vec::new();
    for (protocol, wanted) in args.ports() {
        let tls = setup.as_ref().filter(|_| protocol.needs_certificate());
        let tls = tls.map(|setup| tls_of(protocol, args, setup)).transpose()?;
        listeners.push(Listener::bind(protocol, wanted, tls)?);
    }
    Ok(listeners)
}

pub(super) fn bind_webhook(args: &WebhookArgs) -> Result<Vec<Listener>, StartError> {
    let identity = Identity::from_files(&args.cert, &args.key)?;
    let setup = ServerTlsSetup { identity, versions: TlsVersion::Both };
    let tls = TlsAcceptor::from(setup.config(None, &http_alpn())?);
    args.https.iter().map(|wanted| Listener::bind(Protocol::Webhook, *wanted, Some(tls.clone()))).collect()
}

/// The ALPN protocols of HTTP ports.
fn http_alpn() -> [String; 2] {
    ["h2".to_owned(), "http/1.1".to_owned()]
}

fn tls_setup(args: &ServerArgs) -> Result<Option<ServerTlsSetup>, UsageError> {
    let identity = match (&args.cert, &args.key) {
        (Some(cert), Some(key)) => Identity::from_files(cert, key)?,
        _ if args.self_signed.is_empty() => return Ok(None),
        _ => {
            let (identity, pem) = Identity::self_signed(&args.self_signed)?;
            if let Some(file) = &args.write_cert {
                std::fs::write(file, pem)
                    .map_err(|error| UsageError(format!("--write-cert {}: {error}", file.display())))?;
            }
            identity
        }
    };
    Ok(Some(ServerTlsSetup { identity, versions: args.tls_version }))
}

fn tls_of(protocol: Protocol, args: &ServerArgs, setup: &ServerTlsSetup) -> Result<TlsAcceptor, UsageError> {
    let client_ca = args.client_ca.as_deref().filter(|_| protocol.demands_certificate());
    let alpn = match &args.alpn {
        Some(alpn) => alpn.clone(),
        None if protocol.is_http() || protocol == Protocol::Any => http_alpn().into(),
        None => Vec::new(),
    };
    Ok(TlsAcceptor::from(setup.config(client_ca, &alpn)?))
}

fn bind(wanted: BindAddress) -> io::Result<TcpListener> {
    let any = |ip: IpAddr| SocketAddr::new(ip, wanted.port);
    match wanted.ip {
        Some(ip) => bind_to(SocketAddr::new(ip, wanted.port)),
        None => match bind_to(any(Ipv6Addr::UNSPECIFIED.into())) {
            // The host has no IPv6.
            Err(error) if error.raw_os_error() == Some(nix::errno::Errno::EAFNOSUPPORT as i32) => {
                bind_to(any(Ipv4Addr::UNSPECIFIED.into()))
            }
            result => result,
        },
    }
}

fn bind_to(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM.nonblocking(), None)?;
    if address.is_ipv6() {
        // `[::]` accepts IPv4, too, regardless of net.ipv6.bindv6only.
        socket.set_only_v6(false)?;
    }
    // Otherwise a restarted server would find its port in TIME_WAIT.
    socket.set_reuse_address(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    TcpListener::from_std(socket.into())
}

impl Listener {
    fn bind(protocol: Protocol, wanted: BindAddress, tls: Option<TlsAcceptor>) -> Result<Self, StartError> {
        let bound = bind(wanted).and_then(|socket| Ok((socket.local_addr()?, socket)));
        let (address, socket) =
            bound.map_err(|source| StartError::Bind { protocol, address: wanted.to_string(), source })?;
        Ok(Self { protocol, address, socket, tls })
    }

    /// Serves connections until the server stops, then waits for those that are open.
    pub(super) async fn accept_all(self, shared: Arc<Shared>) {
        let stopped = shared.stopped();
        tokio::pin!(stopped);
        let mut open = JoinSet::new();
        loop {
            tokio::select! {
                () = &mut stopped => break,
                accepted = self.socket.accept() => match accepted {
                    Ok((tcp, peer)) => {
                        let connection = Connection::new(self.protocol, tcp, peer, Arc::clone(&shared));
                        open.spawn(connection.serve(self.tls.clone()));
                    }
                    Err(error) => {
                        shared.log(|| Event::AcceptFailed { address: self.address, message: error.to_string() });
                        tokio::time::sleep(ACCEPT_PAUSE).await;
                    }
                },
                Some(_) = open.join_next() => {}
            }
        }
        drop(self.socket);
        while open.join_next().await.is_some() {}
    }
}
