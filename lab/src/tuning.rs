//! How a lab's programs run, as far as the manifests don't say: what a bench compares.

use envoy_api::{AccessLog, CommonTlsContext, FilterChain, Listener, NetworkFilter, TransportSocketConfig};
use mesh::{ca::KeyType, compile::PodConfig};

#[cfg(test)]
mod tests;

/// How a lab's programs run. By default as in any lab.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tuning {
    /// How many workers each sidecar has.
    pub concurrency: u32,
    /// What the keys of the mesh's certificates are made of.
    pub key_type: KeyType,
    /// The one key exchange group that the sidecars know, by Envoy's name; those that were compiled where none is named.
    pub group: Option<String>,
    /// Whether the sidecars resume TLS sessions, within Envoy's defaults; as was compiled where nothing is said.
    pub resumption: Option<bool>,
    /// Whether the sidecars write access logs.
    pub access_log: bool,
    /// Whether all programs write down their TLS keys, which open captures.
    pub key_logs: bool,
    /// Kernel settings of each pod: dotted names, and values.
    pub sysctls: Vec<(String, String)>,
}

impl Default for Tuning {
    fn default() -> Self {
        Self {
            concurrency: 1,
            key_type: KeyType::P256,
            group: None,
            resumption: None,
            access_log: true,
            key_logs: true,
            sysctls: Vec::new(),
        }
    }
}

impl Tuning {
    /// Tunes what was compiled for a sidecar, so that both data planes read the same.
    pub fn apply(&self, config: &mut PodConfig) {
        let fixed = &mut config.bootstrap.static_resources;
        for listener in config.listeners.iter_mut().chain(&mut fixed.listeners) {
            self.tune_listener(listener);
        }
        for cluster in config.clusters.iter_mut().chain(&mut fixed.clusters) {
            let matched = cluster.transport_socket_matches.iter_mut().map(|one| &mut one.transport_socket);
            for socket in cluster.transport_socket.iter_mut().chain(matched) {
                self.tune_tls(&mut socket.typed_config);
            }
        }
    }

    fn tune_listener(&self, listener: &mut Listener) {
        self.tune_log(&mut listener.access_log);
        let chains = listener.filter_chains.iter_mut();
        for FilterChain { filters, transport_socket, .. } in chains.chain(listener.default_filter_chain.as_deref_mut())
        {
            for filter in filters {
                match &mut filter.typed_config {
                    NetworkFilter::TcpProxy(tcp) => self.tune_log(&mut tcp.access_log),
                    NetworkFilter::HttpConnectionManager(http) => self.tune_log(&mut http.access_log),
                    NetworkFilter::SetFilterState(_) => {}
                }
            }
            if let Some(socket) = transport_socket {
                self.tune_tls(&mut socket.typed_config);
            }
        }
    }

    fn tune_log(&self, log: &mut Vec<AccessLog>) {
        if !self.access_log {
            log.clear();
        }
    }

    fn tune_tls(&self, socket: &mut TransportSocketConfig) {
        match socket {
            TransportSocketConfig::RawBuffer(_) => {}
            TransportSocketConfig::DownstreamTls(context) => {
                if let Some(resumption) = self.resumption {
                    context.disable_stateless_session_resumption = !resumption;
                    context.disable_stateful_session_resumption = !resumption;
                }
                self.tune_context(&mut context.common_tls_context);
            }
            TransportSocketConfig::UpstreamTls(context) => {
                if let Some(resumption) = self.resumption {
                    // Unset, Envoy keeps one session of each context.
                    context.max_session_keys = (!resumption).then_some(0);
                }
                self.tune_context(&mut context.common_tls_context);
            }
        }
    }

    fn tune_context(&self, context: &mut CommonTlsContext) {
        if let Some(group) = &self.group {
            context.tls_params.get_or_insert_default().ecdh_curves = vec![group.clone()];
        }
        if !self.key_logs {
            context.key_log = None;
        }
    }
}
