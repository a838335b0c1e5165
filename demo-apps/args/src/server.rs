//! The options of the servers.

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Command, Error};

use crate::{BindAddress, Protocol, TlsVersion, duration::parse_limit};

/// Ports, and how to serve them.
#[derive(Clone, Debug, Args)]
pub struct ServerArgs {
    /// HTTP/1.1, and HTTP/2 with prior knowledge; with gRPC and websockets
    #[arg(long, value_name = "[BIND:]PORT", help_heading = "Ports (each may be repeated)")]
    pub http: Vec<BindAddress>,

    /// HTTP/2 with prior knowledge and nothing else, as most servers of gRPC
    #[arg(long, value_name = "[BIND:]PORT", help_heading = "Ports (each may be repeated)")]
    pub http2: Vec<BindAddress>,

    /// HTTP inside TLS
    #[arg(long, value_name = "[BIND:]PORT", help_heading = "Ports (each may be repeated)")]
    pub https: Vec<BindAddress>,

    /// HTTP inside TLS that demands a client certificate of --client-ca
    #[arg(long, value_name = "[BIND:]PORT", help_heading = "Ports (each may be repeated)")]
    pub mtls_http: Vec<BindAddress>,

    /// Raw TCP: every byte comes back, and so does FIN
    #[arg(long, value_name = "[BIND:]PORT", help_heading = "Ports (each may be repeated)")]
    pub tcp: Vec<BindAddress>,

    /// As --tcp, but the server speaks first: "220 NAME ready"
    #[arg(long, value_name = "[BIND:]PORT", help_heading = "Ports (each may be repeated)")]
    pub tcp_greeting: Vec<BindAddress>,

    /// Raw TCP in bulk: for each line "UP DOWN" the server reads UP bytes and then sends DOWN bytes
    #[arg(long, value_name = "[BIND:]PORT", help_heading = "Ports (each may be repeated)")]
    pub tcp_bulk: Vec<BindAddress>,

    /// Raw TCP that answers the first bytes with RST
    #[arg(long, value_name = "[BIND:]PORT", help_heading = "Ports (each may be repeated)")]
    pub tcp_reset: Vec<BindAddress>,

    /// As --tcp, inside TLS
    #[arg(long, value_name = "[BIND:]PORT", help_heading = "Ports (each may be repeated)")]
    pub tls: Vec<BindAddress>,

    /// As --tcp-bulk, inside TLS
    #[arg(long, value_name = "[BIND:]PORT", help_heading = "Ports (each may be repeated)")]
    pub tls_bulk: Vec<BindAddress>,

    /// As --tls, and demands a client certificate of --client-ca
    #[arg(long, value_name = "[BIND:]PORT", help_heading = "Ports (each may be repeated)")]
    pub mtls: Vec<BindAddress>,

    /// Certificate chain of the TLS ports, PEM
    #[arg(long, value_name = "FILE", requires = "key")]
    pub cert: Option<PathBuf>,

    /// Private key of --cert, PEM
    #[arg(long, value_name = "FILE", requires = "cert")]
    pub key: Option<PathBuf>,

    /// Make a certificate (P-256, signed by itself) for this DNS name or address at start, may be repeated
    #[arg(long, value_name = "NAME", conflicts_with = "cert")]
    pub self_signed: Vec<String>,

    /// Write the certificate of --self-signed here, for clients that are to trust it
    #[arg(long, value_name = "FILE", requires = "self_signed")]
    pub write_cert: Option<PathBuf>,

    /// Authorities of client certificates, PEM: for --mtls and --mtls-http
    #[arg(long, value_name = "FILE")]
    pub client_ca: Option<PathBuf>,

    /// TLS versions to accept
    #[arg(long, value_enum, default_value_t, value_name = "VERSION")]
    pub tls_version: TlsVersion,

    /// Protocols to choose from; a client that offers others alone is refused [default: h2,http/1.1 on HTTP ports, on raw
    /// ports whatever is offered is ignored]
    #[arg(long, value_name = "A,B", value_delimiter = ',')]
    pub alpn: Option<Vec<String>>,

    /// What the server calls itself [default: $HOSTNAME, else the host's name]
    #[arg(long)]
    pub name: Option<String>,

    /// Keep no log of connections and requests
    #[arg(long)]
    pub quiet: bool,

    /// Threads to serve with
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=1024))]
    pub threads: u16,

    /// What is under way when the server is told to stop gets so long to finish
    #[arg(long, value_name = "TIME", value_parser = parse_limit, default_value = "1s")]
    pub grace: Duration,
}

impl ServerArgs {
    /// Reads the words behind the program's name, as `demo-server` does.
    ///
    /// # Errors
    /// What clap prints: the words are wrong, or ask for help.
    pub fn read(words: impl IntoIterator<Item: Into<OsString> + Clone>) -> Result<Self, Error> {
        read("demo-server", words)
    }

    /// Why the server refuses to start with these options, before it touches a port or a file.
    pub fn mistake(&self) -> Option<&'static str> {
        let has = |wants: fn(Protocol) -> bool| self.ports().any(|(protocol, _)| wants(protocol));
        if self.ports().next().is_none() {
            return Some("no port to listen on; try --http 8080");
        }
        if has(Protocol::is_tls) && self.cert.is_none() && self.self_signed.is_empty() {
            return Some("TLS ports need --cert FILE with --key FILE, or --self-signed NAME");
        }
        if has(Protocol::demands_certificate) && self.client_ca.is_none() {
            return Some("--mtls and --mtls-http need --client-ca FILE");
        }
        None
    }

    /// What is to be spoken where, in the order of [`Protocol`].
    pub fn ports(&self) -> impl Iterator<Item = (Protocol, BindAddress)> {
        [
            (Protocol::Http, &self.http),
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
        ]
        .into_iter()
        .flat_map(|(protocol, addresses)| addresses.iter().map(move |address| (protocol, *address)))
    }
}

impl WebhookArgs {
    /// Reads the words behind the program's name, as `demo-webhook` does.
    ///
    /// # Errors
    /// What clap prints: the words are wrong, or ask for help.
    pub fn read(words: impl IntoIterator<Item: Into<OsString> + Clone>) -> Result<Self, Error> {
        read("demo-webhook", words)
    }
}

fn read<A: Args>(program: &'static str, words: impl IntoIterator<Item: Into<OsString> + Clone>) -> Result<A, Error> {
    let command = A::augment_args(Command::new(program).no_binary_name(true));
    A::from_arg_matches(&command.try_get_matches_from(words)?)
}

/// An admission webhook.
#[derive(Clone, Debug, Args)]
pub struct WebhookArgs {
    /// Where to listen; may be repeated
    #[arg(long, value_name = "[BIND:]PORT", required = true)]
    pub https: Vec<BindAddress>,

    /// Certificate chain of the webhook's own PKI, PEM
    #[arg(long, value_name = "FILE")]
    pub cert: PathBuf,

    /// Private key of --cert, PEM
    #[arg(long, value_name = "FILE")]
    pub key: PathBuf,

    /// What the server calls itself [default: $HOSTNAME, else the host's name]
    #[arg(long)]
    pub name: Option<String>,

    /// What is under way when the server is told to stop gets so long to finish
    #[arg(long, value_name = "TIME", value_parser = parse_limit, default_value = "1s")]
    pub grace: Duration,
}
