//! The server's options.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use clap::Args;

use super::Protocol;
use crate::client::TlsVersion;

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

    /// What is under way when the server is told to stop gets so many seconds to finish
    #[arg(long, value_name = "SECONDS", value_parser = crate::client::seconds, default_value = "1")]
    pub grace: Duration,
}

impl ServerArgs {
    /// What is to be spoken where, in the order of [`Protocol`].
    pub(super) fn ports(&self) -> impl Iterator<Item = (Protocol, BindAddress)> {
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

    /// What is under way when the server is told to stop gets so many seconds to finish
    #[arg(long, value_name = "SECONDS", value_parser = crate::client::seconds, default_value = "1")]
    pub grace: Duration,
}

/// What a server calls itself.
pub(super) fn app_name(asked: Option<&str>, program: &str) -> String {
    let host = || nix::unistd::gethostname().ok().and_then(|name| name.into_string().ok());
    let name = asked.map(str::to_owned).or_else(|| std::env::var("HOSTNAME").ok());
    name.or_else(host).unwrap_or_else(|| program.to_owned())
}

/// Where to listen: a port on all addresses of both families, or on one address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BindAddress {
    /// None for all addresses.
    pub ip: Option<IpAddr>,
    /// 0 for any free port.
    pub port: u16,
}

impl FromStr for BindAddress {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if let Ok(port) = text.parse() {
            return Ok(Self { ip: None, port });
        }
        let address: SocketAddr = text.parse().map_err(
            |_| "expected a port (8080), or an address with a port (127.0.0.1:8080, [::1]:8080); ports go up to 65535",
        )?;
        Ok(Self { ip: Some(address.ip()), port: address.port() })
    }
}

impl fmt::Display for BindAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.ip {
            Some(ip) => SocketAddr::new(ip, self.port).fmt(f),
            None => write!(f, "port {}", self.port),
        }
    }
}
