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
use tests::{folder, has, has_envoy, labs::OwnLabs, may_make_labs, text};

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
    // As process 1 of its PID namespace, `sleep` would not get another signal.
    for (pod, name) in [("server.default", "sidecar-proxy"), ("ends.default", "goes")] {
        let ended = process(&labs, &id, pod, name);
        kill(Pid::from_raw(ended.pid as i32), Signal::SIGKILL).unwrap();
        while ended.is_running() {
            thread::yield_now();
        }
    }
    assert_eq!(health(), [client, "ends 1/2 Error 0", outsider, "server 1/2 Error 0"]);
    let code = |pod: &str, container: usize| {
        let pod = json(&labs.done(&["get", "pod", pod, "-o", "json"]));
        pod["status"]["containerStatuses"][container]["state"]["terminated"]["exitCode"].clone()
    };
    assert_eq!((code("server", 1), code("ends", 1), code("ends", 0)), (137.into(), 137.into(), Value::Null));
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
         - {name: app, image: sidelab/demo-client, command: [sh, -c, \"until [ -e /tmp/end ]; do sleep 0.01; done; exit 3\"]}\n",
    )]);
    let id = labs.done(&["get", "labs", "-o", "name"]).trim().to_owned();
    let namespaces = labs.namespaces();
    labs.done(&["apply", "-f", files[0].to_str().unwrap()]);
    let app = process(&labs, &id, "three.default", "app");
    labs.done(&["exec", "three", "--", "touch", "/tmp/end"]);
    while app.is_running() {
        thread::yield_now();
    }
    let pod = json(&labs.done(&["get", "pod/three", "-o", "json"]));
    assert_eq!(pod["status"]["containerStatuses"][0]["state"]["terminated"]["exitCode"], 3, "{pod}");
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
    // Its program reads a file of the host.
    labs.up(&["-f", manifests.to_str().unwrap(), "--unconfined"]);
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

/// A capture of the client's packets while calls are made, as tshark reads it from a pipe.
fn captured(data_plane: &str) {
    let labs = OwnLabs::new();
    labs.up(&["-f", STRICT, "--data-plane", data_plane]);
    let mut watch = labs
        .command(&["watch", "-o", "json", "--count", "2", "--for", "60s"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let watching = BufReader::new(watch.stderr.take().unwrap()).lines().next().unwrap().unwrap();
    assert_eq!(watching, "watching 3 pods, until Ctrl-C");
    let mut capture = labs
        .command(&["capture", "client", "--for", "60s"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let begun = BufReader::new(capture.stderr.take().unwrap()).lines().next().unwrap().unwrap();
    assert_eq!(begun, "capturing on lo and eth0 of client.default");
    let fields = [
        "-T",
        "fields",
        "-e",
        "frame.interface_name",
        "-e",
        "frame.comment",
        "-e",
        "_ws.col.Source",
        "-e",
        "frame.protocols",
    ];
    let mut tshark = std::process::Command::new("tshark");
    tshark.args([
        "-l",
        "-r",
        "-",
        "-o",
        "tls.keylog_file:",
        "-o",
        "tcp.try_heuristic_first:TRUE",
        "-N",
        "n",
        "-Y",
        "http.request",
    ]);
    tshark.args(fields).env("HOME", "/nonexistent").stderr(Stdio::null());
    let mut tshark = tshark.stdin(capture.stdout.take().unwrap()).stdout(Stdio::piped()).spawn().unwrap();
    labs.done(&["exec", "client", "--", "curl", "-s", "-o", "/dev/null", "http://server:8080/seen"]);
    let refused = labs.sidelab(&["exec", "outsider", "--", "curl", "-s", "http://server:8080/"]);
    assert_eq!(refused.status.code(), Some(56), "{}", text(&refused));
    let mut requests = BufReader::new(tshark.stdout.take().unwrap()).lines().map(Result::unwrap);
    let expected = [
        "client.default/lo\tleg 1\tclient.default\teth:ethertype:ip:tcp:http",
        "client.default/eth0\tleg 2\tclient.default\teth:ethertype:ip:tcp:tls:http",
    ];
    assert_eq!([requests.next().unwrap(), requests.next().unwrap()], expected, "{data_plane}: while it runs");
    kill(Pid::from_raw(capture.id() as i32), Signal::SIGINT).unwrap();
    assert!(capture.wait().unwrap().success() && tshark.wait().unwrap().success());
    assert_eq!(requests.next(), None);

    assert!(watch.wait().unwrap().success());
    let calls: Vec<Value> =
        BufReader::new(watch.stdout.take().unwrap()).lines().map(|line| json(&line.unwrap())).collect();
    let [call, refused] = &calls[..] else { panic!("{calls:?}") };
    assert_eq!(
        (&call["from"], &call["to"], &call["server"], &call["path"]),
        (&"client.default".into(), &"server:8080".into(), &"server.default".into(), &"/seen".into())
    );
    assert_eq!(
        (&call["legs"], &call["status"]),
        (&json(r#"[["http/1.1"], ["mtls", "http/1.1"], ["http/1.1"]]"#), &200.into()),
        "{data_plane}"
    );
    assert_eq!(
        (&refused["from"], &refused["response_flags"], &refused["legs"]),
        (&"outsider.default".into(), &"NR".into(), &json(r#"[null, ["http/1.1"], null]"#))
    );
}

#[test]
fn calls_of_the_native_data_plane_are_captured_and_watched_as_they_happen() {
    if may_make_labs() && has("tshark") {
        captured("native");
    }
}

#[test]
fn calls_of_envoy_are_captured_and_watched_as_they_happen() {
    if may_make_labs() && has("tshark") && has_envoy() {
        captured("envoy");
    }
}

#[test]
fn a_running_sidecars_configuration_is_shown_in_istioctls_columns() {
    if !may_make_labs() {
        return;
    }
    let labs = OwnLabs::new();
    labs.up(&["-f", STRICT, "--lab", "shop"]);
    let first =
        |args: &[&str]| labs.done(args).lines().next().unwrap().split_whitespace().collect::<Vec<_>>().join(" ");
    assert_eq!(first(&["proxy-config", "listeners", "client"]), "ADDRESSES PORT MATCH DESTINATION");
    assert_eq!(
        first(&["pc", "c", "client", "--lab", "shop"]),
        "SERVICE FQDN PORT SUBSET DIRECTION TYPE DESTINATION RULE"
    );
    assert_eq!(first(&["pc", "r", "client"]), "NAME VHOST NAME DOMAINS MATCH VIRTUAL SERVICE");
    assert_eq!(
        first(&["pc", "s", "client"]),
        "RESOURCE NAME TYPE STATUS VALID CERT SERIAL NUMBER NOT AFTER NOT BEFORE"
    );
    let endpoints = labs.done(&["pc", "ep", "client", "--port", "8080"]);
    assert!(endpoints.contains("10.244.0.4:8080") && endpoints.contains("HEALTHY"), "{endpoints}");
    let listeners = json(&labs.done(&["pc", "l", "server", "--port", "15006", "-o", "json"]));
    assert_eq!((listeners.as_array().unwrap().len(), &listeners[0]["name"]), (1, &"virtualInbound".into()));
    let described = labs.done(&["describe", "pod", "server"]);
    for part in [
        "PeerAuthentication default/default",
        "spiffe://cluster.local/ns/default/sa/server",
        "h left",
        "Cluster: inbound|8080||",
    ] {
        assert!(described.contains(part), "{part} in {described}");
    }
    let none = labs.sidelab(&["pc", "l", "outsider"]);
    assert!(text(&none).contains("outsider.default has no sidecar"), "{}", text(&none));
    let twice = labs.sidelab(&["up", "-f", STRICT, "--lab", "shop"]);
    assert!(text(&twice).contains("is named shop already"), "{}", text(&twice));
    let as_sidecar = ["exec", "client", "-c", "istio-proxy", "--", "id", "-u"];
    assert_eq!(labs.done(&as_sidecar), "1337\n");
}

#[test]
fn a_lab_ends_by_itself_after_its_time() {
    if !may_make_labs() {
        return;
    }
    let labs = OwnLabs::new();
    labs.up(&["-f", STRICT, "--for", "500ms"]);
    let namespaces = labs.namespaces();
    while labs.done(&["get", "labs", "-o", "name"]).contains("sl-") {
        thread::yield_now();
    }
    // The process that removed it ends last.
    while labs.left_behind(&namespaces).iter().any(|left| left.contains("sidelab up")) {
        thread::yield_now();
    }
    labs.assert_gone(&namespaces);
}

#[test]
fn a_port_of_this_host_leads_into_a_pod() {
    if !may_make_labs() {
        return;
    }
    let labs = OwnLabs::new();
    labs.up(&["-f", STRICT]);
    let mut forward = labs.command(&["port-forward", "svc/server", ":8080"]).stdout(Stdio::piped()).spawn().unwrap();
    let line = BufReader::new(forward.stdout.take().unwrap()).lines().next().unwrap().unwrap();
    let address = line.strip_prefix("Forwarding from ").unwrap().split(' ').next().unwrap().to_owned();
    let curl =
        std::process::Command::new("curl").args(["-s", "-m", "5", &format!("http://{address}/")]).output().unwrap();
    assert!(text(&curl).contains("sidelab.seen/v1"), "{line}: {}", text(&curl));
    kill(Pid::from_raw(forward.id() as i32), Signal::SIGINT).unwrap();
    assert!(forward.wait().unwrap().success());
}
