//! Options of the servers.

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Command, Error};

use crate::{BindAddress, Protocol, TlsVersion, duration::parse_limit};

/// Ports and how to serve them.
#[derive(Clone, Debug, Args)]
pub struct ServerArgs {
    /// HTTP/1.1, and HTTP/2 with prior knowledge; with gRPC and websockets
    #[arg(long, value_name = "[BIND:]PORT", help_heading = "Ports (each may be repeated)")]
    pub http: Vec<BindAddress>,

    /// HTTP/1.1 only, like many web servers
    #[arg(long, value_name = "[BIND:]PORT", help_heading = "Ports (each may be repeated)")]
    pub http1: Vec<BindAddress>,

    /// HTTP/2 with prior knowledge only, like most gRPC servers
    #[arg(long, value_name = "[BIND:]PORT", help_heading = "Ports (each may be repeated)")]
    pub http2: Vec<BindAddress>,

    /// HTTP inside TLS
    #[arg(long, value_name = "[BIND:]PORT", help_heading = "Ports (each may be repeated)")]
    pub https: Vec<BindAddress>,

    /// HTTP inside TLS, requiring a client certificate from --client-ca
    #[arg(long, value_name = "[BIND:]PORT", help_heading = "Ports (each may be repeated)")]
    pub mtls_http: Vec<BindAddress>,

    /// Raw TCP echo: every byte is sent back, and so is FIN
    #[arg(long, value_name = "[BIND:]PORT", help_heading = "Ports (each may be repeated)")]
    pub tcp: Vec<BindAddress>,

    /// Like --tcp, but the server speaks first: "220 NAME ready"
    #[arg(long, value_name = "[BIND:]PORT", help_heading = "Ports (each may be repeated)")]
    pub tcp_greeting: Vec<BindAddress>,

    /// Raw TCP bulk transfer: for each line "UP DOWN" the server reads UP bytes, then sends DOWN bytes
    #[arg(long, value_name = "[BIND:]PORT", help_heading = "Ports (each may be repeated)")]
    pub tcp_bulk: Vec<BindAddress>,

    /// Raw TCP that answers the first bytes with RST
    #[arg(long, value_name = "[BIND:]PORT", help_heading = "Ports (each may be repeated)")]
    pub tcp_reset: Vec<BindAddress>,

    /// Like --tcp, inside TLS
    #[arg(long, value_name = "[BIND:]PORT", help_heading = "Ports (each may be repeated)")]
    pub tls: Vec<BindAddress>,

    /// Like --tcp-bulk, inside TLS
    #[arg(long, value_name = "[BIND:]PORT", help_heading = "Ports (each may be repeated)")]
    pub tls_bulk: Vec<BindAddress>,

    /// Like --tls, requiring a client certificate from --client-ca
    #[arg(long, value_name = "[BIND:]PORT", help_heading = "Ports (each may be repeated)")]
    pub mtls: Vec<BindAddress>,

    /// What the client speaks: HTTP, raw bytes, or either inside TLS
    #[arg(long, value_name = "[BIND:]PORT", help_heading = "Ports (each may be repeated)")]
    pub any: Vec<BindAddress>,

    /// Certificate chain of the TLS ports, PEM
    #[arg(long, value_name = "FILE", requires = "key")]
    pub cert: Option<PathBuf>,

    /// Private key of --cert, PEM
    #[arg(long, value_name = "FILE", requires = "cert")]
    pub key: Option<PathBuf>,

    /// Generate a self-signed certificate (P-256) for this DNS name or address at start; may be repeated
    #[arg(long, value_name = "NAME", conflicts_with = "cert")]
    pub self_signed: Vec<String>,

    /// Write the certificate of --self-signed to this file, for clients to trust
    #[arg(long, value_name = "FILE", requires = "self_signed")]
    pub write_cert: Option<PathBuf>,

    /// CAs that client certificates must come from, PEM; for --mtls and --mtls-http
    #[arg(long, value_name = "FILE")]
    pub client_ca: Option<PathBuf>,

    /// TLS versions to accept
    #[arg(long, value_enum, default_value_t, value_name = "VERSION")]
    pub tls_version: TlsVersion,

    /// Protocols to choose from; a client that offers only others is refused [default: h2,http/1.1 on HTTP ports; on raw
    /// ports ALPN is ignored]
    #[arg(long, value_name = "A,B", value_delimiter = ',')]
    pub alpn: Option<Vec<String>>,

    /// Name of the server in its answers [default: $HOSTNAME, else the host's name]
    #[arg(long)]
    pub name: Option<String>,

    /// Do not log connections and requests
    #[arg(long)]
    pub quiet: bool,

    /// Number of threads
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=1024))]
    pub threads: u16,

    /// How long requests in flight may take to finish when the server is stopped
    #[arg(long, value_name = "TIME", value_parser = parse_limit, default_value = "1s")]
    pub grace: Duration,
}

impl ServerArgs {
    /// Parses the arguments of `demo-server`, without the program's name.
    ///
    /// # Errors
    /// As clap reports it: invalid arguments, or a request for help.
    pub fn read(arguments: impl IntoIterator<Item: Into<OsString> + Clone>) -> Result<Self, Error> {
        read("demo-server", arguments)
    }

    /// Why the server cannot start with these options, before any port or file is opened.
    pub fn misuse(&self) -> Option<&'static str> {
        let has = |condition: fn(Protocol) -> bool| self.ports().any(|(protocol, _)| condition(protocol));
        if self.ports().next().is_none() {
            return Some("no port to listen on; try --http 8080");
        }
        if has(Protocol::needs_certificate) && self.cert.is_none() && self.self_signed.is_empty() {
            return Some("TLS ports need --cert FILE with --key FILE, or --self-signed NAME");
        }
        if has(Protocol::demands_certificate) && self.client_ca.is_none() {
            return Some("--mtls and --mtls-http need --client-ca FILE");
        }
        None
    }

    /// The ports and their protocols, in the order of [`Protocol`].
    pub fn ports(&self) -> impl Iterator<Item = (Protocol, BindAddress)> {
        [
            (Protocol::Http, &self.http),
            (Protocol::Http1, &self.http1),
            (Protocol::Http2, &self.http2),
            (Protocol::Https, &self.https),
            (Protocol::MtlsHttp, &self.mtls_http),
            (Protocol::Tcp, &self.tcp),
            (Protocol::TcpGreeting, &self.tcp_greeting),
            (Protocol::TcpBulk, &self.tcp_bulk),
            (Protocol::TcpReset, &self.tcp_reset),
            (Protocol::Tls, &self.tls),
            (Protocol::TlsBulk, &self.tls_bulk),
            (Protocol::Mtls, &self.mtls),
            (Protocol::Any, &self.any),
        ]
        .into_iter()
        .flat_map(|(protocol, addresses)| addresses.iter().map(move |address| (protocol, *address)))
    }
}

impl WebhookArgs {
    /// Parses the arguments of `demo-webhook`, without the program's name.
    ///
    /// # Errors
    /// As clap reports it: invalid arguments, or a request for help.
    pub fn read(arguments: impl IntoIterator<Item: Into<OsString> + Clone>) -> Result<Self, Error> {
        read("demo-webhook", arguments)
    }
}

fn read<A: Args>(
    program: &'static str,
    arguments: impl IntoIterator<Item: Into<OsString> + Clone>,
) -> Result<A, Error> {
    let command = A::augment_args(Command::new(program).no_binary_name(true));
    A::from_arg_matches(&command.try_get_matches_from(arguments)?)
}

/// Options of an admission webhook.
#[derive(Clone, Debug, Args)]
pub struct WebhookArgs {
    /// Port to listen on; may be repeated
    #[arg(long, value_name = "[BIND:]PORT", required = true)]
    pub https: Vec<BindAddress>,

    /// Certificate chain from the webhook's own PKI, PEM
    #[arg(long, value_name = "FILE")]
    pub cert: PathBuf,

    /// Private key of --cert, PEM
    #[arg(long, value_name = "FILE")]
    pub key: PathBuf,

    /// Name of the server in its log [default: $HOSTNAME, else the host's name]
    #[arg(long)]
    pub name: Option<String>,

    /// How long requests in flight may take to finish when the server is stopped
    #[arg(long, value_name = "TIME", value_parser = parse_limit, default_value = "1s")]
    pub grace: Duration,
}
