use pretty_assertions::assert_eq;

use crate::testing::{INJECTED, faults, mesh, pod};

fn outside(name: &str, hosts: &str) -> String {
    pod(name, &format!("labels: {{app: {name}}}, annotations: {{sidelab.io/external-host: '{hosts}'}}"))
}

#[test]
fn a_host_outside_of_the_cluster_has_no_sidecar_and_a_public_address() {
    let mesh = mesh(
        &(INJECTED.to_owned()
            + &pod("a", "")
            + &outside("b", "b.example.com")
            + &pod("c", "")
            + &outside("d", "d.example.com")),
    );
    let seen: Vec<_> = mesh.pods.iter().map(|pod| (pod.ips.v4.to_string(), pod.sidecar.is_some())).collect();
    let expected = [("10.244.0.2", true), ("203.0.113.1", false), ("10.244.0.3", true), ("203.0.113.2", false)];
    assert_eq!(seen, expected.map(|(ip, sidecar)| (ip.to_owned(), sidecar)));
    assert_eq!(mesh.pods[3].ips.v6.to_string(), "2001:db8:cafe::2");
    assert_eq!(mesh.pods[1].injection.because, "it stands for a host outside the cluster");
}

#[test]
fn a_name_is_a_full_one_and_one_hosts_alone() {
    let field = "m.yaml: document 2 (Pod b): metadata.annotations[sidelab.io/external-host]";
    for name in ["shop", "10.0.0.1", "*.example.com", "a..com", "server.default.svc.cluster.local", ""] {
        let faults = faults(&(pod("a", "") + &outside("b", name)));
        assert!(faults.contains(&format!("{field}: {name:?} is not a host outside the cluster")), "{name}: {faults}");
    }
    let faults = faults(&(outside("a", "shop.example.com") + &outside("b", "www.example.com, shop.example.com")));
    assert_eq!(faults, format!("{field}: pod a.default stands for shop.example.com already; a name has one host\n"));
}

#[test]
fn no_service_leads_outside_of_the_cluster() {
    let service = "---
{apiVersion: v1, kind: Service, metadata: {name: s}, spec: {selector: {app: b}, ports: [{port: 80}]}}
";
    assert_eq!(
        faults(&(outside("b", "shop.example.com") + service)),
        "m.yaml: document 2 (Service s): spec.selector: selects pod b, which stands for a host outside the cluster: no \
         Service leads there; change its labels, or write a ServiceEntry\n"
    );
}
