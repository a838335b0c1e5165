//! Listeners, clusters and routes of a ServiceEntry's hosts (`listener.go`, `tls.go`, `cluster_builder.go` of
//! `pilot/pkg/networking/core`).

use envoy_api::{DiscoveryType, DnsLookupFamily, ListenerFilterConfig};
use pretty_assertions::assert_eq;

use super::*;

/// A ServiceEntry for the namespace `default`.
fn entry(name: &str, spec: &str) -> String {
    format!(
        "---\n{{apiVersion: networking.istio.io/v1, kind: ServiceEntry, metadata: {{name: {name}}}, spec: {{{spec}}}}}\n"
    )
}

fn client(flavor: Flavor, documents: &str) -> PodConfig {
    with(documents.trim_start_matches("---\n"), flavor, "client")
}

/// The chains, and the default one.
fn chains(config: &PodConfig, listener: &str) -> (Vec<String>, Option<String>) {
    let listener = config.listener(listener);
    (outlines(listener), listener.default_filter_chain.as_deref().map(outline))
}

fn inspects_tls(config: &PodConfig, listener: &str) -> bool {
    let filters = &config.listener(listener).listener_filters;
    filters.iter().any(|filter| matches!(filter.typed_config, ListenerFilterConfig::TlsInspector(_)))
}

const TLS: &str = "ports: [{number: 443, name: tls, protocol: TLS}]";

#[test]
fn tls_hosts_without_an_address_share_a_listener_that_goes_by_sni() {
    let two = entry("a", &format!("hosts: [a.example.com], resolution: DNS, {TLS}"))
        + &entry("b", &format!("hosts: ['*.example.org'], {TLS}"));
    for flavor in [Flavor::Istio, Flavor::Textbook] {
        let config = client(flavor, &two);
        assert_eq!(
            chains(&config, "0.0.0.0_443"),
            (
                vec![
                    "for a.example.com -> tcp outbound|443||a.example.com".into(),
                    "for *.example.org -> tcp outbound|443||*.example.org".into(),
                ],
                Some("PassthroughFilterChain -> tcp PassthroughCluster".into())
            )
        );
        assert!(inspects_tls(&config, "0.0.0.0_443"));
    }
    let closed = client(Flavor::Istio, &(two + "---\n" + &mesh_config("outboundTrafficPolicy: {mode: REGISTRY_ONLY}")));
    assert_eq!(chains(&closed, "0.0.0.0_443").1.unwrap(), "PassthroughFilterChain -> tcp BlackHoleCluster");
}

#[test]
fn a_host_with_an_address_has_a_listener_there_and_no_look_at_sni() {
    let spec = format!("hosts: [a.example.com], addresses: [203.0.113.9, '2001:db8::9'], resolution: DNS, {TLS}");
    let config = client(Flavor::Istio, &entry("a", &spec));
    for listener in ["203.0.113.9_443", "2001:db8::9_443"] {
        assert_eq!(chains(&config, listener), (vec!["-> tcp outbound|443||a.example.com".into()], None));
        assert!(!inspects_tls(&config, listener));
        assert!(config.listener(listener).additional_addresses.is_empty());
    }
}

#[test]
fn a_range_is_matched_by_address() {
    let spec = "hosts: [a.example.com], addresses: [203.0.113.0/24], ports: [{number: 9000, name: tcp, protocol: TCP}]";
    let config = client(Flavor::Istio, &entry("a", spec));
    assert_eq!(
        chains(&config, "0.0.0.0_9000"),
        (
            vec!["in 203.0.113.0/24 -> tcp outbound|9000||a.example.com".into()],
            Some("PassthroughFilterChain -> tcp PassthroughCluster".into())
        )
    );
    let both = client(Flavor::Istio, &entry("a", &spec.replace("TCP", "TLS")));
    assert_eq!(
        chains(&both, "0.0.0.0_9000").0,
        ["in 203.0.113.0/24 for a.example.com -> tcp outbound|9000||a.example.com"]
    );
}

#[test]
fn tcp_without_an_address_takes_the_whole_port_but_leaves_tls_hosts_theirs() {
    let tcp = "ports: [{number: 443, name: tcp, protocol: TCP}]";
    let all = entry("a", &format!("hosts: [a.example.com], {tcp}"));
    assert_eq!(
        chains(&client(Flavor::Istio, &all), "0.0.0.0_443"),
        (vec!["-> tcp outbound|443||a.example.com".into()], None)
    );
    let beside = all.clone()
        + &entry("b", &format!("hosts: [b.example.com], {TLS}"))
        + &entry("c", &format!("hosts: [c.example.com], {tcp}"));
    assert_eq!(
        chains(&client(Flavor::Istio, &beside), "0.0.0.0_443"),
        (
            vec!["for b.example.com -> tcp outbound|443||b.example.com".into()],
            Some("-> tcp outbound|443||a.example.com".into()) // the older of the two that take all
        )
    );
}

#[test]
fn http_hosts_join_the_ports_routes_by_their_names_and_addresses() {
    let spec = "hosts: [a.example.com], addresses: [203.0.113.9], resolution: DNS, ports: [{number: 80, name: http, protocol: HTTP}]";
    let config = client(Flavor::Istio, &(entry("a", spec) + &entry("b", &spec.replace("a.example", "b.example"))));
    assert_eq!(chains(&config, "0.0.0.0_80").0, ["raw_buffer http/1.1,h2c -> http 80"]);
    let routes = config.routes.iter().find(|routes| routes.name == "80").unwrap();
    let domains = |host: &str| {
        let host = routes.virtual_hosts.iter().find(|known| known.name == host).unwrap();
        host.domains.join(" ")
    };
    assert_eq!(domains("a.example.com:80"), "a.example.com a.example.com. 203.0.113.9");
    assert_eq!(domains("b.example.com:80"), "b.example.com b.example.com."); // Envoy rejects duplicate domains
}

#[test]
fn http_and_tls_on_one_port_are_distinguished() {
    let http =
        entry("a", "hosts: [a.example.com], resolution: DNS, ports: [{number: 443, name: http, protocol: HTTP}]");
    let config = client(Flavor::Istio, &(http + &entry("b", &format!("hosts: [b.example.com], {TLS}"))));
    assert_eq!(
        chains(&config, "0.0.0.0_443").0,
        ["raw_buffer http/1.1,h2c -> http 443", "for b.example.com -> tcp outbound|443||b.example.com"]
    );
}

#[test]
fn the_resolution_is_the_clusters_type() {
    let cluster = |resolution: &str, more: &str| {
        let spec = format!("hosts: [a.example.com], resolution: {resolution}, {TLS}{more}");
        client(Flavor::Istio, &entry("a", &spec)).cluster("outbound|443||a.example.com").clone()
    };
    let dns = cluster("DNS", "");
    assert_eq!(
        (dns.discovery_type, dns.dns_lookup_family),
        (DiscoveryType::StrictDns, Some(DnsLookupFamily::V4Preferred))
    );
    let named = &dns.load_assignment.unwrap().endpoints[0].lb_endpoints[0].endpoint.address;
    assert_eq!(named.to_string(), "a.example.com:443");
    assert_eq!(cluster("DNS_ROUND_ROBIN", "").discovery_type, DiscoveryType::LogicalDns);
    assert_eq!(cluster("STATIC", ", endpoints: [{address: 203.0.113.1}]").discovery_type, DiscoveryType::Eds);
    let none = cluster("NONE", "");
    assert_eq!((none.discovery_type, none.load_assignment), (DiscoveryType::OriginalDst, None));
    assert_eq!(none.original_dst_lb_config, None);
    let spec = "hosts: [a.example.com], ports: [{number: 80, name: http, protocol: HTTP, targetPort: 443}]";
    let config = client(Flavor::Istio, &entry("a", spec));
    let to = config.cluster("outbound|80||a.example.com").original_destination("203.0.113.1:80".parse().unwrap());
    assert_eq!(to.to_string(), "203.0.113.1:443");
}

#[test]
fn an_entry_that_resolves_by_turns_adds_nothing_to_an_older_entrys_endpoints() {
    let endpoints = |older: &str, younger: &str| {
        let named = |name: &str, resolution: &str, endpoint: &str| {
            let endpoints = format!("endpoints: [{{address: {endpoint}}}]");
            entry(name, &format!("hosts: [a.example.com], resolution: {resolution}, {TLS}, {endpoints}"))
        };
        let documents = named("older", older, "one.example.com") + &named("younger", younger, "two.example.com");
        let config = client(Flavor::Istio, &documents);
        let assignment = config.cluster("outbound|443||a.example.com").load_assignment.clone().unwrap();
        let endpoints = assignment.endpoints.iter().flat_map(|locality| &locality.lb_endpoints);
        endpoints.map(|endpoint| endpoint.endpoint.address.to_string()).collect::<Vec<_>>()
    };
    assert_eq!(endpoints("DNS", "DNS"), ["one.example.com:443", "two.example.com:443"]);
    assert_eq!(endpoints("DNS", "DNS_ROUND_ROBIN"), ["one.example.com:443"]);
    assert_eq!(endpoints("DNS_ROUND_ROBIN", "DNS_ROUND_ROBIN"), ["one.example.com:443"]);
}

#[test]
fn automatic_mtls_is_for_what_is_in_the_mesh_and_says_so() {
    let cluster = |location: &str| {
        let endpoints = "endpoints: [{address: 203.0.113.1, serviceAccount: vm}, {address: 203.0.113.2}]";
        let spec = format!("hosts: [a.example.com], location: {location}, resolution: STATIC, {TLS}, {endpoints}");
        let config = client(Flavor::Istio, &entry("a", &spec));
        let name = "outbound|443||a.example.com";
        let endpoints = config.endpoints.iter().find(|set| set.cluster_name == name).unwrap();
        let marked: Vec<_> = endpoints.endpoints[0].lb_endpoints.iter().map(|e| e.metadata.is_some()).collect();
        (config.cluster(name).transport_socket_matches.len(), marked)
    };
    // The mark alone does nothing: the cluster matches no transport socket by it.
    assert_eq!(cluster("MESH_EXTERNAL"), (0, vec![true, false]));
    assert_eq!(cluster("MESH_INTERNAL"), (2, vec![true, false]));
}

#[test]
fn the_entrys_names_count_where_the_rule_has_none() {
    let rule = |names: &str| {
        format!(
            "---\n{{apiVersion: networking.istio.io/v1, kind: DestinationRule, metadata: {{name: a}}, \
             spec: {{host: a.example.com, trafficPolicy: {{tls: {{mode: SIMPLE{names}}}}}}}}}\n"
        )
    };
    let names = |rule: String| {
        let spec = format!("hosts: [a.example.com], resolution: DNS, {TLS}, subjectAltNames: [of-entry]");
        let config = client(Flavor::Istio, &(entry("a", &spec) + &rule));
        let context = client_tls(config.cluster("outbound|443||a.example.com")).common_tls_context.clone();
        let checks = context.combined_validation_context.unwrap().default_validation_context;
        checks.match_typed_subject_alt_names[0].matcher.as_exact().unwrap().to_owned()
    };
    assert_eq!(names(rule("")), "of-entry");
    assert_eq!(names(rule(", subjectAltNames: [of-rule]")), "of-rule");
}

#[test]
fn an_entry_is_known_where_it_is_exported_to() {
    let known = |export_to: &str| {
        let spec = format!("hosts: [a.example.com], {TLS}, exportTo: [{export_to}]");
        client(Flavor::Istio, &entry("a", &spec)).has_cluster("outbound|443||a.example.com")
    };
    assert!(known("'*'") && known("'.'") && known("default"));
    assert!(!known("elsewhere"));
}

#[test]
fn a_port_of_one_host_is_the_older_entrys() {
    let two = entry("a", &format!("hosts: [a.example.com], resolution: DNS, {TLS}"))
        + &entry("b", &format!("hosts: [a.example.com], {TLS}"));
    let config = client(Flavor::Istio, &two);
    let clusters: Vec<_> = config.clusters.iter().filter(|c| c.name.ends_with("a.example.com")).collect();
    assert_eq!(clusters.len(), 1);
    assert_eq!(clusters[0].discovery_type, DiscoveryType::StrictDns);
}

#[test]
fn the_textbook_leaves_an_entrys_ports_to_its_own_listener() {
    let config = client(Flavor::Textbook, &entry("a", &format!("hosts: [a.example.com], {TLS}")));
    let filters = &config.listener("virtualOutbound").listener_filters;
    let inspector = filters.iter().find(|f| matches!(f.typed_config, ListenerFilterConfig::TlsInspector(_))).unwrap();
    let text = serde_json::to_string(&inspector.filter_disabled).unwrap();
    assert!(text.contains("443"), "{text}");
}

#[test]
fn of_one_host_in_two_namespaces_a_client_knows_the_entry_of_its_own() {
    let entry = |namespace: &str, name: &str, port: u16| {
        format!(
            "---\napiVersion: networking.istio.io/v1\nkind: ServiceEntry\nmetadata: {{name: {name}, namespace: {namespace}}}\n\
             spec: {{hosts: [api.example.com], resolution: DNS, ports: [{{number: {port}, name: tls, protocol: TLS}}]}}\n"
        )
    };
    let ports = |manifests: String| -> Vec<String> {
        let config = client(Flavor::Istio, &manifests);
        let clusters = config.clusters.iter().filter(|c| c.name.ends_with("||api.example.com"));
        clusters.map(|c| c.name.split('|').nth(1).expect("a port").to_owned()).collect()
    };
    let elsewhere = entry("elsewhere", "first", 443);
    assert_eq!(ports(elsewhere.clone() + &entry("default", "second", 8443)), ["8443"], "its own, though it is younger");
    assert_eq!(ports(elsewhere.clone() + &entry("third", "second", 8443)), ["443"], "else the oldest");
    assert_eq!(ports(elsewhere + &entry("elsewhere", "second", 8443)), ["443", "8443"], "of one namespace, both");
}
