//! What a sidecar knows, and on which ports (`pilot/pkg/model/sidecar.go`).

use pretty_assertions::assert_eq;

use super::*;

fn client(documents: &str) -> PodConfig {
    with(documents.trim_start().trim_start_matches("---\n"), Flavor::Istio, "client")
}

const DNS: &str = "
---
apiVersion: v1
kind: Service
metadata: {name: dns}
spec: {clusterIP: 10.96.0.53, selector: {app: server}, ports: [{name: dns, port: 53, protocol: UDP}]}
";

#[test]
fn on_a_port_of_a_sidecars_own_the_protocol_of_a_service_does_not_count() {
    let sidecar = |port: &str| {
        format!(
            "{DNS}---
apiVersion: networking.istio.io/v1
kind: Sidecar
metadata: {{name: scope}}
spec: {{egress: [{{{port} hosts: ['*/*']}}]}}
"
        )
    };
    let own = client(&sidecar("port: {number: 53, protocol: TCP, name: own},"));
    assert_eq!(outlines(own.listener("10.96.0.53_53")), ["-> tcp outbound|53||dns.default.svc.cluster.local"]);
    assert!(!own.has_cluster("outbound|53||dns.default.svc.cluster.local"), "UDP has no cluster");
    let any = client(&sidecar(""));
    assert!(!any.listeners.iter().any(|listener| listener.name.ends_with("_53")), "UDP is never captured");
}

/// `getConfigsForHost` in `pilot/pkg/networking/core/tls.go` asks whether two hosts overlap.
#[test]
fn a_rule_for_a_host_that_a_wildcard_entry_covers_is_for_the_entry() {
    let documents = "
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {name: all}
spec: {hosts: ['*.example.com'], ports: [{number: 443, name: tls, protocol: TLS}]}
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: one}
spec:
  hosts: [one.example.com]
  tls: [{match: [{sniHosts: [one.example.com]}], route: [{destination: {host: server, port: {number: 8443}}}]}]
";
    let config = client(documents);
    let routed = "for one.example.com -> tcp outbound|8443||server.default.svc.cluster.local";
    assert_eq!(outlines(config.listener("0.0.0.0_443")), [routed]);
}

#[test]
fn routes_to_the_range_of_an_entry_stand_in_for_its_own_chain() {
    let documents = "
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {name: range}
spec: {hosts: [range.example.com], addresses: [240.2.0.0/16], ports: [{number: 3306, name: tcp, protocol: TCP}]}
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: range}
spec:
  hosts: [range.example.com]
  tcp: [{match: [{destinationSubnets: [240.2.0.0/16]}], route: [{destination: {host: server, port: {number: 9000}}}]}]
";
    let config = client(documents);
    let routed = "in 240.2.0.0/16 -> tcp outbound|9000||server.default.svc.cluster.local";
    assert_eq!(outlines(config.listener("0.0.0.0_3306")), [routed]);
}

/// `initDefaultExportMaps` in `pilot/pkg/model/push_context.go`.
#[test]
fn the_mesh_says_to_whom_services_rules_and_routes_are_exported_that_do_not_say_it() {
    let elsewhere = "
---
apiVersion: v1
kind: Service
metadata: {name: store, namespace: shop}
spec: {ports: [{name: tcp, port: 9000}]}
---
apiVersion: v1
kind: Service
metadata: {name: shown, namespace: shop, annotations: {networking.istio.io/exportTo: '*'}}
spec: {ports: [{name: http, port: 9001}]}
---
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {name: shown, namespace: shop}
spec: {host: shown, trafficPolicy: {connectionPool: {tcp: {maxConnections: 3}}}}
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: shown, namespace: shop}
spec: {hosts: [shown], http: [{name: routed, route: [{destination: {host: shown}}]}]}
";
    let shown = "outbound|9001||shown.shop.svc.cluster.local";
    let limit = |config: &PodConfig| {
        let breakers = config.cluster(shown).circuit_breakers.as_ref().expect("limits");
        breakers.thresholds[0].max_connections
    };
    let route = |config: &PodConfig| {
        let routes = config.routes.iter().find(|routes| routes.name == "9001").expect("routes");
        routes.virtual_hosts[0].routes[0].name.clone()
    };
    let store = "outbound|9000||store.shop.svc.cluster.local";
    let open = client(&format!("{}{elsewhere}", mesh_config("{}")));
    assert_eq!((open.has_cluster(store), limit(&open), &*route(&open)), (true, Some(3), "routed"));
    let settings =
        "{defaultServiceExportTo: [.], defaultVirtualServiceExportTo: [.], defaultDestinationRuleExportTo: [.]}";
    let closed = client(&format!("{}{elsewhere}", mesh_config(settings)));
    assert_eq!((closed.has_cluster(store), limit(&closed), &*route(&closed)), (false, Some(u32::MAX), "default"));
}

/// `buildSidecarOutboundListeners` in `pilot/pkg/networking/core/listener.go`.
#[test]
fn an_entry_that_resolves_nothing_has_no_listener_where_another_of_its_host_lists_a_name() {
    let entry = |name: &str, port: &str, resolution: &str| {
        format!(
            "---
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {{name: {name}}}
spec: {{hosts: [a.example.com], ports: [{{number: 3306, name: data, protocol: {port}}}], resolution: {resolution}}}
"
        )
    };
    let chains = |documents: &str| outlines(client(documents).listener("0.0.0.0_3306"));
    assert_eq!(chains(&entry("none", "TLS", "NONE")), ["for a.example.com -> tcp outbound|3306||a.example.com"]);
    let both = entry("none", "TLS", "NONE") + &entry("dns", "HTTP", "DNS");
    assert_eq!(chains(&both), ["raw_buffer http/1.1,h2c -> http 3306"]);
}
