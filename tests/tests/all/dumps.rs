//! Labs that run what real sidecars dumped (`sidelab up --config-dump`).

use std::{fs, path::Path};

use pretty_assertions::assert_eq;
use serde_json::Value;
use tests::{has, has_envoy, istiod, labs::OwnLabs, may_make_labs, sidelab, text};

/// Calls that end in each of the ways that depend on the sidecars' files: delivered, answered by the client's sidecar, rejected.
const CALLS: [&[&str]; 5] = [
    &[
        "exec",
        "client",
        "--",
        "curl",
        "-s",
        "-o",
        "/dev/null",
        "-w",
        "%{http_code} %{remote_ip}",
        "http://server:8080/",
    ],
    &["exec", "client", "--", "curl", "-s", "-o", "/dev/null", "-w", "%{http_code}", "http://server.default:8080/x"],
    &["exec", "client", "--", "curl", "-s", "-o", "/dev/null", "-w", "%{http_code}", "http://nobody:8080/"],
    &["exec", "client", "-c", "istio-proxy", "--", "curl", "-s", "-w", "%{http_code}", "http://server:8080/"],
    &["exec", "client", "--", "curl", "-s", "-m", "5", "telnet://server:9000"],
];

/// The pods whose sidecars are dumped.
const PODS: [&str; 2] = ["client", "server"];

/// Two pods with sidecars, a service without pods, and one that only runs in the lab that is dumped.
const MANIFESTS: &str = r#"
apiVersion: v1
kind: Pod
metadata: {name: client, labels: {app: client, sidecar.istio.io/inject: "true"}}
spec: {serviceAccountName: caller, containers: [{name: app, image: sidelab/demo-client, command: [sleep, infinity]}]}
---
apiVersion: v1
kind: Pod
metadata: {name: other, labels: {app: other}}
spec: {containers: [{name: app, image: sidelab/demo-server, args: [--http, "8080"]}]}
---
apiVersion: v1
kind: Pod
metadata: {name: server, labels: {app: server, sidecar.istio.io/inject: "true"}}
spec: {containers: [{name: app, image: sidelab/demo-server, args: [--http, "8080", --tcp, "9000"]}]}
---
apiVersion: v1
kind: Service
metadata: {name: another}
spec: {selector: {app: other}, ports: [{name: http, port: 8080}]}
---
apiVersion: v1
kind: Service
metadata: {name: nobody}
spec: {selector: {app: nobody}, ports: [{name: http, port: 8080}]}
---
apiVersion: v1
kind: Service
metadata: {name: server}
spec: {selector: {app: server}, ports: [{name: http, port: 8080}, {name: tcp, port: 9000}]}
---
apiVersion: security.istio.io/v1
kind: PeerAuthentication
metadata: {name: default}
spec: {mtls: {mode: STRICT}}
"#;

/// How calls end: the exit code, and what curl prints, without addresses.
fn ends(labs: &OwnLabs, lab: &str) -> Vec<(Option<i32>, String)> {
    let end = |call: &&[&str]| {
        let (before, after) = call.split_at(2);
        let output = labs.sidelab(&[before, &["--lab", lab], after].concat());
        let printed = String::from_utf8_lossy(&output.stdout).into_owned();
        (output.status.code(), printed.split(' ').next().unwrap_or_default().to_owned())
    };
    CALLS.iter().map(end).collect()
}

/// Brings the manifests up in `labs`, dumps both sidecars into `folder`, and returns the lab.
fn dump(labs: &OwnLabs, folder: &Path, options: &[&str]) -> String {
    let manifests = folder.join("manifests.yaml");
    fs::write(&manifests, MANIFESTS).unwrap();
    let lab = labs.up(&[&["-f", manifests.to_str().unwrap()], options].concat());
    for pod in PODS {
        fs::write(folder.join(format!("{pod}.json")), labs.done(&["proxy-config", "all", pod, "-o", "json"])).unwrap();
    }
    lab
}

/// The files that [`dump`] has written, as `--config-dump` takes them.
fn dumps(folder: &Path) -> String {
    PODS.map(|pod| folder.join(format!("{pod}.json")).display().to_string()).join(",")
}

/// Runs the dumps again, and returns how calls end, and what is reported.
fn run_again(folder: &Path, options: &[&str]) -> (Vec<(Option<i32>, String)>, Value) {
    let labs = OwnLabs::new();
    let up = labs.done(&[&["up", "-o", "json", "--config-dump", &dumps(folder)], options].concat());
    let up: Value = serde_json::from_str(&up).unwrap();
    let ends = ends(&labs, up["lab"].as_str().unwrap());
    let namespaces = labs.namespaces();
    labs.done(&["down"]);
    labs.assert_gone(&namespaces);
    (ends, up)
}

/// Dumps a lab of this data plane, and asserts that calls end in the same way in labs of its dumps.
fn assert_the_same(plane: &str) {
    let folder = tempfile::tempdir().unwrap();
    let labs = OwnLabs::new();
    let lab = dump(&labs, folder.path(), &["--data-plane", plane, "--control-plane", "istiod"]);
    let seen = ends(&labs, &lab);
    drop(labs);
    assert_eq!((seen[0].0, &seen[0].1[..], &seen[2].1[..]), (Some(0), "200", "503"), "{seen:?}");
    assert!(seen[3].0 != Some(0), "STRICT rejects plaintext: {seen:?}");
    for again in ["native", "envoy"] {
        let (ends, up) = run_again(folder.path(), &["--data-plane", again]);
        assert_eq!(ends, seen, "dumped by {plane}, run by {again}");
        assert_eq!(up["control_plane"], "dumps");
        let left_out = up["left_out"].to_string();
        assert!(left_out.contains("outbound|8080||another.default.svc.cluster.local"), "{left_out}");
    }
}

fn is_possible() -> bool {
    may_make_labs() && has_envoy() && has("curl") && istiod().is_some()
}

#[test]
fn calls_end_the_same_way_in_a_lab_of_what_envoy_dumped() {
    if is_possible() {
        assert_the_same("envoy");
    }
}

#[test]
fn calls_end_the_same_way_in_a_lab_of_what_the_native_proxy_dumped() {
    if is_possible() {
        assert_the_same("native");
    }
}

#[test]
fn what_is_not_a_sidecars_dump_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let refused = |text: &str| {
        let file = folder.path().join("dump.json");
        fs::write(&file, text).unwrap();
        let output = sidelab(&["up", "--config-dump", file.to_str().unwrap()]);
        assert_eq!(output.status.code(), Some(2), "{}", tests::text(&output));
        tests::text(&output)
    };
    let node = |id: &str| {
        format!(r#"{{"configs": [{{"@type": "x.BootstrapConfigDump", "bootstrap": {{"node": {{"id": "{id}"}}}}}}]}}"#)
    };
    let gateway = refused(&node("router~10.0.0.1~in.istio-system~x"));
    assert!(
        gateway.contains("the dump of a gateway (router~10.0.0.1~in.istio-system~x), not of a sidecar"),
        "{gateway}"
    );
    let cut = refused(r#"{"configs": [{"@type"#);
    assert!(cut.contains("cut off at line 1"), "{cut}");
    assert!(refused(r#"{"workloads": [], "services": []}"#).contains("a dump of ztunnel"));
    assert!(refused(&node("sidecar~10.0.0.1~a.b~x")).contains("no listener came from a control plane"));
}

#[test]
fn objects_cannot_change_a_lab_of_dumps_and_faults_can() {
    if !may_make_labs() || !has("curl") {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    dump(&OwnLabs::new(), folder.path(), &[]);
    let labs = OwnLabs::new();
    labs.done(&["up", "--config-dump", &dumps(folder.path())]);
    let apply = labs.sidelab(&["delete", "service", "server"]);
    assert_eq!(apply.status.code(), Some(2), "{}", text(&apply));
    assert!(text(&apply).contains("this lab runs dumped configurations"), "{}", text(&apply));
    let explained = labs.done(&["explain", "--from", "client", "--to", "server:8080", "-o", "json"]);
    let account: Value = serde_json::from_str(&explained).unwrap();
    assert_eq!((&account["control_plane"], &account["outcome"]["delivered"]), (&"dumps".into(), &true.into()));

    let url = "http://server:8080/";
    for (fault, status) in [(["kill", "server"].as_slice(), "503"), (&["reset", "client", "server"], "503")] {
        labs.done(&[&["fault"], fault].concat());
        assert_eq!(labs.status("client", url), status, "{fault:?}");
        labs.done(&["fault", "clear", "--all"]);
        assert_eq!(labs.status("client", url), "200", "{fault:?} is cleared");
    }
}
