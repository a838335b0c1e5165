//! Transport sockets of filter chains: plaintext or TLS.

use std::{borrow::Cow, io, sync::Arc, time::Duration};

use envoy_api::{FilterChain, TransportSocketConfig};
use tokio::{net::TcpStream, time::timeout};

use crate::{
    config::{At as _, Builder, Invalid},
    stats::ScopedStats,
    stream::Downstream,
    stream_info::TlsInfo,
    tls::{self, ServerContext, TlsStats},
};

/// The transport socket of a filter chain.
#[derive(Debug)]
pub struct TransportSocket {
    /// `None` for plaintext.
    tls: Option<Tls>,
    handshake_timeout: Option<Duration>,
}

#[derive(Debug)]
struct Tls {
    context: Arc<ServerContext>,
    stats: TlsStats,
}

impl TransportSocket {
    pub(super) fn new(config: &FilterChain, stats: &ScopedStats, builder: &mut Builder<'_>) -> Result<Self, Invalid> {
        let context = server_context(config, builder).at("transport_socket.typed_config")?;
        Ok(Self {
            tls: context.map(|context| Tls { context, stats: TlsStats::new(stats) }),
            handshake_timeout: config.transport_socket_connect_timeout.map(|t| t.0).filter(|t| !t.is_zero()),
        })
    }

    /// The TLS context, unless it is plaintext.
    pub fn tls(&self) -> Option<&Arc<ServerContext>> {
        self.tls.as_ref().map(|tls| &tls.context)
    }

    /// Performs the TLS handshake, if any. `offered` is the ALPN of the ClientHello, if the TLS inspector saw one.
    ///
    /// # Errors
    /// The failure in BoringSSL's wording; empty if the peer closed or timed out.
    pub async fn handshake(
        &self,
        socket: TcpStream,
        offered: Option<&[String]>,
    ) -> Result<(Downstream, Option<TlsInfo>), Cow<'static, str>> {
        let Some(tls) = &self.tls else { return Ok((Downstream::Plain(socket), None)) };
        let handshake = match self.handshake_timeout {
            Some(limit) => timeout(limit, tls.context.accept(socket, offered))
                .await
                .unwrap_or_else(|_| Err(io::Error::new(io::ErrorKind::TimedOut, "transport_socket_connect_timeout"))),
            None => tls.context.accept(socket, offered).await,
        };
        tls.stats.count(handshake.as_ref().map(|(_, info)| info));
        handshake
            .map(|(stream, info)| (Downstream::Tls(Box::new(stream)), Some(info)))
            .map_err(|error| tls::reason(&error))
    }
}

fn server_context(config: &FilterChain, builder: &mut Builder<'_>) -> Result<Option<Arc<ServerContext>>, Invalid> {
    match config.transport_socket.as_ref().map(|socket| &socket.typed_config) {
        None | Some(TransportSocketConfig::RawBuffer(_)) => Ok(None),
        Some(TransportSocketConfig::DownstreamTls(context)) => builder.server_context(context).map(Some),
        Some(TransportSocketConfig::UpstreamTls(_)) => {
            Err("expected a DownstreamTlsContext, found an UpstreamTlsContext".into())
        }
    }
}
