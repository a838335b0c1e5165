//! The server's side of a handshake: `DownstreamTlsContext`.

use std::{io, sync::Arc};

use arc_swap::ArcSwapOption;
use envoy_api::{CommonTlsContext, DownstreamTlsContext, SdsSecretConfig, Secret};
use rustls::{
    ServerConfig,
    crypto::aws_lc_rs,
    server::{Acceptor, NoServerSessionStorage},
};
use tokio::net::TcpStream;
use tokio_rustls::{LazyConfigAcceptor, server::TlsStream};

use super::{
    failure::{NotSupplied, Plaintext},
    keylog::KeyLogFile,
    params::{self, Side},
    secrets::{self, Material, Secrets},
    verify,
};
use crate::{
    peek::peek,
    stats::Counter,
    stream_info::{TlsInfo, Transport},
};

/// The bytes of a TLS record's header.
const RECORD_HEADER: usize = 5;

/// A TLS context for connections that come in.
#[derive(Debug)]
pub struct ServerContext {
    config: DownstreamTlsContext,
    secrets: Secrets,
    /// Empty until every secret is there.
    current: ArcSwapOption<Current>,
    /// How often contexts were built: once for each rotation, never for a connection.
    built: Counter,
}

#[derive(Debug)]
struct Current {
    config: Arc<ServerConfig>,
    /// The same, with no ALPN: rustls ends a handshake whose ALPN lists have nothing in common, where Envoy goes on
    /// without ALPN.
    without_alpn: Arc<ServerConfig>,
    local_uri_sans: Arc<[String]>,
}

impl ServerContext {
    /// Checks a context, and builds it if no secret has to come first. Each time that it is built, `built` counts it.
    ///
    /// # Errors
    /// When something in it is not supported or can't be read; the message names the field.
    pub fn new(config: &DownstreamTlsContext, built: Counter) -> Result<Self, String> {
        let secrets = Secrets::new(&config.common_tls_context)?;
        let context = Self { config: config.clone(), secrets, current: ArcSwapOption::empty(), built };
        if let Some(material) = context.secrets.in_place()? {
            context.build(material)?;
        }
        Ok(context)
    }

    /// What it has in common with contexts of the other side, as configured.
    pub fn common(&self) -> &CommonTlsContext {
        &self.config.common_tls_context
    }

    /// The secrets that files brought.
    pub fn received(&self) -> Vec<Secret> {
        self.secrets.received()
    }

    /// The secrets that have to come.
    pub fn wanted(&self) -> impl Iterator<Item = &SdsSecretConfig> {
        self.secrets.wanted()
    }

    /// What handshakes are made with now; `None` until every secret is there.
    pub(crate) fn config(&self) -> Option<Arc<ServerConfig>> {
        self.current.load().as_ref().map(|current| current.config.clone())
    }

    /// Takes in a secret that it wants; later handshakes use it.
    ///
    /// # Errors
    /// When the context can't be built with it; the earlier one stays.
    pub fn take(&self, secret: &Secret) -> Result<(), String> {
        self.secrets.replace(secret, |material| self.build(material))
    }

    /// Shakes hands. Where the TLS inspector has not looked (`seen` is raw), the first bytes are looked at here.
    ///
    /// # Errors
    /// When it fails; the peer has been sent the alert. [`super::reason`] gives the reason in BoringSSL's words.
    pub async fn accept(&self, socket: TcpStream, seen: Transport) -> io::Result<(TlsStream<TcpStream>, TlsInfo)> {
        let current = self.current.load_full().ok_or_else(|| io::Error::other(NotSupplied))?;
        if seen == Transport::RawBuffer {
            refuse_plaintext(&socket).await?;
        }
        let handshake = LazyConfigAcceptor::new(Acceptor::default(), socket).await?;
        let hello = handshake.client_hello();
        let overlap = hello.alpn().is_some_and(|mut offered| {
            offered.any(|protocol| current.config.alpn_protocols.iter().any(|ours| ours == protocol))
        });
        let config = if overlap { &current.config } else { &current.without_alpn };
        let stream = handshake.into_stream(config.clone()).await?;
        let info = super::info(stream.get_ref().1, &current.local_uri_sans);
        Ok((stream, info))
    }

    fn build(&self, material: Material) -> Result<(), String> {
        let common = &self.config.common_tls_context;
        let tls_params = common.tls_params.clone().unwrap_or_default();
        let provider = params::provider(&tls_params)?;
        let versions = params::versions(&tls_params, Side::Server)?;
        let own = material.own.ok_or("tls_certificates: a server has to have a certificate")?;
        let (resolver, local_uri_sans) = secrets::identity(&own, &provider)?;
        let required = self.config.require_client_certificate == Some(true);
        let verifier = verify::client_verifier(material.validation.as_ref(), required, &provider)?;

        let builder = ServerConfig::builder_with_provider(provider)
            .with_protocol_versions(&versions)
            .map_err(|e| format!("tls_params: {e}"))?;
        let builder = match verifier {
            Some(verifier) => builder.with_client_cert_verifier(verifier),
            None => builder.with_no_client_auth(),
        };
        let mut config = builder.with_cert_resolver(resolver);
        config.alpn_protocols = common.alpn_protocols.iter().map(|p| p.clone().into_bytes()).collect();
        if let Some(key_log) = &common.key_log {
            config.key_log = Arc::new(KeyLogFile::open(&key_log.path)?);
        }
        // A resumed session is not verified again. The ticket keys are new with every build, so that no session outlives
        // the roots that it was verified with.
        if self.config.disable_stateless_session_resumption {
            config.send_tls13_tickets = 0;
        } else {
            config.ticketer = aws_lc_rs::Ticketer::new().map_err(|e| format!("no ticket keys: {e}"))?;
        }
        if self.config.disable_stateful_session_resumption {
            config.session_storage = Arc::new(NoServerSessionStorage {});
        }
        let mut without_alpn = config.clone();
        without_alpn.alpn_protocols.clear();
        self.built.inc();
        self.current.store(Some(Arc::new(Current {
            config: Arc::new(config),
            without_alpn: Arc::new(without_alpn),
            local_uri_sans,
        })));
        Ok(())
    }
}

/// Refuses a connection that does not begin with a TLS record, as BoringSSL does (`ssl/tls_record.cc`,
/// `ssl_open_record`): nothing is said to an HTTP request, anything else is sent an alert of TLS 1.0. rustls would send
/// an alert of its own to both.
async fn refuse_plaintext(socket: &TcpStream) -> io::Result<()> {
    const ALERT_PROTOCOL_VERSION: [u8; 7] = [21, 3, 1, 0, 2, 2, 70];
    let first = peek(socket, |bytes| (bytes.len() >= RECORD_HEADER).then(|| bytes[..RECORD_HEADER].to_vec()))
        .await
        .map_err(|_| io::Error::from(io::ErrorKind::UnexpectedEof))?;
    let plaintext = match &first[..] {
        [_, 3, ..] => return Ok(()),
        b"GET /" | b"POST " | b"HEAD " | b"PUT /" => Plaintext::Http,
        _ => Plaintext::Other,
    };
    // Whoever is there is no TLS client, and may be gone, too. What it sent is read, so that it sees an end and no reset.
    let _ = socket.try_read(&mut [0; 16 * 1024]);
    if plaintext == Plaintext::Other {
        let _ = socket.try_write(&ALERT_PROTOCOL_VERSION);
    }
    Err(io::Error::new(io::ErrorKind::InvalidData, plaintext))
}
