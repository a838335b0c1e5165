//! Bad input: one clear message with file, document, field and fix; the right exit code; nothing left behind.

use std::{fs, os::unix::fs::PermissionsExt, process::Output};

use tests::{checkout, copy_to, folder, labs::OwnLabs, may_make_labs, text, tools};

/// The project's STRICT scenario, with a part replaced.
fn strict_with(part: &str, by: &str) -> String {
    scenario_with("strict", part, by)
}

/// A scenario's manifests, with a part replaced.
fn scenario_with(name: &str, part: &str, by: &str) -> String {
    let path = checkout().join("scenarios").join(name).join("manifests.yaml");
    let manifests = fs::read_to_string(path).unwrap();
    assert!(manifests.contains(part), "the scenario has {part:?}");
    manifests.replacen(part, by, 1)
}

#[track_caller]
fn assert_says(output: &Output, code: i32, parts: &[&str]) {
    let text = text(output);
    for part in parts {
        assert!(text.contains(part), "missing: {part:?}\nprinted: {text}");
    }
    assert_eq!(output.status.code(), Some(code), "{text}");
}

/// Asserts that these manifests are refused by `validate`, and by `up` too, which leaves nothing.
#[track_caller]
fn assert_refused(manifests: &str, parts: &[&str]) {
    let labs = OwnLabs::new();
    let (_folder, files) = folder(&[("mesh.yaml", manifests)]);
    let file = files[0].to_str().unwrap();
    let located: Vec<String> = parts.iter().map(|part| part.replace("mesh.yaml", file)).collect();
    let parts: Vec<&str> = located.iter().map(String::as_str).collect();
    let validated = labs.sidelab(&["validate", "-f", file]);
    assert_says(&validated, 2, &parts);
    let faults = String::from_utf8_lossy(&validated.stdout).lines().count();
    assert_eq!(faults, 1, "one message for one fault: {}", text(&validated));
    assert_says(&labs.sidelab(&["explain", "-f", file, "--from", "client", "--to", "server:8080"]), 2, &parts);
    if may_make_labs() {
        assert_says(&labs.sidelab(&["up", "-f", file]), 2, &parts);
        labs.assert_gone(&[]);
    }
}

#[test]
fn yaml_that_does_not_parse_is_named_by_line_and_column() {
    assert_refused("kind: Pod\n  metadata: [\n", &["mesh.yaml:2:11: document 1: not YAML: "]);
}

#[test]
fn an_unknown_field_is_named_with_a_similar_one() {
    assert_refused(
        &strict_with("serviceAccountName: client", "serviceAcountName: client"),
        &[": document 5 (Pod client): spec.serviceAcountName: ", "did you mean serviceAccountName?"],
    );
}

#[test]
fn an_unsupported_patch_of_an_envoy_filter_is_set_aside_and_named() {
    let patched = ": document 7 (EnvoyFilter tls-to-app): spec.configPatches[0].";
    let warned = |from: &str, to: &str, words: &str| {
        let (_folder, files) = folder(&[("mesh.yaml", &scenario_with("tls-to-app", from, to))]);
        assert_says(&OwnLabs::new().sidelab(&["validate", "-f", files[0].to_str().unwrap()]), 0, &[patched, words]);
    };
    warned(
        "      context: SIDECAR_INBOUND\n",
        "      context: GATEWAY\n",
        "match.context: warning: GATEWAY is not supported; SIDECAR_INBOUND is: the patch is set aside",
    );
    warned("portNumber: 8443", "portNumber: 84430", "match.cluster.portNumber: warning: no cluster has port 84430");
    assert_refused(
        &scenario_with("tls-to-app", "cluster: {portNumber: 8443}", "cluster: {portNumber: 8443, host: server}"),
        &[patched, "match.cluster.host: unknown field; known here are portNumber, service, name, subset"],
    );
}

#[test]
fn an_annotation_for_tls_to_the_app_is_a_list_of_ports() {
    assert_refused(
        &scenario_with("tls-to-app", "\"8443,8445,9443,8080\"", "\"8443;8445\""),
        &[
            ": document 6 (Pod server): metadata.annotations[textbook.sidelab.io/tls-to-app]: ",
            "\"8443;8445\" is not a port; expected a comma list of container ports",
        ],
    );
}

#[test]
fn a_service_entry_is_rejected_as_by_istios_webhook() {
    let entry = ": document 8 (ServiceEntry dns): spec.";
    assert_refused(
        &scenario_with("egress", "hosts: [shop.example.com]\n", "hosts: [\"*.example.com\"]\n"),
        &[entry, "hosts[0]: \"*.example.com\" cannot be resolved: with resolution DNS and no endpoints"],
    );
    assert_refused(
        &scenario_with("egress", "resolution: DNS\n", "resolution: DNSS\n"),
        &[entry, "resolution: unknown variant `DNSS`", "`DNS_ROUND_ROBIN`"],
    );
    assert_refused(
        &scenario_with("egress", "resolution: DNS\n", "resolution: DNS\n  addresses: [203.0.113.0/24]\n"),
        &[entry, "addresses[0]: a range is allowed only with resolution NONE or STATIC"],
    );
}

#[test]
fn an_external_host_needs_a_full_name() {
    assert_refused(
        &scenario_with("egress", "external-host: \"shop.example.com, pay", "external-host: \"shop, pay"),
        &["(Pod host): metadata.annotations[sidelab.io/external-host]: ", "\"shop\" is not a host outside the cluster"],
    );
}

#[test]
fn port_level_modes_need_a_selector() {
    assert_refused(
        &strict_with("mode: STRICT\n", "mode: STRICT\n  portLevelMtls: {8080: {mode: PERMISSIVE}}\n"),
        &[": document 2 (PeerAuthentication default): spec.portLevelMtls: ", "add spec.selector.matchLabels"],
    );
}

#[test]
fn of_two_pods_of_one_name_the_later_applies_with_a_warning() {
    let (_folder, files) = folder(&[("mesh.yaml", &strict_with("name: outsider", "name: client"))]);
    let file = files[0].to_str().unwrap();
    let warning = format!(": document 6 (Pod client): metadata.name: warning: replaces Pod default/client at {file}#5");
    assert_says(&OwnLabs::new().sidelab(&["validate", "-f", file]), 0, &[&warning]);
}

#[test]
fn a_fault_has_its_line_and_column_as_editors_count_them() {
    let manifests = strict_with("serviceAccountName: client", "serviceAcountName: client");
    let line = manifests.lines().position(|line| line.contains("serviceAcountName")).unwrap() + 1;
    let column = manifests.lines().nth(line - 1).unwrap().find("serviceAcountName").unwrap() + 1;
    let (_folder, files) = folder(&[("mesh.yaml", &manifests)]);
    let file = files[0].to_str().unwrap();
    let labs = OwnLabs::new();
    assert_says(&labs.sidelab(&["validate", "-f", file]), 2, &[&format!("{file}:{line}:{column}: document 5 ")]);
    let github = format!("::error file={file},line={line},col={column}::Pod client: spec.serviceAcountName: ");
    assert_says(&labs.sidelab(&["validate", "-f", file, "-o", "github"]), 2, &[&github]);
    let sarif = format!("\"startLine\": {line}");
    assert_says(&labs.sidelab(&["validate", "-f", file, "-o", "sarif"]), 2, &[&sarif]);
}

#[test]
fn a_port_out_of_range_is_rejected_with_the_range() {
    assert_refused(
        &strict_with("port: 8080", "port: 80800"),
        &[": document 8 (Service server): spec.ports[0].port: 80800 ", "from 1 to 65535"],
    );
}

#[test]
fn a_traffic_annotation_that_does_not_parse_fails_injection() {
    let annotation = "name: server\n  annotations: {traffic.sidecar.istio.io/excludeInboundPorts: 80a}\n  labels:";
    assert_refused(
        &strict_with("name: server\n  labels:", annotation),
        &[
            ": document 7 (Pod server): metadata.annotations[traffic.sidecar.istio.io/excludeInboundPorts]: ",
            "injection fails: \"80a\" is not a port",
        ],
    );
}

#[test]
fn a_ca_bundle_that_is_not_pem_is_refused_by_its_field() {
    let manifests = scenario_with("webhook-strict", "caBundle: ", "caBundle: bm8gUEVN\n  # ");
    let place = "(ValidatingWebhookConfiguration policy): webhooks[0].clientConfig.caBundle: is not PEM";
    assert_refused(&manifests, &[": document ", place]);
}

#[test]
fn a_webhook_without_a_service_and_url_or_with_a_wrong_path_is_refused() {
    let path = scenario_with("webhook-strict", "path: /validate", "path: validate");
    assert_refused(
        &path,
        &["webhooks[0].clientConfig.service.path: \"validate\" does not begin with /; write /validate"],
    );
    let name = scenario_with("webhook-strict", "name: pods.policy.example.com", "name: pods");
    assert_refused(&name, &["webhooks[0].name: \"pods\" is not a webhook name", "pods.example.com"]);
}

#[test]
fn an_expired_certificate_is_refused_with_its_date() {
    let mut expired = rcgen::CertificateParams::new(["app.example".to_owned()]).unwrap();
    expired.not_after = rcgen::date_time_ymd(2024, 2, 29);
    let key = rcgen::KeyPair::generate().unwrap();
    let certificate = expired.self_signed(&key).unwrap().pem();
    let indented = |pem: String| pem.lines().map(|line| format!("    {line}\n")).collect::<String>();
    let secret = format!(
        "apiVersion: v1\nkind: Secret\nmetadata: {{name: app-tls}}\ntype: kubernetes.io/tls\nstringData:\n  \
         tls.crt: |\n{}  tls.key: |\n{}",
        indented(certificate),
        indented(key.serialize_pem())
    );
    let reader = "apiVersion: v1\nkind: Pod\nmetadata: {name: reader}\nspec:\n  containers:\n  - {name: app, image: sidelab/demo-client, \
                  command: [sleep, infinity], volumeMounts: [{name: tls, mountPath: /etc/tls}]}\n  \
                  volumes: [{name: tls, secret: {secretName: app-tls}}]\n";
    assert_refused(
        &format!("{}---\n{secret}---\n{reader}", strict_with("STRICT", "STRICT")),
        &[": document 10 (Secret app-tls): stringData[tls.crt]: ", "expired at Feb 29", "renew it"],
    );
}

#[test]
fn a_service_without_pods_is_a_warning_and_its_calls_fail_as_in_a_cluster() {
    if !may_make_labs() {
        return;
    }
    let labs = OwnLabs::new();
    let (_folder, files) = folder(&[("mesh.yaml", &strict_with("    app: server\nspec:", "    app: sever\nspec:"))]);
    let file = files[0].to_str().unwrap();
    let warning = ": document 8 (Service server): spec.selector: warning: finds no pod with app=server";
    assert_says(&labs.sidelab(&["validate", "-f", file]), 0, &[warning, "pod server has app=sever"]);
    assert_says(&labs.sidelab(&["up", "-f", file]), 0, &[warning]);
    let curl = ["curl", "-s", "-o", "/dev/null", "-w", "%{http_code}", "http://server:8080/"];
    // A sidecar has the cluster, without endpoints.
    assert_says(&labs.sidelab(&[&["exec", "client", "--"], &curl[..]].concat()), 0, &["503"]);
    // Without a sidecar, the node refuses: kube-proxy's REJECT. 7 is curl's exit code for that.
    assert_says(&labs.sidelab(&[&["exec", "outsider", "--"], &curl[..]].concat()), 7, &[]);
    let namespaces = labs.namespaces();
    labs.done(&["down"]);
    labs.assert_gone(&namespaces);
}

#[test]
fn a_scenario_with_an_incomplete_expectation_is_rejected() {
    let manifests = strict_with("STRICT", "STRICT");
    for (scenario, message) in [
        ("{title: t, shows: s, claims: [], probes: []}", "probes: a scenario without probes shows nothing"),
        (
            "{title: t, shows: s, claims: [], probes: [{name: call, from: client, to: 'server:8080', app: http, expect: {outcome: {status: 200}}}]}",
            "probes[0] (call): the outcome (`outcome.delivered`) has no expectation in the textbook mesh; add it to",
        ),
    ] {
        let labs = OwnLabs::new();
        let (folder, files) = folder(&[("scenario.yaml", scenario), ("manifests.yaml", &manifests)]);
        let run = labs.sidelab(&["run", folder.path().to_str().unwrap()]);
        assert_says(&run, 2, &[&format!("{}: {message}", files[0].display())]);
        labs.assert_gone(&[]);
    }
}

#[test]
fn an_unsupported_field_in_an_envoy_file_is_rejected_with_its_path() {
    let socket = r#""address": {"socket_address": {"address": "127.0.0.1", "port_value": 0}}"#;
    for (file, path) in [
        (format!(r#"{{"admin": {{{socket}, "profile_path": "/tmp/p"}}}}"#), "admin.profile_path"),
        (
            format!(
                r#"{{"static_resources": {{"listeners": [{{"name": "in", {socket}, "filter_chains": [{{"filters": [],
                "on_demand_configuration": {{}}}}]}}]}}}}"#
            ),
            "static_resources.listeners[0].filter_chains[0].on_demand_configuration",
        ),
    ] {
        let (_folder, files) = folder(&[("bootstrap.json", &file)]);
        let mut validate = std::process::Command::new(tools().own("sidecar-proxy").unwrap());
        validate.args(["--mode", "validate", "-c"]).arg(&files[0]);
        assert_says(&validate.output().unwrap(), 2, &[&files[0].display().to_string(), path]);
    }
}

#[test]
fn a_port_in_use_names_the_container_and_leaves_nothing() {
    if !may_make_labs() {
        return;
    }
    for (args, by) in [
        // Two containers of one pod.
        (
            r#"args: [--http, "8080", --tcp, "9000"]"#,
            "args: [--http, \"8080\"]\n  - name: second\n    image: sidelab/demo-server\n    args: [--tcp, \"8080\"]",
        ),
        // An app and its own sidecar.
        (r#"args: [--http, "8080", --tcp, "9000"]"#, r#"args: [--http, "15006"]"#),
    ] {
        let labs = OwnLabs::new();
        let (_folder, files) = folder(&[("mesh.yaml", &strict_with(args, by))]);
        let up = labs.sidelab(&["up", "-f", files[0].to_str().unwrap()]);
        let place = format!("{}#7 spec.containers[", files[0].display());
        assert_says(&up, 2, &[&place, "of server.default did not start", "in use", "different ports"]);
        labs.assert_gone(&[]);
    }
}

#[test]
fn without_iptables_the_exit_code_is_3() {
    if !may_make_labs() {
        return;
    }
    let labs = OwnLabs::new();
    let empty = tempfile::tempdir().unwrap();
    // Programs are also searched in /usr/sbin, which many users' PATH lacks: hide that, too.
    let script = r#"mount --bind "$EMPTY" /usr/sbin && mount --bind "$EMPTY" /sbin && PATH="$EMPTY" exec "$@""#;
    for (args, code) in [(["up", "-f", "scenarios/strict/manifests.yaml"], 3), (["run", "strict", "--mesh=istio"], 3)] {
        let sidelab = labs.command(&args);
        let mut hidden = std::process::Command::new("unshare");
        hidden.args(["--mount", "sh", "-c", script, "sh"]).arg(sidelab.get_program()).args(sidelab.get_args());
        hidden.env("EMPTY", empty.path()).env("SIDELAB_RUN_DIR", labs.path()).current_dir(checkout());
        let output = hidden.output().unwrap();
        assert_says(&output, code, &["`iptables-restore` is not on this host", "install it"]);
        labs.assert_gone(&[]);
    }
}

#[test]
fn without_privilege_the_exit_code_is_3() {
    if !may_make_labs() {
        return;
    }
    let labs = OwnLabs::new();
    let parent = labs.path().parent().unwrap().to_owned();
    fs::set_permissions(&parent, fs::Permissions::from_mode(0o777)).unwrap();
    // A checkout may be in a folder that only root can read.
    let sidelab = parent.join("sidelab");
    copy_to(&parent, &[tools().own("sidelab").unwrap()]);
    // The kernel refuses a user namespace to an ordinary user's process in a chroot.
    let root = tempfile::tempdir().unwrap();
    let script = r#"mount --rbind / "$ROOT" && exec chroot --userspec 1000:1000 --groups= "$ROOT" "$@""#;
    for args in [["run", "strict"].as_slice(), &["up", "-f", "manifests.yaml"]] {
        let mut ordinary = std::process::Command::new("unshare");
        ordinary.args(["--mount", "sh", "-c", script, "sh"]).arg(&sidelab).args(args);
        ordinary.env("ROOT", root.path()).env("SIDELAB_RUN_DIR", labs.path());
        assert_says(&ordinary.output().unwrap(), 3, &["user namespace", "run as root"]);
        assert!(!labs.path().exists(), "nothing was created");
        labs.assert_gone(&[]);
    }
}

#[test]
fn missing_files_and_invalid_arguments_exit_with_2() {
    let strict = "scenarios/strict/manifests.yaml";
    for (args, parts) in [
        (["validate", "-f", "nosuch.yaml"].as_slice(), ["can't read nosuch.yaml", "No such file"].as_slice()),
        (&["run", "strct"], &["no scenario \"strct\"", "in scenarios (did you mean strict?)", "`sidelab scenarios`"]),
        (&["frobnicate"], &["unrecognized subcommand 'frobnicate'"]),
        (
            &["explain", "-f", strict, "--from", "nobody", "--to", "server:80"],
            &["--from: no pod \"nobody\"", "there are: "],
        ),
        (&["explain", "-f", strict, "--from", "client", "--to", "server"], &["--to: \"server\" is not HOST:PORT"]),
        (&["config", "outsider", "-f", strict], &["outsider.default has no sidecar", "sidecar.istio.io/inject"]),
    ] {
        assert_says(&OwnLabs::new().sidelab(args), 2, parts);
    }
}
