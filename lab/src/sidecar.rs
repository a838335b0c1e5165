//! Starts a sidecar, native or Envoy, and waits until it is ready.

use std::{
    fs,
    io::{self, Read, Write},
    net::{Ipv4Addr, SocketAddr, TcpStream},
    os::unix::fs::{PermissionsExt, chown},
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail};
use envoy_api::Secret;
use mesh::{compile::PodConfig, redirect::ProxyIdentity, sidecar};
use netns::{Bind, Pod, Privilege, Process, Program, Ready, Start, User};

use crate::{tools::Tools, trust};

/// Istio's uid and gid of a sidecar, whose packets the redirect rules exempt.
const PROXY: User = User { uid: sidecar::UID, gid: sidecar::GID };

/// The user that a sidecar runs as. A user namespace has only one user, and a mark identifies its packets instead.
fn user(privilege: Privilege) -> Option<User> {
    match privilege {
        Privilege::Root => Some(PROXY),
        Privilege::UserNamespace => None,
    }
}

/// How the redirect rules distinguish a sidecar's packets from its app's.
pub fn identity(privilege: Privilege) -> ProxyIdentity {
    match privilege {
        Privilege::Root => ProxyIdentity::Owner { uid: PROXY.uid, gid: PROXY.gid },
        Privilege::UserNamespace => ProxyIdentity::Mark(PROXY.uid),
    }
}

/// How long a sidecar can take to become ready.
const READY_WITHIN: Duration = Duration::from_secs(60);

/// How long connections of a filter chain that is gone can go on, in seconds: the default of Istio's `drainDuration`. Istio has Envoy ask
/// clients to leave at once (istio: pkg/envoy/proxy.go, `args`), as the native sidecar does.
const DRAIN_SECONDS: &str = "45";

/// Envoy's administration interface, in each pod.
const ADMIN: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 15000);

/// The program of a sidecar.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// `sidecar-proxy`.
    Native,
    /// The real Envoy.
    Envoy,
}

/// The sidecar's container, by Istio's name.
pub const CONTAINER: &str = "istio-proxy";

/// The names of all programs of sidecars.
pub const PROGRAMS: [&str; 2] = ["sidecar-proxy", "envoy"];

impl Kind {
    /// The program's file name.
    fn program(self) -> &'static str {
        let [native, envoy] = PROGRAMS;
        match self {
            Self::Native => native,
            Self::Envoy => envoy,
        }
    }
}

/// How a sidecar runs.
#[derive(Clone, Debug)]
pub struct How {
    pub kind: Kind,
    /// The number of workers.
    pub concurrency: u32,
    /// The CPUs that it can run on; all if empty.
    pub cpus: Vec<usize>,
    /// The privilege with which its lab was made.
    pub privilege: Privilege,
}

/// The paths of a sidecar's files, below its pod's folder.
#[derive(Clone, Debug)]
pub struct Folders {
    pub config: PathBuf,
    /// Its access log and key log.
    pub log: PathBuf,
}

impl Folders {
    /// The paths in a pod's folder.
    pub fn new(pod: &Pod) -> Self {
        Self { config: pod.dir().join("proxy"), log: pod.dir().join("log") }
    }

    pub fn access_log(&self) -> PathBuf {
        self.log.join("access.log")
    }

    pub fn key_log(&self) -> PathBuf {
        self.log.join("keys.log")
    }

    /// Writes a sidecar's files, readable only by the sidecar, since they include private keys.
    ///
    /// # Errors
    /// If a file can't be written.
    pub fn write(&self, config: &PodConfig, secrets: &[Secret], privilege: Privilege) -> Result<()> {
        let user = user(privilege);
        make_folder(&self.config, user)?;
        make_folder(&self.log, user)?;
        for (name, text) in config.files(secrets) {
            let path = self.config.join(name);
            if let Some(folder) = path.parent() {
                make_folder(folder, user)?;
            }
            fs::write(&path, text).with_context(|| format!("can't write {}", path.display()))?;
            own(&path, 0o600, user)?;
        }
        Ok(())
    }
}

impl Folders {
    /// Moves a file into its place, by which the sidecar notices it.
    ///
    /// # Errors
    /// If it can't be written; an earlier one is unchanged.
    pub(crate) fn replace(&self, name: &Path, text: &str, privilege: Privilege) -> Result<()> {
        let user = user(privilege);
        let path = self.config.join(name);
        if let Some(folder) = path.parent() {
            make_folder(folder, user)?;
        }
        let aside = path.with_extension("part");
        fs::write(&aside, text).with_context(|| format!("can't write {}", aside.display()))?;
        own(&aside, 0o600, user)?;
        fs::rename(&aside, &path).with_context(|| format!("can't write {}", path.display()))
    }
}

fn make_folder(path: &Path, user: Option<User>) -> Result<()> {
    if path.is_dir() {
        return Ok(());
    }
    fs::create_dir_all(path).with_context(|| format!("can't create {}", path.display()))?;
    own(path, 0o700, user)
}

/// Makes a file or folder accessible to the sidecar only.
fn own(path: &Path, mode: u32, user: Option<User>) -> Result<()> {
    let given = fs::set_permissions(path, fs::Permissions::from_mode(mode)).and_then(|()| match user {
        Some(User { uid, gid }) => chown(path, Some(uid), Some(gid)),
        None => Ok(()),
    });
    given.with_context(|| format!("can't give {} to the sidecar", path.display()))
}

/// The output of a pod's sidecar, and its access log.
pub fn logs(pod: &Pod) -> Vec<PathBuf> {
    let own = PROGRAMS
        .iter()
        .flat_map(|program| ["stdout", "stderr"].map(|stream| pod.log_dir().join(format!("{program}.{stream}"))));
    own.chain([Folders::new(pod).access_log()]).collect()
}

/// A program beside a pod's sidecar, with the sidecar's user and files.
pub(crate) fn beside(pod: &Pod, file: &str, args: &[String]) -> Program {
    let privilege = Privilege::of_entered_lab();
    with_files(pod, privilege, Program::new("exec", file, args))
}

/// Gives a program the sidecar's user and files.
fn with_files(pod: &Pod, privilege: Privilege, program: Program) -> Program {
    let folders = Folders::new(pod);
    let own = [folders.config, folders.log].map(|folder| Bind { source: folder.clone(), target: folder });
    let user = user(privilege);
    // Without a separate user it has to mark its packets.
    Program { user, binds: [trust::binds(pod, &[]), own.into()].concat(), network_admin: user.is_none(), ..program }
}

/// The host allows too few inotify instances.
#[derive(Debug, thiserror::Error)]
#[error(
    "Envoy uses one inotify instance per file: these sidecars need {needed}, and the host allows \
     a user {allowed}; `sudo sysctl -w fs.inotify.max_user_instances=8192`"
)]
pub struct TooFewInotifyInstances {
    needed: usize,
    allowed: usize,
}

/// Checks that the host lets Envoy watch its files; otherwise Envoy would abort.
///
/// # Errors
/// [`TooFewInotifyInstances`].
pub fn check_inotify<'a>(envoys: impl Iterator<Item = &'a PodConfig>) -> Result<(), TooFewInotifyInstances> {
    let files = |config: &PodConfig| config.endpoints.len() + config.routes.len() + config.secret_names.len() + 2;
    let needed = envoys.map(files).sum();
    let limit = fs::read_to_string("/proc/sys/fs/inotify/max_user_instances").unwrap_or_default();
    // If the limit can't be read, there is nothing to check.
    let allowed = limit.trim().parse().unwrap_or(usize::MAX);
    if needed > allowed { Err(TooFewInotifyInstances { needed, allowed }) } else { Ok(()) }
}

/// Starts a pod's sidecar on the files in its folder, and waits until it has accepted every one of them.
///
/// # Errors
/// If it rejects a file, exits, or is not ready in time; the error quotes its output.
pub fn start(pod: &Pod, how: &How, tools: &Tools, config: &PodConfig) -> Result<Process> {
    let concurrency = how.concurrency.to_string();
    let bootstrap = Folders::new(pod).config.join("bootstrap.json");
    let bootstrap = bootstrap.display().to_string();
    let (program, ready) = match how.kind {
        Kind::Native => {
            let args = ["-c", &bootstrap, "--concurrency", &concurrency, "--drain-time-s", DRAIN_SECONDS, "-l", "warn"];
            let program = Program::new(how.kind.program(), tools.own("sidecar-proxy")?, args);
            (program, Ready::Notify { timeout: READY_WITHIN })
        }
        Kind::Envoy => {
            #[rustfmt::skip]
            let args = [
                "-c", &bootstrap,
                "--concurrency", &concurrency,
                "-l", "warning",
                "--drain-time-s", DRAIN_SECONDS,
                "--drain-strategy", "immediate",
                // Hot restart is for one Envoy on a host: it uses fixed names in shared memory.
                "--disable-hot-restart",
                // Logs are read as soon as Envoy has ended; by default they are flushed only every 10 s.
                "--file-flush-interval-msec", "50",
                "--reject-unknown-dynamic-fields",
            ];
            (Program::new(how.kind.program(), tools.envoy()?, args), Ready::Immediately)
        }
    };
    let program = Program { cpus: how.cpus.clone(), ..with_files(pod, how.privilege, program) };
    let process = pod.start(&program, &Start { ready, ..Start::default() })?;
    if how.kind == Kind::Envoy {
        wait_for_envoy(pod, &process, config)?;
    }
    Ok(process)
}

/// Envoy does not signal readiness, and is `LIVE` even with every listener rejected, so its counters are polled.
fn wait_for_envoy(pod: &Pod, process: &Process, config: &PodConfig) -> Result<()> {
    let deadline = Instant::now() + READY_WITHIN;
    let listeners = config.listeners.len() + config.bootstrap.static_resources.listeners.len();
    loop {
        if let Some(status) = process.wait(Duration::from_millis(5))? {
            bail!("envoy in {} ended before it was ready ({status}): {}", pod.name(), stderr_of(process));
        }
        let state = pod.enter(|| get("/stats?usedonly&filter=update_|total_listeners|^server.state"))?;
        if let Ok(stats) = &state {
            let state = EnvoyState::parse(stats);
            if let Some(refused) = state.refused {
                bail!("envoy in {} rejected a file ({refused}): {}", pod.name(), stderr_of(process));
            }
            if state.live && state.active_listeners == listeners {
                return Ok(());
            }
        }
        if Instant::now() > deadline {
            let seen = state.unwrap_or_else(|error| error.to_string());
            bail!("envoy in {} was not ready within {READY_WITHIN:?}:\n{seen}\n{}", pod.name(), stderr_of(process));
        }
    }
}

/// The end of what a process printed to its standard error.
fn stderr_of(process: &Process) -> String {
    process.stderr_path().map(last_lines).unwrap_or_default()
}

/// The end of what a pod's sidecar printed.
pub(crate) fn output_of(pod: &Pod) -> String {
    let outputs = PROGRAMS.map(|program| last_lines(&pod.log_dir().join(format!("{program}.stderr"))));
    outputs.into_iter().find(|text| !text.is_empty()).unwrap_or_default()
}

fn last_lines(path: &Path) -> String {
    let text = fs::read_to_string(path).unwrap_or_default();
    let lines: Vec<&str> = text.lines().rev().take(8).collect();
    lines.into_iter().rev().collect::<Vec<_>>().join("\n")
}

/// The state of Envoy's configuration, according to its counters.
struct EnvoyState {
    /// The counter of a rejected file.
    refused: Option<String>,
    live: bool,
    active_listeners: usize,
}

impl EnvoyState {
    fn parse(stats: &str) -> Self {
        let counters: Vec<(&str, u64)> = counters(stats).collect();
        let value = |name: &str| counters.iter().find(|(counter, _)| *counter == name).map(|(_, value)| *value);
        let refused = counters.iter().find(|(name, value)| name.ends_with("update_rejected") && *value > 0);
        Self {
            refused: refused.map(|(name, _)| (*name).to_owned()),
            live: value("server.state") == Some(0),
            active_listeners: value("listener_manager.total_listeners_active")
                .and_then(|listeners| listeners.try_into().ok())
                .unwrap_or(0),
        }
    }
}

/// The counters and gauges in what `/stats` prints.
pub(crate) fn counters(stats: &str) -> impl Iterator<Item = (&str, u64)> {
    stats.lines().filter_map(|line| {
        let (name, value) = line.rsplit_once(": ")?;
        Some((name, value.trim().parse().ok()?))
    })
}

/// Asks a pod's administration interface. Call it inside the pod.
pub(crate) fn get(path: &str) -> io::Result<String> {
    let mut connection = TcpStream::connect_timeout(&ADMIN, Duration::from_secs(1))?;
    connection.set_read_timeout(Some(Duration::from_secs(20)))?;
    write!(connection, "GET {path} HTTP/1.1\r\nhost: admin\r\nconnection: close\r\n\r\n")?;
    let mut response = String::new();
    connection.read_to_string(&mut response)?;
    Ok(response)
}
