//! The threads of a proxy: one for configuration and signals, and the workers, each with a runtime of its own.

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
    http::Pools,
    listener::{self, Accept},
    memory, sys,
    worker::Worker,
};

/// How long connections of a chain that was replaced may go on where the command line does not say. Envoy's default.
const DEFAULT_DRAIN_TIME: Duration = Duration::from_secs(600);
/// How long connections that were made to end may take to write their log lines.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// What the command line says.
#[derive(Clone, Debug)]
pub struct Options {
    /// The bootstrap.
    pub config_path: PathBuf,
    /// How many workers; one for each core when unset.
    pub concurrency: Option<usize>,
    /// How long connections may go on when their chain is replaced (600 s when unset), and when the proxy is told to end
    /// (not at all when unset).
    pub drain_time: Option<Duration>,
}

/// Why a proxy does not run.
#[derive(Debug, Error)]
pub enum RunError {
    /// The configuration can't be used.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The administration interface can't be bound.
    #[error("admin: {0}")]
    Admin(io::Error),
    /// A thread, runtime or signal handler can't be had.
    #[error("the proxy can't start: {0}")]
    System(#[from] io::Error),
}

/// Checks a configuration, every file that it names included, and binds nothing.
///
/// # Errors
/// The first fault.
pub fn validate(options: &Options) -> Result<(), RunError> {
    let runtime = runtime()?;
    let _inside = runtime.enter();
    Manager::load(&options.config_path, Vec::new(), DEFAULT_DRAIN_TIME)?;
    Ok(())
}

/// Runs a proxy until it is told to end.
///
/// # Errors
/// When it can't start: nothing was served then.
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
        tokio::spawn(memory::give_back(shared.taking_in.active().clone()));
        // Nobody may be listening, which is no fault.
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
        drop(manager); // the workers have no more to listen to, and end with their last connection
        if timeout(options.drain_time.unwrap_or_default(), all_ended(&workers)).await.is_err() {
            shared.drain.force();
            let _ = timeout(LAST_WORDS, all_ended(&workers)).await;
        }
        shared.log_files.flush();
        Ok(())
    })
}

/// A worker's thread, and what tells that it has ended.
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
        taking_in: shared.taking_in.clone(),
        http: Pools::new(&shared.stats),
    });
    let runtime = runtime()?;
    let thread = std::thread::Builder::new().name(format!("worker-{index}")).spawn(move || {
        runtime.block_on(work(receiver, worker));
        drop((runtime, alive));
    })?;
    Ok((thread, ended))
}

/// Accepts from the sockets that come, until no more can come and the last connection has ended.
async fn work(mut sockets: UnboundedReceiver<(std::net::TcpListener, Accept)>, worker: Arc<Worker>) {
    while let Some((socket, accept_from)) = sockets.recv().await {
        match TcpListener::from_std(socket) {
            Ok(socket) => listener::take_in(socket, accept_from, worker.clone()),
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
