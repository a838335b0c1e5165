//! Programs in pods: their user, files, readiness and exit.

use std::{fs, io::Read as _, os::unix::fs::PermissionsExt, process::Command, time::Duration};

use netns::{Bind, Error, Pod, PodSpec, Program, Ready, Sink, Start, User};
use pretty_assertions::assert_eq;
use sd_notify::NotifyState;

use crate::common::{PATIENCE, lab, pod};

const SIDECAR: User = User { uid: 1337, gid: 1337 };

fn sh(script: &str) -> Program {
    Program::new("script", "sh", ["-c", script])
}

fn output(pod: &Pod, program: &Program) -> String {
    let output = pod.run_to_end(program, PATIENCE).unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{}: {stderr}", output.status);
    String::from_utf8(output.stdout).unwrap()
}

fn notify() -> Start {
    Start { ready: Ready::Notify { timeout: PATIENCE }, ..Start::default() }
}

#[test]
fn a_program_sees_its_pods_files_and_network() {
    let Some(lab) = lab() else { return };
    let pod =
        lab.add_pod(PodSpec { resolv_conf: "nameserver 10.96.0.2\n".to_owned(), ..pod("client.default", 2) }).unwrap();
    let seen = output(&pod, &sh("cat /etc/hosts /etc/resolv.conf; ls /proc/self/net/../net/dev_snmp6; pwd"));
    assert_eq!(seen, format!("{}nameserver 10.96.0.2\neth0\nlo\n/\n", pod.spec().hosts));
    assert_ne!(fs::read_to_string("/etc/hosts").unwrap(), pod.spec().hosts, "the host's file is unchanged");
}

#[test]
fn the_hosts_environment_is_not_inherited() {
    let Some(lab) = lab() else { return };
    let pod = lab.add_pod(pod("client", 2)).unwrap();
    let program =
        Program { env: vec![("GREETING".into(), "hello".into())], ..sh("env | cut -d= -f1 | sort | tr '\n' ' '") };
    assert_eq!(output(&pod, &program), "GREETING PATH PWD ");
}

#[test]
fn another_user_runs_a_program_that_only_root_can_reach() {
    let Some(lab) = lab() else { return };
    let pod = lab.add_pod(pod("client", 2)).unwrap();
    let private = tempfile::tempdir().unwrap();
    fs::set_permissions(private.path(), fs::Permissions::from_mode(0o700)).unwrap();
    let file = private.path().join("who");
    // By another process: the kernel does not execute a file that is open for writing, and concurrent tests inherit our descriptors.
    assert!(Command::new("cp").arg("/usr/bin/id").arg(&file).status().unwrap().success());
    let who = Program { user: Some(SIDECAR), ..Program::new("who", &file, [""; 0]) };
    assert_eq!(output(&pod, &who), "uid=1337 gid=1337 groups=1337\n");
}

#[test]
fn a_program_runs_on_the_selected_cpus_only() {
    let Some(lab) = lab() else { return };
    let pod = lab.add_pod(pod("client", 2)).unwrap();
    let allowed = sh("grep Cpus_allowed_list /proc/self/status");
    let everywhere = output(&pod, &allowed);
    let first = everywhere.trim_start_matches(|c: char| !c.is_ascii_digit());
    let first: String = first.chars().take_while(char::is_ascii_digit).collect();
    let pinned = Program { cpus: vec![first.parse().unwrap()], ..allowed.clone() };
    assert_eq!(output(&pod, &pinned), format!("Cpus_allowed_list:\t{first}\n"));
    // More CPUs than any machine has.
    let nowhere = Program { cpus: vec![100_000], ..allowed };
    let refused = pod.run_to_end(&nowhere, Duration::from_secs(5)).unwrap_err().to_string();
    assert!(refused.contains("CPU 100000"), "{refused}");
}

#[test]
fn another_user_cannot_regain_privilege() {
    let Some(lab) = lab() else { return };
    let pod = lab.add_pod(pod("client", 2)).unwrap();
    let status = Program { user: Some(SIDECAR), ..sh("grep -E 'NoNewPrivs|CapEff' /proc/self/status") };
    assert_eq!(output(&pod, &status), "CapEff:\t0000000000000000\nNoNewPrivs:\t1\n");
}

#[test]
fn binds_are_visible_to_one_program_only() {
    let Some(lab) = lab() else { return };
    let pod = lab.add_pod(pod("client", 2)).unwrap();
    let file = pod.dir().join("certificate");
    fs::write(&file, "shown").unwrap();
    let bind = Bind { source: file, target: "/etc/hostname".into() };
    let shown = Program { binds: vec![bind], ..sh("cat /etc/hostname") };
    assert_eq!(output(&pod, &shown), "shown");
    assert_ne!(output(&pod, &sh("cat /etc/hostname")), "shown");
}

#[test]
fn a_program_is_ready_when_it_reports_so() {
    let Some(lab) = lab() else { return };
    let pod = lab.add_pod(pod("server", 2)).unwrap();
    let flag = pod.dir().join("flag");
    fs::write(&flag, "").unwrap();
    fs::set_permissions(&flag, fs::Permissions::from_mode(0o666)).unwrap();
    let this = std::env::current_exe().unwrap();
    let program = Program {
        user: Some(SIDECAR),
        env: vec![("FLAG".into(), flag.clone().into())],
        binds: vec![Bind { source: flag.clone(), target: flag.clone() }],
        ..Program::new("app", this, ["--exact", "programs::raises_a_flag_and_is_ready", "--ignored"])
    };
    let process = pod.start(&program, &notify()).unwrap();
    assert_eq!(fs::read_to_string(flag).unwrap(), "ready");
    assert_eq!(process.wait(Duration::ZERO).unwrap(), None);
}

#[test]
#[ignore = "run in a pod by a_program_is_ready_when_it_reports_so"]
fn raises_a_flag_and_is_ready() {
    sd_notify::notify(&[NotifyState::Status("loading")]).unwrap();
    fs::write(std::env::var("FLAG").unwrap(), "ready").unwrap();
    sd_notify::notify(&[NotifyState::Ready]).unwrap();
    loop {
        std::thread::park();
    }
}

#[test]
fn the_error_of_a_program_that_exits_before_it_is_ready_quotes_its_stderr() {
    let Some(lab) = lab() else { return };
    let pod = lab.add_pod(pod("server", 2)).unwrap();
    let error = pod.start(&sh("echo port in use >&2; exit 3"), &notify()).unwrap_err();
    assert_eq!(
        error.to_string(),
        "`script` in server ended before it was ready (exit status: 3); its stderr ends: port in use"
    );
}

#[test]
fn a_program_that_never_becomes_ready_is_killed() {
    let Some(lab) = lab() else { return };
    let pod = lab.add_pod(pod("server", 2)).unwrap();
    let ready = Ready::Notify { timeout: Duration::from_millis(50) };
    // No other process has this command line.
    let seconds = format!("1000.{}", std::process::id());
    let script = format!("exec sleep {seconds}");
    let error = pod.start(&sh(&script), &Start { ready, ..Start::default() }).unwrap_err();
    assert!(matches!(error, Error::NotReady { .. }), "{error}");
    assert_eq!(commands_with(&seconds), [""; 0]);
}

/// The command lines of the host's processes that contain a text.
fn commands_with(text: &str) -> Vec<String> {
    let processes =
        fs::read_dir("/proc").unwrap().filter_map(|entry| fs::read(entry.unwrap().path().join("cmdline")).ok());
    processes.map(|line| String::from_utf8_lossy(&line).into_owned()).filter(|line| line.contains(text)).collect()
}

#[test]
fn a_program_that_does_not_exit_in_time_is_killed_with_its_children() {
    let Some(lab) = lab() else { return };
    let pod = lab.add_pod(pod("client", 2)).unwrap();
    let error = pod.run_to_end(&sh("sleep 1000 & echo waiting >&2; wait"), Duration::from_secs(3)).unwrap_err();
    assert_eq!(error.to_string(), "`script` in client did not end within 3s; its stderr ends: waiting");
}

#[test]
fn a_program_gets_sigterm_and_is_killed_if_it_ignores_it_or_has_no_handler() {
    let Some(lab) = lab() else { return };
    let pod = lab.add_pod(pod("server", 2)).unwrap();
    for (trap, end) in [
        ("trap 'exit 7' TERM", "exit status: 7"),
        ("trap '' TERM", "signal: 9 (SIGKILL)"),
        // As process 1 it would not get SIGTERM, and nothing would be gained by waiting.
        ("trap - TERM", "signal: 9 (SIGKILL)"),
    ] {
        let script = format!("{trap}; echo set; while :; do sleep 0.01; done");
        let process = pod.start(&sh(&script), &Start { stdout: Sink::Pipe, ..Start::default() }).unwrap();
        let mut line = [0; 4];
        process.take_stdout().unwrap().read_exact(&mut line).unwrap();
        let grace = if trap.contains("''") { Duration::from_millis(50) } else { PATIENCE };
        assert_eq!(process.terminate(grace).unwrap().to_string(), end, "{trap}");
    }
}

#[test]
fn a_start_error_names_the_step_that_failed() {
    let Some(lab) = lab() else { return };
    let pod = lab.add_pod(pod("client", 2)).unwrap();
    let missing = Program::new("frob", "frobnicate", [""; 0]);
    let error = pod.start(&missing, &Start::default()).unwrap_err().to_string();
    assert!(error.starts_with("program `frobnicate` not found in /"), "{error}");
    let bind = Bind { source: "/no/such/file".into(), target: "/etc/hosts".into() };
    let unbindable = Program { binds: vec![bind], ..sh("true") };
    assert_eq!(
        pod.start(&unbindable, &Start::default()).unwrap_err().to_string(),
        "cannot bind-mount /no/such/file at /etc/hosts for `script` in client: No such file or directory (os error 2)"
    );
}

#[test]
fn a_program_outlives_the_thread_that_started_it() {
    let Some(lab) = lab() else { return };
    let pod = lab.add_pod(pod("server", 2)).unwrap();
    let process =
        std::thread::spawn(move || pod.start(&sh("exec sleep 1000"), &Start::default()).unwrap()).join().unwrap();
    assert_eq!(process.wait(Duration::from_millis(100)).unwrap(), None);
}

#[test]
fn a_refused_rule_is_named_and_none_is_in_effect() {
    let Some(lab) = lab() else { return };
    let rules = "*nat\n-A OUTPUT -p tcp -j REDIRECT --to-ports 15001\n-A OUTPUT -j NOWHERE\nCOMMIT\n";
    let error = lab.add_pod(PodSpec { ip6tables: Some(rules.to_owned()), ..pod("client", 2) }).unwrap_err();
    let Error::RuleRefused { tool, line, rule, .. } = &error else { panic!("{error}") };
    assert_eq!((*tool, *line, rule.as_str()), ("ip6tables-restore", 3, "-A OUTPUT -j NOWHERE"));
}

#[test]
fn a_bind_target_missing_on_the_host_is_visible_to_the_program_but_not_created_on_the_host() {
    let Some(lab) = lab() else { return };
    let pod = lab.add_pod(pod("client", 2)).unwrap();
    let files = tempfile::tempdir().unwrap();
    fs::write(files.path().join("tls.crt"), "a certificate\n").unwrap();
    let source = || files.path().to_path_buf();
    for target in [
        "/etc/sidelab-test/tls",
        "/var/run/secrets-of-sidelab-test/tls",
        "/tmp/sidelab-test/serving-certs",
        "/sidelab-test",
        "/sidelab-test/deep/in/the/root",
    ] {
        let binds = vec![
            Bind { source: source(), target: target.into() },
            Bind { source: source().join("tls.crt"), target: "/etc/sidelab-test-too/file".into() },
        ];
        // Its siblings stay visible.
        let script = format!("cat {target}/tls.crt /etc/sidelab-test-too/file && test -e /etc/passwd");
        assert_eq!(output(&pod, &Program { binds, ..sh(&script) }), "a certificate\na certificate\n");
        assert!(!std::path::Path::new(target).exists(), "{target}");
    }
}

#[test]
fn an_invalid_mount_path_is_refused_with_a_fix() {
    let Some(lab) = lab() else { return };
    let pod = lab.add_pod(pod("client", 2)).unwrap();
    for (target, fix) in [("etc/x", "absolute"), ("/etc/a/../../x", "..")] {
        let binds = vec![Bind { source: "/etc".into(), target: target.into() }];
        let error = pod.run_to_end(&Program { binds, ..sh("true") }, PATIENCE).unwrap_err();
        assert!(matches!(error, Error::BadSpec { .. }), "{error:?}");
        assert!(error.to_string().contains(fix), "{error}");
    }
}

#[test]
fn the_root_has_what_the_hosts_has_and_nothing_stays_mounted() {
    let Some(lab) = lab() else { return };
    let pod = lab.add_pod(pod("client", 2)).unwrap();
    let files = tempfile::tempdir().unwrap();
    let binds = vec![Bind { source: files.path().to_path_buf(), target: "/sidelab-test".into() }];
    let program = Program {
        binds,
        ..sh("ls / | grep -v sidelab-test; readlink /proc/self/cwd; echo written >/sidelab-test/file")
    };
    let host = Command::new("ls").arg("/").output().unwrap().stdout;
    assert_eq!(output(&pod, &program), format!("{}/\n", String::from_utf8(host).unwrap()));
    assert_eq!(fs::read_to_string(files.path().join("file")).unwrap(), "written\n");
    let mounts = fs::read_to_string("/proc/self/mounts").unwrap();
    assert!(!mounts.contains(&*pod.dir().join("root").to_string_lossy()), "{mounts}");
}

#[test]
fn a_folder_over_the_program_does_not_hide_it() {
    let Some(lab) = lab() else { return };
    let pod = lab.add_pod(pod("client", 2)).unwrap();
    let (files, programs) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let file = programs.path().join("sh");
    assert!(Command::new("cp").arg(fs::canonicalize("/bin/sh").unwrap()).arg(&file).status().unwrap().success());
    for target in [programs.path(), lab.dir().parent().unwrap()] {
        let binds = vec![Bind { source: files.path().to_path_buf(), target: target.to_path_buf() }];
        let program = Program { binds, ..Program::new("script", &file, ["-c", "echo x"]) };
        assert_eq!(output(&pod, &program), "x\n", "{}", target.display());
    }
}

#[test]
fn a_mount_can_be_inside_another() {
    let Some(lab) = lab() else { return };
    let pod = lab.add_pod(pod("client", 2)).unwrap();
    let (outer, inner) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    fs::write(inner.path().join("file"), "inside\n").unwrap();
    let bind = |source: &tempfile::TempDir, target: &str| Bind { source: source.path().into(), target: target.into() };
    let binds = vec![bind(&inner, "/sidelab-test/a/b"), bind(&outer, "/sidelab-test")];
    let program = Program { binds, ..sh("cat /sidelab-test/a/b/file") };
    assert_eq!(output(&pod, &program), "inside\n");
}
