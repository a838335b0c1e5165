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
use tests::{folder, labs::OwnLabs, may_make_labs};

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
        let pods = json(&labs.done(&["get", "pods", "-o", "json"]));
        let of = |pod: &Value| format!("{} {} {}", pod["pod"], pod["ready"], pod["status"]).replace('"', "");
        pods.as_array().unwrap().iter().map(of).collect()
    };
    let (client, outsider) = ("client.default 2/2 Running", "outsider.default 1/1 Running");
    assert_eq!(health(), [client, "ends.default 2/2 Running", outsider, "server.default 2/2 Running"]);
    for (pod, name) in [("server.default", "sidecar-proxy"), ("ends.default", "goes")] {
        let ended = process(&labs, &id, pod, name);
        kill(Pid::from_raw(ended.pid as i32), Signal::SIGKILL).unwrap();
        while ended.is_running() {
            thread::yield_now();
        }
    }
    assert_eq!(
        health(),
        [client, "ends.default 1/2 NotReady: goes ended", outsider, "server.default 1/2 NotReady: istio-proxy ended"]
    );
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
