//! Helpers of tests: certificates of all kinds, servers in this process, misbehaving peers.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use bytes::Bytes;
use clap::{Args, Command};
use http_body_util::Full;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair, SanType, date_time_ymd};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{oneshot, watch};
use tokio::task::JoinHandle;

use crate::client::{CallArgs, call};
use crate::report::{ClientReport, Event};
use crate::server::{Protocol, Server, ServerArgs, WebhookArgs};

/// Parses options, split at blanks.
pub(crate) fn parse<T: Args>(line: &str) -> Result<T, clap::Error> {
    let command = T::augment_args(Command::new("test").no_binary_name(true));
    T::from_arg_matches(&command.try_get_matches_from(line.split_whitespace())?)
}

/// Makes a call with these options.
pub(crate) async fn call_with(line: &str) -> ClientReport {
    let args: CallArgs = parse(line).unwrap();
    let report = call(&args).await.unwrap();
    // Every report must survive serialization.
    let json = serde_json::to_string(&report).unwrap();
    assert_eq!(serde_json::from_str::<ClientReport>(&json).unwrap(), report);
    report
}

/// A server in this process, stopped when dropped.
pub(crate) struct Running {
    pub(crate) addresses: Vec<(Protocol, SocketAddr)>,
    events: Arc<watch::Sender<Vec<Event>>>,
    stop: Option<oneshot::Sender<()>>,
    task: JoinHandle<()>,
}

impl Running {
    pub(crate) fn start(line: &str) -> Self {
        let args: ServerArgs = parse(line).unwrap();
        Self::serve(Server::bind(&args).unwrap())
    }

    /// A `demo-webhook`.
    pub(crate) fn start_webhook(line: &str) -> Self {
        let args: WebhookArgs = parse(line).unwrap();
        Self::serve(Server::bind_webhook(&args).unwrap())
    }

    fn serve(server: Server) -> Self {
        let addresses = server.addresses().collect();
        let events = Arc::new(watch::Sender::new(Vec::new()));
        let log = Arc::clone(&events);
        let (stop, stopped) = oneshot::channel::<()>();
        let task = tokio::spawn(async move {
            let log = move |event: &Event| log.send_modify(|events| events.push(event.clone()));
            server.run(async { drop(stopped.await) }, Arc::new(log)).await;
        });
        Self { addresses, events, stop: Some(stop), task }
    }

    /// The first port with `protocol`.
    pub(crate) fn port(&self, protocol: Protocol) -> u16 {
        self.addresses.iter().find(|(spoken, _)| *spoken == protocol).unwrap().1.port()
    }

    /// Waits for an event in the log.
    pub(crate) async fn logged(&self, is_it: impl Fn(&Event) -> bool) -> Event {
        let mut events = self.events.subscribe();
        let events = events.wait_for(|events| events.iter().any(&is_it)).await.unwrap();
        events.iter().find(|event| is_it(event)).unwrap().clone()
    }

    /// Stops the server, waits for its end, and returns its log.
    pub(crate) async fn stop(mut self) -> Vec<Event> {
        drop(self.stop.take());
        (&mut self.task).await.unwrap();
        self.events.borrow().clone()
    }
}

/// A CA and the certificates that it issued, in PEM files in a temporary folder.
pub(crate) struct Pki {
    folder: TempDir,
    issuer: CertifiedIssuer<'static, KeyPair>,
}

impl Pki {
    pub(crate) fn new() -> Self {
        Self::named("good")
    }

    /// A CA with this name.
    pub(crate) fn named(name: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let issuer = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
        std::fs::write(folder.path().join("ca.pem"), issuer.pem()).unwrap();
        Self { folder, issuer }
    }

    pub(crate) fn ca(&self) -> String {
        self.file("ca.pem")
    }

    pub(crate) fn file(&self, name: &str) -> String {
        PathBuf::from(self.folder.path()).join(name).to_str().unwrap().to_owned()
    }

    /// `--cert` and `--key` for a certificate that is valid now.
    pub(crate) fn issue(&self, name: &str, sans: &[&str]) -> String {
        self.issue_for_years(name, sans, 2000, 2100)
    }

    /// `--cert` and `--key` for a certificate with these names, addresses or URIs, valid between these years.
    pub(crate) fn issue_for_years(&self, name: &str, sans: &[&str], from: i32, to: i32) -> String {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.subject_alt_names = sans
            .iter()
            .map(|san| match san.parse() {
                Ok(ip) => SanType::IpAddress(ip),
                Err(_) if san.contains("://") => SanType::URI((*san).try_into().unwrap()),
                Err(_) => SanType::DnsName((*san).try_into().unwrap()),
            })
            .collect();
        params.not_before = date_time_ymd(from, 1, 1);
        params.not_after = date_time_ymd(to, 1, 1);
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        let (cert_file, key_file) = (self.file(&format!("{name}.pem")), self.file(&format!("{name}.key")));
        std::fs::write(&cert_file, certificate.pem()).unwrap();
        std::fs::write(&key_file, key.serialize_pem()).unwrap();
        format!("--cert {cert_file} --key {key_file}")
    }
}

/// A peer that reads something once, then behaves as given. Returns its port.
pub(crate) async fn peer_that(behaves: Behaviour) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((mut tcp, _)) = listener.accept().await {
            tokio::spawn(async move {
                let mut buffer = vec![0; 64 * 1024];
                let _ = tcp.read(&mut buffer).await;
                behaves.behave(&mut tcp).await;
            });
        }
    });
    port
}

/// The behaviour of a peer once it has read something.
#[derive(Clone, Copy)]
pub(crate) enum Behaviour {
    /// Sends FIN.
    Closes,
    /// Sends RST.
    Resets,
    /// Sends these bytes, then FIN.
    Answers(&'static [u8]),
    /// Sends nothing until the client goes away.
    Hangs,
}

impl Behaviour {
    async fn behave(self, tcp: &mut TcpStream) {
        match self {
            Self::Closes => {}
            Self::Resets => socket2::SockRef::from(&*tcp).set_linger(Some(std::time::Duration::ZERO)).unwrap(),
            Self::Answers(bytes) => {
                tcp.write_all(bytes).await.unwrap();
                let _ = tcp.shutdown().await;
                // Closing with unread input would send RST.
                let _ = tokio::io::copy(tcp, &mut tokio::io::sink()).await;
            }
            Self::Hangs => {
                let _ = tokio::io::copy(tcp, &mut tokio::io::sink()).await;
            }
        }
    }
}

/// A peer that answers each HTTP request, in either version, with the result of `answer`. Returns its port.
pub(crate) async fn peer_that_answers(
    answer: impl Fn() -> http::Response<Full<Bytes>> + Clone + Send + 'static,
) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((tcp, _)) = listener.accept().await {
            let answer = answer.clone();
            let service = service_fn(move |_| std::future::ready(Ok::<_, std::convert::Infallible>(answer())));
            tokio::spawn(async move {
                let builder = auto::Builder::new(TokioExecutor::new());
                let _ = builder.serve_connection_with_upgrades(TokioIo::new(tcp), service).await;
            });
        }
    });
    port
}

/// A port on which nothing listens.
pub(crate) async fn deserted_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap().port()
}
