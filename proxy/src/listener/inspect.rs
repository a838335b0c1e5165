//! Listener filters, which determine the facts about a connection by which its chain is chosen.
//!
//! Bytes are only peeked at, and stay in the socket.

mod http;
mod tls;

pub(crate) use http::look as http_version;
pub(crate) use tls::{Opening, client_hello, inspect as peek_client_hello, look as opening};

use std::{net::SocketAddr, time::Duration};

use envoy_api::{ListenerFilterChainMatchPredicate as Predicate, ListenerFilterConfig};
use envoy_rules::disabled;
use socket2::SockRef;
use tokio::{net::TcpStream, time::timeout};

use crate::{
    address::{DownstreamLocal, OriginalDst, unmapped},
    peek::Unseen,
    stream_info::{ConnectionInfo, Transport},
};

/// Default timeout of listener filters.
const DEFAULT_TIMEOUT: Duration = Duration::from_secs(15);

/// The listener filters of a listener.
#[derive(Debug)]
pub(super) struct Inspectors {
    filters: Vec<Inspector>,
    /// `None` for no limit.
    timeout: Option<Duration>,
    continue_on_timeout: bool,
}

#[derive(Debug)]
struct Inspector {
    kind: Kind,
    disabled: Option<Predicate>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    OriginalDst,
    Tls,
    Http,
}

/// The result for a connection that continues.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Inspected {
    /// Everything was determined.
    Whole,
    /// The timeout expired before.
    InPart,
}

/// Why a connection does not continue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Refused {
    TimedOut,
    /// Its first bytes could not be peeked at.
    Unseen(Unseen),
    /// No chain could handle it.
    Invalid,
    /// The proxy is shutting down.
    Forced,
}

impl Inspectors {
    pub(super) fn new(config: &envoy_api::Listener) -> Self {
        let filters = config.listener_filters.iter().map(|filter| Inspector {
            kind: match filter.typed_config {
                ListenerFilterConfig::OriginalDst(_) => Kind::OriginalDst,
                ListenerFilterConfig::TlsInspector(_) => Kind::Tls,
                ListenerFilterConfig::HttpInspector(_) => Kind::Http,
            },
            disabled: filter.filter_disabled.clone(),
        });
        let mut filters: Vec<Inspector> = filters.collect();
        // Envoy implicitly adds the filter to a listener with `use_original_dst`
        // (`source/common/listener_manager/listener_impl.cc`, `buildOriginalDstListenerFilter`).
        if config.use_original_dst == Some(true) && filters.iter().all(|filter| filter.kind != Kind::OriginalDst) {
            filters.push(Inspector { kind: Kind::OriginalDst, disabled: None });
        }
        Self {
            filters,
            timeout: Some(config.listener_filters_timeout.map_or(DEFAULT_TIMEOUT, |t| t.0)).filter(|t| !t.is_zero()),
            continue_on_timeout: config.continue_on_listener_filters_timeout,
        }
    }

    pub(super) async fn run(&self, socket: &TcpStream, info: &mut ConnectionInfo) -> Result<Inspected, Refused> {
        let all = self.run_all(socket, info);
        let whole = |()| Inspected::Whole;
        match self.timeout {
            None => all.await.map(whole),
            Some(limit) => match timeout(limit, all).await {
                Ok(result) => result.map(whole),
                Err(_) if self.continue_on_timeout => Ok(Inspected::InPart),
                Err(_) => Err(Refused::TimedOut),
            },
        }
    }

    async fn run_all(&self, socket: &TcpStream, info: &mut ConnectionInfo) -> Result<(), Refused> {
        for filter in &self.filters {
            if filter.disabled.as_ref().is_some_and(|predicate| disabled(predicate, info.local.0)) {
                continue;
            }
            match filter.kind {
                Kind::OriginalDst => {
                    info.original_dst = original_dst(socket, info);
                    if let Some(destination) = info.original_dst {
                        info.local = DownstreamLocal(destination.0);
                    }
                }
                Kind::Tls => match tls::inspect(socket).await.map_err(Refused::Unseen)? {
                    Opening::Hello(hello) => {
                        info.transport = Transport::Tls;
                        info.server_name = hello.server_name;
                        info.application_protocols = hello.alpn;
                    }
                    Opening::Plaintext => {}
                    Opening::Invalid(hello) => {
                        info.server_name = hello.server_name;
                        return Err(Refused::Invalid);
                    }
                },
                // HTTP inside TLS is not visible.
                Kind::Http if info.transport == Transport::Tls => {}
                Kind::Http => {
                    let version = http::inspect(socket).await.map_err(Refused::Unseen)?;
                    info.application_protocols = version.into_iter().collect();
                }
            }
        }
        Ok(())
    }
}

/// The original destination of a connection, if it is not the address on which it was accepted.
///
/// The peer's IP version determines the socket option: an IPv4 peer's redirect is in the IPv4 table, whatever the listening
/// socket is. A connection that was not redirected has no entry, or one that is equal to its own address.
fn original_dst(socket: &TcpStream, info: &ConnectionInfo) -> Option<OriginalDst> {
    let socket = SockRef::from(socket);
    let found = if info.remote.0.is_ipv4() { socket.original_dst_v4() } else { socket.original_dst_v6() };
    let address: SocketAddr = found.ok()?.as_socket()?;
    Some(unmapped(address)).filter(|address| *address != info.local.0).map(OriginalDst)
}
