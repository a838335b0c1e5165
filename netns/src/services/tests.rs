use pretty_assertions::assert_eq;

use super::*;

fn service(vip: &str, endpoints: &[&str]) -> ServiceSpec {
    ServiceSpec {
        name: "default/server:http".to_owned(),
        vip: vip.parse().unwrap(),
        port: 80,
        endpoints: endpoints.iter().map(|address| (address.parse().unwrap(), 8080)).collect(),
    }
}

/// The rules that a service adds to those of a node without services.
fn own_rules(service: &ServiceSpec, family: Family) -> String {
    let every_node = rules(&[], &[], family).unwrap();
    rules(std::slice::from_ref(service), &[], family)
        .unwrap()
        .lines()
        .filter(|line| !every_node.lines().any(|other| other == *line))
        .flat_map(|line| [line, "\n"])
        .collect()
}

#[test]
fn chains_are_named_as_kube_proxy_names_them() {
    // From `iptables-save` on real clusters.
    assert_eq!(chain("KUBE-SVC", &["default/kubernetes:https", "tcp"]), "KUBE-SVC-NPX46M4PTMTKRN6Y");
    assert_eq!(chain("KUBE-SVC", &["kube-system/kube-dns:dns-tcp", "tcp"]), "KUBE-SVC-ERIFXISQEP7F7OF4");
}

#[test]
fn a_node_without_services_has_kube_proxys_base_chains() {
    assert_eq!(
        rules(&[], &[], Family::V4).unwrap(),
        r#"*nat
:PREROUTING ACCEPT [0:0]
:INPUT ACCEPT [0:0]
:OUTPUT ACCEPT [0:0]
:POSTROUTING ACCEPT [0:0]
:KUBE-SERVICES - [0:0]
:KUBE-MARK-MASQ - [0:0]
:KUBE-POSTROUTING - [0:0]
-A PREROUTING -m comment --comment "kubernetes service portals" -j KUBE-SERVICES
-A OUTPUT -m comment --comment "kubernetes service portals" -j KUBE-SERVICES
-A POSTROUTING -m comment --comment "kubernetes postrouting rules" -j KUBE-POSTROUTING
-A KUBE-POSTROUTING -m mark ! --mark 0x4000/0x4000 -j RETURN
-A KUBE-POSTROUTING -j MARK --xor-mark 0x4000
-A KUBE-POSTROUTING -m comment --comment "kubernetes service traffic requiring SNAT" -j MASQUERADE --random-fully
-A KUBE-MARK-MASQ -j MARK --or-mark 0x4000
COMMIT
*filter
:INPUT ACCEPT [0:0]
:FORWARD ACCEPT [0:0]
:OUTPUT ACCEPT [0:0]
:KUBE-SERVICES - [0:0]
-A FORWARD -m conntrack --ctstate NEW -m comment --comment "kubernetes service portals" -j KUBE-SERVICES
-A OUTPUT -m conntrack --ctstate NEW -m comment --comment "kubernetes service portals" -j KUBE-SERVICES
-A FORWARD -o uplink -j REJECT --reject-with icmp-net-unreachable
COMMIT
"#
    );
}

#[test]
fn connections_are_spread_evenly_and_hairpins_are_marked() {
    let service = service("10.96.0.10", &["10.244.0.3", "10.244.0.4", "10.244.0.5"]);
    let own = own_rules(&service, Family::V4);
    let [svc, one, two, three] = [
        chain("KUBE-SVC", &[&service.name, "tcp"]),
        chain("KUBE-SEP", &[&service.name, "tcp", "10.244.0.3:8080"]),
        chain("KUBE-SEP", &[&service.name, "tcp", "10.244.0.4:8080"]),
        chain("KUBE-SEP", &[&service.name, "tcp", "10.244.0.5:8080"]),
    ];
    assert_eq!(
        own,
        format!(
            r#":{svc} - [0:0]
:{one} - [0:0]
:{two} - [0:0]
:{three} - [0:0]
-A KUBE-SERVICES -d 10.96.0.10 -p tcp -m comment --comment "default/server:http cluster IP" -m tcp --dport 80 -j {svc}
-A {svc} -m comment --comment "default/server:http -> 10.244.0.3:8080" -m statistic --mode random --probability 0.3333333333 -j {one}
-A {one} -s 10.244.0.3 -m comment --comment "default/server:http" -j KUBE-MARK-MASQ
-A {one} -p tcp -m comment --comment "default/server:http" -m tcp -j DNAT --to-destination 10.244.0.3:8080
-A {svc} -m comment --comment "default/server:http -> 10.244.0.4:8080" -m statistic --mode random --probability 0.5000000000 -j {two}
-A {two} -s 10.244.0.4 -m comment --comment "default/server:http" -j KUBE-MARK-MASQ
-A {two} -p tcp -m comment --comment "default/server:http" -m tcp -j DNAT --to-destination 10.244.0.4:8080
-A {svc} -m comment --comment "default/server:http -> 10.244.0.5:8080" -j {three}
-A {three} -s 10.244.0.5 -m comment --comment "default/server:http" -j KUBE-MARK-MASQ
-A {three} -p tcp -m comment --comment "default/server:http" -m tcp -j DNAT --to-destination 10.244.0.5:8080
"#
        )
    );
}

#[test]
fn ipv6_endpoints_are_in_brackets() {
    let service = service("fd00:96::a", &["fd00:244::3"]);
    let own = own_rules(&service, Family::V6);
    assert!(own.contains("-d fd00:96::a -p tcp"), "{own}");
    assert!(own.contains("-j DNAT --to-destination [fd00:244::3]:8080"), "{own}");
    assert_eq!(own_rules(&service, Family::V4), "");
}

#[test]
fn a_service_without_endpoints_refuses() {
    assert_eq!(
        own_rules(&service("10.96.0.10", &[]), Family::V4),
        "-A KUBE-SERVICES -d 10.96.0.10 -p tcp -m comment --comment \"default/server:http has no endpoints\" \
         -m tcp --dport 80 -j REJECT --reject-with tcp-reset\n"
    );
}

#[test]
fn an_endpoint_of_another_ip_version_is_refused() {
    assert_eq!(
        rules(&[service("10.96.0.10", &["fd00:244::3"])], &[], Family::V4).unwrap_err().to_string(),
        "service `default/server:http`: endpoint fd00:244::3 differs in IP version from 10.96.0.10"
    );
}
