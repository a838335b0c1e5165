//! Building listeners and clusters from configuration.

use std::sync::Arc;

use arc_swap::ArcSwap;
use envoy_api::{DownstreamTlsContext, HttpConnectionManager, TrafficDirection};

use super::{
    At as _, Invalid,
    files::{Files, Updates, User},
};
use crate::{
    access_log::LogFiles,
    cluster::Cluster,
    drain::Drain,
    http::{Hcm, Routes},
    istio_metrics::{IstioMetrics, Reporter},
    stats::{Scope, Stats},
    tls::{ContextStats, ServerContext},
    traces::Traces,
};

/// Builds listeners and clusters, and subscribes them to the files that they depend on.
pub struct Builder<'a> {
    pub stats: &'a Stats,
    /// Files for access logs.
    pub log_files: &'a LogFiles,
    /// Signal to drain connections.
    pub drain: &'a Drain,
    /// Istio's metrics, of a sidecar.
    pub(crate) metrics: Option<&'a Arc<IstioMetrics>>,
    /// Tracers.
    pub(crate) traces: &'a Traces,
    /// The direction of the listener that is built.
    pub(crate) direction: Option<TrafficDirection>,
    pub(super) files: &'a mut Files,
}

impl Builder<'_> {
    /// Builds a downstream TLS context with its secrets.
    ///
    /// # Errors
    /// If it or a secret can't be used. The message starts with the path of the field, or the file.
    pub fn server_context(&mut self, config: &DownstreamTlsContext) -> Result<Arc<ServerContext>, Invalid> {
        let context = Arc::new(ServerContext::new(config, ContextStats::new(self.stats))?);
        self.files.secrets(context.wanted(), || User::server(&context), self.stats)?;
        Ok(context)
    }

    /// What counts Istio's metrics for the listener that is built.
    pub(crate) fn reporter(&self) -> Option<Reporter> {
        self.metrics?.reporter(self.direction)
    }

    /// Builds a connection manager with its routes.
    ///
    /// # Errors
    /// As [`Self::server_context`].
    pub fn hcm(&mut self, config: &HttpConnectionManager) -> Result<Arc<Hcm>, Invalid> {
        let routes = match &config.rds {
            Some(rds) => {
                let routes = Arc::new(ArcSwap::from_pointee(Routes::default()));
                let user = User::Routes(Arc::downgrade(&routes));
                let scope = self.stats.scope(Scope::Http(config.stat_prefix.clone()));
                let updates = Updates::new(&scope, &format!("rds.{}.", rds.route_config_name));
                self.files.subscribe(&rds.config_source, &rds.route_config_name, user, updates).at("rds")?;
                Some(routes)
            }
            None => None,
        };
        let hcm = Hcm::new(config, routes, self.stats, self.log_files)?.reported_by(self.reporter());
        hcm.traced(config, self.direction, self.traces).map(Arc::new)
    }

    /// Builds a cluster with its secrets and endpoints.
    ///
    /// # Errors
    /// As [`Self::server_context`].
    pub fn cluster(&mut self, config: &envoy_api::Cluster) -> Result<Arc<Cluster>, Invalid> {
        let cluster = Arc::new(Cluster::new(config, self.stats)?);
        for context in cluster.tls_contexts() {
            self.files.secrets(context.wanted(), || User::client(context), self.stats)?;
        }
        if let Some(eds) = &config.eds_cluster_config {
            let updates = Updates::new(&self.stats.scope(Scope::Cluster(config.name.clone())), "");
            let name = if eds.service_name.is_empty() { &config.name } else { &eds.service_name };
            self.files
                .subscribe(&eds.eds_config, name, User::Endpoints(Arc::downgrade(&cluster)), updates)
                .at("eds_cluster_config")?;
        }
        Ok(cluster)
    }
}
