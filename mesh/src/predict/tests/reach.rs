//! Who is called, and how it is reached: by service, by pod, by nobody's address, by oneself, over both families.

use super::*;

fn account(mesh: &Mesh, from: &str, host: &str, port: u16, app: AppProtocol) -> Account {
    call(mesh, from, host, port, app).account()
}

/// Every leg: number, path, interface, where it comes from and goes to.
fn ways(account: &Account) -> Vec<String> {
    let way = |leg: &Leg| {
        let text = |value: Option<String>| value.unwrap_or_else(|| "-".into());
        let Leg { number, path, interface, source, dials, redirected_to, .. } = leg;
        let redirected = redirected_to.map_or(String::new(), |port| format!(" ({port})"));
        let (source, dials) = (text(source.map(|s| s.to_string())), text(dials.map(|d| d.to_string())));
        format!("{number} {path} {}: {source} to {dials}{redirected}", text(interface.map(|i| i.to_string())))
    };
    account.legs.iter().map(way).collect()
}

#[test]
fn a_service_is_reached_by_any_of_its_names() {
    let mesh = istio("STRICT");
    for host in ["server", "server.default", "server.default.svc", "server.default.svc.cluster.local", "10.96.0.10"] {
        let account = account(&mesh, "client", host, 80, AppProtocol::Http);
        assert!(account.outcome.delivered, "{host}: {}", brief(&account.outcome));
        assert_eq!(account.to.host, "server.default.svc.cluster.local");
        assert_eq!((account.to.pod.as_deref(), account.to.target_port), (Some("server.default"), Some(80)));
        assert_eq!(
            ways(&account),
            [
                "1 app -> sidecar lo: 10.244.0.2 to 10.96.0.10:80 (15001)",
                "2 sidecar -> sidecar eth0: 10.244.0.2 to 10.244.0.4:80",
                "3 sidecar -> app lo: 127.0.0.6 to 10.244.0.4:80",
            ]
        );
    }
}

#[test]
fn a_pod_called_by_its_address_is_reached_without_mtls() {
    let permissive = account(&istio("PERMISSIVE"), "client", "10.244.0.4", 70, AppProtocol::Tcp);
    assert_eq!((layers(&permissive, 2).as_str(), permissive.outcome.delivered), ("tcp", true));
    assert_eq!(step(&permissive, Party::ClientSidecar, Decision::Cluster).choice, "PassthroughCluster");
    assert_eq!(permissive.to.pod.as_deref(), Some("server.default"));

    let strict = account(&istio("STRICT"), "client", "10.244.0.4", 70, AppProtocol::Tcp);
    assert_eq!(strict.outcome.reason, Some(Reason::NoFilterChainMatch));
}

#[test]
fn without_a_sidecar_the_node_takes_a_service_to_its_pod() {
    let account = account(&istio("PERMISSIVE"), "outsider", "server", 80, AppProtocol::Http);
    assert_eq!(
        ways(&account),
        ["2 app -> sidecar eth0: 10.244.0.3 to 10.96.0.10:80", "3 sidecar -> app lo: 127.0.0.6 to 10.244.0.4:80",]
    );
    assert_eq!(step(&account, Party::Node, Decision::Service).choice, "10.244.0.4:80");
}

#[test]
fn a_call_between_pods_without_sidecars_has_one_leg() {
    let other = "---
apiVersion: v1
kind: Pod
metadata: {name: bare, labels: {app: bare, sidecar.istio.io/inject: 'false'}}
spec: {containers: [{name: app, image: any}]}
---
apiVersion: v1
kind: Service
metadata: {name: bare}
spec: {selector: {app: bare}, ports: [{name: http, port: 80}]}
";
    let mesh = mesh_of(Flavor::Istio, &format!("{}{other}", policy("STRICT")));
    let plain = account(&mesh, "outsider", "bare", 80, AppProtocol::Http);
    assert_eq!(ways(&plain).len(), 1);
    assert_eq!((leg(&plain, 2).path, &plain.outcome.app_sees), (LegPath::AppToApp, &AppSees::Status(200)));

    // Automatic mTLS knows who has no sidecar.
    let from_mesh = account(&mesh, "client", "bare", 80, AppProtocol::Http);
    assert_eq!((leg(&from_mesh, 2).path, layers(&from_mesh, 2).as_str()), (LegPath::SidecarToApp, "http/1.1"));
    assert!(from_mesh.outcome.delivered);
}

#[test]
fn an_app_that_calls_its_own_pod_meets_no_sidecar() {
    let account = account(&istio("STRICT"), "server", "10.244.0.4", 80, AppProtocol::Http);
    assert_eq!(ways(&account), ["2 app -> app lo: 10.244.0.4 to 10.244.0.4:80"]);
    assert_eq!(account.outcome.app_sees, "200");
}

#[test]
fn an_app_that_calls_its_own_service_meets_both_ends_of_its_sidecar() {
    let account = account(&istio("STRICT"), "server", "server.default", 80, AppProtocol::Http);
    assert_eq!(
        ways(&account),
        [
            "1 app -> sidecar lo: 10.244.0.4 to 10.96.0.10:80 (15001)",
            "2 sidecar -> sidecar lo: 10.244.0.4 to 10.244.0.4:80 (15006)",
            "3 sidecar -> app lo: 127.0.0.6 to 10.244.0.4:80",
        ]
    );
    assert_eq!((layers(&account, 2).as_str(), &account.outcome.app_sees), ("mtls,http/1.1", &AppSees::Status(200)));
}

#[test]
fn ports_that_are_not_captured_on_the_way_out_go_past_the_sidecar() {
    let annotation = "metadata: {name: client, annotations: {traffic.sidecar.istio.io/excludeOutboundPorts: '80'}}";
    let yaml = format!("{}{}", PODS.replace("metadata: {name: client}", annotation), policy("STRICT"));
    let mesh = mesh_with_warnings(&yaml, Flavor::Istio).0;
    let account = account(&mesh, "client", "server", 80, AppProtocol::Http);
    assert_eq!(leg(&account, 2).path, LegPath::AppToSidecar);
    assert_eq!(account.outcome.reason, Some(Reason::NoFilterChainMatch));
    let redirect = step(&account, Party::ClientApp, Decision::Redirect);
    assert_eq!(redirect.choice, "not captured");
    assert!(
        redirect.source.as_ref().is_some_and(|source| source.field.ends_with("/excludeOutboundPorts]")),
        "{redirect:?}"
    );
}

const HEADLESS: &str = "---
apiVersion: v1
kind: Service
metadata: {name: each}
spec:
  clusterIP: None
  selector: {app: server}
  ports: [{name: tcp, port: 70}, {name: http, port: 80}]
";

#[test]
fn a_headless_service_is_its_pods() {
    let mesh = mesh_of(Flavor::Istio, &format!("{}{HEADLESS}", policy("STRICT")));
    for (port, app) in [(70, AppProtocol::Tcp), (80, AppProtocol::Http)] {
        let account = account(&mesh, "client", "each", port, app);
        assert_eq!(account.to.address.to_string(), "10.244.0.4");
        assert!(account.outcome.delivered, "{port}: {}", brief(&account.outcome));
        assert_eq!(leg(&account, 2).layers.len(), 2, "mTLS, and what is inside");
    }
}

#[test]
fn a_service_over_ipv6_is_reached_over_ipv6_all_the_way() {
    let service = "---
apiVersion: v1
kind: Service
metadata: {name: six}
spec: {ipFamilies: [IPv6], selector: {app: server}, ports: [{name: http, port: 80}, {name: tcp, port: 70}]}
";
    for (flavor, source, dials) in [(Flavor::Istio, "::6", "[fd00:244::4]:80"), (Flavor::Textbook, "::1", "[::1]:80")] {
        let mesh = mesh_of(flavor, &format!("{}{service}", policy("STRICT")));
        let account = call(&mesh, "client", "six", 80, AppProtocol::Http).over(Family::Ipv6).account();
        assert_eq!(
            ways(&account),
            [
                "1 app -> sidecar lo: fd00:244::2 to [fd00:96::b]:80 (15001)".to_owned(),
                "2 sidecar -> sidecar eth0: fd00:244::2 to [fd00:244::4]:80".to_owned(),
                format!("3 sidecar -> app lo: {source} to {dials}"),
            ]
        );
        assert!(account.outcome.delivered, "{}", brief(&account.outcome));
    }
}

#[test]
fn a_service_without_pods_has_nobody_to_answer() {
    let service = "---
apiVersion: v1
kind: Service
metadata: {name: empty}
spec: {selector: {app: nobody}, ports: [{name: http, port: 80}, {name: tcp, port: 70}]}
";
    let mesh = mesh_of(Flavor::Istio, service);
    let sees = |from, port, app| brief(&account(&mesh, from, "empty", port, app).outcome);
    assert_eq!(
        sees("client", 80, AppProtocol::Http),
        "client sidecar no_healthy_upstream UH no_healthy_upstream -> 503"
    );
    assert_eq!(sees("client", 70, AppProtocol::Tcp), "client sidecar no_healthy_upstream UH - -> connection_reset");
    assert_eq!(sees("outsider", 80, AppProtocol::Http), "node connection_refused - - -> connection_refused");
}

#[test]
fn an_app_that_does_not_listen_refuses() {
    let mesh = istio("STRICT");
    let sees = |from, app, port| brief(&call(&mesh, from, "server", port, app).to(Speaks::Nothing).outcome());
    assert_eq!(sees("client", AppProtocol::Http, 80), "server app connection_refused - via_upstream -> 503");
    let bare = brief(&call(&mesh, "outsider", "10.244.9.9", 80, AppProtocol::Http).to(Speaks::Nothing).outcome());
    assert_eq!(bare, "server app connection_refused - - -> connection_refused");
}

#[test]
fn a_name_that_no_dns_knows_is_answered_as_such() {
    let account = call(&istio("STRICT"), "client", "servr", 80, AppProtocol::Http).account();
    assert_eq!(brief(&account.outcome), "client app name_not_resolved - - -> resolution");
    assert_eq!(account.legs, []);
    let name = step(&account, Party::ClientApp, Decision::Name);
    assert!(name.because.ends_with("did you mean server?"), "{}", name.because);
}

#[test]
fn a_name_in_the_hosts_file_goes_before_any_dns() {
    let pod = "---
apiVersion: v1
kind: Pod
metadata: {name: caller}
spec:
  hostAliases: [{ip: 10.244.0.77, hostnames: [server]}]
  containers: [{name: app, image: any}]
";
    let mesh = mesh_of(Flavor::Istio, pod);
    for (host, address) in [("server", "10.244.0.77"), ("localhost", "127.0.0.1")] {
        let account = call(&mesh, "caller", host, 80, AppProtocol::Http).account();
        assert_eq!(account.to.address.to_string(), address);
    }
}

#[test]
fn a_family_that_the_service_does_not_have_is_an_error() {
    let service = "---
apiVersion: v1
kind: Service
metadata: {name: four}
spec: {ipFamilies: [IPv4], selector: {app: server}, ports: [{name: http, port: 80}]}
";
    let mesh = mesh_of(Flavor::Istio, service);
    let mut call = call(&mesh, "client", "four", 80, AppProtocol::Http).call;
    call.family = Some(Family::Ipv6);
    assert_eq!(predict(&mesh, &call).unwrap_err().to_string(), "four has no ipv6 address");
}

/// kube-proxy translates a load balancer's address for pods, too.
#[test]
fn the_address_of_the_clusters_own_load_balancer_leads_to_its_pods() {
    let balancer = "---
apiVersion: v1
kind: Service
metadata: {name: lb}
spec: {type: LoadBalancer, selector: {app: server}, ports: [{name: http, port: 80}], externalIPs: [198.51.100.11]}
status: {loadBalancer: {ingress: [{ip: 198.51.100.10}, {ip: 198.51.100.12, ipMode: Proxy}]}}
";
    let mesh = mesh_of(Flavor::Istio, &(policy("STRICT") + balancer));
    for address in ["198.51.100.10", "198.51.100.11"] {
        // Sidecars don't know these addresses.
        let account = call(&mesh, "client", address, 80, AppProtocol::Http).account();
        assert_eq!(layers(&account, 2), "http/1.1");
        let refused = (account.outcome.at, account.outcome.status, account.outcome.response_flags.to_string());
        assert_eq!(refused, (Some(Party::ServerSidecar), Some(503), "NR".into()));
    }
    let of_proxy = call(&mesh, "client", "198.51.100.12", 80, AppProtocol::Http).account();
    assert_eq!(of_proxy.to.pod, None);
}
