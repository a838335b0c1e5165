//! A lab that changes while it is up: `apply` and `delete`.

use std::{
    fs::{self, File},
    io::{BufRead, BufReader},
    process::Stdio,
};

use pretty_assertions::assert_eq;
use serde_json::Value;
use tests::{folder, has_envoy, labs::OwnLabs, may_make_labs, text};

const STRICT: &str = "scenarios/strict/manifests.yaml";

const MODE_STRICT: &str = "\
apiVersion: security.istio.io/v1
kind: PeerAuthentication
metadata: {name: default}
spec: {mtls: {mode: STRICT}}
";

const SECOND: &str = "\
apiVersion: v1
kind: Pod
metadata: {name: another, labels: {app: another, sidecar.istio.io/inject: \"true\"}}
spec:
  containers:
  - {name: app, image: sidelab/demo-server, args: [--http, \"8080\"], ports: [{containerPort: 8080}]}
---
apiVersion: v1
kind: Service
metadata: {name: another}
spec: {selector: {app: another}, ports: [{name: http, port: 80, targetPort: 8080}]}
";

fn json(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|error| panic!("{error}: {text}"))
}

fn pods(labs: &OwnLabs) -> Vec<String> {
    let pods = json(&labs.done(&["get", "pods", "-o", "json"]));
    let of = |pod: &Value| {
        let containers = pod["status"]["containerStatuses"].as_array().unwrap();
        let ready = containers.iter().filter(|one| one["ready"] == true).count();
        let (name, ip) = (&pod["metadata"]["name"], &pod["status"]["podIP"]);
        format!("{name}.default {ready}/{} {ip}", containers.len()).replace('"', "")
    };
    pods["items"].as_array().unwrap().iter().map(of).collect()
}

fn strict_comes_and_goes(data_plane: &str) {
    let labs = OwnLabs::new();
    let (_folder, files) = folder(&[("strict.yaml", MODE_STRICT)]);
    let strict = files[0].to_str().unwrap();
    labs.up(&["-f", STRICT, "--data-plane", data_plane]);
    let url = "http://server:8080/";
    assert_eq!(labs.status("outsider", url), "000");
    let deleted = labs.done(&["delete", "pa", "default", "--wait"]);
    assert!(deleted.starts_with("peerauthentication.security.istio.io/default deleted\n"), "{deleted}");
    assert!(deleted.contains("server.default: listener virtualInbound: chain 0.0.0.0_8080 ("), "{deleted}");
    assert!(deleted.contains("taken by 2 sidecars, the last after "), "{deleted}");
    assert_eq!(labs.status("outsider", url), "200", "PERMISSIVE takes plaintext");
    let shown = labs.done(&["get", "pods", "-o", "wide"]);
    assert!(shown.contains("PERMISSIVE") && !shown.contains("STRICT"), "{shown}");

    let preview = labs.done(&["apply", "-f", strict, "--dry-run"]);
    assert!(preview.starts_with("peerauthentication.security.istio.io/default created (dry run)\n"), "{preview}");
    assert_eq!(labs.status("outsider", url), "200", "a dry run changes nothing");

    let applied = labs.done(&["apply", "-f", strict, "--wait"]);
    assert!(applied.contains(" removed\n"), "{applied}");
    assert_eq!(labs.status("outsider", url), "000");
    assert_eq!(labs.status("client", url), "200", "mutual TLS goes on");
    let again = labs.done(&["apply", "-f", strict, "--wait"]);
    assert_eq!(again, "peerauthentication.security.istio.io/default unchanged\nno sidecar gets other files\n");
    let namespaces = labs.namespaces();
    labs.done(&["down"]);
    labs.assert_gone(&namespaces);
}

#[test]
fn a_policy_is_changed_while_the_native_data_plane_runs() {
    if may_make_labs() {
        strict_comes_and_goes("native");
    }
}

#[test]
fn a_policy_is_changed_while_envoy_runs() {
    if may_make_labs() && has_envoy() {
        strict_comes_and_goes("envoy");
    }
}

fn pods_come_and_go(data_plane: &str) {
    let labs = OwnLabs::new();
    let (_folder, files) = folder(&[("second.yaml", SECOND)]);
    let second = files[0].to_str().unwrap();
    let id = labs.up(&["-f", STRICT, "--data-plane", data_plane]);
    let before = pods(&labs);
    let report = json(&labs.done(&["apply", "-f", second, "--wait", "-o", "json"]));
    assert_eq!((&report["schema"], &report["lab"]), (&"sidelab.change/v1".into(), &id.clone().into()));
    let what = |pod: &str| {
        let mut all = report["pods"].as_array().unwrap().iter();
        all.find(|one| one["pod"] == pod).map(|one| one["what"].clone())
    };
    assert_eq!(what("another.default"), Some("created".into()));
    assert_eq!(what("client.default"), Some("changed".into()));
    let mut expected = vec!["another.default 2/2 10.244.0.5".to_owned()];
    expected.extend(before.clone());
    assert_eq!(pods(&labs), expected, "the others keep their addresses");
    assert_eq!(labs.status("client", "http://another/"), "200", "its name resolves, and its sidecar answers");
    assert_eq!(labs.status("another", "http://server:8080/"), "200", "its certificate is of the same root");

    let (_folder, changed) = folder(&[("second.yaml", &SECOND.replace("\"8080\"", "\"8081\""))]);
    let replaced = labs.done(&["apply", "-f", changed[0].to_str().unwrap()]);
    assert!(replaced.contains("another.default: replaced: the args of container app changed\n"), "{replaced}");
    assert_eq!(pods(&labs), expected);
    assert_eq!(labs.status("client", "http://another/"), "503", "nothing listens on the targetPort any more");

    let namespaces = labs.namespaces();
    let gone = labs.done(&["delete", "-f", second, "--wait"]);
    assert!(gone.contains("pod/another deleted\n") && gone.contains("another.default: deleted\n"), "{gone}");
    assert_eq!(pods(&labs), before);
    assert_eq!(labs.status("client", "http://another/"), "000", "no such name");
    assert_eq!(labs.status("client", "http://server:8080/"), "200");
    labs.done(&["down"]);
    labs.assert_gone(&namespaces);
}

#[test]
fn pods_and_services_come_and_go_with_the_native_data_plane() {
    if may_make_labs() {
        pods_come_and_go("native");
    }
}

#[test]
fn pods_and_services_come_and_go_with_envoy() {
    if may_make_labs() && has_envoy() {
        pods_come_and_go("envoy");
    }
}

#[test]
fn an_invalid_change_changes_nothing_and_names_its_place() {
    if !may_make_labs() {
        return;
    }
    let labs = OwnLabs::new();
    let id = labs.up(&["-f", STRICT]);
    let record = || fs::read_to_string(labs.path().join(&id).join("manifests.json")).unwrap();
    let before = (record(), pods(&labs));
    let wrong_mode = MODE_STRICT.replace("STRICT", "STRCT");
    let no_program = "apiVersion: v1\nkind: Pod\nmetadata: {name: broken}\nspec: {containers: [{name: app, image: x, command: [/bin/false]}]}\n";
    for (content, message) in [
        (wrong_mode.as_str(), "change.yaml:4:15: document 1 (PeerAuthentication default): spec.mtls.mode: "),
        ("kind: [\n", "change.yaml:"),
        ("", "no manifests in "),
    ] {
        let (_folder, files) = folder(&[("change.yaml", content)]);
        let refused = labs.sidelab(&["apply", "-f", files[0].to_str().unwrap()]);
        assert_eq!(refused.status.code(), Some(2), "{}", text(&refused));
        assert!(text(&refused).contains(message), "{message}: {}", text(&refused));
        assert_eq!((record(), pods(&labs)), before);
    }
    let (_folder, files) =
        folder(&[("change.yaml", &format!("{no_program}---\n{SECOND}").replace("/bin/false", "/no/such/program"))]);
    let refused = labs.sidelab(&["apply", "-f", files[0].to_str().unwrap(), "--dry-run"]);
    assert!(refused.status.success(), "a stand-in takes its place: {}", text(&refused));
    let unknown = labs.sidelab(&["delete", "widget", "x"]);
    assert_eq!(unknown.status.code(), Some(2), "{}", text(&unknown));
    assert!(text(&unknown).contains("\"widget\" is no kind of object that is read here"), "{}", text(&unknown));
    let missing = labs.sidelab(&["delete", "pa/nothing"]);
    assert_eq!(missing.status.code(), Some(1), "{}", text(&missing));
    assert!(
        text(&missing).contains("peerauthentication/nothing in namespace default is not there"),
        "{}",
        text(&missing)
    );
    assert_eq!((record(), pods(&labs)), before);
}

#[test]
fn of_two_changes_at_once_one_waits_for_the_other() {
    if !may_make_labs() {
        return;
    }
    let labs = OwnLabs::new();
    let id = labs.up(&["-f", STRICT]);
    let turn =
        File::options().create(true).truncate(false).write(true).open(labs.path().join(&id).join("changes")).unwrap();
    turn.lock().unwrap();
    let mut waiting = labs.command(&["delete", "pa", "default"]).stderr(Stdio::piped()).spawn().unwrap();
    let mut said = String::new();
    BufReader::new(waiting.stderr.take().unwrap()).read_line(&mut said).unwrap();
    assert_eq!(said, format!("another process is changing lab {id}: waiting until it is done\n"));
    assert_eq!(waiting.try_wait().unwrap(), None);
    assert_eq!(labs.status("outsider", "http://server:8080/"), "000", "nothing has changed yet");
    drop(turn);
    assert!(waiting.wait().unwrap().success());
    assert_eq!(labs.status("outsider", "http://server:8080/"), "200");
}
