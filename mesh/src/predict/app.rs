//! The apps at both ends: what the calling one sends and sees, and what the called one answers.

use std::{
    fmt,
    net::{IpAddr, SocketAddr},
};

use envoy_api::TlsProtocol;

use crate::{
    account::{AppProtocol, Reason},
    model::{Container, Mount, Pod},
};

use super::{
    Call,
    certificate::{self, Authority, Certificate, Check, Why},
    tls::{Acceptor, Hello, Side},
    webhook,
    wire::{Reply, Request, Sent, Version},
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
        let is_webhook = |container: &Container| container.image.contains("demo-webhook");
        let is_known = |container: &&Container| container.image.contains("demo-server") || is_webhook(container);
        let mut servers = pod.containers.iter().filter(is_known).peekable();
        if servers.peek().is_none() {
            return Self::default();
        }
        let found = servers.find_map(|container| {
            let words: Vec<&str> = container.command.iter().chain(&container.args).map(String::as_str).collect();
            let app = demo_server(&words, port)?;
            Some(if is_webhook(container) { Self { speaks: Speaks::Webhook, ..app } } else { app })
        });
        found.unwrap_or(Self { speaks: Speaks::Nothing, loopback_only: false })
    }
}

/// The certificate that an app of a pod shows on its TLS ports: the one that its manifest mounts and names with `--cert`, or
/// that it makes itself (`--self-signed`), which nobody trusts.
pub(super) fn certificate(pod: &Pod) -> Certificate {
    let named = pod.containers.iter().find_map(|container| {
        let words: Vec<&str> = container.command.iter().chain(&container.args).map(String::as_str).collect();
        let mut own = options(&words).filter(|(option, _)| *option == "--self-signed").peekable();
        if own.peek().is_some() {
            return Some(Certificate::self_signed(own.map(|(_, name)| name)));
        }
        let path = options(&words).find_map(|(option, value)| (option == "--cert").then_some(value))?;
        Certificate::of_pem(mounted(container, path)?)
    });
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

/// A command line's options and their values: `--name value` or `--name=value`.
fn options<'a>(words: &'a [&'a str]) -> impl Iterator<Item = (&'a str, &'a str)> {
    words.iter().enumerate().filter_map(|(at, word)| match word.split_once('=') {
        Some(option) => Some(option),
        None => Some((*word, *words.get(at + 1)?)),
    })
}

/// What `demo-server` does at a port when it is started with these arguments.
fn demo_server(words: &[&str], port: u16) -> Option<ServerApp> {
    options(words).find_map(|(option, value)| {
        let speaks = match option {
            "--http" => Speaks::Http,
            "--https" => Speaks::Https { mutual: false },
            "--mtls-http" => Speaks::Https { mutual: true },
            "--tcp" | "--tcp-bulk" => Speaks::Tcp,
            "--tcp-greeting" => Speaks::Greeting,
            "--tls" | "--tls-bulk" => Speaks::Tls { mutual: false },
            "--mtls" => Speaks::Tls { mutual: true },
            _ => return None,
        };
        let address: Option<SocketAddr> = value.parse().ok();
        let listens_on = address.map(|address| address.port()).or_else(|| value.parse().ok())?;
        let loopback_only = address.is_some_and(|address| address.ip().is_loopback());
        (listens_on == port).then_some(ServerApp { speaks, loopback_only })
    })
}

impl fmt::Display for ServerApp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.speaks {
            Speaks::Anything => "taken for an app that speaks what it is sent",
            Speaks::Http => "speaks HTTP in plaintext",
            Speaks::Https { mutual: false } => "speaks HTTP inside TLS",
            Speaks::Https { mutual: true } => "speaks HTTP inside TLS, and demands a client certificate",
            Speaks::Webhook => "answers AdmissionReviews inside TLS",
            Speaks::Tcp => "sends back raw bytes",
            Speaks::Greeting => "greets, and sends back raw bytes",
            Speaks::Tls { mutual: false } => "sends back raw bytes inside TLS",
            Speaks::Tls { mutual: true } => "sends back raw bytes inside TLS, and demands a client certificate",
            Speaks::Nothing => "nobody listens",
        })?;
        f.write_str(if self.loopback_only { ", on loopback alone" } else { "" })
    }
}

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
        Speaks::Http | Speaks::Tcp | Speaks::Greeting | Speaks::Nothing => None,
    };
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
                        [Sent::Http(_, request)]
                            if server.speaks == Speaks::Webhook && request.path == webhook::HANGS =>
                        {
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
        // No method begins like a ClientHello. Who began that TLS is the one to give up.
        (Sent::Tls(_), _) if server.speaks == Speaks::Http => {
            Answered { reply: Reply::Response(Version::Http1, 400), refusal: None, understood: false }
        }
        // A line of text may be the beginning of a request: the rest is waited for.
        (Sent::Bytes, _) if server.speaks == Speaks::Http => refused(Reply::Silence, Reason::Timeout),
        (Sent::Http(..), _) if matches!(server.speaks, Speaks::Tcp | Speaks::Greeting) => {
            refused(Reply::Echo, Reason::ProtocolError)
        }
        (Sent::Http(version, _), _) => {
            Answered { reply: Reply::Response(*version, 200), refusal: None, understood: true }
        }
        _ => Answered { reply: Reply::Echo, refusal: None, understood: matches!(layer, Sent::Bytes) },
    }
}

/// What a calling app sends, which asks for a path and checks a server's certificate like this.
pub(super) fn sends(call: &Call, path: &str, check: Check) -> Vec<Sent> {
    let Call { host, port, .. } = call;
    let is_ip = host.parse::<IpAddr>().is_ok();
    let bracketed = if host.contains(':') { format!("[{host}]") } else { host.clone() };
    let request = Request { authority: format!("{bracketed}:{port}"), path: path.into() };
    let hello = Hello {
        server_name: (!is_ip).then(|| host.to_ascii_lowercase()),
        alpn: vec!["http/1.1".into()],
        certificate: None,
        check,
        latest: TlsProtocol::V1_3,
    };
    match call.app {
        AppProtocol::Http => vec![Sent::Http(Version::Http1, request)],
        AppProtocol::H2 => vec![Sent::Http(Version::Http2, request)],
        AppProtocol::Https => vec![Sent::Tls(hello), Sent::Http(Version::Http1, request)],
        AppProtocol::Tcp if call.server_first => vec![Sent::Nothing],
        AppProtocol::Tcp => vec![Sent::Bytes],
    }
}

/// What a calling app sees: the status if it gets one, and the word for it, as `demo-client` reports it.
pub(super) fn sees(sent: &[Sent], reply: &Reply) -> (Option<u16>, String) {
    let [layer, inside @ ..] = sent else { unreachable!("whoever sends, sends a layer") };
    let word = |word: &str| (None, word.to_owned());
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
            (Some(*status), status.to_string())
        }
        (Sent::Http(..), _) => word("http_parse"),
        (Sent::Bytes | Sent::Nothing, Reply::Echo) => word("echo"),
        (Sent::Bytes | Sent::Nothing, _) => word("echo_mismatch"),
    }
}

#[cfg(test)]
mod tests;
