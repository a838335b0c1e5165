//! The programs: exit codes, readiness, signals, key log.

use std::io::{BufRead as _, BufReader};
use std::os::unix::net::UnixDatagram;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::time::Duration;

use demo_apps::failure::FailureKind;
use demo_apps::report::{ClientReport, Event, HoldPhase, HoldReport, LoadReport};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

fn client_command(line: &str) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_demo-client"));
    command.args(line.split_whitespace()).env_remove("SSL_CERT_FILE");
    command
}

fn client(line: &str) -> Output {
    client_command(line).output().unwrap()
}

/// A server that has reported readiness; killed when dropped.
struct Served {
    child: Child,
    port: u16,
}

impl Served {
    fn start(line: &str, folder: &Path) -> Self {
        let socket = folder.join("notify");
        let ready = UnixDatagram::bind(&socket).unwrap();
        ready.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
        let mut child = Command::new(env!("CARGO_BIN_EXE_demo-server"))
            .args(line.split_whitespace())
            .env("NOTIFY_SOCKET", &socket)
            .env("SSLKEYLOGFILE", folder.join("keys"))
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut message = [0; 64];
        let n = ready.recv(&mut message).unwrap();
        assert_eq!(std::str::from_utf8(&message[..n]).unwrap().trim(), "READY=1");
        let mut first = String::new();
        BufReader::new(child.stdout.as_mut().unwrap()).read_line(&mut first).unwrap();
        let Event::Listening { address, .. } = serde_json::from_str(&first).unwrap() else { panic!("{first}") };
        Self { child, port: address.port() }
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn the_server_reports_readiness_serves_and_exits_on_sigterm() {
    let folder = tempfile::tempdir().unwrap();
    let mut server = Served::start("--http 127.0.0.1:0", folder.path());
    let output = client(&format!("http://127.0.0.1:{}/", server.port));
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let text = String::from_utf8(output.stdout).unwrap();
    assert_eq!(text.lines().count(), 1, "one line: {text}");
    let report: ClientReport = serde_json::from_str(&text).unwrap();
    assert_eq!(report.status(), Some(200));

    kill(Pid::from_raw(server.child.id() as i32), Signal::SIGTERM).unwrap();
    assert_eq!(server.child.wait().unwrap().code(), Some(0));
    assert_eq!(client(&format!("http://127.0.0.1:{}/", server.port)).status.code(), Some(1));
}

#[test]
fn tls_keys_are_written_to_the_key_log_if_there_is_one() {
    let folder = tempfile::tempdir().unwrap();
    let server = Served::start("--tls 127.0.0.1:0 --self-signed a.test", folder.path());
    let output = client(&format!("tls://127.0.0.1:{} -k", server.port));
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let keys = std::fs::read_to_string(folder.path().join("keys")).unwrap();
    assert!(keys.contains("CLIENT_TRAFFIC_SECRET_0 ") && keys.contains("SERVER_TRAFFIC_SECRET_0 "), "{keys}");
}

#[test]
fn the_client_trusts_the_cas_in_its_environment() {
    let folder = tempfile::tempdir().unwrap();
    let ca = folder.path().join("ca.pem");
    let line = format!("--tls 127.0.0.1:0 --self-signed a.test --write-cert {}", ca.display());
    let server = Served::start(&line, folder.path());
    let call = format!("tls://127.0.0.1:{} --sni a.test", server.port);
    assert_eq!(client(&call).status.code(), Some(1), "the system does not trust it");
    let output = client_command(&call).env("SSL_CERT_FILE", &ca).output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{output:?}");
}

#[test]
fn a_failed_call_exits_1_with_a_report() {
    let output = client("http://name.invalid/");
    assert_eq!(output.status.code(), Some(1));
    let report: ClientReport = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(report.error.unwrap().kind, FailureKind::Resolution);
}

#[test]
fn incorrect_use_exits_2_with_a_message_and_no_report() {
    for line in ["", "nonsense", "http://x --no-such-option", "load http://x", "load"] {
        let output = client(line);
        assert_eq!(output.status.code(), Some(2), "{line}: {output:?}");
        assert!(output.stdout.is_empty(), "{line}");
        assert!(!output.stderr.is_empty(), "{line}");
    }
}

#[test]
fn load_is_a_command_of_the_client() {
    let folder = tempfile::tempdir().unwrap();
    let server = Served::start("--tcp 127.0.0.1:0 --quiet", folder.path());
    let output = client(&format!("load tcp://127.0.0.1:{} -n 10", server.port));
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let report: LoadReport = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(report.requests, 10);
}

#[test]
fn hold_reports_when_connections_are_open_and_exits_on_sigterm() {
    let folder = tempfile::tempdir().unwrap();
    let server = Served::start("--http 127.0.0.1:0", folder.path());
    let socket = folder.path().join("standing");
    let ready = UnixDatagram::bind(&socket).unwrap();
    ready.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
    let child = Command::new(env!("CARGO_BIN_EXE_demo-client"))
        .args(["hold", &format!("http://127.0.0.1:{}/", server.port), "--connections", "20"])
        .env("NOTIFY_SOCKET", &socket)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    ready.recv(&mut [0; 64]).unwrap();
    kill(Pid::from_raw(child.id() as i32), Signal::SIGTERM).unwrap();
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let text = String::from_utf8(output.stdout).unwrap();
    let reports: Vec<HoldReport> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let states: Vec<_> = reports.iter().map(|report| (report.phase, report.standing, report.lost)).collect();
    assert_eq!(states, [(HoldPhase::Standing, 20, 0), (HoldPhase::Ended, 20, 0)]);
}

#[test]
fn hold_exits_1_if_not_all_connections_are_open() {
    let output = client("hold tcp://name.invalid:1 -c 2");
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    let report: HoldReport = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!((report.phase, report.standing), (HoldPhase::Ended, 0));
    let output = client("hold tcp://127.0.0.1:1 -c 4000000000");
    assert_eq!(output.status.code(), Some(2), "{output:?}");
    assert!(String::from_utf8_lossy(&output.stderr).contains("ulimit"), "{output:?}");
}

#[test]
fn a_server_that_cannot_start_says_why() {
    let server =
        |line: &str| Command::new(env!("CARGO_BIN_EXE_demo-server")).args(line.split_whitespace()).output().unwrap();
    let holder = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let taken = server(&format!("--http {}", holder.local_addr().unwrap()));
    assert_eq!(taken.status.code(), Some(1), "{taken:?}");
    assert!(String::from_utf8_lossy(&taken.stderr).contains("in use"), "{taken:?}");
    assert_eq!(server("--https 0").status.code(), Some(2));
    assert_eq!(server("").status.code(), Some(2));
    assert_eq!(server("--http 99999").status.code(), Some(2));
}
