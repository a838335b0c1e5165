use super::tracing;
use crate::{
    manifests::telemetry::WorkloadMode::{Client, Server},
    model::Mesh,
    testing::{INJECTED, faults, mesh, pod},
};

const COLLECTOR: &str = "---
apiVersion: v1
kind: Service
metadata: {name: otel, namespace: o11y}
spec: {selector: {app: otel}, ports: [{name: grpc, port: 4317}]}
";

/// The collector, MeshConfig with these lines, and the pod `a` with the label `app: a`.
fn with(lines: &str, more: &str) -> Mesh {
    mesh(&yaml(lines, more))
}

fn yaml(lines: &str, more: &str) -> String {
    let lines: String = lines.lines().map(|line| format!("    {line}\n")).collect();
    let config = format!(
        "---\napiVersion: v1\nkind: ConfigMap\nmetadata: {{name: istio, namespace: istio-system}}\ndata:\n  mesh: |\n    \
         extensionProviders:\n    - {{name: otel, opentelemetry: {{service: otel.o11y.svc.cluster.local, port: 4317}}}}\n    \
         - {{name: zip, zipkin: {{service: z, port: 1}}}}\n{lines}"
    );
    format!("{INJECTED}{}{COLLECTOR}{config}{more}", pod("a", "labels: {app: a}"))
}

fn telemetry(name: &str, namespace: &str, spec: &str) -> String {
    format!(
        "---\napiVersion: telemetry.istio.io/v1\nkind: Telemetry\nmetadata: {{name: {name}, namespace: {namespace}}}\nspec: {spec}\n"
    )
}

/// How much is sampled of calls that the pod makes, and of those that it answers.
fn sampling(mesh: &Mesh) -> [Option<f64>; 2] {
    let pod = mesh.pods.iter().find(|pod| pod.name.name == "a").expect("there is one");
    [Client, Server].map(|mode| tracing(mesh, pod, mode).map(|tracing| tracing.sampling))
}

#[test]
fn without_a_provider_nothing_is_reported() {
    assert_eq!(sampling(&with("", "")), [None, None]);
    let unnamed = telemetry("t", "default", "{tracing: [{randomSamplingPercentage: 50}]}");
    assert_eq!(sampling(&with("", &unnamed)), [None, None]);
}

#[test]
fn the_default_provider_traces_one_request_of_a_hundred_or_what_proxy_config_says() {
    let default = "defaultProviders: {tracing: [otel]}\n";
    assert_eq!(sampling(&with(default, "")), [Some(1.0), Some(1.0)]);
    let mesh = with(&format!("{default}defaultConfig: {{tracing: {{sampling: 40}}}}\n"), "");
    assert_eq!(sampling(&mesh), [Some(40.0), Some(40.0)]);
}

#[test]
fn what_is_nearer_to_the_workload_overrides_what_is_farther() {
    let default = "defaultProviders: {tracing: [otel]}\n";
    let of_mesh = telemetry("mesh", "istio-system", "{tracing: [{randomSamplingPercentage: 10}]}");
    let of_namespace = telemetry("namespace", "default", "{tracing: [{randomSamplingPercentage: 20}]}");
    let selected =
        "{selector: {matchLabels: {app: a}}, tracing: [{match: {mode: SERVER}, randomSamplingPercentage: 30}]}";
    let of_workload = telemetry("workload", "default", selected);
    assert_eq!(sampling(&with(default, &of_mesh)), [Some(10.0), Some(10.0)]);
    assert_eq!(sampling(&with(default, &(of_mesh.clone() + &of_namespace))), [Some(20.0), Some(20.0)]);
    assert_eq!(sampling(&with(default, &(of_mesh + &of_namespace + &of_workload))), [Some(20.0), Some(30.0)]);
}

#[test]
fn a_workload_can_switch_reports_off_for_one_end() {
    let off = "{tracing: [{match: {mode: CLIENT}, disableSpanReporting: true}]}";
    let mesh = with("defaultProviders: {tracing: [otel]}\n", &telemetry("t", "default", off));
    assert_eq!(sampling(&mesh), [None, Some(1.0)]);
}

#[test]
fn a_telemetry_names_its_provider_whatever_the_case() {
    let mesh = with("", &telemetry("t", "default", "{tracing: [{providers: [{name: OTEL}]}]}"));
    assert_eq!(sampling(&mesh), [Some(1.0), Some(1.0)]);
}

#[test]
fn a_provider_that_takes_no_spans_is_named() {
    let of = |provider: &str| {
        faults(&yaml("", &telemetry("t", "default", &format!("{{tracing: [{{providers: [{{name: {provider}}}]}}]}}"))))
    };
    assert!(of("zip").contains("provider zip is of kind zipkin, to which no spans are sent here"), "{}", of("zip"));
    assert!(of("none").contains("\"none\" is none of extensionProviders of MeshConfig"), "{}", of("none"));
    assert!(!of("otel").contains("tracing"), "{}", of("otel"));
}

#[test]
fn of_two_for_a_namespace_the_younger_is_ignored() {
    let one = telemetry("a", "default", "{tracing: []}");
    let text = faults(&yaml("", &(one + &telemetry("b", "default", "{tracing: []}"))));
    assert!(text.contains("Telemetry b): spec: warning: is ignored: Telemetry default/a is older"), "{text}");
}
