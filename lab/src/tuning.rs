//! How a lab's programs run, as far as the manifests don't say: what a bench compares.

use envoy_api::{AccessLog, Cluster, CommonTlsContext, FilterChain, Listener, NetworkFilter, TransportSocketConfig};
use mesh::{ca::KeyType, compile::PodConfig};
use nix::{
    sched::{CpuSet, sched_getaffinity},
    unistd::Pid,
};
use serde_json::{Map, Value, json};

use crate::role::Role;

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
    /// Whether each program runs on CPUs of its own: see [`cpus`](Self::cpus).
    pub pin: bool,
    /// Whether Envoy may have any number of connections to a cluster, as Istio has it, and not 1024, which is its default. The native
    /// proxy has no limit.
    pub unlimited: bool,
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
            pin: false,
            unlimited: false,
            sysctls: Vec::new(),
        }
    }
}

impl Tuning {
    /// The CPUs that a program may run on, from those that this process may: none in particular unless programs are pinned.
    /// Along a call's way each gets the next ones, an app one and a sidecar one for each worker, and where there are no more,
    /// the first again: neighbours, which work for each other, are never on the same as long as there are two.
    pub fn cpus(&self, role: Role) -> Vec<usize> {
        if self.pin { self.seated(role, &own_cpus()) } else { Vec::new() }
    }

    fn seated(&self, role: Role, all: &[usize]) -> Vec<usize> {
        let workers = self.concurrency as usize;
        let (first, number) = match role {
            Role::ClientApp => (0, 1),
            Role::ClientSidecar => (1, workers),
            Role::ServerSidecar => (1 + workers, workers),
            Role::ServerApp => (1 + 2 * workers, 1),
        };
        all.iter().copied().cycle().skip(first).take(number.min(all.len())).collect()
    }

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
        if self.unlimited {
            config.bootstrap.layered_runtime = Some(without_breakers(&config.clusters));
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

/// The runtime values that raise what Envoy's circuit breakers let pass, cluster by cluster
/// (envoyproxy.io, "Circuit breaking", runtime).
fn without_breakers(clusters: &[Cluster]) -> Value {
    let limits = ["max_connections", "max_pending_requests", "max_requests"];
    let names = clusters.iter().map(|cluster| &cluster.name);
    let values = names.flat_map(|name| limits.map(|limit| format!("circuit_breakers.{name}.default.{limit}")));
    let layer: Map<String, Value> = values.map(|key| (key, u32::MAX.into())).collect();
    json!({"layers": [{"name": "without circuit breakers", "static_layer": layer}]})
}

/// The CPUs that this process may run on; none where the kernel doesn't say.
fn own_cpus() -> Vec<usize> {
    let Ok(set) = sched_getaffinity(Pid::from_raw(0)) else { return Vec::new() };
    (0..CpuSet::count()).filter(|cpu| set.is_set(*cpu) == Ok(true)).collect()
}
