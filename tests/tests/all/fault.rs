//! `sidelab fault`: each fault does what it says, and ends when it is cleared.

use pretty_assertions::assert_eq;
use serde_json::Value;
use tests::{folder, has_envoy, labs::OwnLabs, may_make_labs, text};

const STRICT: &str = "scenarios/strict/manifests.yaml";

/// The status that a pod's curl gets, and its exit code.
fn call(labs: &OwnLabs, from: &str) -> (String, Option<i32>) {
    call_for(labs, from, "20")
}

fn call_for(labs: &OwnLabs, from: &str, seconds: &str) -> (String, Option<i32>) {
    let url = "http://server:8080/";
    let curl = ["exec", from, "--", "curl", "-s", "-m", seconds, "-o", "/dev/null", "-w", "%{http_code}", url];
    let output = labs.sidelab(&curl);
    (String::from_utf8(output.stdout).unwrap(), output.status.code())
}

fn answered() -> (String, Option<i32>) {
    ("200".into(), Some(0))
}

/// What curl exits with when its time is over.
fn unanswered() -> (String, Option<i32>) {
    ("000".into(), Some(28))
}

fn status_503() -> (String, Option<i32>) {
    ("503".into(), Some(0))
}

fn faults_come_and_go(data_plane: &str) {
    let labs = OwnLabs::new();
    labs.up(&["-f", STRICT, "--data-plane", data_plane]);
    assert_eq!(call(&labs, "client"), answered());
    let of_port = &["reset", "client", "server", "--port", "8080"];
    for (fault, expected, listed) in [
        (
            &["partition", "client", "server"][..],
            unanswered(),
            "no packet passes between client.default and server.default",
        ),
        (of_port, status_503(), "connections are reset between client.default and server.default, port 8080"),
        (&["stop", "server"], unanswered(), "istio-proxy of server.default is stopped"),
        (&["kill", "server"], status_503(), "istio-proxy of server.default is killed"),
        (&["kill", "server", "-c", "app"], status_503(), "app of server.default is killed"),
    ] {
        let made = labs.done(&[&["fault"], fault].concat());
        assert_eq!(made, format!("fault 1: {listed}\n"));
        assert_eq!(call(&labs, "client"), expected, "{fault:?}");
        assert_eq!(labs.done(&["fault", "list"]), made);
        assert_eq!(labs.done(&["fault", "clear", "--all"]), format!("cleared {made}"));
        assert_eq!(labs.done(&["fault", "list"]), "no faults\n");
        assert_eq!(call(&labs, "client"), answered(), "{fault:?} is cleared");
    }
    let pods = labs.done(&["get", "pods", "--no-headers"]);
    let server: Vec<&str> = pods.lines().find(|line| line.starts_with("server ")).unwrap().split_whitespace().collect();
    assert_eq!(server[..4], ["server", "2/2", "Running", "2"], "what was killed was started again");
    let namespaces = labs.namespaces();
    labs.done(&["down"]);
    labs.assert_gone(&namespaces);
}

#[test]
fn faults_come_and_go_with_the_native_data_plane() {
    if may_make_labs() {
        faults_come_and_go("native");
    }
}

#[test]
fn faults_come_and_go_with_envoy() {
    if may_make_labs() && has_envoy() {
        faults_come_and_go("envoy");
    }
}

#[test]
fn a_sidecar_that_is_stopped_is_not_ready_and_one_that_was_killed_has_an_exit_code() {
    if !may_make_labs() {
        return;
    }
    let labs = OwnLabs::new();
    labs.up(&["-f", STRICT]);
    labs.done(&["fault", "stop", "client"]);
    labs.done(&["fault", "kill", "server"]);
    let pods: Value = serde_json::from_str(&labs.done(&["get", "pods", "-o", "json"])).unwrap();
    let sidecar = |name: &str| {
        let pod = pods["items"].as_array().unwrap().iter().find(|pod| pod["metadata"]["name"] == name).unwrap();
        let containers = pod["status"]["containerStatuses"].as_array().unwrap();
        containers.iter().find(|one| one["image"] == "sidecar-proxy").unwrap().clone()
    };
    assert_eq!((&sidecar("client")["ready"], &sidecar("client")["started"]), (&false.into(), &true.into()));
    assert_eq!(sidecar("server")["state"]["terminated"]["exitCode"], 137);
    let namespaces = labs.namespaces();
    labs.done(&["down"]);
    labs.assert_gone(&namespaces);
}

#[test]
fn a_fault_of_the_network_outlasts_a_change_of_the_lab_and_ends_with_its_pods() {
    if !may_make_labs() {
        return;
    }
    let labs = OwnLabs::new();
    labs.up(&["-f", STRICT]);
    labs.done(&["fault", "partition", "client", "server"]);
    labs.done(&["delete", "pa", "default"]);
    assert_eq!(call(&labs, "client"), unanswered());
    assert_eq!(call(&labs, "outsider"), answered(), "other pods are not concerned");
    labs.done(&["delete", "pod", "client"]);
    assert_eq!(labs.done(&["fault", "list"]), "no faults\n");
}

#[test]
fn a_rate_is_limited_in_each_direction() {
    if !may_make_labs() || !has_envoy() {
        return;
    }
    let labs = OwnLabs::new();
    labs.up(&["-f", STRICT, "--data-plane", "envoy"]);
    labs.done(&["fault", "throttle", "client", "server", "--rate", "4mbit"]);
    let url = "http://server:8080/bytes/3000000";
    let format = "%{http_code} %{size_download} %{time_total}";
    let curl = ["exec", "client", "--", "curl", "-s", "-o", "/dev/null", "-w", format, url];
    let printed = labs.done(&curl);
    let (whole, seconds) = printed.rsplit_once(' ').unwrap();
    assert_eq!(whole, "200 3000000");
    // 500 kB a second, after a burst of two seconds' worth at most.
    let seconds: f64 = seconds.parse().unwrap();
    assert!(seconds > 3.0, "{printed}");
}

#[test]
fn some_packets_are_lost_and_no_request() {
    if !may_make_labs() {
        return;
    }
    let labs = OwnLabs::new();
    labs.up(&["-f", STRICT]);
    labs.done(&["fault", "drop", "client", "server", "--percent", "10"]);
    for _ in 0..10 {
        assert_eq!(call_for(&labs, "client", "60").0, "200");
    }
    let report: Value = serde_json::from_str(&labs.done(&["fault", "list", "-o", "json"])).unwrap();
    let expected = serde_json::json!({"drop": {"pods": ["client.default", "server.default"], "percent": 10}});
    assert_eq!(report["faults"][0]["fault"], expected);
}

#[test]
fn without_istiod_changes_and_certificates_reach_no_sidecar() {
    if !may_make_labs() {
        return;
    }
    let labs = OwnLabs::new();
    let (_folder, files) = folder(&[
        (
            "permissive.yaml",
            "apiVersion: security.istio.io/v1\nkind: PeerAuthentication\nmetadata: {name: default}\nspec: {mtls: {mode: PERMISSIVE}}\n",
        ),
        (
            "pod.yaml",
            "apiVersion: v1\nkind: Pod\nmetadata: {name: late}\nspec: {containers: [{name: app, image: sidelab/demo-client, command: [sleep, infinity]}]}\n",
        ),
    ]);
    let (permissive, pod) = (files[0].to_str().unwrap(), files[1].to_str().unwrap());
    labs.up(&["-f", STRICT]);
    labs.done(&["fault", "istiod"]);
    let certificates = labs.done(&["certs", "-o", "json"]);
    let refused = labs.sidelab(&["rotate"]);
    assert_eq!(refused.status.code(), Some(2), "{}", text(&refused));
    assert!(text(&refused).contains("istiod is gone (fault 1), and signs no certificates"), "{}", text(&refused));
    let refused = labs.sidelab(&["apply", "-f", pod]);
    assert_eq!(refused.status.code(), Some(2), "{}", text(&refused));
    let why = "the sidecar of late.default would start without configuration and certificate, since istiod is gone";
    assert!(text(&refused).contains(why), "{}", text(&refused));
    assert!(!labs.done(&["get", "pods", "-o", "name"]).contains("late"));

    let applied = labs.sidelab(&["apply", "-f", permissive]);
    assert_eq!(applied.status.code(), Some(0), "{}", text(&applied));
    let later = "server.default: its sidecar gets its files once istiod is back (`sidelab fault clear 1`)";
    assert!(text(&applied).contains(later), "{}", text(&applied));
    assert_eq!(call(&labs, "outsider").0, "000", "STRICT is still in force");
    let explain = ["explain", "--from", "outsider", "--to", "server:8080", "--app", "http"];
    assert!(labs.done(&explain).contains("istiod is gone"), "a prediction says what it leaves out");

    let cleared = labs.done(&["fault", "clear", "1"]);
    assert!(cleared.contains("server.default: listener virtualInbound: chain 0.0.0.0_8080"), "{cleared}");
    assert_eq!(call(&labs, "outsider"), answered());
    assert_eq!(labs.done(&["certs", "-o", "json"]).len(), certificates.len(), "certificates are as they were");
    labs.done(&["rotate"]);
    assert_eq!(call(&labs, "client"), answered());
}

#[test]
fn wrong_faults_are_refused_and_change_nothing() {
    if !may_make_labs() {
        return;
    }
    let labs = OwnLabs::new();
    labs.up(&["-f", STRICT]);
    for (args, message) in [
        (
            &["partition", "client", "client"][..],
            "a fault of the network is between two pods, and client.default is one",
        ),
        (&["partition", "client", "servr"], "did you mean"),
        (&["kill", "outsider"], "outsider.default has no container istio-proxy; it has app"),
        (&["throttle", "client", "server", "--rate", "1mb"], "is not a rate of at least 8bit"),
        (&["clear", "7"], "there is no fault 7; `sidelab fault list` lists them"),
    ] {
        let refused = labs.sidelab(&[&["fault"], args].concat());
        assert_eq!(refused.status.code(), Some(2), "{args:?}: {}", text(&refused));
        assert!(text(&refused).contains(message), "{args:?}: {}", text(&refused));
    }
    assert_eq!(labs.done(&["fault", "list"]), "no faults\n");
    labs.done(&["fault", "stop", "client"]);
    let twice = labs.sidelab(&["fault", "stop", "client"]);
    assert!(text(&twice).contains("this is fault 1: istio-proxy of client.default is stopped"), "{}", text(&twice));
}
