//! Runs a scenario's loads in the pods of its lab.

use std::{
    collections::BTreeMap,
    io::{BufRead, BufReader},
    process::ChildStdout,
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, atomic::AtomicBool, atomic::Ordering},
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail};
use demo_apps::report::RequestReport;
use mesh::{account::AppProtocol, model::Mesh};
use netns::{Process, Sink, Start};
use nix::sys::signal::Signal;

use super::{Interrupted, now_ns};
use crate::{
    container,
    deploy::Deployment,
    loads::{self, Connection, Connections, Load, LoadSeen, Step},
    manifests,
    observe_call::Observations,
    tools::Tools,
};

/// How many requests of each load have to begin and end between two changes.
const SHARE: usize = 10;

/// How long that can take.
const PATIENCE: Duration = Duration::from_secs(60);

/// How often a wait looks whether the run was interrupted.
const LOOK: Duration = Duration::from_millis(100);

/// Requests per second of each load: enough to meet every change, and few enough to decrypt.
const RATE: &str = "50";

/// How long a load runs at most; it is ended earlier.
const LONGEST: &str = "1h";

/// The loads of a lab.
pub(super) struct Loads<'a> {
    lab: String,
    loads: &'a [Load],
    tools: &'a Tools,
    interrupted: &'a AtomicBool,
    /// By the load's index.
    running: BTreeMap<usize, Running>,
    /// What each load has done, by its index.
    requests: Vec<Arc<Requests>>,
}

struct Running {
    process: Process,
    reader: JoinHandle<()>,
}

/// The requests of a load, as its app reports them.
#[derive(Default)]
struct Requests {
    done: Mutex<Done>,
    grew: Condvar,
}

#[derive(Default)]
struct Done {
    requests: Vec<RequestReport>,
    /// Whether the app has closed its output.
    has_ended: bool,
}

impl Requests {
    fn lock(&self) -> MutexGuard<'_, Done> {
        self.done.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Reads what an app prints, until it ends. The last line is the report of the whole load.
    fn read(&self, stdout: ChildStdout) {
        for line in BufReader::new(stdout).lines().map_while(Result::ok) {
            if let Ok(request) = serde_json::from_str(&line) {
                self.lock().requests.push(request);
                self.grew.notify_all();
            }
        }
        self.lock().has_ended = true;
        self.grew.notify_all();
    }
}

impl<'a> Loads<'a> {
    pub(super) fn new(
        loads: &'a [Load],
        deployment: &Deployment,
        tools: &'a Tools,
        interrupted: &'a AtomicBool,
    ) -> Self {
        let requests = loads.iter().map(|_| Arc::default()).collect();
        Self { lab: deployment.lab.id().to_owned(), loads, tools, interrupted, running: BTreeMap::new(), requests }
    }

    /// The mark in each request of a load.
    fn marker(&self, load: &Load) -> String {
        format!("load-{}-{}", load.name, self.lab)
    }

    /// The marks in the requests of all loads.
    pub(super) fn marks(&self) -> Vec<String> {
        self.loads.iter().map(|load| self.marker(load)).collect()
    }

    /// Starts the loads whose pods exist and that do not run, and waits until each has made some requests.
    ///
    /// # Errors
    /// If one can't be started, or makes none.
    pub(super) fn start(&mut self, deployment: &Deployment, mesh: &Mesh) -> Result<()> {
        let began_ns = now_ns();
        for (index, load) in self.loads.iter().enumerate() {
            let Some(from) = mesh.pod(&load.from, manifests::DEFAULT_NAMESPACE) else { continue };
            if !self.running.contains_key(&index) {
                let running = self.start_one(index, from, deployment, mesh);
                let running = running.with_context(|| format!("load {}", load.name))?;
                self.running.insert(index, running);
            }
        }
        self.advance(began_ns)
    }

    fn start_one(&self, index: usize, from: usize, deployment: &Deployment, mesh: &Mesh) -> Result<Running> {
        let (load, pod, host) = (&self.loads[index], &mesh.pods[from], &deployment.pods[from]);
        let container = container::of_calls(pod)?;
        let (marker, timeout) = (self.marker(load), format!("{}ms", load.timeout.as_millis()));
        let mut args = vec!["load", &load.url, "--each", "--marker", &marker, "--timeout", &timeout, "-4"];
        args.extend(["--connections", "2", "--rate", RATE, "--duration", LONGEST]);
        args.extend((load.connections == Connections::New).then_some("--new-connection-per-request"));
        args.extend((load.app == AppProtocol::H2).then_some("--http2"));
        let name = format!("load-{}", load.name);
        let program = container::program(pod, container, host, name, self.tools.own("demo-client")?, args);
        let process = host.start(&program, &Start { stdout: Sink::Pipe, ..Start::default() })?;
        let stdout = process.take_stdout().context("its output is read once")?;
        let requests = Arc::clone(&self.requests[index]);
        requests.lock().has_ended = false;
        let reader = thread::Builder::new().name("load".into()).spawn(move || requests.read(stdout))?;
        Ok(Running { process, reader })
    }

    /// Waits until each running load has made some requests that began after this time.
    ///
    /// # Errors
    /// If one ends, or makes none in time, or the run is interrupted.
    pub(super) fn advance(&self, since_ns: u64) -> Result<()> {
        let deadline = Instant::now() + PATIENCE;
        for index in self.running.keys() {
            let (load, requests) = (&self.loads[*index], &self.requests[*index]);
            let mut done = requests.lock();
            // A load's requests are in the order of their ends.
            while done.requests.iter().rev().filter(|one| one.began_ns >= since_ns).count() < SHARE {
                if self.interrupted.load(Ordering::Relaxed) {
                    bail!(Interrupted);
                }
                if done.has_ended {
                    bail!("load {} has ended by itself: {}", load.name, self.output(*index));
                }
                if Instant::now() >= deadline {
                    bail!("load {} made fewer than {SHARE} requests within {PATIENCE:?}", load.name);
                }
                let waited = requests.grew.wait_timeout(done, LOOK);
                done = waited.unwrap_or_else(PoisonError::into_inner).0;
            }
        }
        Ok(())
    }

    /// What a load's app printed to its standard error.
    fn output(&self, index: usize) -> String {
        let path = self.running.get(&index).and_then(|running| running.process.stderr_path());
        path.and_then(|path| std::fs::read_to_string(path).ok()).unwrap_or_default().trim().to_owned()
    }

    /// Ends the loads in pods that are about to go, `POD.NAMESPACE`. Requests that have begun are completed.
    ///
    /// # Errors
    /// If one can't be ended.
    pub(super) fn stop(&mut self, mut is_going: impl FnMut(&str) -> bool) -> Result<()> {
        let going: Vec<usize> =
            self.running.iter().filter(|(_, one)| is_going(one.process.pod())).map(|(index, _)| *index).collect();
        let going: Vec<Running> = going.iter().filter_map(|index| self.running.remove(index)).collect();
        going.iter().try_for_each(|one| one.process.signal(Signal::SIGTERM))?;
        for Running { process, reader } in going {
            process.terminate(PATIENCE)?;
            // It ends with the app's output.
            drop(reader.join());
        }
        Ok(())
    }

    /// What the loads showed of a step.
    pub(super) fn seen(&self, step: &Step, seen: &Observations) -> Vec<LoadSeen> {
        let each = self.loads.iter().zip(&self.requests).map(|(load, requests)| {
            let marker = self.marker(load);
            let is_from = |pod: &str| pod == load.from || pod.strip_suffix(".default") == Some(&load.from);
            let flows = seen.flows.iter().filter(|flow| flow.interface.name == "eth0" && is_from(&flow.interface.host));
            let connections: Vec<_> = flows.filter(|flow| flow.contains(&marker)).map(Connection::new).collect();
            loads::seen(&load.name, step, &requests.lock().requests, &connections)
        });
        each.filter(|load| load.requests > 0).collect()
    }
}
