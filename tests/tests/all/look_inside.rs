//! Inspecting a lab that is up: which programs run, and what they write.

use std::{
    fs,
    io::{BufRead, BufReader},
    os::unix::fs::MetadataExt,
    process::Stdio,
    thread,
};

use netns::ProcessRecord;
use nix::{
    sys::{
        signal::{Signal, kill},
        stat::Mode,
    },
    unistd::{Pid, mkfifo},
};
use pretty_assertions::assert_eq;
use serde_json::Value;
use tests::{folder, labs::OwnLabs, may_make_labs, text};

const STRICT: &str = "scenarios/strict/manifests.yaml";

fn json(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|error| panic!("{error}: {text}"))
}

/// The process of a program in a lab's pod, according to the lab's state file.
fn process(labs: &OwnLabs, lab: &str, pod: &str, name: &str) -> ProcessRecord {
    let state = fs::read_to_string(labs.path().join(lab).join("state.jsonl")).unwrap();
    let processes = state.lines().map(json).filter(|entry| entry["process"].is_object());
    let mut processes = processes.map(|entry| serde_json::from_value(entry["process"].clone()).unwrap());
    processes.find(|process: &ProcessRecord| process.pod == pod && process.name == name).unwrap()
}

#[test]
fn a_program_that_has_ended_shows_in_its_pods_status() {
    if !may_make_labs() {
        return;
    }
    let labs = OwnLabs::new();
    let (_folder, files) = folder(&[(
        "ends.yaml",
        "apiVersion: v1\nkind: Pod\nmetadata: {name: ends, labels: {sidecar.istio.io/inject: \"false\"}}\nspec:\n  containers:\n  \
         - {name: stays, image: sidelab/demo-client, command: [sleep, infinity]}\n  \
         - {name: goes, image: sidelab/demo-client, command: [sleep, \"1000\"]}\n",
    )]);
    let id = labs.up(&["-f", STRICT, "-f", files[0].to_str().unwrap()]);
    let health = || -> Vec<String> {
        let shown = labs.done(&["get", "pods", "--no-headers"]);
        shown.lines().map(|line| line.split_whitespace().take(4).collect::<Vec<_>>().join(" ")).collect()
    };
    let (client, outsider) = ("client 2/2 Running 0", "outsider 1/1 Running 0");
    assert_eq!(health(), [client, "ends 2/2 Running 0", outsider, "server 2/2 Running 0"]);
    for (pod, name, signal) in
        [("server.default", "sidecar-proxy", Signal::SIGKILL), ("ends.default", "goes", Signal::SIGTERM)]
    {
        let ended = process(&labs, &id, pod, name);
        kill(Pid::from_raw(ended.pid as i32), signal).unwrap();
        while ended.is_running() {
            thread::yield_now();
        }
    }
    assert_eq!(health(), [client, "ends 1/2 Error 0", outsider, "server 1/2 Error 0"]);
    let code = |pod: &str, container: usize| {
        let pod = json(&labs.done(&["get", "pod", pod, "-o", "json"]));
        pod["status"]["containerStatuses"][container]["state"]["terminated"]["exitCode"].clone()
    };
    assert_eq!((code("server", 1), code("ends", 1), code("ends", 0)), (137.into(), 143.into(), Value::Null));
}

#[test]
fn a_pod_made_by_apply_reports_its_exit_code_too() {
    if !may_make_labs() {
        return;
    }
    let labs = OwnLabs::new();
    labs.up(&["-f", STRICT]);
    let (_folder, files) = folder(&[(
        "three.yaml",
        "apiVersion: v1\nkind: Pod\nmetadata: {name: three, labels: {sidecar.istio.io/inject: \"false\"}}\nspec:\n  containers:\n  \
         - {name: app, image: sidelab/demo-client, command: [sh, -c, exec sleep 1000]}\n",
    )]);
    let id = labs.done(&["get", "labs", "-o", "name"]).trim().to_owned();
    let namespaces = labs.namespaces();
    labs.done(&["apply", "-f", files[0].to_str().unwrap()]);
    let app = process(&labs, &id, "three.default", "app");
    kill(Pid::from_raw(app.pid as i32), Signal::SIGINT).unwrap();
    while app.is_running() {
        thread::yield_now();
    }
    let pod = json(&labs.done(&["get", "pod/three", "-o", "json"]));
    assert_eq!(pod["status"]["containerStatuses"][0]["state"]["terminated"]["exitCode"], 130, "{pod}");
    labs.done(&["down"]);
    labs.assert_gone(&namespaces);
}

#[test]
fn objects_are_shown_as_kubectl_shows_them() {
    if !may_make_labs() {
        return;
    }
    let labs = OwnLabs::new();
    labs.up(&["-f", STRICT]);
    let titles = |args: &[&str]| {
        let printed = labs.done(args);
        printed
            .lines()
            .next()
            .unwrap()
            .split("   ")
            .map(|title| title.trim().to_owned())
            .filter(|title| !title.is_empty())
            .collect::<Vec<_>>()
    };
    assert_eq!(titles(&["get", "pods"]), ["NAME", "READY", "STATUS", "RESTARTS", "AGE"]);
    let wide =
        ["NAMESPACE", "NAME", "READY", "STATUS", "RESTARTS", "AGE", "IP", "NODE", "NOMINATED NODE", "READINESS GATES"];
    assert_eq!(titles(&["get", "po", "-A", "-o", "wide"])[..10], wide);
    assert_eq!(titles(&["get", "svc"]), ["NAME", "TYPE", "CLUSTER-IP", "EXTERNAL-IP", "PORT(S)", "AGE"]);
    assert_eq!(titles(&["get", "pa"]), ["NAME", "MODE", "AGE"]);
    assert_eq!(labs.done(&["get", "pods", "-o", "name"]), "pod/client\npod/outsider\npod/server\n");
    let one = labs.done(&["get", "pod", "client", "-o", "yaml"]);
    assert!(one.contains("podIP: \"10.244.0.2\"") && one.contains("kind: Pod"), "{one}");
    let missing = labs.sidelab(&["get", "pod", "cleint"]);
    assert_eq!(missing.status.code(), Some(1));
    assert!(
        text(&missing).contains("pods \"cleint\" not found in namespace default (did you mean client?)"),
        "{}",
        text(&missing)
    );
    let none = labs.sidelab(&["get", "pods", "-n", "shop"]);
    assert_eq!((none.status.code(), text(&none).as_str()), (Some(0), "No resources found in shop namespace.\n"));
}

#[test]
fn logs_contain_both_streams_and_can_be_followed() {
    if !may_make_labs() {
        return;
    }
    let labs = OwnLabs::new();
    let folder = tempfile::tempdir().unwrap();
    let pipe = folder.path().join("lines");
    mkfifo(&pipe, Mode::S_IRWXU).unwrap();
    let script =
        format!("echo out; echo err >&2; while read line; do echo $line; done <{}; exec sleep 1000", pipe.display());
    let manifests = folder.path().join("talks.yaml");
    let pod = format!(
        "apiVersion: v1\nkind: Pod\nmetadata: {{name: talks}}\nspec:\n  containers:\n  \
         - {{name: app, image: sidelab/demo-client, command: [sh, -c, \"{script}\"]}}\n"
    );
    fs::write(&manifests, pod).unwrap();
    labs.up(&["-f", manifests.to_str().unwrap()]);
    let mut follow = labs.command(&["logs", "talks", "-f"]).stdout(Stdio::piped()).spawn().unwrap();
    let mut output_lines = BufReader::new(follow.stdout.take().unwrap()).lines().map(Result::unwrap);
    assert_eq!([output_lines.next().unwrap(), output_lines.next().unwrap()], ["out", "err"]);
    fs::write(&pipe, "one\ntwo\n").unwrap();
    assert_eq!([output_lines.next().unwrap(), output_lines.next().unwrap()], ["one", "two"]);
    assert_eq!(labs.done(&["logs", "talks", "--tail", "3"]), "err\none\ntwo\n");
    labs.done(&["down"]);
    assert!(follow.wait().unwrap().success(), "it ends with the lab");
    assert_eq!(output_lines.next(), None);
}

#[test]
fn a_log_does_not_fill_the_disk() {
    if !may_make_labs() {
        return;
    }
    let labs = OwnLabs::new();
    let (_folder, files) = folder(&[(
        "writes.yaml",
        "apiVersion: v1\nkind: Pod\nmetadata: {name: writes}\nspec:\n  containers:\n  \
         - {name: app, image: sidelab/demo-client, command: [sh, -c, \"yes a line of it | head -c 39999999; echo the last; exec sleep 1000\"]}\n",
    )]);
    let id = labs.up(&["-f", files[0].to_str().unwrap()]);
    let log = labs.path().join(id).join("logs/writes.default/app.log");
    let held = || fs::metadata(&log).unwrap().blocks() * 512;
    // Written by the log keeper, about once a second.
    while fs::metadata(&log).unwrap().len() < 39_999_999 || held() > 16 << 20 {
        thread::yield_now();
    }
    let kept = labs.done(&["logs", "writes"]);
    assert!(kept.contains("bytes of older lines were dropped; a log keeps its newest 8 MiB\n"));
    assert!(kept.ends_with("a line of it\nthe last\n"), "{}", kept.len());
    assert!(!kept.contains('\0') && kept.len() < 20 << 20, "{}", kept.len());
}
