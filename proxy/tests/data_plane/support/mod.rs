//! Helpers for tests of the running program: a folder of files, certificates, and the program itself.
#![allow(dead_code, unused_imports, reason = "each test file uses a part of it")]

pub(crate) mod http;
mod pki;
pub(crate) mod tcp;

pub(crate) use pki::Mesh;

use std::{
    io::{Read, Write},
    net::{IpAddr, Ipv4Addr, SocketAddr, TcpStream},
    os::unix::net::UnixDatagram,
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Stdio},
    sync::{
        Once,
        atomic::{AtomicU16, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use nix::sys::resource::{Resource, getrlimit, setrlimit};
use serde_json::{Value, json};
use tempfile::TempDir;

/// Path of the program.
pub(crate) const PROGRAM: &str = env!("CARGO_BIN_EXE_sidecar-proxy");
/// Timeout of all waits in tests.
pub(crate) const LONG: Duration = Duration::from_secs(10);

/// How many files the tests can have open at a time: each connection of a peer is one.
const DESCRIPTORS: u64 = 4096;

/// A loopback address that no other test uses, so that any port is free.
pub(crate) fn loopback() -> IpAddr {
    static RAISED: Once = Once::new();
    RAISED.call_once(raise_descriptors);
    static NEXT: AtomicU16 = AtomicU16::new(1);
    let [a, b] = (std::process::id() as u16).to_be_bytes();
    let [_, c] = NEXT.fetch_add(1, Ordering::Relaxed).to_be_bytes();
    Ipv4Addr::new(127, a.max(1), b, c).into()
}

/// Raises the limits for open files to the hard one, and to at least [`DESCRIPTORS`].
fn raise_descriptors() {
    let (_, allowed) = getrlimit(Resource::RLIMIT_NOFILE).unwrap();
    let most = allowed.max(DESCRIPTORS);
    let raised = setrlimit(Resource::RLIMIT_NOFILE, most, most);
    raised.unwrap_or_else(|error| panic!("{DESCRIPTORS} open files are needed, {allowed} allowed: {error}"));
}

/// A running program, with its folder of configuration.
pub(crate) struct Proxy {
    pub(crate) folder: TempDir,
    admin: SocketAddr,
    child: Child,
}

/// A folder of configuration files.
pub(crate) fn folder() -> TempDir {
    tempfile::Builder::new().prefix("sidecar-proxy-").tempdir().unwrap()
}

/// Writes a file with resources, by a rename, as Envoy requires.
pub(crate) fn resources(folder: &Path, name: &str, resources: &[Value]) -> PathBuf {
    write(folder, name, &json!({"resources": resources}).to_string())
}

/// Writes a file by a rename.
pub(crate) fn write(folder: &Path, name: &str, text: &str) -> PathBuf {
    let (draft, file) = (folder.join(format!(".{name}")), folder.join(name));
    std::fs::write(&draft, text).unwrap();
    std::fs::rename(&draft, &file).unwrap();
    file
}

/// A bootstrap that refers to `lds.json` and `cds.json` in its folder.
pub(crate) fn bootstrap(folder: &Path) -> Value {
    json!({"dynamic_resources": {
        "lds_config": {"path_config_source": {"path": folder.join("lds.json")}},
        "cds_config": {"path_config_source": {"path": folder.join("cds.json")}},
    }})
}

/// Waits until something is the case, which must be within [`LONG`].
pub(crate) fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    awaited(what, || is_so().then_some(()));
}

/// Waits until there is a value, which must be within [`LONG`].
fn awaited<T>(what: &str, mut value: impl FnMut() -> Option<T>) -> T {
    let begun = Instant::now();
    loop {
        if let Some(value) = value() {
            return value;
        }
        assert!(begun.elapsed() < LONG, "not within {LONG:?}: {what}");
        thread::yield_now();
    }
}

/// Waits until a program exits, which must be within [`LONG`].
pub(crate) fn end_of(program: &mut Child) -> ExitStatus {
    awaited("the program exits", || program.try_wait().unwrap())
}

/// Runs the program until it exits.
pub(crate) fn run(arguments: &[&str]) -> std::process::Output {
    Command::new(PROGRAM).args(arguments).env_remove("NOTIFY_SOCKET").output().unwrap()
}

impl Proxy {
    /// Starts the program with the files of a folder, and waits until it is ready.
    pub(crate) fn start(folder: TempDir, arguments: &[&str]) -> Self {
        Self::start_as(Command::new(PROGRAM), folder, arguments)
    }

    /// Starts it with the limits of these options of the shell's `ulimit`.
    pub(crate) fn start_limited(limits: &str, folder: TempDir, arguments: &[&str]) -> Self {
        let mut shell = Command::new("sh");
        shell.args(["-c", &format!("ulimit {limits} && exec \"$0\" \"$@\""), PROGRAM]);
        Self::start_as(shell, folder, arguments)
    }

    /// Starts it with a command that lacks only the arguments.
    pub(crate) fn start_as(mut command: Command, folder: TempDir, arguments: &[&str]) -> Self {
        let admin = SocketAddr::from((loopback(), 15000));
        let mut bootstrap = bootstrap(folder.path());
        bootstrap["admin"] =
            json!({"address": {"socket_address": {"address": admin.ip(), "port_value": admin.port()}}});
        write(folder.path(), "bootstrap.json", &bootstrap.to_string());
        let notify = folder.path().join("notify");
        let ready = UnixDatagram::bind(&notify).unwrap();
        ready.set_read_timeout(Some(LONG)).unwrap();
        let child = command
            .arg("-c")
            .arg(folder.path().join("bootstrap.json"))
            .args(arguments)
            .env("NOTIFY_SOCKET", &notify)
            .stdin(Stdio::null())
            .spawn()
            .unwrap();
        let proxy = Self { folder, admin, child };
        let mut message = [0; 64];
        let length = ready.recv(&mut message).expect("the proxy did not become ready: see its message above");
        assert!(message[..length].starts_with(b"READY=1"));
        proxy
    }

    /// The response to a GET on the administration interface.
    pub(crate) fn admin(&self, path: &str) -> String {
        self.ask("GET", path)
    }

    /// A connection to the administration interface.
    pub(crate) fn admin_connection(&self) -> TcpStream {
        let stream = TcpStream::connect(self.admin).unwrap();
        stream.set_read_timeout(Some(LONG)).unwrap();
        stream
    }

    /// The response to a POST on the administration interface.
    pub(crate) fn order(&self, path: &str) -> String {
        self.ask("POST", path)
    }

    fn ask(&self, method: &str, path: &str) -> String {
        let mut stream = TcpStream::connect(self.admin).unwrap();
        stream.set_read_timeout(Some(LONG)).unwrap();
        write!(stream, "{method} {path} HTTP/1.1\r\nhost: admin\r\nconnection: close\r\n\r\n").unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer.split_once("\r\n\r\n").unwrap().1.to_owned()
    }

    /// The value of a statistic; 0 if there is none.
    pub(crate) fn stat(&self, name: &str) -> u64 {
        let stats = self.admin("/stats");
        let value = stats.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "));
        value.map_or(0, |value| value.trim().parse().unwrap())
    }

    /// Waits until a statistic has reached a value.
    pub(crate) fn wait_for(&self, name: &str, value: u64) {
        until(&format!("{name} is {value}"), || self.stat(name) >= value);
    }

    /// Waits until one of these statistics is at least 1, and returns its name.
    pub(crate) fn wait_for_one<'a>(&self, names: &[&'a str], scope: &str) -> &'a str {
        awaited(&format!("one of {names:?} of {scope} is counted"), || {
            names.iter().copied().find(|name| self.stat(&format!("{scope}.{name}")) > 0)
        })
    }

    /// Replaces a file of resources, and waits until the counter shows that it was processed.
    pub(crate) fn replace(&self, file: &str, content: &[Value], counter: &str) {
        let before = self.stat(counter);
        resources(self.folder.path(), file, content);
        self.wait_for(counter, before + 1);
    }

    /// Resident memory, in bytes.
    pub(crate) fn resident(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("RssAnon:")).unwrap();
        line.trim().trim_end_matches(" kB").trim().parse::<u64>().unwrap() * 1024
    }

    pub(crate) fn signal_term(&self) {
        let id = nix::unistd::Pid::from_raw(self.child.id().cast_signed());
        nix::sys::signal::kill(id, nix::sys::signal::Signal::SIGTERM).unwrap();
    }

    /// Waits until it exits.
    pub(crate) fn wait(&mut self) -> ExitStatus {
        end_of(&mut self.child)
    }

    /// The lines of its access log, after it has exited.
    pub(crate) fn log(mut self) -> Vec<String> {
        self.signal_term();
        self.wait();
        let log = std::fs::read_to_string(self.folder.path().join("access.log")).unwrap_or_default();
        log.lines().map(str::to_owned).collect()
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

pub(crate) fn listener(name: &str, address: SocketAddr, chain: &Value) -> Value {
    json!({
        "@type": "type.googleapis.com/envoy.config.listener.v3.Listener",
        "name": name,
        "address": {"socket_address": {"address": address.ip(), "port_value": address.port()}},
        "filter_chains": [chain],
    })
}

/// A chain that relays to a cluster, and logs to `access.log` in the folder with this format.
pub(crate) fn tcp_chain(folder: &Path, cluster: &str, format: &str) -> Value {
    json!({"filters": [{"name": "tcp", "typed_config": {
        "@type": "type.googleapis.com/envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy",
        "stat_prefix": cluster, "cluster": cluster, "access_log": [access_log(folder, format)],
    }}]})
}

/// An access log in `access.log` of the folder.
pub(crate) fn access_log(folder: &Path, format: &str) -> Value {
    json!({"name": "file", "typed_config": {
        "@type": "type.googleapis.com/envoy.extensions.access_loggers.file.v3.FileAccessLog",
        "path": folder.join("access.log"),
        "log_format": {"text_format_source": {"inline_string": format!("{format}\n")}},
    }})
}

/// A static cluster with one endpoint.
pub(crate) fn cluster(name: &str, endpoint: SocketAddr) -> Value {
    json!({
        "@type": "type.googleapis.com/envoy.config.cluster.v3.Cluster",
        "name": name, "type": "STATIC",
        "load_assignment": {"cluster_name": name, "endpoints": [{"lb_endpoints": [{"endpoint": {"address":
            {"socket_address": {"address": endpoint.ip(), "port_value": endpoint.port()}}}}]}]},
    })
}
