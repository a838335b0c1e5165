//! Changes of a lab that is up which are refused, wait, or are interrupted: nothing is half done.

use std::{
    fs::{self, File},
    io::{BufRead, BufReader},
    process::{Child, Stdio},
};

use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use pretty_assertions::assert_eq;
use tests::{folder, labs::OwnLabs, may_make_labs, text};

const STRICT: &str = "scenarios/strict/manifests.yaml";
const SERVER: &str = "http://server:8080/";

/// A pod that is never ready: nothing listens on the port of its probe.
const NEVER_READY: &str = "\
apiVersion: v1
kind: Pod
metadata: {name: late}
spec:
  containers:
  - name: app
    image: sidelab/demo-client
    command: [sleep, infinity]
    readinessProbe: {tcpSocket: {port: 7777}, periodSeconds: 1}
";

/// What a lab is made from, and its pods with their programs.
fn state(labs: &OwnLabs, id: &str) -> (String, String) {
    let record = fs::read_to_string(labs.path().join(id).join("manifests.json")).unwrap();
    (record, labs.done(&["get", "pods", "-A", "-o", "name"]))
}

/// Another process's right to change a lab, as a change that is under way has it.
fn turn(labs: &OwnLabs, id: &str) -> File {
    let path = labs.path().join(id).join("changes");
    let turn = File::options().create(true).truncate(false).write(true).open(path).unwrap();
    turn.lock().unwrap();
    turn
}

/// Starts a command that waits for its turn.
fn waiting(labs: &OwnLabs, id: &str, args: &[&str]) -> Child {
    let mut waiting = labs.command(args).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
    let mut said = String::new();
    BufReader::new(waiting.stderr.take().unwrap()).read_line(&mut said).unwrap();
    assert_eq!(said, format!("another process is changing lab {id}: waiting until it is done\n"));
    waiting
}

fn interrupt(child: &Child) {
    kill(Pid::from_raw(child.id().cast_signed()), Signal::SIGINT).unwrap();
}

#[test]
fn a_rotation_waits_for_one_that_is_under_way() {
    if !may_make_labs() {
        return;
    }
    let labs = OwnLabs::new();
    let id = labs.up(&["-f", STRICT]);
    let turn = turn(&labs, &id);
    let mut rotation = waiting(&labs, &id, &["rotate"]);
    assert_eq!(rotation.try_wait().unwrap(), None);
    drop(turn);
    assert!(rotation.wait().unwrap().success());
    assert_eq!(labs.status("client", SERVER), "200");
}

#[test]
fn ctrl_c_ends_a_change_that_waits_and_it_has_changed_nothing() {
    if !may_make_labs() {
        return;
    }
    let labs = OwnLabs::new();
    let id = labs.up(&["-f", STRICT]);
    let before = state(&labs, &id);
    let turn = turn(&labs, &id);
    for args in [&["delete", "pa", "default"][..], &["rotate"], &["fault", "stop", "client"]] {
        let mut child = waiting(&labs, &id, args);
        interrupt(&child);
        assert!(!child.wait().unwrap().success(), "{args:?}");
    }
    drop(turn);
    assert_eq!(state(&labs, &id), before);
    assert_eq!((labs.status("outsider", SERVER).as_str(), labs.status("client", SERVER).as_str()), ("000", "200"));
}

#[test]
fn ctrl_c_while_a_new_pod_starts_removes_it_and_changes_nothing() {
    if !may_make_labs() {
        return;
    }
    let labs = OwnLabs::new();
    let id = labs.up(&["-f", STRICT]);
    let (before, namespaces) = (state(&labs, &id), labs.namespaces().len());
    let (_folder, files) = folder(&[("late.yaml", NEVER_READY)]);
    let mut apply = labs.command(&["apply", "-f", files[0].to_str().unwrap()]);
    let mut apply = apply.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    // The pod is there before its programs are.
    let started = || {
        let state = fs::read_to_string(labs.path().join(&id).join("state.jsonl")).unwrap();
        state.lines().any(|line| line.contains("\"process\"") && line.contains("late.default"))
    };
    while !started() {
        assert_eq!(apply.try_wait().unwrap(), None);
        std::thread::yield_now();
    }
    interrupt(&apply);
    let output = apply.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(130), "{}", text(&output));
    assert_eq!(state(&labs, &id), before);
    assert_eq!(labs.namespaces().len(), namespaces);
    assert_eq!(labs.status("client", SERVER), "200");
}

#[test]
fn a_pod_that_is_gone_is_named_by_every_command_that_asks_for_it() {
    if !may_make_labs() {
        return;
    }
    let labs = OwnLabs::new();
    labs.up(&["-f", STRICT]);
    labs.done(&["delete", "pod", "outsider"]);
    for args in [
        &["exec", "outsider", "--", "true"][..],
        &["logs", "outsider"],
        &["cp", "outsider:/etc/hosts", "/dev/null"],
        &["rotate", "outsider"],
        &["fault", "stop", "outsider"],
    ] {
        let refused = labs.sidelab(args);
        assert_eq!(refused.status.code(), Some(2), "{args:?}: {}", text(&refused));
        let message = text(&refused);
        assert!(message.contains("outsider") && message.contains("client.default"), "{args:?}: {message}");
    }
}

#[test]
fn a_namespace_of_another_lab_is_refused_and_names_that_lab() {
    if !may_make_labs() {
        return;
    }
    let labs = OwnLabs::new();
    let (_folder, files) = folder(&[
        (
            "shop.yaml",
            "apiVersion: v1\nkind: Namespace\nmetadata: {name: shop}\n---\napiVersion: v1\nkind: Pod\nmetadata: {name: web, namespace: shop}\nspec: {containers: [{name: app, image: sidelab/demo-client, command: [sleep, infinity]}]}\n",
        ),
        ("account.yaml", "apiVersion: v1\nkind: ServiceAccount\nmetadata: {name: web, namespace: shop}\n"),
        ("nowhere.yaml", "apiVersion: v1\nkind: ServiceAccount\nmetadata: {name: web, namespace: nowhere}\n"),
    ]);
    let [shop, account, nowhere] = [0, 1, 2].map(|file| files[file].to_str().unwrap());
    let id = labs.up(&["-f", STRICT, "--lab", "one"]);
    labs.up(&["-f", shop, "--lab", "two"]);
    let state = || fs::read_to_string(labs.path().join(&id).join("manifests.json")).unwrap();
    let before = state();
    for (file, message) in [
        (account, "namespaces \"shop\" not found: lab two has it (--lab two)"),
        (nowhere, "namespaces \"nowhere\" not found"),
    ] {
        let refused = labs.sidelab(&["apply", "-f", file, "--lab", "one"]);
        assert_eq!(refused.status.code(), Some(2), "{}", text(&refused));
        assert!(text(&refused).contains(message), "{}", text(&refused));
        assert_eq!(state(), before);
    }
    labs.done(&["apply", "-f", account, "--lab", "two"]);
    labs.done(&["apply", "-f", shop, "--lab", "one"]);
}

fn serials(labs: &OwnLabs) -> Vec<String> {
    let certificates = labs.done(&["certs"]);
    certificates.lines().filter(|line| line.contains("default ")).map(str::to_owned).collect()
}

#[test]
fn certificates_are_rotated_every_so_often_until_ctrl_c() {
    if !may_make_labs() {
        return;
    }
    let labs = OwnLabs::new();
    labs.up(&["-f", STRICT]);
    let before = serials(&labs);
    let mut rotation = labs.command(&["rotate", "--every", "100ms"]).stdout(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(rotation.stdout.take().unwrap()).lines();
    for _ in 0..3 {
        let line = lines.next().unwrap().unwrap();
        assert!(line.starts_with("new certificate: taken by 2 sidecars after "), "{line}");
        assert_eq!(labs.status("client", SERVER), "200");
    }
    interrupt(&rotation);
    assert!(rotation.wait().unwrap().success());
    assert_ne!(serials(&labs), before);
}

#[test]
fn a_root_that_is_replaced_in_the_wrong_order_says_its_phases_and_all_is_well_in_the_end() {
    if !may_make_labs() {
        return;
    }
    let labs = OwnLabs::new();
    labs.up(&["-f", STRICT]);
    for (order, phases) in [
        ("overlap", &["both roots trusted", "certificate of the new root", "old root no longer trusted"][..]),
        ("leaf-first", &["certificate of the new root", "new root trusted instead of the old one"]),
        ("no-overlap", &["new root and its certificate instead of the old ones"]),
    ] {
        let printed = labs.done(&["rotate", "--root", "--order", order]);
        let found: Vec<&str> = printed.lines().filter_map(|line| line.split(':').next()).collect();
        assert_eq!(found, phases, "{order}");
        assert_eq!(labs.status("client", SERVER), "200", "{order}");
    }
}
