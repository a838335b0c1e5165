//! The server's side of a handshake: `DownstreamTlsContext`.

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
    listener::{self, Opening},
    peek::peek,
    stream_info::TlsInfo,
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
    stats: ContextStats,
}

#[derive(Debug)]
struct Current {
    config: Arc<ServerConfig>,
    /// The same, with no ALPN: rustls ends a handshake whose ALPN lists have nothing in common, where Envoy goes on
    /// without ALPN.
    without_alpn: Arc<ServerConfig>,
    local_uri_sans: Arc<[String]>,
}

impl Current {
    /// The configuration for a client that offers these protocols.
    fn for_client(&self, offered: &[String]) -> &Arc<ServerConfig> {
        let ours = &self.config.alpn_protocols;
        let overlap = offered.iter().any(|protocol| ours.iter().any(|ours| ours == protocol.as_bytes()));
        if overlap { &self.config } else { &self.without_alpn }
    }
}

impl ServerContext {
    /// Checks a context, and builds it if no secret has to come first.
    ///
    /// # Errors
    /// When something in it is not supported or can't be read; the message names the field.
    pub fn new(config: &DownstreamTlsContext, stats: ContextStats) -> Result<Self, Invalid> {
        let secrets = Secrets::new(&config.common_tls_context)?;
        let context = Self { config: config.clone(), secrets, current: ArcSwapOption::empty(), stats };
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
    pub fn take(&self, secret: &Secret) -> Result<(), Invalid> {
        self.secrets.replace(secret, |material| self.build(material))
    }

    /// Shakes hands. `offered` are the protocols of the ClientHello that the TLS inspector saw; where it has not looked, the
    /// first bytes are looked at here.
    ///
    /// # Errors
    /// When it fails; the peer has been sent the alert. [`super::reason`] gives the reason in BoringSSL's words.
    pub async fn accept(&self, socket: TcpStream, offered: Option<&[String]>) -> io::Result<(TlsStream, TlsInfo)> {
        let current = self.current.load_full().ok_or_else(|| io::Error::other(Failure(TlsError::SecretNotSupplied)))?;
        let config = match offered {
            Some(offered) => current.for_client(offered),
            None => {
                refuse_plaintext(&socket).await?;
                let opening = listener::peek_client_hello(&socket).await;
                match opening.map_err(|_| io::Error::from(io::ErrorKind::UnexpectedEof))? {
                    Opening::Hello(hello) => current.for_client(&hello.alpn),
                    Opening::Plaintext | Opening::Hopeless(_) => current.for_client(&[]),
                }
            }
        };
        let session = UnbufferedServerConnection::new(config.clone()).map_err(io::Error::other)?;
        let stream = TlsStream::accept(socket, session).await?;
        let info = super::info(stream.agreed(), &current.local_uri_sans);
        Ok((stream, info))
    }

    fn build(&self, material: Material) -> Result<(), Invalid> {
        let common = &self.config.common_tls_context;
        let tls_params = common.tls_params.clone().unwrap_or_default();
        let provider = params::provider(&tls_params)?;
        let versions = params::versions(&tls_params, Side::Server)?;
        let own = material.own.ok_or("a server has to have a certificate").at("tls_certificates")?;
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
        // A resumed session is not verified again. The ticket keys are new with every build, so that no session outlives
        // the roots that it was verified with.
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

/// Refuses a connection that does not begin with a TLS record, as BoringSSL does (`ssl/tls_record.cc`,
/// `ssl_open_record`): nothing is said to an HTTP request, anything else is sent an alert of TLS 1.0. rustls would send
/// an alert of its own to both.
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
    // Whoever is there is no TLS client, and may be gone, too. What it sent is read, so that it sees an end and no reset.
    let _ = socket.try_read(&mut [0; 16 * 1024]);
    if plaintext == TlsError::WrongVersionNumber {
        let _ = socket.try_write(&ALERT_PROTOCOL_VERSION);
    }
    Err(io::Error::new(io::ErrorKind::InvalidData, Failure(plaintext)))
}
