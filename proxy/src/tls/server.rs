//! Downstream TLS: `DownstreamTlsContext`.

use std::{io, sync::Arc};

use arc_swap::ArcSwapOption;
use envoy_api::{CommonTlsContext, DownstreamTlsContext, SdsSecretConfig, Secret};
use envoy_rules::tls_error::TlsError;
use rustls::{
    ServerConfig,
    crypto::aws_lc_rs,
    server::{NoServerSessionStorage, UnbufferedServerConnection},
};
use tokio::net::TcpStream;

use super::{
    ContextStats, TlsStream,
    failure::Failure,
    keylog::KeyLogFile,
    params::{self, Side},
    secrets::{self, Material, Secrets},
    verify,
};
use crate::{
    config::{At as _, Invalid},
    listener::{Opening, peek_client_hello},
    peek::peek,
    stream_info::TlsInfo,
};

/// Length of a TLS record header, in bytes.
const RECORD_HEADER: usize = 5;

/// A TLS context for downstream connections.
#[derive(Debug)]
pub struct ServerContext {
    config: DownstreamTlsContext,
    secrets: Secrets,
    /// `None` until every secret has been received.
    current: ArcSwapOption<Current>,
    stats: ContextStats,
}

#[derive(Debug)]
struct Current {
    config: Arc<ServerConfig>,
    /// The same without ALPN: rustls fails handshakes without a common ALPN protocol, while Envoy continues without
    /// ALPN.
    without_alpn: Arc<ServerConfig>,
    local_uri_sans: Arc<[String]>,
}

impl Current {
    /// The configuration for a client with these ALPN protocols.
    fn for_client(&self, offered: &[String]) -> &Arc<ServerConfig> {
        let ours = &self.config.alpn_protocols;
        let overlap = offered.iter().any(|protocol| ours.iter().any(|ours| ours == protocol.as_bytes()));
        if overlap { &self.config } else { &self.without_alpn }
    }
}

impl ServerContext {
    /// Validates a context, and builds it unless it needs secrets from files.
    ///
    /// # Errors
    /// If something is not supported or can't be read. The message starts with the path of the field.
    pub fn new(config: &DownstreamTlsContext, stats: ContextStats) -> Result<Self, Invalid> {
        let secrets = Secrets::new(&config.common_tls_context)?;
        let context = Self { config: config.clone(), secrets, current: ArcSwapOption::empty(), stats };
        if let Some(material) = context.secrets.in_place()? {
            context.build(material)?;
        }
        Ok(context)
    }

    /// The configuration that both kinds of contexts share.
    pub fn common(&self) -> &CommonTlsContext {
        &self.config.common_tls_context
    }

    /// The secrets that were received from files.
    pub fn received(&self) -> Vec<Secret> {
        self.secrets.received()
    }

    /// The secrets that the context needs.
    pub fn wanted(&self) -> impl Iterator<Item = &SdsSecretConfig> {
        self.secrets.wanted()
    }

    /// The current rustls configuration; `None` until every secret has been received.
    pub(crate) fn config(&self) -> Option<Arc<ServerConfig>> {
        self.current.load().as_ref().map(|current| current.config.clone())
    }

    /// Applies a secret that the context needs, for later handshakes.
    ///
    /// # Errors
    /// If the context can't be built with it. The previous one is kept.
    pub fn take(&self, secret: &Secret) -> Result<(), Invalid> {
        self.secrets.replace(secret, |material| self.build(material))
    }

    /// Performs a handshake. `offered` are the ALPN protocols that the TLS inspector saw; without an inspector, the first bytes
    /// are inspected here.
    ///
    /// # Errors
    /// If it fails, after sending an alert to the peer. [`super::reason`] describes it in BoringSSL's wording.
    pub async fn accept(&self, socket: TcpStream, offered: Option<&[String]>) -> io::Result<(TlsStream, TlsInfo)> {
        let current = self.current.load_full().ok_or_else(|| io::Error::other(Failure(TlsError::SecretNotSupplied)))?;
        let config = match offered {
            Some(offered) => current.for_client(offered),
            None => {
                refuse_plaintext(&socket).await?;
                let opening = peek_client_hello(&socket).await;
                match opening.map_err(|_| io::Error::from(io::ErrorKind::UnexpectedEof))? {
                    Opening::Hello(hello) => current.for_client(&hello.alpn),
                    Opening::Plaintext | Opening::Invalid(_) => current.for_client(&[]),
                }
            }
        };
        let session = UnbufferedServerConnection::new(config.clone()).map_err(io::Error::other)?;
        let stream = TlsStream::accept(socket, session).await?;
        let info = super::info(stream.negotiated(), &current.local_uri_sans);
        Ok((stream, info))
    }

    fn build(&self, material: Material) -> Result<(), Invalid> {
        let common = &self.config.common_tls_context;
        let tls_params = common.tls_params.clone().unwrap_or_default();
        let provider = params::provider(&tls_params)?;
        let versions = params::versions(&tls_params, Side::Server)?;
        let own = material.own.ok_or("a server requires a certificate").at("tls_certificates")?;
        let (resolver, local_uri_sans) = secrets::identity(&own, &provider)?;
        let required = self.config.require_client_certificate == Some(true);
        let verifier = verify::client_verifier(
            material.validation.as_ref(),
            required,
            &provider,
            self.stats.known_chains.clone(),
        )?;

        let builder =
            ServerConfig::builder_with_provider(provider).with_protocol_versions(&versions).at("tls_params")?;
        let builder = match verifier {
            Some(verifier) => builder.with_client_cert_verifier(verifier),
            None => builder.with_no_client_auth(),
        };
        let mut config = builder.with_cert_resolver(resolver);
        config.alpn_protocols = common.alpn_protocols.iter().map(|p| p.clone().into_bytes()).collect();
        if let Some(key_log) = &common.key_log {
            config.key_log = Arc::new(KeyLogFile::open(&key_log.path)?);
        }
        // A resumed session is not verified again. Ticket keys are new with every build, so that sessions do not outlive the
        // roots that they were verified with.
        if self.config.disable_stateless_session_resumption {
            config.send_tls13_tickets = 0;
        } else {
            config.ticketer = aws_lc_rs::Ticketer::new()?;
        }
        if self.config.disable_stateful_session_resumption {
            config.session_storage = Arc::new(NoServerSessionStorage {});
        }
        let mut without_alpn = config.clone();
        without_alpn.alpn_protocols.clear();
        self.stats.built.inc();
        self.current.store(Some(Arc::new(Current {
            config: Arc::new(config),
            without_alpn: Arc::new(without_alpn),
            local_uri_sans,
        })));
        Ok(())
    }
}

/// Refuses a connection that does not start with a TLS record like BoringSSL (`ssl/tls_record.cc`, `ssl_open_record`): an HTTP
/// request is not answered, anything else gets a TLS 1.0 alert. rustls would send its own alert in both
/// cases.
async fn refuse_plaintext(socket: &TcpStream) -> io::Result<()> {
    const ALERT_PROTOCOL_VERSION: [u8; 7] = [21, 3, 1, 0, 2, 2, 70];
    let first =
        peek(socket, RECORD_HEADER, |bytes| (bytes.len() >= RECORD_HEADER).then(|| bytes[..RECORD_HEADER].to_vec()))
            .await
            .map_err(|_| io::Error::from(io::ErrorKind::UnexpectedEof))?;
    let plaintext = match &first[..] {
        [_, 3, ..] => return Ok(()),
        b"GET /" | b"POST " | b"HEAD " | b"PUT /" => TlsError::HttpRequest,
        _ => TlsError::WrongVersionNumber,
    };
    // The peer does not use TLS, and may be gone. Its data is read so that it sees FIN rather than a reset.
    let _ = socket.try_read(&mut [0; 16 * 1024]);
    if plaintext == TlsError::WrongVersionNumber {
        let _ = socket.try_write(&ALERT_PROTOCOL_VERSION);
    }
    Err(io::Error::new(io::ErrorKind::InvalidData, Failure(plaintext)))
}
