//! The apps at both ends: what the calling one sends and sees, and what the called one answers.

use std::{fmt, net::IpAddr};

use demo_args::{BindAddress, Protocol, ServerArgs, WebhookArgs};

use crate::{
    account::{AppSees, AppSpeaks, Reason},
    model::{Container, Mount, Pod, StandIn},
    stand_in::{APP_SPEAKS, parse_speaks},
};

use super::{
    certificate::{self, Authority, Certificate, Check, Why},
    tls::{Acceptor, Side},
    wire::{Reply, Sent, Version},
};

/// The properties of a called app.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ServerApp {
    /// What it speaks.
    pub speaks: Speaks,
    /// Whether it listens only on loopback.
    pub loopback_only: bool,
}

/// The protocol of a called app.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Speaks {
    /// Unknown: assumed to speak whatever it is sent.
    #[default]
    Anything,
    /// HTTP/1.1 and HTTP/2 in plaintext.
    Http,
    /// Only HTTP/2 in plaintext, like most gRPC servers.
    Http2,
    /// The same inside TLS.
    Https {
        /// Whether it demands a client certificate.
        mutual: bool,
    },
    /// AdmissionReviews inside TLS, as a webhook.
    Webhook,
    /// Raw bytes, which it sends back.
    Tcp,
    /// HTTP, raw bytes, or, where nobody has unwrapped it yet, either inside TLS: whichever comes.
    Detects {
        /// Whether TLS is one of them.
        tls: bool,
    },
    /// A greeting first, and then what it is sent.
    Greeting,
    /// Raw bytes, of which it answers the first with RST.
    Reset,
    /// The same as `Tcp` inside TLS.
    Tls {
        /// Whether it demands a client certificate.
        mutual: bool,
    },
    /// Nothing listens.
    Nothing,
}

impl ServerApp {
    /// One that speaks this, and listens on all addresses.
    pub fn speaking(protocol: Protocol) -> Self {
        Self { speaks: Speaks::of(protocol), loopback_only: false }
    }

    /// The app at a pod's port according to its manifest: the arguments of `demo-server` and `demo-webhook`. Other programs
    /// are unknown, except for what the annotation [`APP_SPEAKS`] says.
    pub fn of(pod: &Pod, port: u16) -> Self {
        let mut servers = pod.containers.iter().filter_map(DemoServer::of).peekable();
        if servers.peek().is_none() {
            let said = pod.annotations.get(APP_SPEAKS).and_then(|text| parse_speaks(text).ok()).unwrap_or_default();
            let said = said.into_iter().find(|(of, _)| of.is_none_or(|of| of == port));
            return said.map_or_else(Self::default, |(_, protocol)| Self::speaking(protocol));
        }
        let found = servers.find_map(|server| server.app(port));
        found.unwrap_or(Self { speaks: Speaks::Nothing, loopback_only: false })
    }
}

/// One of sidelab's servers, as a container starts it.
enum DemoServer {
    Server(Box<ServerArgs>),
    Webhook(WebhookArgs),
    /// Its arguments are invalid: it exits at once.
    Broken,
}

impl DemoServer {
    /// The server that a container runs: its `command`, else the program that its image is named after.
    fn of(container: &Container) -> Option<Self> {
        let (program, words) = match container.command.split_first() {
            Some((program, words)) => (program.as_str(), words),
            None => (container.image.as_str(), &[][..]),
        };
        let name = program.rsplit('/').next()?.split([':', '@']).next()?;
        let words = words.iter().chain(&container.args);
        match name {
            "demo-server" => {
                let args = ServerArgs::read(words).ok().filter(|args| args.misuse().is_none());
                Some(args.map_or(Self::Broken, |args| Self::Server(args.into())))
            }
            "demo-webhook" => Some(WebhookArgs::read(words).map_or(Self::Broken, Self::Webhook)),
            _ => None,
        }
    }

    /// Its app at a port; `None` if it does not listen there.
    fn app(&self, port: u16) -> Option<ServerApp> {
        let ports: Vec<(Protocol, BindAddress)> = match self {
            Self::Server(args) => args.ports().collect(),
            Self::Webhook(args) => args.https.iter().map(|at| (Protocol::Webhook, *at)).collect(),
            Self::Broken => Vec::new(),
        };
        let (protocol, at) = ports.into_iter().find(|(_, at)| at.port == port)?;
        let loopback_only = at.ip.is_some_and(|ip| ip.is_loopback());
        Some(ServerApp { speaks: Speaks::of(protocol), loopback_only })
    }

    /// The certificate of its TLS ports: a mounted file, or a self-signed one, which nobody trusts.
    fn certificate(&self, container: &Container) -> Option<Certificate> {
        let file = match self {
            Self::Server(args) if !args.self_signed.is_empty() => {
                return Some(Certificate::self_signed(args.self_signed.iter().map(String::as_str)));
            }
            Self::Server(args) => args.cert.as_deref()?,
            Self::Webhook(args) => args.cert.as_path(),
            Self::Broken => return None,
        };
        if let Some(stand_in) = container.stand_in.as_ref().filter(|_| file.starts_with(StandIn::CERTIFICATE_FOLDER)) {
            return Some(Certificate::public(stand_in.names.clone()));
        }
        Certificate::of_pem(mounted(container, file.to_str()?)?)
    }

    /// Whose client certificates it takes, where a file that its container mounts says so.
    fn client_ca(&self, container: &Container) -> Option<Vec<Authority>> {
        let Self::Server(args) = self else { return None };
        Some(certificate::subjects(mounted(container, args.client_ca.as_deref()?.to_str()?)?))
    }
}

impl Speaks {
    fn of(protocol: Protocol) -> Self {
        match protocol {
            Protocol::Http => Self::Http,
            Protocol::Http2 => Self::Http2,
            Protocol::Https => Self::Https { mutual: false },
            Protocol::Webhook => Self::Webhook,
            Protocol::MtlsHttp => Self::Https { mutual: true },
            Protocol::Tcp | Protocol::TcpBulk => Self::Tcp,
            Protocol::TcpGreeting => Self::Greeting,
            Protocol::TcpReset => Self::Reset,
            Protocol::Tls | Protocol::TlsBulk => Self::Tls { mutual: false },
            Protocol::Mtls => Self::Tls { mutual: true },
            Protocol::Any => Self::Detects { tls: true },
        }
    }
}

/// The TLS of an app's ports. What is not known of an app is taken to fit.
#[derive(Clone, Debug)]
pub(super) struct AppTls {
    /// What it shows.
    certificate: Certificate,
    /// How it checks client certificates, where it demands one.
    clients: Check,
}

impl AppTls {
    /// That of the app of a pod.
    pub(super) fn of(pod: &Pod) -> Self {
        let server = |container| Some((container, DemoServer::of(container)?));
        let servers = || pod.containers.iter().filter_map(server);
        let certificate = servers().find_map(|(container, server)| server.certificate(container));
        let clients = servers().find_map(|(container, server)| server.client_ca(container));
        // Of a host outside whose program nobody knows it is not known either which authority it has.
        let is_unknown = pod.is_external() && servers().next().is_none();
        let unknown = Self::unknown(if is_unknown { Authority::Unknown } else { Authority::Apps });
        Self {
            certificate: certificate.unwrap_or(unknown.certificate),
            clients: clients.map_or(unknown.clients, |roots| Check { roots: Some(roots), ..Check::default() }),
        }
    }

    /// That of an app of which nothing is known, whose certificate is of this authority.
    pub(super) fn unknown(authority: Authority) -> Self {
        Self { certificate: Certificate::of_app(authority), clients: Check::of_apps() }
    }
}

/// The certificate in a PEM file that the pod's first container mounts; `None` if there is none.
pub(super) fn own_certificate(pod: &Pod, path: &str) -> Option<Certificate> {
    let file = pod.containers.first().and_then(|container| mounted(container, path));
    file.and_then(Certificate::of_pem)
}

/// How the calling app verifies a host: with the roots in `SSL_CERT_FILE` of its pod's first container, from which calls
/// are made. An unknown app is assumed to trust the host.
pub(super) fn trust(pod: &Pod, host: &str) -> Check {
    let roots = pod.containers.first().and_then(|container| {
        let (_, path) = container.env.iter().find(|(name, _)| name == TRUST)?;
        mounted(container, path).map(certificate::subjects)
    });
    match roots {
        Some(roots) => Check { roots: Some(roots), host: Some(host.to_owned()), ..Check::default() },
        None => Check::of_apps(),
    }
}

/// The variable that names the trusted roots of TLS clients (OpenSSL, curl, Go, and `demo-client`).
const TRUST: &str = "SSL_CERT_FILE";

/// A file that a container mounts.
fn mounted<'a>(container: &'a Container, path: &str) -> Option<&'a [u8]> {
    let file = |mount: &'a Mount| mount.files.get(path.strip_prefix(&mount.path)?.trim_start_matches('/'));
    container.mounts.iter().find_map(file).map(Vec::as_slice)
}

impl fmt::Display for ServerApp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.speaks {
            Speaks::Anything => "assumed to be an app that speaks what it is sent",
            Speaks::Http => "speaks HTTP in plaintext",
            Speaks::Http2 => "speaks HTTP/2 in plaintext, and nothing else",
            Speaks::Https { mutual: false } => "speaks HTTP inside TLS",
            Speaks::Https { mutual: true } => "speaks HTTP inside TLS, and demands a client certificate",
            Speaks::Webhook => "answers AdmissionReviews inside TLS",
            Speaks::Detects { tls: true } => "answers HTTP and raw bytes, inside TLS or not",
            Speaks::Detects { tls: false } => "answers HTTP and raw bytes",
            Speaks::Tcp => "sends back raw bytes",
            Speaks::Greeting => "greets, and sends back raw bytes",
            Speaks::Reset => "answers the first bytes with RST",
            Speaks::Tls { mutual: false } => "sends back raw bytes inside TLS",
            Speaks::Tls { mutual: true } => "sends back raw bytes inside TLS, and demands a client certificate",
            Speaks::Nothing => "nothing listens",
        })?;
        f.write_str(if self.loopback_only { ", only on loopback" } else { "" })
    }
}

/// The path at which `demo-webhook` never answers.
const HANGS: &str = "/hang";

/// The answer of a called app.
pub(super) struct Answered {
    pub(super) reply: Reply,
    /// The reason of its refusal, if it refused.
    pub(super) refusal: Option<Reason>,
    /// Whether it understood what the calling app sent.
    pub(super) understood: bool,
}

/// What an app answers to a connection that comes to it at an address.
pub(super) fn answer(server: ServerApp, app_tls: &AppTls, dialled: IpAddr, sent: &[Sent]) -> Answered {
    let refused = |reply, reason| Answered { reply, refusal: Some(reason), understood: false };
    if server.speaks == Speaks::Nothing || (server.loopback_only && !dialled.is_loopback()) {
        return refused(Reply::Refused, Reason::ConnectionRefused);
    }
    let [layer, inside @ ..] = sent else {
        // A connection without data.
        return Answered { reply: Reply::Closed, refusal: None, understood: false };
    };
    let AppTls { certificate, clients } = app_tls;
    let tls =
        |alpn: &[&str], mutual: bool| Acceptor::of_app(certificate.clone(), alpn, mutual.then(|| clients.clone()));
    let acceptor = match server.speaks {
        Speaks::Https { mutual } => Some((tls(&["h2", "http/1.1"], mutual), Speaks::Http)),
        Speaks::Webhook => Some((tls(&["h2", "http/1.1"], false), Speaks::Http)),
        Speaks::Tls { mutual } => Some((tls(&[], mutual), Speaks::Tcp)),
        Speaks::Anything => Some((tls(&[], false), Speaks::Anything)),
        Speaks::Detects { tls: true } => {
            let acceptor = Acceptor { insists_on_alpn: false, ..tls(&["h2", "http/1.1"], false) };
            Some((acceptor, Speaks::Detects { tls: false }))
        }
        Speaks::Detects { tls: false }
        | Speaks::Http
        | Speaks::Http2
        | Speaks::Tcp
        | Speaks::Greeting
        | Speaks::Reset
        | Speaks::Nothing => None,
    };
    let is_http = matches!(server.speaks, Speaks::Http | Speaks::Http2);
    let takes_plaintext = matches!(server.speaks, Speaks::Anything | Speaks::Detects { .. });
    let greets = matches!(server.speaks, Speaks::Greeting | Speaks::Anything);
    if matches!(layer, Sent::Nothing) {
        return match greets {
            true => Answered { reply: Reply::Echo, refusal: None, understood: true },
            false => refused(Reply::Silence, Reason::Timeout),
        };
    }
    match (layer, acceptor) {
        (Sent::Tls(hello), Some((acceptor, speaks))) => {
            let (session, broken) = acceptor.handshake(hello);
            match broken {
                Some(broken) => {
                    let refusal = (broken.by == Side::Server).then_some(Reason::TlsHandshakeFailed);
                    Answered { reply: Reply::Broken(session, broken), refusal, understood: false }
                }
                None => {
                    let inner = match inside {
                        [Sent::Http(_, request)] if server.speaks == Speaks::Webhook && request.path == HANGS => {
                            refused(Reply::Silence, Reason::Timeout)
                        }
                        _ => answer(ServerApp { speaks, ..server }, app_tls, dialled, inside),
                    };
                    Answered { reply: Reply::Tunnel(session, Box::new(inner.reply)), ..inner }
                }
            }
        }
        // A server that only speaks TLS answers other bytes with an alert.
        (_, Some(_)) if !takes_plaintext => refused(Reply::Alert, Reason::ProtocolError),
        // What it resets is a handshake, if it is sent a ClientHello.
        (Sent::Tls(_), _) if server.speaks == Speaks::Reset => refused(Reply::Reset, Reason::TlsHandshakeFailed),
        _ if server.speaks == Speaks::Reset => refused(Reply::Reset, Reason::ConnectionTerminated),
        (Sent::Http(Version::Http1, _), _) if server.speaks == Speaks::Http2 => {
            refused(Reply::Closed, Reason::ConnectionTerminated)
        }
        // No method begins like a ClientHello. The initiator of that TLS gives up.
        (Sent::Tls(_), _) if is_http => {
            Answered { reply: Reply::Response(Version::Http1, 400), refusal: None, understood: false }
        }
        // A line of text can be the start of a request: the server waits for the rest.
        (Sent::Bytes, _) if is_http => refused(Reply::Silence, Reason::Timeout),
        (Sent::Http(..), _) if matches!(server.speaks, Speaks::Tcp | Speaks::Greeting) => {
            refused(Reply::Echo, Reason::ProtocolError)
        }
        (Sent::Http(version, request), _) => {
            let status = if request.speaks == Some(AppSpeaks::Websocket) { 101 } else { 200 };
            Answered { reply: Reply::Response(*version, status), refusal: None, understood: true }
        }
        _ => Answered { reply: Reply::Echo, refusal: None, understood: matches!(layer, Sent::Bytes) },
    }
}

/// What a calling app sees: the status if it gets one, and the word for it, as `demo-client` reports it.
pub(super) fn sees(sent: &[Sent], reply: &Reply) -> (Option<u16>, AppSees) {
    let [layer, inside @ ..] = sent else { unreachable!("a sender sends at least one layer") };
    let word = |word: &str| (None, AppSees::failure(word));
    match (layer, reply) {
        (_, Reply::Refused) => word("connection_refused"),
        (_, Reply::Unreachable) => word("network_unreachable"),
        (_, Reply::Silence) => word("timeout"),
        (_, Reply::Reset) => word("connection_reset"),
        (_, Reply::Closed) => word("eof"),
        (Sent::Tls(_), Reply::Tunnel(_, inner)) => sees(inside, inner),
        (Sent::Tls(_), Reply::Broken(_, broken)) => match (broken.by, &broken.why) {
            (Side::Client, Why::UnknownIssuer) => word("unknown_issuer"),
            (Side::Client, Why::Expired) => word("expired"),
            (Side::Client, Why::NotYetValid) => word("not_yet_valid"),
            (Side::Client, _) => word("not_valid_for_name"),
            (Side::Server, why) => word(why.alert()),
        },
        (Sent::Tls(_), Reply::Alert) => word("decode_error"),
        // The echo of a ClientHello is TLS, but not an answer.
        (Sent::Tls(_), Reply::Echo) => word("tls_protocol"),
        (Sent::Tls(_), Reply::Response(..)) => word("not_tls"),
        (Sent::Http(sent, _), Reply::Response(version, status)) if sent == version => {
            (Some(*status), AppSees::Status(*status))
        }
        (Sent::Http(..), _) => word("http_parse"),
        (Sent::Bytes | Sent::Nothing, Reply::Echo) => (None, AppSees::Echo),
        (Sent::Bytes | Sent::Nothing, _) => word("echo_mismatch"),
    }
}

#[cfg(test)]
mod tests;
