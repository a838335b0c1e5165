//! A failed write is reported in one line, with the right exit code, without a panic, and nothing is left behind.

use std::{
    fs::{self, File},
    path::Path,
    process::{Command, Output, Stdio},
};

use tests::{labs::OwnLabs, may_make_labs, text};

const STRICT: &str = "scenarios/strict/manifests.yaml";

fn full() -> Stdio {
    File::options().write(true).open("/dev/full").unwrap().into()
}

/// Runs `sidelab` with a full standard output.
fn into_full(labs: &OwnLabs, args: &[&str]) -> Output {
    labs.command(args).stdout(full()).stderr(Stdio::piped()).output().unwrap()
}

#[track_caller]
fn assert_reported_once(args: &[&str], output: &Output) {
    let printed = String::from_utf8_lossy(&output.stderr);
    assert!(matches!(output.status.code(), Some(1 | 2)), "{args:?}: {} {printed}", output.status);
    assert_eq!(printed.lines().count(), 1, "{args:?}: {printed}");
    assert!(printed.contains("can't write to standard output: No space left on device"), "{args:?}: {printed}");
}

#[test]
fn a_command_that_cannot_print_reports_it() {
    let labs = OwnLabs::new();
    for args in [
        &["--help"][..],
        &["--version"],
        &["run", "--help"],
        &["validate", "-f", STRICT],
        &["validate", "-f", STRICT, "-o", "json"],
        &["explain", "-f", STRICT, "--from", "client", "--to", "server:8080"],
        &["config", "client", "-f", STRICT],
        &["config", "client", "-f", STRICT, "--iptables"],
        &["config", "client", "-f", STRICT, "--policy"],
        &["scenarios"],
        &["claims"],
        &["get", "labs"],
        &["down", "--all"],
    ] {
        assert_reported_once(args, &into_full(&labs, args));
    }
    if !may_make_labs() {
        return;
    }
    for args in [
        &["doctor"][..],
        &["run", "loopback-app", "--mesh", "istio"],
        &["run", "loopback-app", "--mesh", "istio", "-o", "json"],
        &["up", "-f", STRICT],
        &["up", "-f", STRICT, "-o", "json"],
    ] {
        assert_reported_once(args, &into_full(&labs, args));
        labs.assert_gone(&[]);
    }
    labs.up(&["-f", STRICT]);
    for args in [
        &["get", "pods"][..],
        &["get", "services"],
        &["get", "labs"],
        &["logs", "client", "-c", "istio-proxy"],
        &["delay", "1ms"],
    ] {
        if args[0] == "logs" {
            labs.done(&["exec", "client", "--", "curl", "-s", "http://server:8080/"]);
        }
        assert_reported_once(args, &into_full(&labs, args));
    }
    assert_reported_once(&["down"], &into_full(&labs, &["down"]));
    labs.assert_gone(&[]);
}

#[test]
fn an_error_that_cannot_be_printed_still_has_its_exit_code() {
    let labs = OwnLabs::new();
    for args in [&["validate", "-f", "/none"][..], &["frobnicate"], &["down", ".."], &["get", "pods"]] {
        let output = labs.command(args).stdout(full()).stderr(full()).output().unwrap();
        assert_eq!(output.status.code(), Some(2), "{args:?}");
    }
}

#[test]
fn a_reader_that_closes_early_is_not_an_error() {
    let labs = OwnLabs::new();
    let mut shell = Command::new("bash");
    let program = labs.command(&[]).get_program().to_owned();
    shell.args(["-c", "\"$0\" scenarios -o json | head -c 1; exit ${PIPESTATUS[0]}"]).arg(program);
    let output = shell.current_dir(tests::checkout()).output().unwrap();
    assert_eq!((output.status.code(), text(&output).as_str()), (Some(0), "["));
}

/// A file system of a few KiB, unmounted when dropped.
struct Tiny(tempfile::TempDir);

impl Tiny {
    fn new(kib: u32) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mounted = Command::new("mount")
            .args(["-t", "tmpfs", "-o", &format!("size={kib}k,mode=755"), "tiny"])
            .arg(folder.path())
            .status()
            .unwrap();
        assert!(mounted.success());
        Self(folder)
    }

    fn path(&self) -> &Path {
        self.0.path()
    }
}

impl Drop for Tiny {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(self.path()).status();
    }
}

#[test]
fn a_lab_without_disk_space_leaves_nothing() {
    if !may_make_labs() {
        return;
    }
    // Space for the state file only; for the pods; for some of the sidecars' files.
    for kib in [4, 64] {
        let tiny = Tiny::new(kib);
        let run = tiny.path().join("run");
        let labs = OwnLabs::new();
        let output = labs.command(&["up", "-f", STRICT]).env("SIDELAB_RUN_DIR", &run).output().unwrap();
        assert!(matches!(output.status.code(), Some(2 | 3)), "{kib} KiB: {} {}", output.status, text(&output));
        assert!(text(&output).contains("No space left on device"), "{kib} KiB: {}", text(&output));
        let left: Vec<_> = fs::read_dir(&run).into_iter().flatten().flatten().map(|entry| entry.path()).collect();
        assert!(left.is_empty(), "{kib} KiB: {left:?}");
    }
}

#[test]
fn a_report_without_disk_space_leaves_the_earlier_one() {
    if !may_make_labs() {
        return;
    }
    let tiny = Tiny::new(8);
    let labs = OwnLabs::new();
    for (flag, name) in [("--json", "report.json"), ("--html", "report.html")] {
        let report = tiny.path().join(name);
        fs::write(&report, "earlier").unwrap();
        let output = labs.sidelab(&["run", "loopback-app", "--mesh", "istio", flag, report.to_str().unwrap()]);
        assert_eq!(output.status.code(), Some(2), "{}", text(&output));
        let printed = format!("can't write {}: No space left on device", report.display());
        assert!(text(&output).contains(&printed), "{}", text(&output));
        assert_eq!(fs::read_to_string(&report).unwrap(), "earlier");
        fs::remove_file(&report).unwrap();
        assert_eq!(fs::read_dir(tiny.path()).unwrap().count(), 0, "nothing half written is left");
    }
}
