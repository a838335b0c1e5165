//! Tasks of Istio's documentation, each with the results that it documents (`content/en/docs/tasks` of istio.io).

use std::fmt::Write as _;

use lab::{data_plane::DataPlane, scenario};
use mesh::model::Flavor;
use tests::{folder, has_envoy, may_make_labs, run};

/// The tasks' apps: `httpbin` and `curl` in each namespace, as published for go-httpbin and curl's image.
fn apps(namespaces: &[(&str, bool)]) -> String {
    let mut yaml = String::new();
    for (namespace, injected) in namespaces {
        let label = if *injected { "labels: {istio-injection: enabled}" } else { "labels: {}" };
        let _ = write!(
            yaml,
            "---
apiVersion: v1
kind: Namespace
metadata: {{name: {namespace}, {label}}}
"
        );
        for (app, port, target, container) in [
            ("httpbin", 8000, 8080, "{name: httpbin, image: mccutchen/go-httpbin, ports: [{containerPort: 8080}]}"),
            ("curl", 80, 80, "{name: curl, image: curlimages/curl, command: [/bin/sleep, infinity]}"),
        ] {
            let _ = write!(
                yaml,
                "---
apiVersion: v1
kind: ServiceAccount
metadata: {{name: {app}, namespace: {namespace}}}
---
apiVersion: v1
kind: Service
metadata: {{name: {app}, namespace: {namespace}}}
spec:
  ports: [{{name: http, port: {port}, targetPort: {target}}}]
  selector: {{app: {app}}}
---
apiVersion: apps/v1
kind: Deployment
metadata: {{name: {app}, namespace: {namespace}}}
spec:
  replicas: 1
  selector: {{matchLabels: {{app: {app}}}}}
  template:
    metadata: {{labels: {{app: {app}}}}}
    spec: {{serviceAccountName: {app}, containers: [{container}]}}
"
            );
        }
    }
    yaml
}

/// What a task's command prints, and what is between the pods meanwhile.
#[derive(Clone, Copy)]
enum Prints {
    /// `200`, with these layers on leg 2.
    Ok(&'static str),
    /// `000`, and curl's exit code 56 or 35: the connection is reset.
    Reset,
    /// The 502 of a sidecar that forwards to known hosts only.
    BadGateway,
}

const PLAINTEXT: Prints = Prints::Ok("[http/1.1]");
const MUTUAL_TLS: Prints = Prints::Ok("[mtls, http/1.1]");
const TLS: Prints = Prints::Ok("[tls, http/1.1]");

/// One command of a task: a call from a pod to a URL.
struct Command {
    from: String,
    to: String,
    app: &'static str,
    prints: Prints,
}

/// Runs the commands of a step on both data planes, and compares what they print.
#[track_caller]
fn step(manifests: &str, commands: &[Command]) {
    if !may_make_labs() || !has_envoy() {
        return;
    }
    let mut text = "title: A task\nshows: What its page says.\nclaims: []\nprobes:\n".to_owned();
    for Command { from, to, app, prints } in commands {
        let (delivered, sees, legs) = match prints {
            Prints::Ok(layers) => (true, "\"200\"", format!("2: {{layers: {layers}}}")),
            Prints::Reset => (false, "connection_reset", "3: {layers: []}".to_owned()),
            Prints::BadGateway => (false, "\"502\"", "2: {layers: []}".to_owned()),
        };
        let outcome = format!("{{delivered: {delivered}, app_sees: {sees}}}");
        let expect = format!("{{legs: {{{legs}}}, outcome: {outcome}}}");
        let _ = writeln!(text, "- {{name: {from} {app} {to}, from: {from}, to: '{to}', app: {app}, expect: {expect}}}");
    }
    let (task, _) = folder(&[("scenario.yaml", &text), ("manifests.yaml", manifests)]);
    let scenarios = scenario::find(task.path(), &[task.path().display().to_string()]).unwrap();
    let report = run(&scenarios, &[Flavor::Istio], &[DataPlane::Native, DataPlane::Envoy], None);
    let bad = report.probes.iter().filter(|probe| !probe.verdict.agrees);
    let bad: Vec<_> = bad.map(|probe| format!("{}: {:?}", probe.probe, probe.verdict.disagreements)).collect();
    assert!(bad.is_empty(), "{}", bad.join("\n"));
}

/// The tasks' loop: every `curl` calls every `httpbin`. Calls from `legacy` to these namespaces are reset, and those to namespaces
/// in `open` are not secured.
fn all_pairs(to: &[&'static str], reset: &[&str], open: &[&str]) -> Vec<Command> {
    let pairs = NAMESPACES.iter().flat_map(|from| to.iter().map(move |to| (*from, *to)));
    let command = |(from, to): (&str, &str)| Command {
        from: format!("curl.{from}"),
        to: format!("httpbin.{to}:8000"),
        app: "http",
        prints: match (from, to) {
            ("legacy", to) if reset.contains(&to) => Prints::Reset,
            ("legacy", _) | (_, "legacy") => PLAINTEXT,
            (_, to) if open.contains(&to) => PLAINTEXT,
            _ => MUTUAL_TLS,
        },
    };
    pairs.map(command).collect()
}

fn peer_authentication(namespace: &str, name: &str, spec: &str) -> String {
    format!(
        "---
apiVersion: security.istio.io/v1
kind: PeerAuthentication
metadata: {{name: {name}, namespace: {namespace}}}
spec: {spec}
"
    )
}

fn destination_rule(namespace: &str, name: &str, spec: &str) -> String {
    format!(
        "---
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {{name: {name}, namespace: {namespace}}}
spec: {spec}
"
    )
}

const NAMESPACES: [&str; 3] = ["foo", "bar", "legacy"];
const STRICT: &str = "{mtls: {mode: STRICT}}";

fn authentication() -> String {
    apps(&[("foo", true), ("bar", true), ("legacy", false)])
}

/// `tasks/security/authentication/authn-policy`: before you begin, and globally enabling STRICT.
#[test]
fn authentication_policy_mesh_wide_strict_refuses_the_legacy_caller_alone() {
    step(&authentication(), &all_pairs(&NAMESPACES, &[], &[]));
    let strict = authentication() + &peer_authentication("istio-system", "default", STRICT);
    step(&strict, &all_pairs(&NAMESPACES, &["foo", "bar"], &[]));
}

/// The same page: namespace-wide policy, and mutual TLS per workload.
#[test]
fn authentication_policy_of_a_namespace_and_of_a_workload_refuse_the_legacy_caller_there() {
    let foo = authentication() + &peer_authentication("foo", "default", STRICT);
    step(&foo, &all_pairs(&NAMESPACES, &["foo"], &[]));
    let workload = "{selector: {matchLabels: {app: httpbin}}, mtls: {mode: STRICT}}";
    let both = foo + &peer_authentication("bar", "httpbin", workload);
    step(&both, &all_pairs(&NAMESPACES, &["foo", "bar"], &[]));
}

/// The same page: mutual TLS per port, and policy precedence.
#[test]
fn authentication_policy_of_a_port_or_a_workload_overrides_that_of_the_namespace() {
    let foo = authentication() + &peer_authentication("foo", "default", STRICT);
    let port =
        "{selector: {matchLabels: {app: httpbin}}, mtls: {mode: STRICT}, portLevelMtls: {8080: {mode: DISABLE}}}";
    let client = "{host: httpbin.bar.svc.cluster.local, trafficPolicy: {tls: {mode: ISTIO_MUTUAL}, \
                  portLevelSettings: [{port: {number: 8000}, tls: {mode: DISABLE}}]}}";
    let open = foo + &peer_authentication("bar", "httpbin", port) + &destination_rule("bar", "httpbin", client);
    step(&open, &all_pairs(&NAMESPACES, &["foo"], &["bar"]));
    let overwrite = "{selector: {matchLabels: {app: httpbin}}, mtls: {mode: DISABLE}}";
    let client = "{host: httpbin.foo.svc.cluster.local, trafficPolicy: {tls: {mode: DISABLE}}}";
    let open = open
        + &peer_authentication("foo", "overwrite-example", overwrite)
        + &destination_rule("foo", "overwrite-example", client);
    step(&open, &all_pairs(&NAMESPACES, &[], &["foo", "bar"]));
}

/// `tasks/security/authentication/mtls-migration`.
#[test]
fn mutual_tls_migration_locks_down_one_namespace_and_then_the_mesh() {
    let pairs = |reset: &[&str]| all_pairs(&["foo", "bar"], reset, &[]);
    step(&authentication(), &pairs(&[]));
    let foo = authentication() + &peer_authentication("foo", "default", STRICT);
    step(&foo, &pairs(&["foo"]));
    let mesh = foo + &peer_authentication("istio-system", "default", STRICT);
    step(&mesh, &pairs(&["foo", "bar"]));
}

fn outside(to: &str, app: &'static str, prints: Prints) -> Command {
    Command { from: "curl.default".into(), to: to.into(), app, prints }
}

fn service_entry(name: &str, spec: &str) -> String {
    format!(
        "---
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {{name: {name}, namespace: default}}
spec: {spec}
"
    )
}

fn outbound_traffic(mode: &str) -> String {
    format!(
        "---
apiVersion: v1
kind: ConfigMap
metadata: {{name: istio, namespace: istio-system}}
data:
  mesh: |
    outboundTrafficPolicy: {{mode: {mode}}}
"
    )
}

/// `tasks/traffic-management/egress/egress-control`.
#[test]
fn egress_control_allows_all_hosts_or_those_of_service_entries() {
    let app = apps(&[("default", true)]);
    let any = app.clone() + &outbound_traffic("ALLOW_ANY");
    step(&any, &[outside("www.google.com:443", "https", TLS), outside("edition.cnn.com:443", "https", TLS)]);

    let only = app + &outbound_traffic("REGISTRY_ONLY");
    step(
        &only,
        &[
            outside("www.google.com:443", "https", Prints::Reset),
            outside("edition.cnn.com:443", "https", Prints::Reset),
        ],
    );
    let httpbin = "{hosts: [httpbin.org], ports: [{number: 80, name: http, protocol: HTTP}], resolution: DNS, location: MESH_EXTERNAL}";
    let google = "{hosts: [www.google.com], ports: [{number: 443, name: https, protocol: HTTPS}], resolution: DNS, location: MESH_EXTERNAL}";
    let entries = only + &service_entry("httpbin-ext", httpbin) + &service_entry("google", google);
    step(
        &entries,
        &[
            outside("httpbin.org:80", "http", PLAINTEXT),
            outside("www.google.com:443", "https", TLS),
            outside("edition.cnn.com:443", "https", Prints::Reset),
            outside("edition.cnn.com:80", "http", Prints::BadGateway),
        ],
    );
}

/// `tasks/traffic-management/egress/egress-tls-origination`.
#[test]
fn egress_tls_origination_serves_http_callers_through_tls() {
    let app = apps(&[("default", true)]);
    let entry = |target: &str| {
        let ports = format!(
            "[{{number: 80, name: http-port, protocol: HTTP{target}}}, {{number: 443, name: https-port, protocol: HTTPS}}]"
        );
        service_entry("edition-cnn-com", &format!("{{hosts: [edition.cnn.com], ports: {ports}, resolution: DNS}}"))
    };
    let calls = |http| [outside("edition.cnn.com:80", "http", http), outside("edition.cnn.com:443", "https", TLS)];
    step(&(app.clone() + &entry("")), &calls(PLAINTEXT));
    let rule =
        "{host: edition.cnn.com, trafficPolicy: {portLevelSettings: [{port: {number: 80}, tls: {mode: SIMPLE}}]}}";
    step(&(app + &entry(", targetPort: 443") + &destination_rule("default", "edition-cnn-com", rule)), &calls(TLS));
}
