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
    keylog::KeyLogFile,
    params::{self, Side},
    secrets::{self, Material, Secrets},
    verify,
};
use crate::stream_info::TlsInfo;

/// A TLS context for connections that come in.
#[derive(Debug)]
pub struct ServerContext {
    config: DownstreamTlsContext,
    secrets: Secrets,
    /// Empty until every secret is there.
    current: ArcSwapOption<Current>,
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
    /// Checks a context, and builds it if no secret has to come first.
    ///
    /// # Errors
    /// When something in it is not supported or can't be read; the message names the field.
    pub fn new(config: &DownstreamTlsContext) -> Result<Self, String> {
        let secrets = Secrets::new(&config.common_tls_context)?;
        let context = Self { config: config.clone(), secrets, current: ArcSwapOption::empty() };
        if let Some(material) = context.secrets.in_place()? {
            context.build(material)?;
        }
        Ok(context)
    }

    /// The secrets that have to come.
    pub fn wanted(&self) -> impl Iterator<Item = &SdsSecretConfig> {
        self.secrets.wanted()
    }

    /// What its configuration says of TLS on either side.
    pub fn common(&self) -> &CommonTlsContext {
        &self.config.common_tls_context
    }

    /// The secrets that came, as they are now.
    pub fn received(&self) -> Vec<Secret> {
        self.secrets.received()
    }

    /// Takes in a secret that it wants; later handshakes use it.
    ///
    /// # Errors
    /// When the context can't be built with it; the earlier one stays.
    pub fn take(&self, secret: &Secret) -> Result<(), String> {
        self.secrets.replace(secret, |material| self.build(material))
    }

    /// Shakes hands.
    ///
    /// # Errors
    /// When it fails; the peer has been sent the alert. [`super::reason`] gives the reason in BoringSSL's words.
    pub async fn accept(&self, socket: TcpStream) -> io::Result<(TlsStream<TcpStream>, TlsInfo)> {
        let handshake = LazyConfigAcceptor::new(Acceptor::default(), socket).await?;
        let current = self.current.load_full().ok_or_else(|| io::Error::other("no certificate yet"))?;
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
        self.current.store(Some(Arc::new(Current {
            config: Arc::new(config),
            without_alpn: Arc::new(without_alpn),
            local_uri_sans,
        })));
        Ok(())
    }
}
