//! Files with a single resource (secrets, endpoints, routes), and their users.

use std::{
    collections::{BTreeMap, HashMap},
    fs,
    path::{Path, PathBuf},
    sync::{Arc, Weak},
};

use arc_swap::ArcSwap;
use envoy_api::{ConfigSource, DiscoveryResponse, PathConfigSource, Resource, SdsSecretConfig, Secret};
use jiff::Timestamp;

use super::{
    At as _, ConfigError, Fault, Invalid,
    watch::{Moved, Watcher},
};
use crate::{
    cluster::Cluster,
    http::Routes,
    stats::{Counter, Gauge, Scope, ScopedStats, Stats},
    tls::{ClientContext, ServerContext},
};

/// The files in use.
pub(super) struct Files {
    /// Secrets in the bootstrap, by name.
    static_secrets: HashMap<String, Secret>,
    /// Sorted by path, so that files are always reloaded in the same order.
    users: BTreeMap<PathBuf, Vec<Use>>,
    watcher: Watcher,
}

/// A resource in a file, and its user.
struct Use {
    source: PathConfigSource,
    name: String,
    user: User,
    updates: Updates,
}

/// Counts updates of a resource, however many users it has: Envoy has one subscription for all of them (envoy:
/// source/common/secret/secret_manager_impl.h, `DynamicSecretProviders`).
pub(super) struct Updates {
    success: Counter,
    rejected: Counter,
    /// When the last one was taken, in milliseconds since the Unix epoch.
    time: Gauge,
}

impl Updates {
    /// `update_success`, `update_rejected` and `update_time` in a scope, with a prefix that is empty or ends with a dot.
    pub(super) fn new(scope: &ScopedStats, prefix: &str) -> Self {
        let counter = |name| scope.counter(&format!("{prefix}{name}"));
        Self {
            success: counter("update_success"),
            rejected: counter("update_rejected"),
            time: scope.gauge(&format!("{prefix}update_time")),
        }
    }

    /// Counts an update that was taken.
    fn taken(&self) {
        self.success.inc();
        self.time.set(now_ms());
    }

    /// Whether both are the same counters.
    fn are(&self, other: &Self) -> bool {
        self.success.is(&other.success)
    }
}

/// The current time, in milliseconds since the Unix epoch.
pub(super) fn now_ms() -> u64 {
    u64::try_from(Timestamp::now().as_millisecond()).unwrap_or_default()
}

/// The user of a resource.
pub(super) enum User {
    Server(Weak<ServerContext>),
    Client(Weak<ClientContext>),
    Endpoints(Weak<Cluster>),
    Routes(Weak<ArcSwap<Routes>>),
}

impl Files {
    pub(super) fn new(static_secrets: HashMap<String, Secret>, watcher: Watcher) -> Self {
        Self { static_secrets, users: BTreeMap::new(), watcher }
    }

    /// Watches a file for replacement.
    pub(super) fn watch(&mut self, source: &PathConfigSource) -> Result<(), ConfigError> {
        self.watcher.watch(match &source.watched_directory {
            Some(watched) => &watched.path,
            None => parent(&source.path),
        })
    }

    /// Waits until a file is moved into a watched folder.
    pub(super) async fn moved(&mut self) -> Moved {
        self.watcher.moved().await
    }

    /// Provides a context with its secrets, now and whenever their files are replaced.
    pub(super) fn secrets<'a>(
        &mut self,
        wanted: impl Iterator<Item = &'a SdsSecretConfig>,
        user: impl Fn() -> User,
        stats: &Stats,
    ) -> Result<(), Invalid> {
        for config in wanted {
            match &config.sds_config {
                Some(source) => {
                    let updates = Updates::new(&stats.scope(Scope::Root), &format!("sds.{}.", config.name));
                    self.subscribe(source, &config.name, user(), updates)?;
                }
                None => {
                    let secret = self
                        .static_secrets
                        .get(&config.name)
                        .ok_or_else(|| secret_fault(config, "is not among the static secrets"))?;
                    user()
                        .apply(&Resource::Secret(secret.clone()), &config.name)
                        .at(format_args!("secret {:?}", config.name))?;
                }
            }
        }
        Ok(())
    }

    /// Provides a user with its resource, now and whenever the file is replaced.
    pub(super) fn subscribe(
        &mut self,
        source: &ConfigSource,
        name: &str,
        user: User,
        updates: Updates,
    ) -> Result<(), Invalid> {
        let source = &source.path_config_source;
        let path = &source.path;
        self.watch(source)?; // before reading it, so that no move is missed
        if fs::metadata(path).is_ok_and(|file| file.len() == 0) {
            // Not supplied yet. Envoy starts nevertheless, and connections that need the resource fail until it is supplied.
            tracing::warn!(file = %path.display(), name, "the file is empty: waiting for it to be replaced");
        } else {
            let resource = read_one(path)?;
            user.apply(&resource, name).map_err(|invalid| ConfigError::invalid(path, invalid))?;
            let uses = self.users.get(path).map_or(&[][..], Vec::as_slice);
            if !uses.iter().any(|earlier| earlier.updates.are(&updates)) {
                updates.taken();
            }
        }
        self.users.entry(path.clone()).or_default().push(Use {
            source: source.clone(),
            name: name.into(),
            user,
            updates,
        });
        Ok(())
    }

    /// The files to reload after a move.
    pub(super) fn affected(&self, moved: &Moved) -> Vec<PathBuf> {
        let affected = |(_, uses): &(_, &Vec<Use>)| uses.iter().any(|u| moved.concerns(&u.source));
        self.users.iter().filter(affected).map(|(path, _)| path.clone()).collect()
    }

    /// Reloads a file, and provides all users with its resource. Those that can't use it keep the previous one. An update is counted when
    /// all users have it: a reader of the counter can rely on every connection opened from then on.
    pub(super) fn reload(&mut self, path: &Path) {
        let Some(uses) = self.users.get_mut(path) else { return };
        uses.retain(|u| u.user.is_there());
        let resource = read_one(path).inspect_err(|error| tracing::error!(%error, "refused"));
        let mut applied: Vec<(&Updates, bool)> = Vec::new();
        for Use { name, user, updates, .. } in uses {
            let result = resource.as_ref().ok().map(|resource| user.apply(resource, name));
            match &result {
                Some(Ok(())) => tracing::info!(file = %path.display(), name, "reloaded"),
                Some(Err(error)) => tracing::error!(file = %path.display(), name, %error, "refused"),
                None => {}
            }
            let is_taken = matches!(result, Some(Ok(())));
            match applied.iter_mut().find(|(counted, _)| counted.are(updates)) {
                Some((_, by_all)) => *by_all &= is_taken,
                None => applied.push((updates, is_taken)),
            }
        }
        for (updates, is_taken) in applied {
            if is_taken { updates.taken() } else { updates.rejected.inc() }
        }
    }

    /// Removes files without users.
    pub(super) fn forget_unused(&mut self) {
        self.users.retain(|_, uses| {
            uses.retain(|u| u.user.is_there());
            !uses.is_empty()
        });
    }
}

impl User {
    pub(super) fn server(context: &Arc<ServerContext>) -> Self {
        Self::Server(Arc::downgrade(context))
    }

    pub(super) fn client(context: &Arc<ClientContext>) -> Self {
        Self::Client(Arc::downgrade(context))
    }

    fn is_there(&self) -> bool {
        match self {
            Self::Server(user) => user.strong_count() > 0,
            Self::Client(user) => user.strong_count() > 0,
            Self::Endpoints(user) => user.strong_count() > 0,
            Self::Routes(user) => user.strong_count() > 0,
        }
    }

    /// Applies a resource, if it has the right type and name.
    fn apply(&self, resource: &Resource, name: &str) -> Result<(), Invalid> {
        let check_name = |found: &str| {
            if found == name { Ok(()) } else { Err(Fault::Name { expected: name.into(), found: found.into() }) }
        };
        match (self, resource) {
            (Self::Server(user), Resource::Secret(secret)) => {
                check_name(&secret.name).at("resources[0]")?;
                user.upgrade().map_or(Ok(()), |context| context.take(secret))
            }
            (Self::Client(user), Resource::Secret(secret)) => {
                check_name(&secret.name).at("resources[0]")?;
                user.upgrade().map_or(Ok(()), |context| context.take(secret))
            }
            (Self::Endpoints(user), Resource::ClusterLoadAssignment(assignment)) => {
                check_name(&assignment.cluster_name).at("resources[0]")?;
                user.upgrade().map_or(Ok(()), |cluster| cluster.set_endpoints(assignment))
            }
            (Self::Routes(user), Resource::RouteConfiguration(routes)) => {
                check_name(&routes.name).at("resources[0]")?;
                let built = Routes::new(routes)?;
                if let Some(user) = user.upgrade() {
                    user.store(Arc::new(built));
                }
                Ok(())
            }
            (_, other) => Err(Fault::Kind(kind(other))).at("resources[0]"),
        }
    }
}

fn secret_fault(config: &SdsSecretConfig, problem: &'static str) -> Fault {
    Fault::Secret { name: config.name.clone(), problem }
}

/// Reads a file with resources.
pub(super) fn read(path: &Path) -> Result<DiscoveryResponse, ConfigError> {
    let text = fs::read_to_string(path).map_err(|error| ConfigError::Read { file: path.into(), error })?;
    envoy_api::read(&text).map_err(|error| ConfigError::NotRead { file: path.into(), error })
}

/// Reads a file with exactly one resource.
fn read_one(path: &Path) -> Result<Resource, ConfigError> {
    let mut resources = read(path)?.resources;
    match (resources.pop(), resources.len()) {
        (Some(resource), 0) => Ok(resource),
        (_, more) => {
            let found = if more == 0 { 0 } else { more + 1 };
            Err(ConfigError::Count { file: path.into(), found })
        }
    }
}

/// Name of a resource's type.
pub(super) fn kind(resource: &Resource) -> &'static str {
    match resource {
        Resource::Listener(_) => "Listener",
        Resource::RouteConfiguration(_) => "RouteConfiguration",
        Resource::Cluster(_) => "Cluster",
        Resource::ClusterLoadAssignment(_) => "ClusterLoadAssignment",
        Resource::Secret(_) => "Secret",
    }
}

/// The folder of a file.
pub(super) fn parent(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    }
}
