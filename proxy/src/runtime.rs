//! The threads of a proxy: one for configuration and signals, and workers with separate runtimes.

use std::{io, path::PathBuf, sync::Arc, thread::JoinHandle, time::Duration};

use thiserror::Error;
use tokio::{
    net::TcpListener,
    runtime::{Builder, Runtime},
    signal::unix::{SignalKind, signal},
    sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel},
    time::timeout,
};
use tokio_util::task::TaskTracker;

use crate::{
    admin::{self, Command},
    config::{ConfigError, Manager, Shared},
    http::{self, Pools},
    listener::{self, Accept},
    memory, sys,
    worker::Worker,
};

/// Default time that connections of replaced chains may stay open. Envoy's default.
const DEFAULT_DRAIN_TIME: Duration = Duration::from_secs(600);
/// How long forced connections may take to write their log entries.
const LOG_TIMEOUT: Duration = Duration::from_secs(1);

/// Options from the command line.
#[derive(Clone, Debug)]
pub struct Options {
    /// Path of the bootstrap.
    pub config_path: PathBuf,
    /// Number of workers; `None` for one per core.
    pub concurrency: Option<usize>,
    /// How long connections may stay open when their chain is replaced (600 s by default), and when the proxy is stopped
    /// (0 by default).
    pub drain_time: Option<Duration>,
}

/// Why a proxy could not run.
#[derive(Debug, Error)]
pub enum RunError {
    /// The configuration is invalid.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The administration interface can't be bound.
    #[error("admin: {0}")]
    Admin(io::Error),
    /// A thread, runtime or signal handler can't be created.
    #[error("the proxy can't start: {0}")]
    System(#[from] io::Error),
}

/// Validates a configuration, including every file that it refers to, without binding sockets.
///
/// # Errors
/// The first error in the configuration.
pub fn validate(options: &Options) -> Result<(), RunError> {
    let runtime = runtime()?;
    let _inside = runtime.enter();
    Manager::load(&options.config_path, Vec::new(), DEFAULT_DRAIN_TIME)?;
    Ok(())
}

/// Runs a proxy until it is stopped.
///
/// # Errors
/// If it can't start.
pub fn serve(options: &Options) -> Result<(), RunError> {
    let concurrency = match options.concurrency {
        Some(count) if count > 0 => count,
        _ => std::thread::available_parallelism()?.get(),
    };
    sys::survive_file_size_limit()?;
    runtime()?.block_on(async {
        let (senders, receivers): (Vec<_>, Vec<_>) = (0..concurrency).map(|_| unbounded_channel()).unzip();
        let drain_time = options.drain_time.unwrap_or(DEFAULT_DRAIN_TIME);
        let mut manager = Manager::load(&options.config_path, senders, drain_time)?;
        manager.resolve().await;
        let shared = manager.shared().clone();
        let workers = receivers
            .into_iter()
            .enumerate()
            .map(|(index, receiver)| start_worker(index, &shared, receiver))
            .collect::<Result<Vec<_>, _>>()?;
        let (ask, mut asked) = unbounded_channel();
        admin::start(shared.clone(), ask).map_err(RunError::Admin)?;
        let mut terminate = signal(SignalKind::terminate())?;
        let mut interrupt = signal(SignalKind::interrupt())?;
        sys::release_free_memory();
        tokio::spawn(memory::release_after_bursts(shared.accept_stats.active().clone()));
        // Fails if nobody waits for the notification.
        let _ = sd_notify::notify(&[sd_notify::NotifyState::Ready]);
        tracing::info!(concurrency, "ready");
        loop {
            tokio::select! {
                () = manager.follow() => break,
                _ = terminate.recv() => break,
                _ = interrupt.recv() => break,
                Some(command) = asked.recv() => match command {
                    Command::Quit => break,
                    Command::DrainListeners => {
                        manager.stop_listening();
                        shared.drain.ask();
                    }
                },
            }
        }
        manager.stop_listening();
        shared.drain.ask();
        drop(manager); // closes the listening sockets; workers end with their last connection
        if timeout(options.drain_time.unwrap_or_default(), all_ended(&workers)).await.is_err() {
            shared.drain.force();
            let _ = timeout(LOG_TIMEOUT, all_ended(&workers)).await;
        }
        shared.log_files.flush(LOG_TIMEOUT);
        Ok(())
    })
}

/// A worker's thread, and the channel that closes when it ends.
type Running = (JoinHandle<()>, UnboundedSender<()>);

fn start_worker(
    index: usize,
    shared: &Arc<Shared>,
    receiver: UnboundedReceiver<(std::net::TcpListener, Accept)>,
) -> io::Result<Running> {
    let (ended, alive) = unbounded_channel::<()>();
    let worker = Arc::new(Worker {
        index,
        clusters: shared.clusters.clone(),
        listeners: shared.listeners.clone(),
        connections: TaskTracker::new(),
        drain: shared.drain.clone(),
        accept_stats: shared.accept_stats.clone(),
        http: Pools::new(&shared.stats),
    });
    // The first worker to ask sends spans.
    let traces = shared.traces.clone();
    let runtime = runtime()?;
    let thread = std::thread::Builder::new().name(format!("worker-{index}")).spawn(move || {
        if let Some(spans) = traces.receiver() {
            runtime.spawn(http::export(worker.clone(), spans, traces.batch));
        }
        runtime.block_on(work(receiver, worker));
        drop((runtime, alive));
    })?;
    Ok((thread, ended))
}

/// Accepts from the given sockets, until the channel closes and the last connection has ended.
async fn work(mut sockets: UnboundedReceiver<(std::net::TcpListener, Accept)>, worker: Arc<Worker>) {
    while let Some((socket, accept_from)) = sockets.recv().await {
        match TcpListener::from_std(socket) {
            Ok(socket) => listener::spawn_accept_loop(socket, accept_from, worker.clone()),
            Err(error) => tracing::error!(%error, "a listening socket can't be used"),
        }
    }
    worker.connections.close();
    worker.connections.wait().await;
}

async fn all_ended(workers: &[Running]) {
    for (_, alive) in workers {
        alive.closed().await;
    }
}

fn runtime() -> io::Result<Runtime> {
    Builder::new_current_thread().enable_all().build()
}
