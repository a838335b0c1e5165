//! The properties of the apps at both ends, as far as manifests say them or indicate them.

use std::fmt;

use demo_args::{BindAddress, Protocol, ServerArgs, WebhookArgs};

use crate::{
    model::{Container, Mount, PLACEHOLDER, Pod, Resolved, StandIn},
    stand_in::{self, Clue},
};

use super::certificate::{self, Authority, Certificate, Check};

/// The properties of a called app.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ServerApp {
    /// What it speaks.
    pub speaks: Speaks,
    /// Whether it listens only on loopback.
    pub loopback_only: bool,
    /// What indicates what it speaks, if its arguments don't say it.
    pub clue: Option<Clue>,
    /// Whether it is `demo-server`, whose answers are known.
    pub is_demo: bool,
}

/// The protocol of a called app.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Speaks {
    /// Unknown: assumed to speak whatever it is sent.
    #[default]
    Anything,
    /// HTTP/1.1 and HTTP/2 in plaintext.
    Http,
    /// Only HTTP/1.1 in plaintext, like many web servers.
    Http1,
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
    /// TLS, and inside whatever it is sent.
    AnythingInTls,
    /// Nothing listens.
    Nothing,
}

impl ServerApp {
    /// One that speaks this, and listens on all addresses.
    pub fn speaking(protocol: Protocol) -> Self {
        Self { speaks: Speaks::of(protocol), ..Self::default() }
    }

    /// The app at a port of a pod, an index into [`pods`](Resolved::pods), according to its manifest: the arguments of `demo-server` and
    /// `demo-webhook`. Other programs are assumed to speak what is [indicated](stand_in::indicated), and not to listen on
    /// a port that its Services [map](stand_in::is_mapped_away) to another.
    pub fn of(mesh: &Resolved, pod: usize, port: u16) -> Self {
        let mut servers = mesh.pods[pod].containers.iter().filter_map(DemoServer::of).peekable();
        if servers.peek().is_some() {
            let found = servers.find_map(|server| server.app(port));
            return found.unwrap_or(Self { speaks: Speaks::Nothing, ..Self::default() });
        }
        let is_unstarted = |container: &Container| container.image == PLACEHOLDER;
        if mesh.pods[pod].sidecar.is_none() && mesh.pods[pod].containers.iter().any(is_unstarted) {
            return Self { speaks: Speaks::Nothing, ..Self::default() };
        }
        let indicated = stand_in::indicated(mesh, pod, port);
        let is_said = indicated.is_some_and(|(_, clue)| clue == Clue::Annotation);
        if !is_said && stand_in::is_mapped_away(mesh, pod, port) {
            return Self { speaks: Speaks::Nothing, clue: Some(Clue::TargetPort), ..Self::default() };
        }
        let Some((protocol, clue)) = indicated else { return Self::default() };
        let speaks = match (protocol, clue) {
            (protocol, Clue::Annotation) => Speaks::of(protocol),
            // Of what is inside nothing is known.
            (Protocol::Tls, _) => Speaks::AnythingInTls,
            (protocol, _) => Speaks::of(protocol),
        };
        Self { speaks, clue: Some(clue), ..Self::default() }
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
        let is_demo = matches!(self, Self::Server(_));
        Some(ServerApp { speaks: Speaks::of(protocol), loopback_only, is_demo, clue: None })
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
    /// It in a few words.
    pub(super) fn brief(self) -> &'static str {
        match self {
            Self::Anything => "what it is sent",
            Self::Http => "HTTP",
            Self::Http1 => "HTTP/1.1",
            Self::Http2 => "HTTP/2 without TLS",
            Self::Https { .. } | Self::Webhook => "HTTP inside TLS",
            Self::Tcp | Self::Reset | Self::Detects { .. } => "TCP",
            Self::Greeting => "first",
            Self::Tls { .. } | Self::AnythingInTls => "TLS",
            Self::Nothing => "nothing",
        }
    }

    fn of(protocol: Protocol) -> Self {
        match protocol {
            Protocol::Http => Self::Http,
            Protocol::Http1 => Self::Http1,
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
    pub(super) certificate: Certificate,
    /// How it checks client certificates, where it demands one.
    pub(super) clients: Check,
}

impl AppTls {
    /// That of the app of a pod, an index into [`pods`](Resolved::pods).
    pub(super) fn of(mesh: &Resolved, index: usize) -> Self {
        let pod = &mesh.pods[index];
        let server = |container| Some((container, DemoServer::of(container)?));
        let servers = || pod.containers.iter().filter_map(server);
        let certificate = servers().find_map(|(container, server)| server.certificate(container));
        let clients = servers().find_map(|(container, server)| server.client_ca(container));
        // Of a host outside whose program nobody knows it is not known either which authority it has, but who it is.
        let is_unknown = pod.is_external() && servers().next().is_none();
        let mut unknown = Self::unknown(if is_unknown { Authority::Unknown } else { Authority::Apps });
        if is_unknown {
            unknown.certificate.hosts = Some(stand_in::names_outside(mesh, index)).filter(|names| !names.is_empty());
        }
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
/// are made. Without them it is assumed to trust the host's authority.
pub(super) fn trust(pod: &Pod, host: &str) -> Check {
    let roots = pod.containers.first().and_then(|container| {
        let (_, path) = container.env.iter().find(|(name, _)| name == TRUST)?;
        mounted(container, path).map(certificate::subjects)
    });
    let known = roots.map_or_else(Check::of_apps, |roots| Check { roots: Some(roots), ..Check::default() });
    Check { host: Some(host.strip_suffix('.').unwrap_or(host).to_owned()), ..known }
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
        if self.clue.is_some_and(|clue| clue != Clue::Annotation) {
            f.write_str("assumed: ")?;
        }
        f.write_str(match self.speaks {
            Speaks::Anything => "assumed to be an app that speaks what it is sent",
            Speaks::Http => "speaks HTTP in plaintext",
            Speaks::Http1 => "speaks HTTP/1.1 in plaintext, and nothing else",
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
            Speaks::AnythingInTls => "speaks TLS, and inside what it is sent",
            Speaks::Nothing => "nothing listens",
        })?;
        if let Some(clue) = self.clue.filter(|clue| *clue != Clue::Annotation) {
            write!(f, ", as {clue} says")?;
        }
        f.write_str(if self.loopback_only { ", only on loopback" } else { "" })
    }
}

#[cfg(test)]
mod tests;
