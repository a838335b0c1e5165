use pretty_assertions::assert_eq;

use crate::{
    model::{Capture, PortSet, Unmodelled},
    testing::{INJECTED, faults, mesh, pod},
};

fn manifests(annotations: &str) -> String {
    INJECTED.to_owned() + &pod("a", &format!("annotations: {{{annotations}}}"))
}

fn capture(annotations: &str) -> Capture {
    mesh(&manifests(annotations)).pods[0].clone().sidecar.expect("the namespace injects").capture
}

#[test]
fn without_annotations_all_but_the_sidecars_own_ports_is_captured() {
    assert_eq!(capture(""), Capture::default());
    assert_eq!(capture("").exclude_inbound_ports, [15090, 15021, 15020]);
    assert_eq!((capture("").include_inbound_ports, capture("").include_outbound_ip_ranges), (PortSet::All, None));
}

#[test]
fn excluded_inbound_ports_come_between_the_sidecars_own_and_the_status_port() {
    let excluded = |annotations: &str| capture(annotations).exclude_inbound_ports;
    assert_eq!(
        excluded("traffic.sidecar.istio.io/excludeInboundPorts: '9443, 8000'"),
        [15090, 15021, 9443, 8000, 15020]
    );
    assert_eq!(excluded("traffic.sidecar.istio.io/excludeInboundPorts: '15020,1'"), [15090, 15021, 15020, 1]);
    assert_eq!(excluded("status.sidecar.istio.io/port: '16000'"), [15090, 15021, 16000]);
    assert_eq!(excluded("status.sidecar.istio.io/port: '0'"), [15090, 15021]);
}

#[test]
fn a_list_of_included_ports_may_be_empty() {
    let included =
        |text: &str| capture(&format!("traffic.sidecar.istio.io/includeInboundPorts: '{text}'")).include_inbound_ports;
    assert_eq!(included("*"), PortSet::All);
    assert_eq!(included(""), PortSet::List(vec![]));
    assert_eq!(included("80,443"), PortSet::List(vec![80, 443]));
}

#[test]
fn address_ranges_of_both_families_are_read() {
    let of = |text: &str| {
        capture(&format!("traffic.sidecar.istio.io/includeOutboundIPRanges: '{text}'")).include_outbound_ip_ranges
    };
    assert_eq!(of("*"), None);
    assert_eq!(of(""), Some(vec![]));
    let both = of("10.96.0.0/16,fd00:96::/112").expect("a list");
    assert_eq!(both.iter().map(ToString::to_string).collect::<Vec<_>>(), ["10.96.0.0/16", "fd00:96::/112"]);
}

#[test]
fn the_other_lists_are_read() {
    let capture = capture(
        "traffic.sidecar.istio.io/includeOutboundPorts: '443', traffic.sidecar.istio.io/excludeOutboundPorts: '5432,25', \
         traffic.sidecar.istio.io/excludeOutboundIPRanges: 10.0.0.0/8, traffic.sidecar.istio.io/excludeInterfaces: 'docker0, net1'",
    );
    assert_eq!(capture.include_outbound_ports, [443]);
    assert_eq!(capture.exclude_outbound_ports, [5432, 25]);
    assert_eq!(capture.exclude_outbound_ip_ranges, ["10.0.0.0/8".parse().unwrap()]);
    assert_eq!(capture.exclude_interfaces, ["docker0", "net1"]);
}

#[test]
fn a_value_that_does_not_parse_fails_the_injection() {
    for (annotation, value) in [
        ("traffic.sidecar.istio.io/excludeInboundPorts", "94x3"),
        ("traffic.sidecar.istio.io/excludeInboundPorts", "1,,2"),
        ("traffic.sidecar.istio.io/excludeInboundPorts", "*"),
        ("traffic.sidecar.istio.io/includeInboundPorts", "70000"),
        ("traffic.sidecar.istio.io/excludeOutboundPorts", "-1"),
        ("traffic.sidecar.istio.io/includeOutboundPorts", "http"),
        ("traffic.sidecar.istio.io/includeOutboundIPRanges", "10.0.0.0"),
        ("traffic.sidecar.istio.io/excludeOutboundIPRanges", "*"),
        ("traffic.sidecar.istio.io/excludeInterfaces", "eth0,"),
        ("status.sidecar.istio.io/port", "off"),
        ("sidecar.istio.io/interceptionMode", "redirect"),
    ] {
        let text = faults(&manifests(&format!("{annotation}: '{value}'")));
        let expected = format!("m.yaml: document 2 (Pod a): metadata.annotations[{annotation}]: injection fails: ");
        assert!(text.starts_with(&expected), "{annotation}: {value}\n{text}");
    }
}

#[test]
fn without_a_sidecar_nobody_reads_the_annotations() {
    assert_eq!(faults(&pod("a", "annotations: {traffic.sidecar.istio.io/excludeInboundPorts: x}")), "");
}

#[test]
fn interfaces_of_virtual_machines_go_by_the_newer_annotation_first() {
    let rerouted = |annotations: &str| capture(annotations).reroute_interfaces;
    let old = "traffic.sidecar.istio.io/kubevirtInterfaces: 'net1,net2'";
    assert_eq!(rerouted(old), ["net1", "net2"]);
    assert_eq!(rerouted(&format!("{old}, istio.io/reroute-virtual-interfaces: net3")), ["net3"]);
}

#[test]
fn tproxy_captures_what_redirect_does_and_says_what_differs() {
    let text = faults(&manifests("sidecar.istio.io/interceptionMode: TPROXY"));
    assert!(text.contains("warning: TPROXY is taken for REDIRECT: the same connections are captured"), "{text}");
}

#[test]
fn a_sidecar_without_redirects_is_not_modelled_and_says_so() {
    let yaml = manifests("sidecar.istio.io/interceptionMode: NONE");
    let pod = &mesh(&yaml).pods[0];
    let (what, source) = pod.unmodelled.as_ref().unwrap();
    assert_eq!(*what, Unmodelled::NoRedirects);
    assert_eq!(source.field, "metadata.annotations[sidecar.istio.io/interceptionMode]");
    assert!(pod.sidecar.is_none());
    assert!(faults(&yaml).contains("warning: the pod has a sidecar without redirects (interceptionMode NONE)"));
}

#[test]
fn an_annotation_that_istio_does_not_know_is_warned_of() {
    let text = faults(&manifests("traffic.sidecar.istio.io/excludeInboundPort: '1'"));
    assert!(
        text.contains(
            "warning: Istio has no such annotation; did you mean traffic.sidecar.istio.io/excludeInboundPorts?"
        ),
        "{text}"
    );
}
