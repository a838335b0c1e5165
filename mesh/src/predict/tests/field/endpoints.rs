//! Several endpoints that may be chosen.

use pretty_assertions::assert_eq;

use super::*;

/// A pod of label `app: server`, and what else stands in its labels.
fn replica(name: &str, labels: &str) -> String {
    format!(
        "---
apiVersion: v1
kind: Pod
metadata: {{name: {name}, labels: {{app: server, {labels}}}}}
spec: {{containers: [{{name: app, image: any}}]}}
"
    )
}

/// <https://github.com/istio/istio/issues/27169>
#[test]
fn an_endpoint_without_a_sidecar_is_another_answer() {
    let mesh = mesh(&(INJECTED.to_owned() + &pods("") + &replica("bare", "sidecar.istio.io/inject: 'false'")));
    let account = call(&mesh, "client", "server", 80, AppProtocol::Http).account();
    let ways: Vec<_> = [&account].into_iter().chain(&account.alternatives).collect();
    let seen: Vec<_> = ways.iter().map(|way| (way.to.pod.as_deref().unwrap_or_default(), layers(way, 2))).collect();
    assert_eq!(seen, [("bare.default", "http/1.1".to_owned()), ("server.default", "mtls,http/1.1".to_owned())]);
    assert!(ways.iter().all(|way| way.outcome.delivered));
}

#[test]
fn replicas_that_are_alike_are_one_answer_and_several_ways() {
    let mesh = mesh(&(INJECTED.to_owned() + &pods("") + &replica("second", "")));
    let call = call(&mesh, "client", "server", 80, AppProtocol::Http);
    assert_eq!(call.account().alternatives, []);
    let ways = predict_each(&mesh, &call.call).expect("a prediction");
    let reached: Vec<_> = ways.iter().filter_map(|way| way.to.pod.as_deref()).collect();
    assert_eq!(reached, ["second.default", "server.default"]);
}
