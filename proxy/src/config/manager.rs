//! Loading the configuration, publishing it to the workers, and following its files.

use std::{
    collections::{HashMap, HashSet},
    net::TcpListener,
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, Instant},
};

use arc_swap::ArcSwap;
use envoy_api::{Bootstrap, Resource};
use serde_json::{Map, Value};
use tokio::sync::mpsc::UnboundedSender;
use tokio_util::sync::CancellationToken;

use super::{
    Builder, ConfigError, Fault, Invalid,
    files::{self, Files, kind, now_ms, parent},
    watch::Watcher,
};
use crate::{
    access_log::LogFiles,
    cluster::{Cluster, Clusters, refresh_names},
    drain::Drain,
    istio_metrics::IstioMetrics,
    listener::{Accept, AcceptStats, Chain, Listener, Listeners, bind},
    stats::{Scope, Stats},
    traces::{MIN_FLUSH_SPANS, Traces},
};

/// State shared by all threads of a proxy.
#[derive(Debug)]
pub struct Shared {
    pub bootstrap: Bootstrap,
    pub stats: Stats,
    /// Files for access logs.
    pub log_files: LogFiles,
    pub clusters: Arc<Clusters>,
    pub listeners: Arc<ArcSwap<Listeners>>,
    /// Signalled when the proxy exits.
    pub drain: Drain,
    /// State of accepting connections, on all threads.
    pub accept_stats: AcceptStats,
    /// Istio's metrics, of a sidecar.
    pub(crate) metrics: Option<Arc<IstioMetrics>>,
    /// Tracers.
    pub(crate) traces: Arc<Traces>,
    /// Number of worker threads.
    pub concurrency: usize,
    pub started: Instant,
}

/// A socket from which a worker accepts.
pub(crate) type Listen = (TcpListener, Accept);

/// Loads the configuration and follows its files.
pub struct Manager {
    bootstrap_path: PathBuf,
    shared: Arc<Shared>,
    files: Files,
    /// One channel for each worker; empty if the configuration is only validated.
    workers: Vec<UnboundedSender<Listen>>,
    /// Listeners with sockets, by name.
    bound: HashMap<Arc<str>, Accept>,
    drain_time: Duration,
    /// Clusters whose names have not been resolved yet.
    unresolved: Vec<Arc<Cluster>>,
}

/// A listener, with the sockets that it did not have before.
type Fresh = (Arc<Listener>, Vec<TcpListener>);

/// The files with several resources.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Many {
    Clusters,
    Listeners,
}

/// A resource and its path.
struct Configured<T> {
    file: PathBuf,
    path: String,
    config: T,
}

impl Many {
    /// Name of the field with static resources.
    fn field(self) -> &'static str {
        match self {
            Self::Clusters => "clusters",
            Self::Listeners => "listeners",
        }
    }

    /// Prefix of Envoy's counters for the file.
    fn manager(self) -> &'static str {
        match self {
            Self::Clusters => "cluster_manager.cds",
            Self::Listeners => "listener_manager.lds",
        }
    }
}

impl Manager {
    /// Loads the bootstrap at `path` and everything that it refers to, and binds the listeners, one socket per worker. Must be
    /// called inside a Tokio runtime.
    ///
    /// # Errors
    /// The first error: something can't be read, is not supported, or can't be bound.
    pub(crate) fn load(
        path: &Path,
        workers: Vec<UnboundedSender<Listen>>,
        drain_time: Duration,
    ) -> Result<Self, ConfigError> {
        let read_error = |error| ConfigError::Read { file: path.into(), error };
        let text = std::fs::read_to_string(path).map_err(read_error)?;
        let bootstrap: Bootstrap =
            envoy_api::read(&text).map_err(|error| ConfigError::NotRead { file: path.into(), error })?;
        if let Some(others) = other_values(bootstrap.layered_runtime.as_ref()) {
            tracing::warn!("layered_runtime: {others} ignored, because this proxy has no such runtime values");
        }
        let secrets = bootstrap.static_resources.secrets.iter().map(|s| (s.name.clone(), s.clone()));
        let watcher = Watcher::new().map_err(|error| ConfigError::Watch { folder: parent(path).into(), error })?;
        let files = Files::new(secrets.collect(), watcher);
        let stats = Stats::default();
        let shared = Arc::new(Shared {
            log_files: LogFiles::start(&stats).map_err(read_error)?,
            accept_stats: AcceptStats::new(&stats),
            metrics: IstioMetrics::new(bootstrap.node.as_ref(), &stats),
            traces: Traces::new(&bootstrap, &stats),
            stats,
            clusters: Arc::default(),
            listeners: Arc::default(),
            drain: Drain::default(),
            concurrency: workers.len(),
            started: Instant::now(),
            bootstrap,
        });
        let mut manager = Self {
            bootstrap_path: path.into(),
            shared,
            files,
            workers,
            bound: HashMap::new(),
            drain_time,
            unresolved: Vec::new(),
        };
        manager.load_clusters()?;
        manager.load_listeners()?;
        Ok(manager)
    }

    /// The state that all threads share.
    pub fn shared(&self) -> &Arc<Shared> {
        &self.shared
    }

    /// Resolves the names of new clusters, and refreshes them from then on.
    pub async fn resolve(&mut self) {
        let named = std::mem::take(&mut self.unresolved);
        futures_util::future::join_all(named.iter().map(|cluster| cluster.resolve())).await;
        for cluster in named {
            tokio::spawn(refresh_names(Arc::downgrade(&cluster)));
        }
    }

    /// Follows the files forever.
    pub async fn follow(&mut self) {
        loop {
            self.resolve().await;
            let moved = self.files.moved().await;
            for path in self.files.affected(&moved) {
                self.files.reload(&path);
            }
            for many in [Many::Clusters, Many::Listeners] {
                if self.source_of(many).is_some_and(|source| moved.concerns(source)) {
                    self.reload(many);
                }
            }
        }
    }

    /// Stops accepting connections. Existing ones continue.
    pub fn stop_listening(&mut self) {
        self.bound.drain().for_each(|(_, accept)| accept.closing.cancel());
    }

    fn reload(&mut self, many: Many) {
        let loaded = match many {
            Many::Clusters => self.load_clusters(),
            Many::Listeners => self.load_listeners(),
        };
        match loaded {
            Ok(()) => tracing::info!("{} reloaded", many.manager()),
            Err(error) => {
                tracing::error!(%error, "invalid; the previous configuration is kept");
                self.count_update(many, "update_rejected");
            }
        }
        self.files.forget_unused();
    }

    fn load_clusters(&mut self) -> Result<(), ConfigError> {
        let earlier = self.shared.clusters.load_full();
        let mut clusters: HashMap<String, Arc<Cluster>> = HashMap::new();
        let shared = self.shared.clone();
        let of_kind = |resource| match resource {
            Resource::Cluster(config) => Ok(config),
            other => Err(kind(&other)),
        };
        let fixed = &shared.bootstrap.static_resources.clusters;
        for Configured { file, path, config } in self.configured(Many::Clusters, fixed, of_kind)? {
            let invalid = |invalid: Invalid| {
                ConfigError::invalid(&file, invalid.inside(format_args!("{path} ({})", config.name)))
            };
            let cluster = match earlier.get(&config.name) {
                Some(same) if *same.config() == config => same.clone(),
                _ => self.builder().cluster(&config).map_err(invalid)?,
            };
            let is_new = earlier.get(&config.name).is_none_or(|earlier| !Arc::ptr_eq(earlier, &cluster));
            if is_new && cluster.uses_dns() {
                self.unresolved.push(cluster.clone());
            }
            if clusters.insert(config.name.clone(), cluster).is_some() {
                return Err(invalid("there is another cluster of this name".into()));
            }
        }
        let count = clusters.len() as u64;
        self.shared.clusters.store(Arc::new(clusters));
        let root = self.shared.stats.scope(Scope::Root);
        root.gauge("cluster_manager.active_clusters").set(count);
        self.count_taken(Many::Clusters);
        Ok(())
    }

    fn load_listeners(&mut self) -> Result<(), ConfigError> {
        let earlier = self.shared.listeners.load_full();
        let mut listeners: Vec<Arc<Listener>> = Vec::new();
        let shared = self.shared.clone();
        let of_kind = |resource| match resource {
            Resource::Listener(config) => Ok(config),
            other => Err(kind(&other)),
        };
        let fixed = &shared.bootstrap.static_resources.listeners;
        for Configured { file, path, config } in self.configured(Many::Listeners, fixed, of_kind)? {
            let invalid = |invalid: Invalid| {
                ConfigError::invalid(&file, invalid.inside(format_args!("{path} ({})", config.name)))
            };
            if listeners.iter().any(|listener| *listener.name == *config.name) {
                return Err(invalid("there is another listener of this name".into()));
            }
            let same_name = earlier.named(&config.name);
            listeners.push(match same_name {
                Some(same) if *same.config() == config => same.clone(),
                _ => {
                    let built = Listener::new(&config, same_name.map(AsRef::as_ref), &mut self.builder());
                    Arc::new(built.map_err(invalid)?)
                }
            });
        }
        let fresh = self.bind_new(&listeners, &earlier)?;
        self.publish(&earlier, listeners, fresh);
        Ok(())
    }

    /// Binds sockets for listeners with new addresses.
    fn bind_new(&self, listeners: &[Arc<Listener>], earlier: &Listeners) -> Result<Vec<Fresh>, ConfigError> {
        let mut fresh = Vec::new();
        if self.workers.is_empty() {
            return Ok(fresh);
        }
        for listener in listeners {
            let stays = earlier.named(&listener.name).is_some_and(|e| e.addresses == listener.addresses);
            if stays || listener.addresses.is_empty() {
                continue;
            }
            let mut sockets = Vec::new();
            for address in &listener.addresses {
                let bound = bind(*address, listener.config(), self.workers.len());
                sockets.extend(bound.map_err(|error| ConfigError::Bind {
                    listener: listener.name.to_string(),
                    address: *address,
                    error,
                })?);
            }
            fresh.push((listener.clone(), sockets));
        }
        Ok(fresh)
    }

    /// Publishes new listeners. Connections of removed chains are drained.
    fn publish(&mut self, earlier: &Listeners, listeners: Vec<Arc<Listener>>, fresh: Vec<Fresh>) {
        let kept: HashSet<*const Chain> = listeners.iter().flat_map(|l| &l.chains).map(Arc::as_ptr).collect();
        let gone = earlier.all().iter().flat_map(|l| &l.chains).filter(|chain| !kept.contains(&Arc::as_ptr(chain)));
        let gone: Vec<Drain> = gone.map(|chain| chain.drain.clone()).collect();

        let all = Arc::new(Listeners::new(listeners));
        self.shared.listeners.store(all.clone());
        for listener in all.all() {
            if let Some(accept) = self.bound.get(&listener.name) {
                accept.listener.store(listener.clone());
            }
        }
        for (listener, sockets) in fresh {
            tracing::info!(listener = %listener.name, addresses = ?listener.addresses, "listening");
            let accept =
                Accept { listener: Arc::new(ArcSwap::new(listener.clone())), closing: CancellationToken::new() };
            for (socket, worker) in sockets.into_iter().zip(self.workers.iter().cycle()) {
                let _ = worker.send((socket, accept.clone())); // fails only if the worker is gone, which ends the program
            }
            if let Some(replaced) = self.bound.insert(listener.name.clone(), accept) {
                replaced.closing.cancel();
            }
        }
        self.bound.retain(|name, accept| {
            let stays = all.named(name).is_some_and(|listener| !listener.addresses.is_empty());
            if !stays {
                accept.closing.cancel();
            }
            stays
        });
        let root = self.shared.stats.scope(Scope::Root);
        root.gauge("listener_manager.total_listeners_active").set(all.all().len() as u64);
        self.count_taken(Many::Listeners);
        if !gone.is_empty() {
            tokio::spawn(drain_chains(gone, self.drain_time));
        }
    }

    /// The configured resources with their paths: static ones first, then those from the file for which `of_kind` returns
    /// something.
    fn configured<T: Clone>(
        &mut self,
        many: Many,
        fixed: &[T],
        of_kind: impl Fn(Resource) -> Result<T, &'static str>,
    ) -> Result<Vec<Configured<T>>, ConfigError> {
        let mut all = Vec::new();
        for (i, config) in fixed.iter().enumerate() {
            let path = format!("static_resources.{}[{i}]", many.field());
            all.push(Configured { file: self.bootstrap_path.clone(), path, config: config.clone() });
        }
        let Some(source) = self.source_of(many).cloned() else { return Ok(all) };
        self.files.watch(&source)?; // before reading it, so that no move is missed
        for (i, resource) in files::read(&source.path)?.resources.into_iter().enumerate() {
            let path = format!("resources[{i}]");
            let config = of_kind(resource)
                .map_err(|kind| ConfigError::invalid(&source.path, Invalid::from(Fault::Kind(kind)).inside(&path)))?;
            all.push(Configured { file: source.path.clone(), path, config });
        }
        Ok(all)
    }

    /// Counts an update of the file that was taken, and notes the time, if there is a file.
    fn count_taken(&self, many: Many) {
        self.count_update(many, "update_success");
        if self.source_of(many).is_some() {
            let root = self.shared.stats.scope(Scope::Root);
            root.gauge(&format!("{}.update_time", many.manager())).set(now_ms());
        }
    }

    /// Counts an update of the file, if there is one.
    fn count_update(&self, many: Many, how: &str) {
        if self.source_of(many).is_some() {
            self.shared.stats.scope(Scope::Root).counter(&format!("{}.{how}", many.manager())).inc();
        }
    }

    fn source_of(&self, many: Many) -> Option<&envoy_api::PathConfigSource> {
        let dynamic = self.shared.bootstrap.dynamic_resources.as_ref()?;
        let source = match many {
            Many::Clusters => dynamic.cds_config.as_ref(),
            Many::Listeners => dynamic.lds_config.as_ref(),
        };
        source.map(|source| &source.path_config_source)
    }

    fn builder(&mut self) -> Builder<'_> {
        let Shared { stats, log_files, drain, metrics, traces, .. } = &*self.shared;
        Builder { stats, log_files, drain, metrics: metrics.as_ref(), traces, direction: None, files: &mut self.files }
    }
}

/// The runtime values that this proxy does not have.
fn other_values(runtime: Option<&Value>) -> Option<String> {
    let layers = runtime?.get("layers")?.as_array()?;
    let values = layers.iter().filter_map(|layer| layer.get("static_layer")?.as_object());
    let others: Vec<&str> =
        values.flat_map(Map::keys).map(String::as_str).filter(|name| *name != MIN_FLUSH_SPANS).collect();
    (!others.is_empty()).then(|| others.join(", "))
}

/// Drains connections of removed chains, and closes the remaining ones after a while.
async fn drain_chains(gone: Vec<Drain>, drain_time: Duration) {
    gone.iter().for_each(Drain::ask);
    tokio::time::sleep(drain_time).await;
    gone.iter().for_each(Drain::force);
}
