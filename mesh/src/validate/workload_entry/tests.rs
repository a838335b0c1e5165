use crate::testing::faults;

fn entry(spec: &str) -> String {
    faults(&format!(
        "{{apiVersion: networking.istio.io/v1, kind: WorkloadEntry, metadata: {{name: w}}, spec: {spec}}}\n"
    ))
}

#[test]
fn a_workload_is_at_an_address_a_name_or_a_socket() {
    for spec in ["{address: 203.0.113.7}", "{address: vm.example.com}", "{address: 'unix:///run/a'}"] {
        assert_eq!(entry(spec), "", "{spec}");
    }
    for (spec, expected) in [
        ("{}", "spec.address: is missing"),
        ("{address: 'a b'}", "is neither an address nor a full name"),
        ("{address: 'unix://a'}", "has no absolute path"),
        ("{address: 'unix:///a', ports: {http: 80}}", "spec.ports: cannot be combined with a socket"),
        ("{address: 203.0.113.7, ports: {http: 70000}}", "spec.ports[http]: 70000 is out of range"),
        ("{address: 203.0.113.7, ports: {h_p: 80}}", "is not a port name"),
        ("{address: 203.0.113.7, labels: {'-a': b}}", "spec.labels[-a]"),
        ("{network: vm}", "warning: is missing: calls go to a gateway of network vm"),
        ("{address: 203.0.113.7, weight: 3}", "spec.weight: warning: is not supported yet"),
    ] {
        let found = entry(spec);
        assert!(found.contains(expected), "{spec}: {found}");
    }
}
