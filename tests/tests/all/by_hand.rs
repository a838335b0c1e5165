//! A lab to work in by hand: brought up, inspected, used with the host's own programs, and taken down.

use std::{
    io::{BufRead, BufReader},
    process::{Child, ExitStatus, Stdio},
};

use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use serde_json::Value;
use tests::{
    checkout, folder,
    labs::{OwnLabs, curl_status},
    may_make_labs, sidelab, text,
};

const STRICT: &str = "scenarios/strict/manifests.yaml";

fn json(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|error| panic!("{error}: {text}"))
}

/// Runs `sidelab`, asserts success, and parses the JSON that it prints.
fn printed_json(args: &[&str]) -> Value {
    let output = sidelab(args);
    assert!(output.status.success(), "sidelab {args:?}: {}", text(&output));
    json(&String::from_utf8(output.stdout).unwrap())
}

#[test]
fn services_are_called_by_name_from_inside_pods() {
    if !may_make_labs() {
        return;
    }
    let labs = OwnLabs::new();
    let up = json(&labs.done(&["up", "-f", STRICT, "-o", "json"]));
    assert_eq!(up["schema"], "sidelab.up/v1");
    assert_eq!(up["pods"][0]["pod"], "client.default");
    assert_eq!(up["pods"][0]["ips"], json(r#"["10.244.0.2", "fd00:244::2"]"#));
    for url in [
        "http://server:8080/hello",
        "http://server.default.svc.cluster.local:8080/",
        "http://server-v6:8080/",
        "http://10.96.0.10:8080/",
        "http://[fd00:96::b]:8080/",
    ] {
        let called = labs.done(&curl_status(&["client"], url));
        assert_eq!(called, "200", "{url}");
    }
    let log = labs.done(&["logs", "client", "-c", "istio-proxy"]);
    assert!(log.contains("\"GET /hello HTTP/1.1\" 200 - via_upstream"), "{log}");
    let outsider = labs.sidelab(&["exec", "outsider", "--", "curl", "-s", "http://server:8080/"]);
    assert_eq!(outsider.status.code(), Some(56), "curl reports a reset: {}", text(&outsider));
    let namespaces = labs.namespaces();
    labs.done(&["down"]);
    labs.assert_gone(&namespaces);
}

#[test]
fn a_command_in_a_pod_has_its_own_exit_code_input_and_output() {
    if !may_make_labs() {
        return;
    }
    let labs = OwnLabs::new();
    labs.up(&["-f", STRICT]);
    let exited = labs.sidelab(&["exec", "client", "--", "sh", "-c", "echo out; echo err >&2; exit 42"]);
    assert_eq!(exited.status.code(), Some(42));
    assert_eq!((exited.stdout, exited.stderr), (b"out\n".to_vec(), b"err\n".to_vec()));
    let mut cat = labs.command(&["exec", "client", "--", "cat"]);
    cat.stdin(std::fs::File::open(checkout().join("rust-toolchain.toml")).unwrap());
    assert!(text(&cat.output().unwrap()).contains("channel"), "standard input reaches the command");
    let missing = labs.sidelab(&["exec", "client", "--", "no-such-program"]);
    assert_eq!(missing.status.code(), Some(2), "{}", text(&missing));
    assert!(text(&missing).contains("`no-such-program` not found"), "{}", text(&missing));
    let nobody = labs.sidelab(&["exec", "nobody", "--", "true"]);
    assert_eq!(nobody.status.code(), Some(2));
    assert!(text(&nobody).contains("client.default, outsider.default, server.default"), "{}", text(&nobody));
}

/// A running `sidelab delay`, and its further output.
fn delay(labs: &OwnLabs, rtt: &str) -> (Child, impl Iterator<Item = String>) {
    let mut delay = labs.command(&["delay", rtt]).stdout(Stdio::piped()).spawn().unwrap();
    let mut output_lines = BufReader::new(delay.stdout.take().unwrap()).lines().map(Result::unwrap);
    let begun = output_lines.next().unwrap();
    assert!(begun.ends_with(&format!(" takes {rtt} longer, until Ctrl-C")), "{begun}");
    (delay, output_lines)
}

/// The time to connect, in seconds, from a pod without a sidecar: a sidecar would accept the connection inside the pod.
fn time_to_connect(labs: &OwnLabs) -> f64 {
    let call = ["exec", "outsider", "--", "curl", "-s", "-w", "%{time_connect}", "http://server:8080/"];
    String::from_utf8(labs.sidelab(&call).stdout).unwrap().parse().unwrap()
}

fn end(delay: &mut Child, signal: Signal) -> ExitStatus {
    kill(Pid::from_raw(delay.id() as i32), signal).unwrap();
    delay.wait().unwrap()
}

#[test]
fn round_trips_between_pods_take_longer_while_a_delay_runs() {
    if !may_make_labs() {
        return;
    }
    let labs = OwnLabs::new();
    let id = labs.up(&["-f", STRICT]);
    let (mut running, mut output_lines) = delay(&labs, "100ms");
    let seconds = time_to_connect(&labs);
    assert!(seconds >= 0.1, "{seconds} s to connect");
    let twice = labs.sidelab(&["delay", "1ms"]);
    assert_eq!(twice.status.code(), Some(2), "{}", text(&twice));
    assert!(text(&twice).contains("another `sidelab delay` is running; end it first"), "{}", text(&twice));
    assert!(end(&mut running, Signal::SIGINT).success());
    assert_eq!(output_lines.next().unwrap(), format!("lab {id} is no longer delayed"));
    assert!(time_to_connect(&labs) > 0.0, "it still connects");
}

#[test]
fn a_delay_of_0_ends_the_one_that_runs() {
    if !may_make_labs() {
        return;
    }
    let labs = OwnLabs::new();
    let id = labs.up(&["-f", STRICT]);
    assert_eq!(labs.done(&["delay", "0"]), format!("no `sidelab delay` is running in lab {id}\n"));
    let (mut running, mut output_lines) = delay(&labs, "100ms");
    assert_eq!(labs.done(&["delay", "0"]), format!("lab {id} is no longer delayed\n"));
    assert_eq!(output_lines.next().unwrap(), format!("lab {id} is no longer delayed"));
    assert!(running.wait().unwrap().success());
}

#[test]
fn a_killed_delay_no_longer_delays() {
    if !may_make_labs() {
        return;
    }
    let labs = OwnLabs::new();
    labs.up(&["-f", STRICT]);
    for _ in 0..2 {
        let (mut running, _) = delay(&labs, "100ms");
        let seconds = time_to_connect(&labs);
        assert!(seconds >= 0.1, "{seconds} s to connect");
        end(&mut running, Signal::SIGKILL);
        assert!(time_to_connect(&labs) > 0.0, "it still connects");
    }
}

#[test]
fn pods_services_and_labs_are_listed() {
    if !may_make_labs() {
        return;
    }
    let labs = OwnLabs::new();
    let id = labs.up(&["-f", STRICT]);
    let pods = json(&labs.done(&["get", "pods", "-A", "-o", "json"]));
    let names = |list: &Value| -> Vec<String> {
        list["items"].as_array().unwrap().iter().map(|one| one["metadata"]["name"].to_string()).collect()
    };
    assert_eq!(names(&pods), [r#""client""#, r#""outsider""#, r#""server""#]);
    let containers = |pod: usize| pods["items"][pod]["spec"]["containers"].as_array().unwrap().len();
    assert_eq!([containers(0), containers(1), containers(2)], [2, 1, 2]);
    let services = json(&labs.done(&["get", "services", "-o", "json"]));
    assert_eq!(names(&services), [r#""server""#, r#""server-v6""#]);
    assert_eq!(services["items"][0]["spec"]["clusterIPs"], json(r#"["10.96.0.10"]"#));
    let table = labs.done(&["get", "services"]);
    assert!(table.lines().nth(1).unwrap().contains(" 8080/TCP,9000/TCP "), "{table}");
    let listed = json(&labs.done(&["get", "labs", "-o", "json"]));
    assert_eq!((&listed[0]["lab"], &listed[0]["state"]), (&Value::from(id), &Value::from("up")));
    let modes = labs.done(&["get", "pods", "-o", "wide", "--no-headers"]);
    let modes: Vec<&str> = modes.lines().map(|line| line.split_whitespace().last().unwrap()).collect();
    assert_eq!(modes, ["STRICT", "<none>", "STRICT"]);
}

#[test]
fn with_several_labs_up_one_must_be_named() {
    if !may_make_labs() {
        return;
    }
    let labs = OwnLabs::new();
    let strict = labs.up(&["-f", STRICT]);
    let loopback = labs.up(&["-f", "scenarios/loopback-app/manifests.yaml", "--mesh", "textbook"]);
    let unnamed = labs.sidelab(&["get", "pods"]);
    assert_eq!(unnamed.status.code(), Some(2), "{}", text(&unnamed));
    assert!(text(&unnamed).contains(&strict) && text(&unnamed).contains(&loopback), "{}", text(&unnamed));
    for lab in [&strict, &loopback] {
        assert_eq!(labs.done(&curl_status(&["--lab", lab, "client"], "http://server:8080/")), "200");
    }
    assert_eq!(labs.done(&["down", &strict]), format!("removed {strict}\n"));
    // The remaining lab is selected without its name.
    assert!(!labs.done(&["get", "pods"]).contains("outsider"), "the other lab");
    let namespaces = labs.namespaces();
    labs.done(&["down", "--all"]);
    labs.assert_gone(&namespaces);
    let none = labs.sidelab(&["down"]);
    assert_eq!(none.status.code(), Some(2));
    assert!(text(&none).contains("no lab is up; bring one up with `sidelab up -f FILE`"), "{}", text(&none));
}

#[test]
fn explain_treats_an_unknown_name_as_an_external_host() {
    let (_folder, files) = folder(&[(
        "entry.yaml",
        "apiVersion: networking.istio.io/v1\nkind: ServiceEntry\nmetadata: {name: shop}\n\
         spec: {hosts: [shop.example.com], location: MESH_EXTERNAL, resolution: DNS, ports: [{number: 443, name: tls, protocol: TLS}]}",
    )]);
    let entry = files[0].to_str().unwrap();
    let explained = |host: &str| {
        let to = format!("{host}:443");
        printed_json(&[
            "explain", "-f", STRICT, "-f", entry, "--from", "client", "--to", &to, "--app", "https", "-o", "json",
        ])
    };
    let known = explained("shop.example.com");
    assert_eq!(known["outcome"]["delivered"], true, "{known}");
    assert_eq!(known["outcome"]["requested_server_name"], "shop.example.com", "the entry makes the sidecar read it");
    let unknown = explained("other.example.com");
    assert_eq!(unknown["legs"][1]["layers"], json(r#"["tls", "http/1.1"]"#), "{unknown}");
}

#[test]
fn explain_predicts_a_call_leg_by_leg_with_the_deciding_policy() {
    let explained = printed_json(&["explain", "-f", STRICT, "--from", "client", "--to", "server:8080", "-o", "json"]);
    assert_eq!(explained["schema"], "sidelab.explain/v1");
    assert_eq!(explained["mesh"], "istio");
    assert_eq!(
        explained["from"],
        json(r#"{"pod": "client.default", "ips": ["10.244.0.2", "fd00:244::2"], "sidecar": true}"#)
    );
    assert_eq!(
        explained["to"],
        json(
            r#"{"host": "server.default.svc.cluster.local", "address": "10.96.0.10", "port": 8080, "protocol": "HTTP",
                "pod": "server.default", "target_port": 8080}"#
        )
    );
    assert_eq!(explained["app_sends"], "http");
    let legs = &explained["legs"];
    assert_eq!((&legs[0]["leg"], &legs[0]["path"]), (&Value::from(1), &Value::from("app -> sidecar")));
    assert_eq!(legs[0]["layers"], json(r#"["http/1.1"]"#));
    assert_eq!(legs[1]["layers"], json(r#"["mtls", "http/1.1"]"#));
    let tls = &legs[1]["tls"][0];
    assert_eq!(tls["alpn_offered"], json(r#"["istio-http/1.1", "istio", "http/1.1"]"#));
    assert_eq!(tls["sni"], "outbound_.8080_._.server.default.svc.cluster.local");
    assert_eq!(tls["client_identity"], "spiffe://cluster.local/ns/default/sa/client");
    assert_eq!(tls["server_identity"], "spiffe://cluster.local/ns/default/sa/server");
    assert_eq!((&legs[2]["path"], &legs[2]["layers"]), (&Value::from("sidecar -> app"), &json(r#"["http/1.1"]"#)));
    let listener = explained["steps"].as_array().unwrap().iter().find(|step| step["what"] == "listener").unwrap();
    assert_eq!((&listener["at"], &listener["choice"]), (&Value::from("client sidecar"), &Value::from("0.0.0.0_8080")));
    assert_eq!(listener["source"], format!("{STRICT}#8 spec.ports[0].name"));
    assert_eq!(
        explained["outcome"],
        json(
            r#"{"delivered": true, "at": null, "reason": null, "response_flags": "-", "details": "via_upstream",
                "status": 200, "app_sees": "200"}"#
        )
    );
}

#[test]
fn a_refusal_names_the_party_the_reason_and_what_the_app_sees() {
    let both = ["explain", "-f", STRICT, "--from", "outsider", "--to", "server:8080", "--mesh", "both", "-o", "json"];
    let explained = printed_json(&both);
    for (account, mesh) in explained.as_array().unwrap().iter().zip(["textbook", "istio"]) {
        assert_eq!(account["mesh"], mesh);
        assert_eq!(
            account["outcome"],
            json(
                r#"{"delivered": false, "at": "server sidecar", "reason": "no_filter_chain_match", "response_flags": "NR",
                    "details": "filter_chain_not_found", "status": null, "app_sees": "connection_reset"}"#
            )
        );
    }
}

#[test]
fn config_shows_envoys_own_json_and_the_modes_in_force() {
    let config = printed_json(&["config", "server", "-f", STRICT, "-o", "json"]);
    for part in ["listeners", "routes", "clusters", "endpoints", "secrets"] {
        assert!(config[part].as_array().is_some_and(|entries| !entries.is_empty()), "{part}");
    }
    let secrets = config["secrets"].to_string();
    assert!(secrets.contains("BEGIN CERTIFICATE") && !secrets.contains("PRIVATE KEY"), "keys are redacted: {secrets}");
    let clusters = printed_json(&["config", "server", "-f", STRICT, "--clusters", "-o", "json"]);
    let parts: Vec<&String> = clusters.as_object().unwrap().keys().collect();
    assert_eq!(parts, ["clusters"]);
    let policy = printed_json(&["config", "server", "-f", STRICT, "--policy", "-o", "json"]);
    assert_eq!((&policy["schema"], &policy["pod"]), (&"sidelab.policy/v1".into(), &"server.default".into()));
    assert_eq!(policy["mode"], "STRICT");
    assert_eq!(policy["decided_by"], "PeerAuthentication default/default");
}

#[test]
fn redirects_are_istios_rules_in_istios_order() {
    let rules = |flags: &[&str]| {
        let output = sidelab(&[&["config", "client", "-f", STRICT, "--iptables"], flags].concat());
        assert!(output.status.success(), "{}", text(&output));
        String::from_utf8(output.stdout).unwrap()
    };
    let both = rules(&[]);
    let (ipv4, ipv6) = (rules(&["--family", "ipv4"]), rules(&["--family", "ipv6"]));
    assert_eq!(both, format!("# iptables\n{ipv4}# ip6tables\n{ipv6}"));
    assert!(ipv6.contains("! -d ::1/128") && ipv6.contains("-s ::6/128"), "{ipv6}");
    // tools/istio-iptables/pkg/capture/run.go of Istio, with all inbound ports and the default exclusions.
    let istios = [
        "-A ISTIO_INBOUND -p tcp --dport 15008 -j RETURN",
        "-A ISTIO_REDIRECT -p tcp -j REDIRECT --to-ports 15001",
        "-A ISTIO_IN_REDIRECT -p tcp -j REDIRECT --to-ports 15006",
        "-A PREROUTING -p tcp -j ISTIO_INBOUND",
        "-A ISTIO_INBOUND -p tcp --dport 15090 -j RETURN",
        "-A ISTIO_INBOUND -p tcp --dport 15021 -j RETURN",
        "-A ISTIO_INBOUND -p tcp --dport 15020 -j RETURN",
        "-A ISTIO_INBOUND -p tcp -j ISTIO_IN_REDIRECT",
        "-A OUTPUT -j ISTIO_OUTPUT",
        "-A ISTIO_OUTPUT -o lo -s 127.0.0.6/32 -j RETURN",
        "-A ISTIO_OUTPUT -o lo ! -d 127.0.0.1/32 -p tcp ! --dport 15008 -m owner --uid-owner 1337 -j ISTIO_IN_REDIRECT",
        "-A ISTIO_OUTPUT -o lo -m owner ! --uid-owner 1337 -j RETURN",
        "-A ISTIO_OUTPUT -m owner --uid-owner 1337 -j RETURN",
        "-A ISTIO_OUTPUT -o lo ! -d 127.0.0.1/32 -p tcp ! --dport 15008 -m owner --gid-owner 1337 -j ISTIO_IN_REDIRECT",
        "-A ISTIO_OUTPUT -o lo -m owner ! --gid-owner 1337 -j RETURN",
        "-A ISTIO_OUTPUT -m owner --gid-owner 1337 -j RETURN",
        "-A ISTIO_OUTPUT -d 127.0.0.1/32 -j RETURN",
        "-A ISTIO_OUTPUT -j ISTIO_REDIRECT",
    ];
    let appended: Vec<&str> = ipv4.lines().filter(|line| line.starts_with("-A")).collect();
    assert_eq!(appended, istios);
    let rootless = rules(&["--rootless"]);
    assert!(!rootless.contains("uid-owner") && rootless.contains("-m mark --mark 0x539"), "{rootless}");
}
