//! The two data planes, each with the same bootstrap.

use std::{
    env, fs,
    io::{Read as _, Write as _},
    net::{IpAddr, SocketAddr, TcpStream},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::{
    support::{LONG, PROGRAM, end_of, folder, loopback},
    wire::{self, Heard},
};

/// How long connections can take to end that are not kept.
const KEPT: Duration = Duration::from_secs(5);

/// The port of the admin interface.
const ADMIN: u16 = 9999;

/// The implementation of a data plane.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Native,
    Envoy,
}

/// A running data plane.
pub(crate) struct Plane {
    /// Address of its listeners.
    pub(crate) ip: IpAddr,
    folder: TempDir,
    child: Child,
}

/// Path of the real Envoy; `None`, with a message, if it is not installed. With `CI` that is a failure.
pub(crate) fn envoy() -> Option<PathBuf> {
    let cached = concat!(env!("CARGO_MANIFEST_DIR"), "/../.cache/envoy-1.40.0/envoy");
    let path = env::var_os("SIDELAB_ENVOY").map_or_else(|| cached.into(), PathBuf::from);
    if path.is_file() {
        return Some(path);
    }
    let why = "needs the real Envoy: run scripts/envoy";
    assert!(env::var_os("CI").is_none(), "{why}");
    eprintln!("skipped: {why}");
    None
}

impl Plane {
    /// Starts a data plane. `configure` returns its static resources, given the address to listen on and the path of an access log.
    pub(crate) fn start(kind: Kind, envoy: &Path, configure: impl FnOnce(IpAddr, &str) -> Value) -> Self {
        let (folder, ip) = (folder(), loopback());
        let admin = SocketAddr::from((ip, ADMIN));
        let log = folder.path().join("access.log");
        let bootstrap = json!({
            "static_resources": configure(ip, log.to_str().unwrap()),
            "admin": {"address": {"socket_address": {"address": ip, "port_value": admin.port()}}},
        });
        let path = folder.path().join("bootstrap.json");
        fs::write(&path, bootstrap.to_string()).unwrap();
        let mut command = match kind {
            Kind::Native => Command::new(PROGRAM),
            Kind::Envoy => Command::new(envoy),
        };
        command.arg("-c").arg(path).args(["--concurrency", "1", "--disable-hot-restart"]);
        command.args(["--file-flush-interval-msec", "20"]);
        command.args(["-l", if kind == Kind::Envoy { "off" } else { "error" }]);
        let child = command.env_remove("NOTIFY_SOCKET").stdin(Stdio::null()).spawn().unwrap();
        let plane = Self { ip, folder, child };
        let begun = Instant::now();
        while !ask(admin, "/ready").is_ok_and(|answer| answer.contains("LIVE")) {
            assert!(begun.elapsed() < 6 * LONG, "{kind:?} is not ready");
            wire::short_pause();
        }
        plane
    }

    /// Waits until it has no connections of clients, and no requests to upstreams. Envoy keeps a request that asks for an upgrade and
    /// is not answered, even without its client: it has nothing more to forward.
    pub(crate) fn wait_until_idle(&self) {
        let begun = Instant::now();
        let is_active = |line: &str| {
            let counts = line.contains("downstream_cx_active: ") || line.contains("upstream_rq_active: ");
            // The connection that asks is itself one.
            counts && !line.ends_with(": 0") && !line.contains("admin")
        };
        let admin = SocketAddr::from((self.ip, ADMIN));
        while begun.elapsed() < KEPT && ask(admin, "/stats?filter=_active").unwrap().lines().any(is_active) {
            wire::short_pause();
        }
    }

    /// Stops it, and returns the lines of its access log.
    pub(crate) fn end(mut self) -> Vec<String> {
        kill(Pid::from_raw(self.child.id().cast_signed()), Signal::SIGTERM).unwrap();
        end_of(&mut self.child);
        let log = fs::read(self.folder.path().join("access.log")).unwrap_or_default();
        wire::text(&log).lines().map(str::to_owned).collect()
    }
}

impl Drop for Plane {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The response of an admin port.
fn ask(admin: SocketAddr, path: &str) -> std::io::Result<String> {
    let mut stream = TcpStream::connect_timeout(&admin, LONG)?;
    stream.set_read_timeout(Some(LONG))?;
    stream.write_all(format!("GET {path} HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n").as_bytes())?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    Ok(answer)
}

/// What the access logs' formats end with: the two ends of the connection.
///
/// A client port alone does not identify a connection: connections to other listeners can have the same.
pub(crate) const ENDS: &str = "|%DOWNSTREAM_LOCAL_ADDRESS% %DOWNSTREAM_DIRECT_REMOTE_ADDRESS%\n";

/// The lines of a log for one connection, without [`ENDS`].
pub(crate) fn lines_of(log: &[String], heard: &Heard) -> Vec<String> {
    let ends = format!("|{} {}", heard.server, heard.client);
    log.iter().filter_map(|line| line.strip_suffix(&ends)).map(str::to_owned).collect()
}
