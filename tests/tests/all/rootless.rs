//! An ordinary user gets the same verdicts as root.

use std::{fs, os::unix::fs::PermissionsExt, os::unix::process::CommandExt, path::Path, process::Command};

use pretty_assertions::assert_eq;
use serde_json::Value;
use tests::{checkout, copy_to, has_envoy, labs::curl_status, may_make_labs, text, tools};

/// The uid of user `nobody`.
const NOBODY: u32 = 65534;

/// Copies what a run needs to a folder that any user can read: the checkout may be in a private one.
fn reachable_copy(folder: &Path) {
    fs::set_permissions(folder, fs::Permissions::from_mode(0o755)).unwrap();
    let tools = tools();
    let programs =
        ["sidelab", "sidecar-proxy", "demo-apiserver", "demo-client", "demo-dns", "demo-server", "demo-webhook"];
    copy_to(folder, &programs.map(|program| tools.own.join(program)));
    copy_to(folder, &[tools.envoy.clone().unwrap(), checkout().join("scenarios")]);
    let run = folder.join("run");
    fs::create_dir(&run).unwrap();
    std::os::unix::fs::chown(&run, Some(NOBODY), Some(NOBODY)).unwrap();
}

fn sidelab_as_nobody(folder: &Path, args: &[&str]) -> std::process::Output {
    Command::new(folder.join("sidelab"))
        .args(args)
        .current_dir(folder)
        .env("XDG_RUNTIME_DIR", folder.join("run"))
        .env("SIDELAB_ENVOY", folder.join("envoy"))
        .uid(NOBODY)
        .gid(NOBODY)
        .output()
        .unwrap()
}

fn assert_no_lab_is_left(folder: &Path) {
    let left: Vec<_> = fs::read_dir(folder.join("run/sidelab")).into_iter().flatten().collect();
    assert!(left.iter().flatten().all(|entry| !entry.file_name().to_string_lossy().starts_with("sl-")), "{left:?}");
}

#[test]
fn an_ordinary_user_gets_the_same_verdicts_as_root() {
    if !may_make_labs() || !has_envoy() {
        return;
    }
    let folder = tempfile::tempdir_in("/tmp").unwrap();
    reachable_copy(folder.path());

    let doctor = sidelab_as_nobody(folder.path(), &["doctor", "-o", "json"]);
    let report: Value = serde_json::from_slice(&doctor.stdout).unwrap();
    assert_eq!(report["privilege"], "user namespace", "{}", text(&doctor));

    let run = |args: &[&str], data_plane: &str| {
        let run = sidelab_as_nobody(folder.path(), &[args, &["--data-plane", data_plane, "-o", "json"]].concat());
        let report: Value = serde_json::from_slice(&run.stdout).unwrap_or_else(|_| panic!("{}", text(&run)));
        let probes = report["probes"].as_array().unwrap();
        let bad: Vec<&Value> = probes.iter().filter(|probe| probe["verdict"]["agrees"] != true).collect();
        assert_eq!(bad, [&Value::Null; 0]);
        assert!(run.status.success(), "{}", String::from_utf8_lossy(&run.stderr));
        assert!(probes.iter().all(|probe| probe[data_plane].is_object()));
    };
    run(&["run"], "native");
    run(&["run", "strict", "ingress", "webhook-strict"], "envoy");
    assert_no_lab_is_left(folder.path());
}

#[test]
fn an_ordinary_user_works_in_a_lab_by_hand() {
    if !may_make_labs() || !has_envoy() {
        return;
    }
    let folder = tempfile::tempdir_in("/tmp").unwrap();
    reachable_copy(folder.path());
    let run = |args: &[&str]| sidelab_as_nobody(folder.path(), args);
    let done = |args: &[&str]| {
        let output = run(args);
        assert!(output.status.success(), "{args:?}: {}", text(&output));
        String::from_utf8(output.stdout).unwrap()
    };
    for name in ["one", "two"] {
        done(&["up", "-f", "scenarios/strict/manifests.yaml", "--lab", name]);
    }
    let url = "http://server:8080/";
    assert_eq!(done(&curl_status(&["client", "--lab", "one"], url)), "200");
    assert!(done(&["get", "pods", "--lab", "two"]).contains("client     2/2     Running"));
    assert!(
        done(&["describe", "pod", "server", "--lab", "one"]).contains("spiffe://cluster.local/ns/default/sa/server")
    );
    assert!(done(&["delete", "pa", "default", "--lab", "one", "--wait"]).contains("taken by 2 sidecars"));
    assert_eq!(done(&curl_status(&["outsider", "--lab", "one"], url)), "200", "PERMISSIVE takes plaintext");
    done(&["rotate", "--lab", "one"]);
    done(&["fault", "reset", "client", "server", "--lab", "one"]);
    assert_eq!(done(&curl_status(&["client", "--lab", "one"], url)), "503");
    let causes = done(&["diagnose", "--from", "client", "--to", "server:8080", "--lab", "one"]);
    assert!(causes.contains("\n1. a fault that was set in the lab is in force\n   found in: fault\n"), "{causes}");
    done(&["fault", "clear", "1", "--lab", "one"]);
    assert_eq!(done(&curl_status(&["client", "--lab", "one"], url)), "200");
    assert!(done(&["down", "one"]).starts_with("removed sl-"));
    assert!(done(&["down", "--all"]).starts_with("removed sl-"));
    assert_no_lab_is_left(folder.path());
}
