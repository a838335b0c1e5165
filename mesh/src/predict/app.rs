//! The apps at both ends: what the calling one sends and sees, and what the called one answers.

use std::{fmt, net::IpAddr};

use demo_args::{BindAddress, Protocol, ServerArgs, WebhookArgs};

use crate::{
    account::{AppSees, Reason},
    model::{Container, Mount, Pod},
};

use super::{
    certificate::{self, Authority, Certificate, Check, Why},
    tls::{Acceptor, Side},
    wire::{Reply, Sent, Version},
};

/// What the called app is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ServerApp {
    /// What it speaks.
    pub speaks: Speaks,
    /// Whether it listens on loopback alone.
    pub loopback_only: bool,
}

/// What a called app speaks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Speaks {
    /// What it is sent, whatever that is: nothing is known of it.
    #[default]
    Anything,
    /// HTTP/1.1 and HTTP/2 in plaintext.
    Http,
    /// HTTP/2 in plaintext and nothing else, as most servers of gRPC.
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
    /// A greeting first, and then what it is sent.
    Greeting,
    /// Raw bytes, of which it answers the first with RST.
    Reset,
    /// The same as `Tcp` inside TLS.
    Tls {
        /// Whether it demands a client certificate.
        mutual: bool,
    },
    /// Nothing: nobody listens.
    Nothing,
}

impl ServerApp {
    /// What a pod's manifest tells of the app at a port: the arguments of sidelab's own `demo-server` and `demo-webhook`. Of
    /// other programs nothing is known.
    pub fn of(pod: &Pod, port: u16) -> Self {
        let mut servers = pod.containers.iter().filter_map(DemoServer::of).peekable();
        if servers.peek().is_none() {
            return Self::default();
        }
        let found = servers.find_map(|server| server.app(port));
        found.unwrap_or(Self { speaks: Speaks::Nothing, loopback_only: false })
    }
}

/// One of sidelab's own servers, as a container starts it.
enum DemoServer {
    Server(Box<ServerArgs>),
    Webhook(WebhookArgs),
    /// Its arguments are wrong: it ends at once.
    Broken,
}

impl DemoServer {
    /// The server that a container runs: its `command`, else what its image is named for.
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

    /// What it does at a port; nothing where it does not listen.
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

    /// The certificate that it shows on its TLS ports: a file that its container mounts, or one that it makes itself, which nobody
    /// trusts.
    fn certificate(&self, container: &Container) -> Option<Certificate> {
        let file = match self {
            Self::Server(args) if !args.self_signed.is_empty() => {
                return Some(Certificate::self_signed(args.self_signed.iter().map(String::as_str)));
            }
            Self::Server(args) => args.cert.as_deref()?,
            Self::Webhook(args) => args.cert.as_path(),
            Self::Broken => return None,
        };
        Certificate::of_pem(mounted(container, file.to_str()?)?)
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
        }
    }
}

/// The certificate that an app of a pod shows on its TLS ports. What is not known of an app is taken to fit.
pub(super) fn certificate(pod: &Pod) -> Certificate {
    let named = pod.containers.iter().find_map(|container| DemoServer::of(container)?.certificate(container));
    named.unwrap_or_else(|| Certificate::of_app(Authority::Apps))
}

/// How the calling app checks who is at a host: as `SSL_CERT_FILE` of its pod's first container says, in which calls are
/// made. What is not known of an app is taken to fit.
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

/// Whom TLS clients trust (OpenSSL, curl, Go, and `demo-client`): a file of certificates.
const TRUST: &str = "SSL_CERT_FILE";

/// A file that a container mounts.
fn mounted<'a>(container: &'a Container, path: &str) -> Option<&'a [u8]> {
    let file = |mount: &'a Mount| mount.files.get(path.strip_prefix(&mount.path)?.trim_start_matches('/'));
    container.mounts.iter().find_map(file).map(Vec::as_slice)
}

impl fmt::Display for ServerApp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.speaks {
            Speaks::Anything => "taken for an app that speaks what it is sent",
            Speaks::Http => "speaks HTTP in plaintext",
            Speaks::Http2 => "speaks HTTP/2 in plaintext, and nothing else",
            Speaks::Https { mutual: false } => "speaks HTTP inside TLS",
            Speaks::Https { mutual: true } => "speaks HTTP inside TLS, and demands a client certificate",
            Speaks::Webhook => "answers AdmissionReviews inside TLS",
            Speaks::Tcp => "sends back raw bytes",
            Speaks::Greeting => "greets, and sends back raw bytes",
            Speaks::Reset => "answers the first bytes with RST",
            Speaks::Tls { mutual: false } => "sends back raw bytes inside TLS",
            Speaks::Tls { mutual: true } => "sends back raw bytes inside TLS, and demands a client certificate",
            Speaks::Nothing => "nobody listens",
        })?;
        f.write_str(if self.loopback_only { ", on loopback alone" } else { "" })
    }
}

/// The path at which `demo-webhook` never answers.
const HANGS: &str = "/hang";

/// What a called app answers.
pub(super) struct Answered {
    pub(super) reply: Reply,
    /// Why it refused, if it did.
    pub(super) refusal: Option<Reason>,
    /// Whether it got what the calling app meant to send.
    pub(super) understood: bool,
}

/// What an app that shows a certificate on its TLS ports answers to a connection that comes to it at an address.
pub(super) fn answer(server: ServerApp, certificate: &Certificate, dialled: IpAddr, sent: &[Sent]) -> Answered {
    let refused = |reply, reason| Answered { reply, refusal: Some(reason), understood: false };
    if server.speaks == Speaks::Nothing || (server.loopback_only && !dialled.is_loopback()) {
        return refused(Reply::Refused, Reason::ConnectionRefused);
    }
    let [layer, inside @ ..] = sent else {
        // A connection on which nothing came.
        return Answered { reply: Reply::Closed, refusal: None, understood: false };
    };
    let tls = |alpn: &[&str], mutual| Acceptor::of_app(certificate.clone(), alpn, mutual);
    let acceptor = match server.speaks {
        Speaks::Https { mutual } => Some((tls(&["h2", "http/1.1"], mutual), Speaks::Http)),
        Speaks::Webhook => Some((tls(&["h2", "http/1.1"], false), Speaks::Http)),
        Speaks::Tls { mutual } => Some((tls(&[], mutual), Speaks::Tcp)),
        Speaks::Anything => Some((tls(&[], false), Speaks::Anything)),
        Speaks::Http | Speaks::Http2 | Speaks::Tcp | Speaks::Greeting | Speaks::Reset | Speaks::Nothing => None,
    };
    let is_http = matches!(server.speaks, Speaks::Http | Speaks::Http2);
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
                        _ => answer(ServerApp { speaks, ..server }, certificate, dialled, inside),
                    };
                    Answered { reply: Reply::Tunnel(session, Box::new(inner.reply)), ..inner }
                }
            }
        }
        // A server that speaks TLS alone ends what is not TLS with an alert.
        (_, Some(_)) if server.speaks != Speaks::Anything => refused(Reply::Alert, Reason::ProtocolError),
        _ if server.speaks == Speaks::Reset => refused(Reply::Reset, Reason::ConnectionTerminated),
        (Sent::Http(Version::Http1, _), _) if server.speaks == Speaks::Http2 => {
            refused(Reply::Closed, Reason::ConnectionTerminated)
        }
        // No method begins like a ClientHello. Who began that TLS is the one to give up.
        (Sent::Tls(_), _) if is_http => {
            Answered { reply: Reply::Response(Version::Http1, 400), refusal: None, understood: false }
        }
        // A line of text may be the beginning of a request: the rest is waited for.
        (Sent::Bytes, _) if is_http => refused(Reply::Silence, Reason::Timeout),
        (Sent::Http(..), _) if matches!(server.speaks, Speaks::Tcp | Speaks::Greeting) => {
            refused(Reply::Echo, Reason::ProtocolError)
        }
        (Sent::Http(version, _), _) => {
            Answered { reply: Reply::Response(*version, 200), refusal: None, understood: true }
        }
        _ => Answered { reply: Reply::Echo, refusal: None, understood: matches!(layer, Sent::Bytes) },
    }
}

/// What a calling app sees: the status if it gets one, and the word for it, as `demo-client` reports it.
pub(super) fn sees(sent: &[Sent], reply: &Reply) -> (Option<u16>, AppSees) {
    let [layer, inside @ ..] = sent else { unreachable!("whoever sends, sends a layer") };
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
        // Its own ClientHello is TLS, and still no answer to it.
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
