//! The client's options, for calls and for load.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use clap::{Args, ValueEnum};
use demo_args::TlsVersion;
use rustls::RootCertStore;

use crate::Target;
use crate::UsageError;
use crate::duration::parse_limit;

/// Options of one call.
// clap leaves the group of a struct with a flattened part empty; an `Option<CallArgs>` needs it.
#[derive(Clone, Debug, Args)]
#[group(id = "call", args = ["target"])]
pub struct CallArgs {
    /// URL to call: `http(s)://HOST[:PORT][/PATH]`, `grpc(s)://HOST:PORT[/SERVICE/METHOD]`, `ws(s)://HOST[:PORT]/PATH`,
    /// `tcp://HOST:PORT`, `tls://HOST:PORT` (raw bytes inside TLS)
    #[arg(value_name = "URL")]
    pub target: Target,

    #[command(flatten)]
    pub connect: ConnectArgs,

    /// Request header or gRPC metadata; may be repeated [not for tcp and tls]
    #[arg(long = "header", short = 'H', value_name = "NAME:VALUE")]
    pub headers: Vec<String>,

    /// Request method [http, https; default: GET, or POST with a body]
    #[arg(long, short = 'X')]
    pub method: Option<String>,

    /// Data to send: the body of the request, each message or frame, or the raw bytes
    #[arg(long, short = 'd', conflicts_with = "bytes", value_name = "TEXT")]
    pub data: Option<String>,

    /// Send N bytes of filler
    #[arg(long, value_name = "N")]
    pub bytes: Option<usize>,

    /// Number of messages or frames to send. With streaming in both directions, each waits for the answer to the previous
    /// one [grpc, ws; default: 1; for /sidelab.Echo/ServerStream: how many to receive]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub messages: Option<u32>,

    /// Mark the call: header `x-sidelab-probe: ID`, or the line `sidelab-probe ID` before raw bytes; for gRPC and
    /// websockets both, in each message
    #[arg(long, value_name = "ID")]
    pub marker: Option<String>,

    /// Wait for the server to speak first, then send [tcp, tls]
    #[arg(long)]
    pub server_first: bool,

    /// Send FIN (and close_notify) after sending, then read until the server closes [tcp, tls]
    #[arg(long, conflicts_with = "reset")]
    pub half_close: bool,

    /// Read N bytes, whatever they are [tcp, tls; default: as many as were sent, which must be the same bytes]
    #[arg(long, value_name = "N", conflicts_with = "half_close")]
    pub expect: Option<usize>,

    /// Speak HTTP/1.0 [http, https]
    #[arg(long = "http1.0")]
    pub http10: bool,

    /// Count an HTTP status of 400 or more as a failure [http, https]
    #[arg(long, short = 'f')]
    pub fail: bool,

    /// Maximum duration of the call
    #[arg(long, value_name = "TIME", value_parser = parse_limit, default_value = "10s")]
    pub timeout: Option<Duration>,
}

impl CallArgs {
    /// A call of this target with no option set, as by a program rather than on a command line.
    pub(crate) fn new(target: Target, timeout: Duration) -> Self {
        Self {
            target,
            connect: ConnectArgs::default(),
            headers: vec![],
            method: None,
            data: None,
            bytes: None,
            messages: None,
            marker: None,
            server_first: false,
            half_close: false,
            expect: None,
            http10: false,
            fail: false,
            timeout: Some(timeout),
        }
    }

    /// Refuses options that mean nothing where a call consists of messages, as with these schemes.
    pub(super) fn reject_unsuited_to_messages(&self, schemes: &str) -> Result<(), UsageError> {
        let raw = self.server_first || self.half_close || self.expect.is_some();
        if raw || self.method.is_some() || self.fail || self.http10 {
            let text = format!("--server-first, --half-close, --expect, --method and --fail are not for {schemes}");
            return Err(UsageError(text));
        }
        Ok(())
    }

    /// Contents of message or frame `number`, counted from 1: the mark, then the given data, or its number.
    pub(super) fn numbered_message(&self, number: u32) -> String {
        let mark = self.marker.as_ref().map_or_else(String::new, |id| format!("sidelab-probe {id}\n"));
        match (&self.data, self.bytes) {
            (Some(text), _) => mark + text,
            (None, Some(n)) => mark + &String::from_utf8_lossy(&filling(n)),
            (None, None) => format!("{mark}demo-client {number}\n"),
        }
    }
}

/// `n` bytes of filler: the alphabet, repeated.
pub(crate) fn filling(n: usize) -> Bytes {
    (0..n).map(|i| b'a' + (i % 26) as u8).collect()
}

#[derive(Clone, Debug, Default, Args)]
pub struct ConnectArgs {
    /// Use IPv4 only
    #[arg(short = '4', long, conflicts_with = "ipv6")]
    pub ipv4: bool,

    /// Use IPv6 only
    #[arg(short = '6', long)]
    pub ipv6: bool,

    /// Trust the CAs in this PEM file [https, grpcs, wss, tls; default: $SSL_CERT_FILE, else the system's]
    #[arg(long, value_name = "FILE")]
    pub ca: Option<PathBuf>,

    /// Accept any certificate, but report it [https, grpcs, wss, tls]
    #[arg(long, short = 'k', conflicts_with = "ca")]
    pub insecure: bool,

    /// Certificate chain to present if the server requests one, PEM [https, grpcs, wss, tls]
    #[arg(long, value_name = "FILE", requires = "key")]
    pub cert: Option<PathBuf>,

    /// Private key of --cert, PEM [https, grpcs, wss, tls]
    #[arg(long, value_name = "FILE", requires = "cert")]
    pub key: Option<PathBuf>,

    /// Server name to send and to verify, instead of the URL's host [https, grpcs, wss, tls]
    #[arg(long, value_name = "NAME")]
    pub sni: Option<String>,

    /// Protocols to offer [https, grpcs, wss, tls; default: http/1.1, h2 for grpcs and with --http2, none for tls]
    #[arg(long, value_name = "A,B", value_delimiter = ',')]
    pub alpn: Option<Vec<String>>,

    /// TLS versions to offer [https, grpcs, wss, tls]
    #[arg(long, value_enum, default_value_t, value_name = "VERSION")]
    pub tls_version: TlsVersion,

    /// The only key exchange group to offer [https, grpcs, wss, tls; default: X25519MLKEM768, X25519, P-256, P-384]
    #[arg(long, value_enum, value_name = "GROUP")]
    pub group: Option<Group>,

    /// Use HTTP/2: by ALPN for https, with prior knowledge for http. Without it, HTTP/2 is used only if ALPN selects h2
    #[arg(long)]
    pub http2: bool,

    /// Close connections with RST instead of FIN [tcp, tls]
    #[arg(long)]
    pub reset: bool,

    /// Maximum duration of resolving, connecting and the TLS handshake together [default: like --timeout]
    #[arg(long, value_name = "TIME", value_parser = parse_limit)]
    pub connect_timeout: Option<Duration>,

    /// Connect to this address instead of resolving the URL's host, which is still sent as server name and verified
    #[arg(long, value_name = "IP:PORT")]
    pub connect_to: Option<SocketAddr>,

    /// Trusted roots that are not in a file: takes precedence over `--ca` and `--insecure`.
    #[arg(skip)]
    pub(crate) roots: Option<Arc<RootCertStore>>,

    /// Verify a certificate in the order of Go's `crypto/x509`: its validity, its names, and only then who issued it.
    #[arg(skip)]
    pub(crate) names_first: bool,
}

impl ConnectArgs {
    /// Trusts the CAs in `$SSL_CERT_FILE`, else the system's, unless another option says what to trust, like OpenSSL, Go and curl.
    pub fn trust_environment(&mut self) {
        if self.ca.is_some() || self.insecure {
            return;
        }
        self.ca = std::env::var_os("SSL_CERT_FILE").map(PathBuf::from);
        if self.ca.is_none() {
            let mut roots = RootCertStore::empty();
            roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
            self.roots = (!roots.is_empty()).then(|| roots.into());
        }
    }
}

/// A key exchange group, by its IANA name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Group {
    /// X25519 alone.
    #[value(name = "X25519")]
    X25519,
    /// The hybrid of X25519 and ML-KEM-768.
    #[value(name = "X25519MLKEM768")]
    X25519Mlkem768,
}
