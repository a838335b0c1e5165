//! Filter chains: transport socket, network filters and the terminal filter.

use std::sync::Arc;

use envoy_api::{
    APPLICATION_PROTOCOLS, FilterChain, NetworkFilter, SetFilterState, SharedWithUpstream, UPSTREAM_SERVER_NAME,
};

use super::transport::TransportSocket;
use crate::{
    access_log::{Entry, Format},
    authorization::Authorization,
    config::{At as _, Builder, Fault, Invalid},
    drain::Drain,
    http::Hcm,
    stats::ScopedStats,
    stream_info::{ConnectionInfo, FilterState, StreamInfo},
    tcp_proxy::TcpProxy,
};

/// A filter chain in use.
#[derive(Debug)]
pub struct Chain {
    /// Name from its configuration; may be empty.
    pub name: Arc<str>,
    /// Signalled when the chain is replaced.
    pub drain: Drain,
    pub transport_socket: TransportSocket,
    pub terminal: Terminal,
    filter_state: Vec<(Object, Format)>,
}

/// The last filter of a chain.
#[derive(Debug)]
pub enum Terminal {
    /// Relays bytes to a cluster.
    TcpProxy(Box<TcpProxy>),
    Http(Arc<Hcm>),
}

/// The supported filter state objects.
#[derive(Clone, Copy, Debug)]
enum Object {
    ApplicationProtocols,
    UpstreamServerName,
}

impl Chain {
    pub(super) fn new(config: &FilterChain, stats: &ScopedStats, builder: &mut Builder<'_>) -> Result<Self, Invalid> {
        let transport_socket = TransportSocket::new(config, stats, builder)?;
        let Some((last, others)) = config.filters.split_last() else {
            return Err("a chain must end with tcp_proxy or http_connection_manager").at("filters");
        };
        let mut filter_state = Vec::new();
        let mut authorization = Vec::new();
        for (i, filter) in others.iter().enumerate() {
            let path = format_args!("filters[{i}].typed_config");
            match &filter.typed_config {
                NetworkFilter::SetFilterState(config) => {
                    filter_state.extend(objects(config).at(path)?);
                }
                NetworkFilter::Rbac(_) if !matches!(last.typed_config, NetworkFilter::TcpProxy(_)) => {
                    return Err("supported only in front of a tcp_proxy").at(path);
                }
                NetworkFilter::Rbac(config) => {
                    authorization.push(Authorization::of_connections(config, builder.stats).at(path)?);
                }
                NetworkFilter::TcpProxy(_) | NetworkFilter::HttpConnectionManager(_) => {
                    return Err("this filter must be the last one").at(path);
                }
            }
        }
        let terminal = match &last.typed_config {
            NetworkFilter::TcpProxy(config) => {
                TcpProxy::new(config, authorization, builder).map(|proxy| Terminal::TcpProxy(proxy.into()))
            }
            NetworkFilter::HttpConnectionManager(config) => builder.hcm(config).map(Terminal::Http),
            NetworkFilter::SetFilterState(_) | NetworkFilter::Rbac(_) => {
                Err("a chain can't end with this filter".into())
            }
        }
        .at(format_args!("filters[{}].typed_config", others.len()))?;
        Ok(Self {
            name: config.name.as_str().into(),
            drain: builder.drain.child(),
            transport_socket,
            terminal,
            filter_state,
        })
    }

    /// The filter state that `set_filter_state` sets for a connection.
    pub(super) fn filter_state(&self, connection: &Arc<ConnectionInfo>) -> FilterState {
        let mut state = FilterState::default();
        if self.filter_state.is_empty() {
            return state;
        }
        let stream = StreamInfo::session(connection.clone());
        let entry = Entry { stream: &stream, http: None };
        for (object, format) in &self.filter_state {
            let value = format.line(&entry);
            match object {
                Object::ApplicationProtocols => {
                    state.application_protocols = Some(value.split(',').map(|p| p.trim().to_owned()).collect());
                }
                Object::UpstreamServerName => state.upstream_server_name = Some(value.into()),
            }
        }
        state
    }
}

fn objects(config: &SetFilterState) -> Result<Vec<(Object, Format)>, Invalid> {
    let read = |(i, value): (usize, &envoy_api::FilterStateValue)| {
        let at = |field| format!("on_new_connection[{i}].{field}");
        let object = match value.object_key.as_str() {
            APPLICATION_PROTOCOLS => Object::ApplicationProtocols,
            UPSTREAM_SERVER_NAME => Object::UpstreamServerName,
            other => {
                let fault = Fault::Value { value: other.to_owned(), not: "not supported" };
                return Err(fault).at(at("object_key"));
            }
        };
        let format = Format::new(&value.format_string).at(at("format_string"))?;
        Ok(Some((object, format)).filter(|_| is_shared(value)))
    };
    config.on_new_connection.iter().enumerate().map(read).filter_map(Result::transpose).collect()
}

/// Both objects are for the upstream connection: one that is not shared with it has no effect.
fn is_shared(value: &envoy_api::FilterStateValue) -> bool {
    matches!(value.shared_with_upstream, Some(SharedWithUpstream::Once | SharedWithUpstream::Transitive))
}
