//! A program that is interrupted leaves nothing behind, at once or after `sidelab down --all`.

use std::{
    fs, io,
    os::fd::AsFd,
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Stdio},
};

use nix::{
    poll::{PollFd, PollFlags, PollTimeout, poll},
    sys::{
        inotify::{AddWatchFlags, InitFlags, Inotify},
        signal::{Signal, kill},
    },
    unistd::Pid,
};
use tests::{
    checkout,
    labs::{Namespace, OwnLabs},
    may_make_labs, text,
};

/// A run that is in progress: its labs have pods, and sidecars are starting in them.
struct Running {
    labs: OwnLabs,
    sidelab: Child,
    namespaces: Vec<Namespace>,
}

impl Running {
    /// Starts `sidelab`, and waits until a lab has its pods, and a sidecar in one of them its files.
    fn start(args: &[&str]) -> Self {
        let labs = OwnLabs::new();
        // A run leaves alone what it is started to ignore, as by nohup.
        let mut command = Command::new("env");
        command.arg("--default-signal=HUP,INT,QUIT").arg(labs.command(&[]).get_program()).args(args);
        command.current_dir(checkout()).env("SIDELAB_RUN_DIR", labs.path());
        let sidelab = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("sidelab runs");
        let mut running = Self { labs, sidelab, namespaces: Vec::new() };
        // A lab may end while it is inspected: then use the next one.
        while running.namespaces.len() < 3 {
            running.namespaces =
                sidecar_files(&running.labs.path()).map(|_| running.labs.namespaces()).unwrap_or_default();
        }
        running
    }

    fn send(&self, signal: Signal) {
        let pid = Pid::from_raw(self.sidelab.id().try_into().expect("a pid"));
        kill(pid, signal).expect("the run is in progress");
    }

    fn end_by(&mut self, signal: Signal) -> ExitStatus {
        self.send(signal);
        let ended = self.sidelab.wait().expect("it ends");
        // A process that it was just starting holds its locks, too, and is killed with it, but not at the same moment.
        for lab in fs::read_dir(self.labs.path()).into_iter().flatten().flatten() {
            if let Ok(lock) = fs::File::open(lab.path().join("lock")) {
                lock.lock().expect("no process holds a killed run's lab");
            }
        }
        ended
    }
}

/// Waits until a sidecar has its files, in one of the labs in `run`.
fn sidecar_files(run: &Path) -> io::Result<PathBuf> {
    await_entry(run.parent().expect("it has one"), "run")?;
    let lab = await_entry(run, "sl-")?;
    let pods = await_entry(&lab, "pods")?;
    let pod = await_entry(&pods, "client.default")?;
    await_entry(&pod, "log")
}

/// Waits, by inotify, until `folder` has an entry whose name begins with `prefix`, and returns its path.
fn await_entry(folder: &Path, prefix: &str) -> io::Result<PathBuf> {
    let watch = Inotify::init(InitFlags::IN_CLOEXEC)?;
    watch.add_watch(folder, AddWatchFlags::IN_CREATE | AddWatchFlags::IN_MOVED_TO | AddWatchFlags::IN_DELETE_SELF)?;
    loop {
        let names = fs::read_dir(folder)?.flatten().map(|entry| entry.file_name());
        let found = names.into_iter().find(|name| name.to_string_lossy().starts_with(prefix));
        if let Some(name) = found {
            return Ok(folder.join(name));
        }
        let mut ready = [PollFd::new(watch.as_fd(), PollFlags::POLLIN)];
        if poll(&mut ready, PollTimeout::from(30_000_u16))? == 0 {
            panic!("no entry begins with {prefix:?} in {} after 30 s: has the program ended?", folder.display());
        }
        watch.read_events()?;
    }
}

#[test]
fn after_kill_9_in_the_middle_down_all_leaves_nothing() {
    if !may_make_labs() {
        return;
    }
    let mut running = Running::start(&["run"]);
    let ended = running.end_by(Signal::SIGKILL);
    assert_eq!(ended.code(), None, "killed in the middle, not at its end");
    assert_ne!(running.labs.left_behind(&running.namespaces), Vec::<String>::new(), "a killed run can't tidy up");
    let printed = running.labs.done(&["get", "labs"]);
    assert!(printed.contains("stale: its process was killed"), "{printed}");
    assert!(running.labs.done(&["down", "--all"]).starts_with("removed sl-"));
    running.labs.assert_gone(&running.namespaces);
    assert_eq!(running.labs.done(&["down", "--all"]), "no lab to remove\n", "a second time does no harm");
}

#[test]
fn ctrl_c_in_the_middle_of_a_run_ends_it_with_130_and_leaves_nothing() {
    if !may_make_labs() {
        return;
    }
    for signal in [Signal::SIGINT, Signal::SIGTERM, Signal::SIGHUP, Signal::SIGQUIT] {
        let mut running = Running::start(&["run"]);
        let ended = running.end_by(signal);
        assert_eq!(ended.code(), Some(130), "{signal}: {ended}");
        running.labs.assert_gone(&running.namespaces);
    }
}

#[test]
fn a_closing_terminal_that_sends_sighup_twice_leaves_nothing() {
    if !may_make_labs() {
        return;
    }
    let mut running = Running::start(&["run"]);
    // The kernel sends one, and the shell another.
    running.send(Signal::SIGHUP);
    let ended = running.end_by(Signal::SIGHUP);
    assert_eq!(ended.code(), Some(130), "{ended}");
    running.labs.assert_gone(&running.namespaces);
}

#[test]
fn earlier_reports_survive_ctrl_c() {
    if !may_make_labs() {
        return;
    }
    let folder = tempfile::tempdir().expect("a temporary folder");
    let mut args = vec!["run".to_owned()];
    let reports = ["json", "html", "junit", "differences"].map(|kind| {
        let path = folder.path().join(format!("old.{kind}"));
        fs::write(&path, "an earlier report").expect("a file of our own");
        args.extend([format!("--{kind}"), path.display().to_string()]);
        path
    });
    let mut running = Running::start(&args.iter().map(String::as_str).collect::<Vec<_>>());
    let ended = running.end_by(Signal::SIGINT);
    assert_eq!(ended.code(), Some(130), "{ended}");
    for report in &reports {
        assert_eq!(fs::read_to_string(report).expect("it is there"), "an earlier report", "{}", report.display());
    }
    assert_eq!(fs::read_dir(folder.path()).expect("a folder of our own").count(), reports.len(), "and nothing else is");
}

#[test]
fn a_lab_in_use_is_left_to_its_user_unless_forced() {
    if !may_make_labs() {
        return;
    }
    let (_folder, manifests) = never_ready();
    let mut running = Running::start(&["up", "-f", &manifests]);
    let refused = running.labs.sidelab(&["down", "--all"]);
    assert_eq!(refused.status.code(), Some(2), "{}", text(&refused));
    let (_, after) = text(&refused)
        .split_once("left alone: another process (pid ")
        .map(|(a, b)| (a.to_owned(), b.to_owned()))
        .unwrap();
    let (pid, rest) = after.split_once(')').unwrap();
    assert!(rest.starts_with(" is using it; `sidelab down --all --force`"), "{}", text(&refused));
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    assert!(status.contains(&format!("PPid:\t{}\n", running.sidelab.id())), "the process that does its work: {status}");
    assert_eq!(running.labs.namespaces(), running.namespaces);
    let removed = running.labs.done(&["down", "--all", "--force"]);
    assert!(removed.starts_with("removed sl-"), "{removed}");
    running.sidelab.wait().expect("its lab is gone from under it");
    running.labs.assert_gone(&running.namespaces);
}

/// Manifests of a lab that does not come up within a minute: the server's probe fails.
fn never_ready() -> (tempfile::TempDir, String) {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let strict = fs::read_to_string(checkout().join("scenarios/strict/manifests.yaml")).expect("a scenario");
    let never_ready = strict.replace("    args: [", "    readinessProbe: {tcpSocket: {port: 1}}\n    args: [");
    assert_ne!(never_ready, strict);
    let manifests = folder.path().join("manifests.yaml");
    fs::write(&manifests, never_ready).expect("a file of our own");
    let path = manifests.to_str().expect("a path in UTF-8").to_owned();
    (folder, path)
}

#[test]
fn ctrl_c_while_a_lab_comes_up_leaves_nothing() {
    if !may_make_labs() {
        return;
    }
    let (_folder, manifests) = never_ready();
    let mut running = Running::start(&["up", "-f", &manifests]);
    let ended = running.end_by(Signal::SIGINT);
    assert_eq!(ended.code(), Some(130), "{ended}");
    running.labs.assert_gone(&running.namespaces);
}

#[test]
fn a_lab_that_is_up_outlives_the_program_that_made_it() {
    if !may_make_labs() {
        return;
    }
    let labs = OwnLabs::new();
    labs.up(&["-f", "scenarios/strict/manifests.yaml"]);
    let namespaces = labs.namespaces();
    let processes = labs.left_behind(&namespaces).iter().filter(|left| left.starts_with("process")).count();
    assert!(processes >= 5, "two sidecars and three apps: {:?}", labs.left_behind(&namespaces));
    // Neither a run nor a second lab removes what was left up on purpose.
    labs.done(&["run", "loopback-app", "--mesh", "istio"]);
    assert_eq!(labs.namespaces(), namespaces);
    labs.done(&["down"]);
    labs.assert_gone(&namespaces);
}
