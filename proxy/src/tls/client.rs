//! Upstream TLS: `UpstreamTlsContext`.

use std::{io, sync::Arc};

use arc_swap::ArcSwapOption;
use envoy_api::{CommonTlsContext, SdsSecretConfig, Secret, UpstreamTlsContext};
use envoy_rules::{tls_error::TlsError, upstream::Alpn};
use rustls::{
    ClientConfig,
    client::{Resumption, UnbufferedClientConnection},
    pki_types::ServerName,
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
    config::{At as _, Fault, Invalid},
    stream_info::TlsInfo,
};

/// A TLS context for upstream connections.
#[derive(Debug)]
pub struct ClientContext {
    config: UpstreamTlsContext,
    auto_san: bool,
    secrets: Secrets,
    /// `None` until every secret has been received.
    current: ArcSwapOption<Current>,
    stats: ContextStats,
}

#[derive(Debug)]
struct Current {
    config: Arc<ClientConfig>,
    local_uri_sans: Arc<[String]>,
}

/// The contents of a ClientHello.
#[derive(Clone, Copy, Debug)]
pub struct Offer<'a> {
    /// SNI; an IP address is not sent.
    pub server_name: Option<&'a str>,
    /// Protocols to offer.
    pub alpn: Alpn<'a>,
    /// Whether data is written, or the stream flushed, immediately: then the last flight of the handshake is sent with it.
    pub bytes_follow: bool,
}

impl ClientContext {
    /// Validates a context, and builds it unless it needs secrets from files. With `auto_san`, the server's certificate must be
    /// for the name that is sent as SNI.
    ///
    /// # Errors
    /// If something is not supported or can't be read. The message starts with the path of the field.
    pub fn new(config: &UpstreamTlsContext, auto_san: bool, stats: ContextStats) -> Result<Self, Invalid> {
        let secrets = Secrets::new(&config.common_tls_context)?;
        if !config.sni.is_empty() {
            ServerName::try_from(config.sni.as_str())
                .map_err(|_| Fault::Value { value: config.sni.clone(), not: "not a valid name" })
                .at("sni")?;
        }
        let context = Self { config: config.clone(), auto_san, secrets, current: ArcSwapOption::empty(), stats };
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
    pub(crate) fn config(&self) -> Option<Arc<ClientConfig>> {
        self.current.load().as_ref().map(|current| current.config.clone())
    }

    /// Applies a secret that the context needs, for later handshakes.
    ///
    /// # Errors
    /// If the context can't be built with it. The previous one is kept.
    pub fn take(&self, secret: &Secret) -> Result<(), Invalid> {
        self.secrets.replace(secret, |material| self.build(material))
    }

    /// Performs a handshake over a connection to an endpoint.
    ///
    /// # Errors
    /// If it fails, after sending an alert to the peer. [`super::reason`] describes it in BoringSSL's wording.
    pub async fn connect(&self, socket: TcpStream, offer: Offer<'_>) -> io::Result<(TlsStream, TlsInfo)> {
        let current = self.current.load_full().ok_or_else(|| io::Error::other(Failure(TlsError::SecretNotSupplied)))?;
        let name = offer.server_name.and_then(|name| ServerName::try_from(name.to_owned()).ok());
        let name = name.unwrap_or_else(|| verify::NO_NAME.into());
        let alpn = offer.alpn.protocols().into_iter().map(String::into_bytes).collect();
        let session = UnbufferedClientConnection::new_with_alpn(current.config.clone(), name, alpn);
        let stream = TlsStream::connect(socket, session.map_err(io::Error::other)?, offer.bytes_follow).await?;
        let info = super::info(stream.negotiated(), &current.local_uri_sans);
        Ok((stream, info))
    }

    /// The configuration that it was built from.
    pub fn configured(&self) -> &UpstreamTlsContext {
        &self.config
    }

    fn build(&self, material: Material) -> Result<(), Invalid> {
        let common = &self.config.common_tls_context;
        let tls_params = common.tls_params.clone().unwrap_or_default();
        let provider = params::provider(&tls_params)?;
        let versions = params::versions(&tls_params, Side::Client)?;
        let validation = material.validation.unwrap_or_default();
        let verifier = verify::server_verifier(&validation, self.auto_san, &provider, self.stats.known_chains.clone())?;
        let identity = material.own.map(|own| secrets::identity(&own, &provider)).transpose()?;

        let builder = ClientConfig::builder_with_provider(provider)
            .with_protocol_versions(&versions)
            .at("tls_params")?
            .dangerous()
            .with_custom_certificate_verifier(verifier);
        let (mut config, local_uri_sans) = match identity {
            Some((resolver, uri_sans)) => (builder.with_client_cert_resolver(resolver), uri_sans),
            None => (builder.with_no_client_auth(), Arc::default()),
        };
        config.alpn_protocols = common.alpn_protocols.iter().map(|p| p.clone().into_bytes()).collect();
        if let Some(key_log) = &common.key_log {
            config.key_log = Arc::new(KeyLogFile::open(&key_log.path)?);
        }
        // New with every build, so that sessions verified with earlier roots are not resumed.
        config.resumption = match self.config.max_session_keys {
            Some(0) => Resumption::disabled(),
            keys => Resumption::in_memory_sessions(keys.unwrap_or(1) as usize),
        };
        self.stats.built.inc();
        self.current.store(Some(Arc::new(Current { config: Arc::new(config), local_uri_sans })));
        Ok(())
    }
}
