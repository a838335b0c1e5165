//! What Istio's goldens say (`tools/istio-iptables/pkg/capture/testdata`), by the name of the golden where there is one.

use ipnet::IpNet;
use pretty_assertions::assert_eq;

use super::*;
use crate::model::{Capture, Family, InterceptionMode, OwnerGroups, PortSet};

/// The rules that every set has for the sidecar's user and group, in one family.
fn owner_rules(loopback: &str) -> Vec<String> {
    ["uid", "gid"]
        .into_iter()
        .flat_map(|id| {
            [
                format!(
                    "-A ISTIO_OUTPUT -o lo ! -d {loopback} -p tcp ! --dport 15008 -m owner --{id}-owner 1337 -j ISTIO_IN_REDIRECT"
                ),
                format!("-A ISTIO_OUTPUT -o lo -m owner ! --{id}-owner 1337 -j RETURN"),
                format!("-A ISTIO_OUTPUT -m owner --{id}-owner 1337 -j RETURN"),
            ]
        })
        .collect()
}

/// Empty capture settings, as in Istio's tests.
fn bare() -> Capture {
    Capture {
        mode: InterceptionMode::Redirect,
        include_inbound_ports: PortSet::List(vec![]),
        exclude_inbound_ports: vec![],
        include_outbound_ports: vec![],
        exclude_outbound_ports: vec![],
        include_outbound_ip_ranges: Some(vec![]),
        exclude_outbound_ip_ranges: vec![],
        exclude_interfaces: vec![],
        ..Capture::default()
    }
}

fn ranges(ranges: &[&str]) -> Vec<IpNet> {
    ranges.iter().map(|range| range.parse().expect("a range")).collect()
}

fn rules(capture: &Capture, family: Family) -> Vec<String> {
    Rules::new(capture, ProxyIdentity::ISTIO, family).to_string().lines().map(String::from).collect()
}

/// The rules without those that all sets begin with and the owner rules, which `empty` checks.
fn own_rules(capture: &Capture, family: Family) -> Vec<String> {
    let common = rules(&bare(), family);
    rules(capture, family).into_iter().filter(|rule| !common.contains(rule)).collect()
}

#[test]
fn empty_captures_nothing_but_has_the_loop_breakers() {
    let start = [
        "* nat",
        "-N ISTIO_INBOUND",
        "-N ISTIO_REDIRECT",
        "-N ISTIO_IN_REDIRECT",
        "-N ISTIO_OUTPUT",
        "-A ISTIO_INBOUND -p tcp --dport 15008 -j RETURN",
        "-A ISTIO_REDIRECT -p tcp -j REDIRECT --to-ports 15001",
        "-A ISTIO_IN_REDIRECT -p tcp -j REDIRECT --to-ports 15006",
        "-A OUTPUT -j ISTIO_OUTPUT",
    ];
    for (family, source, loopback) in
        [(Family::Ipv4, "127.0.0.6/32", "127.0.0.1/32"), (Family::Ipv6, "::6/128", "::1/128")]
    {
        let mut expected: Vec<String> = start.iter().map(ToString::to_string).collect();
        expected.push(format!("-A ISTIO_OUTPUT -o lo -s {source} -j RETURN"));
        expected.extend(owner_rules(loopback));
        expected.push(format!("-A ISTIO_OUTPUT -d {loopback} -j RETURN"));
        expected.push("COMMIT".into());
        assert_eq!(rules(&bare(), family), expected);
    }
}

#[test]
fn injections_default_captures_all_but_the_sidecars_own_ports() {
    let injected = Capture {
        include_inbound_ports: PortSet::All,
        exclude_inbound_ports: vec![15090, 15021, 15020],
        include_outbound_ip_ranges: None,
        ..bare()
    };
    for family in Family::BOTH {
        let rules = rules(&injected, family);
        let at =
            |rule: &str| rules.iter().position(|r| r == rule).unwrap_or_else(|| panic!("no rule {rule}: {rules:#?}"));
        let in_order = [
            "-A ISTIO_IN_REDIRECT -p tcp -j REDIRECT --to-ports 15006",
            "-A PREROUTING -p tcp -j ISTIO_INBOUND",
            "-A ISTIO_INBOUND -p tcp --dport 15090 -j RETURN",
            "-A ISTIO_INBOUND -p tcp --dport 15021 -j RETURN",
            "-A ISTIO_INBOUND -p tcp --dport 15020 -j RETURN",
            "-A ISTIO_INBOUND -p tcp -j ISTIO_IN_REDIRECT",
            "-A OUTPUT -j ISTIO_OUTPUT",
            "-A ISTIO_OUTPUT -j ISTIO_REDIRECT",
            "COMMIT",
        ];
        let order: Vec<_> = in_order.into_iter().map(at).collect();
        assert!(order.is_sorted(), "{order:?}");
        assert_eq!(rules[rules.len() - 2], "-A ISTIO_OUTPUT -j ISTIO_REDIRECT", "the capture of the rest is last");
    }
}

#[test]
fn ipv6_inbound_ports_are_redirected_one_by_one_and_exclusions_ignored() {
    let capture = Capture {
        include_inbound_ports: PortSet::List(vec![4000, 5000]),
        exclude_inbound_ports: vec![6000, 7000],
        ..bare()
    };
    for family in Family::BOTH {
        assert_eq!(
            own_rules(&capture, family),
            [
                "-A PREROUTING -p tcp -j ISTIO_INBOUND",
                "-A ISTIO_INBOUND -p tcp --dport 4000 -j ISTIO_IN_REDIRECT",
                "-A ISTIO_INBOUND -p tcp --dport 5000 -j ISTIO_IN_REDIRECT",
            ]
        );
    }
}

#[test]
fn ipv6_ipnets_land_only_in_their_family() {
    let capture = Capture {
        include_outbound_ip_ranges: Some(ranges(&["10.0.0.0/8", "2001:db8::/32"])),
        exclude_outbound_ip_ranges: ranges(&["10.96.0.0/16", "2001:db8:1::/48"]),
        ..bare()
    };
    assert_eq!(
        own_rules(&capture, Family::Ipv4),
        ["-A ISTIO_OUTPUT -d 10.96.0.0/16 -j RETURN", "-A ISTIO_OUTPUT -d 10.0.0.0/8 -j ISTIO_REDIRECT"]
    );
    assert_eq!(
        own_rules(&capture, Family::Ipv6),
        ["-A ISTIO_OUTPUT -d 2001:db8:1::/48 -j RETURN", "-A ISTIO_OUTPUT -d 2001:db8::/32 -j ISTIO_REDIRECT"]
    );
}

#[test]
fn outbound_ports_are_excluded_for_tcp_and_udp_before_everything_else() {
    let rules = rules(&Capture { exclude_outbound_ports: vec![3306], ..bare() }, Family::Ipv4);
    let at = rules.iter().position(|rule| rule == "-A OUTPUT -j ISTIO_OUTPUT").expect("the jump");
    assert_eq!(
        rules[at + 1..at + 4],
        [
            "-A ISTIO_OUTPUT -p tcp --dport 3306 -j RETURN",
            "-A ISTIO_OUTPUT -p udp --dport 3306 -j RETURN",
            "-A ISTIO_OUTPUT -o lo -s 127.0.0.6/32 -j RETURN",
        ]
    );
}

#[test]
fn outbound_ports_include_adds_ports_outside_the_ranges() {
    let capture = Capture { include_outbound_ports: vec![32000, 31000], ..bare() };
    assert_eq!(
        own_rules(&capture, Family::Ipv4),
        [
            "-A ISTIO_OUTPUT -p tcp --dport 32000 -j ISTIO_REDIRECT",
            "-A ISTIO_OUTPUT -p tcp --dport 31000 -j ISTIO_REDIRECT",
        ]
    );
}

#[test]
fn loopback_outbound_iprange_drops_the_return_of_the_apps_own_loopback() {
    let capture = Capture { include_outbound_ip_ranges: Some(ranges(&["127.1.2.3/32"])), ..bare() };
    let rules = rules(&capture, Family::Ipv4);
    assert!(!rules.iter().any(|rule| rule.contains("-o lo -m owner !")), "{rules:#?}");
    assert!(rules.contains(&"-A ISTIO_OUTPUT -d 127.1.2.3/32 -j ISTIO_REDIRECT".into()), "{rules:#?}");
}

#[test]
fn basic_exclude_nic_returns_first_in_both_directions() {
    let rules = rules(&Capture { exclude_interfaces: vec!["not-istio-nic".into()], ..bare() }, Family::Ipv4);
    assert_eq!(rules[5..7], ["-A PREROUTING -i not-istio-nic -j RETURN", "-A OUTPUT -o not-istio-nic -j RETURN"]);
}

#[test]
fn interception_mode_none_has_no_rules() {
    let capture = Capture { mode: InterceptionMode::None, ..bare() };
    assert_eq!(Rules::new(&capture, ProxyIdentity::ISTIO, Family::Ipv4).to_string(), "");
}

#[test]
fn a_mark_replaces_user_and_group() {
    let text = Rules::new(&bare(), ProxyIdentity::Mark(1337), Family::Ipv4).to_string();
    assert!(!text.contains("owner"), "{text}");
    let marks: Vec<_> = text.lines().filter(|rule| rule.contains("mark")).collect();
    assert_eq!(
        marks,
        [
            "-A ISTIO_OUTPUT -o lo ! -d 127.0.0.1/32 -p tcp ! --dport 15008 -m mark --mark 0x539 -j ISTIO_IN_REDIRECT",
            "-A ISTIO_OUTPUT -o lo -m mark ! --mark 0x539 -j RETURN",
            "-A ISTIO_OUTPUT -m mark --mark 0x539 -j RETURN",
        ]
    );
}

/// Names as a capture has them.
fn names(names: &[&str]) -> Vec<String> {
    names.iter().map(ToString::to_string).collect()
}

#[test]
fn kube_virt_interfaces_are_exempt_inbound_and_captured_outbound() {
    let all = Capture { reroute_interfaces: names(&["eth1", "eth2"]), include_outbound_ip_ranges: None, ..bare() };
    assert_eq!(
        own_rules(&all, Family::Ipv4),
        [
            "-I PREROUTING 1 -i eth1 -j RETURN",
            "-I PREROUTING 1 -i eth2 -j RETURN",
            "-A ISTIO_OUTPUT -j ISTIO_REDIRECT",
            "-I PREROUTING 1 -i eth1 -j ISTIO_REDIRECT",
            "-I PREROUTING 1 -i eth2 -j ISTIO_REDIRECT",
        ]
    );
    assert_eq!(rules(&all, Family::Ipv4)[5], "-I PREROUTING 1 -i eth1 -j RETURN", "they come before everything else");
}

#[test]
fn ipnets_with_kube_virt_interfaces_are_captured_by_range() {
    let capture = Capture {
        reroute_interfaces: names(&["eth1", "eth2"]),
        include_outbound_ip_ranges: Some(ranges(&["10.0.0.0/8"])),
        ..bare()
    };
    assert_eq!(
        own_rules(&capture, Family::Ipv4)[2..],
        [
            "-I PREROUTING 1 -i eth1 -d 10.0.0.0/8 -j ISTIO_REDIRECT",
            "-I PREROUTING 1 -i eth2 -d 10.0.0.0/8 -j ISTIO_REDIRECT",
            "-A ISTIO_OUTPUT -d 10.0.0.0/8 -j ISTIO_REDIRECT",
        ]
    );
    assert_eq!(own_rules(&capture, Family::Ipv6).len(), 2, "a range of the other family is in neither");
}

#[test]
fn outbound_owner_groups_are_one_rule_that_returns_all_others() {
    let capture = Capture { owner_groups: OwnerGroups::Only(names(&["java", "202"])), ..bare() };
    let rule = "-A ISTIO_OUTPUT -m owner ! --gid-owner java -m owner ! --gid-owner 202 -j RETURN";
    assert_eq!(own_rules(&capture, Family::Ipv4), [rule]);
    let rules = rules(&capture, Family::Ipv4);
    let at = rules.iter().position(|r| r == rule).expect("the rule");
    assert_eq!(rules[at - 1], "-A ISTIO_OUTPUT -m owner --gid-owner 1337 -j RETURN");
    assert_eq!(rules[at + 1], "-A ISTIO_OUTPUT -d 127.0.0.1/32 -j RETURN");
}

#[test]
fn outbound_owner_groups_exclude_returns_each() {
    let capture = Capture { owner_groups: OwnerGroups::AllBut(names(&["888", "ftp"])), ..bare() };
    assert_eq!(
        own_rules(&capture, Family::Ipv4),
        ["-A ISTIO_OUTPUT -m owner --gid-owner 888 -j RETURN", "-A ISTIO_OUTPUT -m owner --gid-owner ftp -j RETURN"]
    );
}

#[test]
fn host_ipv4_loopback_cidr_widens_loopback_in_ipv4_only() {
    let capture = Capture { ipv4_loopback: "127.0.0.1/8".parse().expect("a range"), ..bare() };
    let expected: Vec<_> =
        rules(&bare(), Family::Ipv4).into_iter().map(|rule| rule.replace("127.0.0.1/32", "127.0.0.1/8")).collect();
    assert_eq!(rules(&capture, Family::Ipv4), expected);
    assert_eq!(rules(&capture, Family::Ipv6), rules(&bare(), Family::Ipv6));
}

#[test]
fn drop_invalid_has_a_separate_table_before_the_others() {
    let rules = rules(&Capture { drop_invalid: true, ..bare() }, Family::Ipv4);
    assert_eq!(
        rules[..6],
        [
            "* mangle",
            "-N ISTIO_DROP",
            "-A PREROUTING -m conntrack --ctstate INVALID -j ISTIO_DROP",
            "-A ISTIO_DROP -j DROP",
            "COMMIT",
            "* nat",
        ]
    );
}
