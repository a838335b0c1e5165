use crate::testing::{faults, pod};

fn sidecar(name: &str, spec: &str) -> String {
    format!(
        "---
apiVersion: networking.istio.io/v1
kind: Sidecar
metadata: {{name: {name}}}
spec: {spec}
"
    )
}

#[test]
fn a_sidecar_that_is_for_nobody_is_warned_of() {
    let text = pod("a", "labels: {app: a}")
        + &sidecar("other", "{workloadSelector: {labels: {app: b}}, egress: [{hosts: ['./*']}]}")
        + &sidecar("first", "{egress: [{hosts: ['./*']}]}")
        + &sidecar("second", "{egress: [{hosts: ['./*']}]}");
    let found = faults(&text);
    assert!(found.contains("(Sidecar other): spec.workloadSelector.labels: warning: selects no pod"), "{found}");
    let expected = "(Sidecar second): spec.workloadSelector: warning: Sidecar default/first at m.yaml#3 is older";
    assert!(found.contains(expected), "{found}");
}

#[test]
fn a_host_that_no_service_of_its_namespace_has_is_warned_of() {
    let text = "---
apiVersion: v1
kind: Service
metadata: {name: web, namespace: apart}
spec: {ports: [{port: 80}]}
"
    .to_owned()
        + &sidecar(
            "s",
            "{egress: [{hosts: [apart/web.apart.svc.cluster.local, ./web.apart.svc.cluster.local, '*/gone.example.com']}]}",
        );
    let found = faults(&text);
    assert!(
        found.contains("hosts[1]: warning: the service web.apart.svc.cluster.local is in namespace apart"),
        "{found}"
    );
    assert!(found.contains("hosts[2]: warning: no service has the host gone.example.com"), "{found}");
    assert!(!found.contains("hosts[0]"), "{found}");
}

#[test]
fn a_sidecar_whose_listeners_are_not_modelled_is_not_one_for_everything() {
    let socket = "{egress: [{port: {protocol: http, name: uds}, bind: 'unix:///@foo', hosts: ['*/*']}]}";
    let mesh = crate::testing::mesh(&(pod("a", "labels: {app: a}") + &sidecar("s", socket)));
    let [egress] = &mesh.sidecar_scopes[0].egress[..] else { panic!("{:?}", mesh.sidecar_scopes) };
    assert!(egress.port.is_none() && egress.hosts.is_empty());
}
