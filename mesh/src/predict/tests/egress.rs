//! Calls to hosts outside the cluster: the recipes that people follow, and what they really do.

use pretty_assertions::assert_eq;

use super::*;

/// A host outside that speaks HTTP on 80, HTTPS on 443, and demands a certificate on 8443.
const OUTSIDE: &str = "---
apiVersion: v1
kind: Pod
metadata: {name: outside, annotations: {sidelab.io/external-host: 'shop.example.com, pay.example.com'}}
spec: {containers: [{name: app, image: sidelab/demo-server, args: [--http, '80', --https, '443', --mtls-http, '8443', --cert, /tls.crt, --key, /tls.key, --client-ca, /ca.pem]}]}
";

fn entry(ports: &str) -> String {
    format!(
        "---
{{apiVersion: networking.istio.io/v1, kind: ServiceEntry, metadata: {{name: shop}}, spec: {{hosts: [shop.example.com], resolution: DNS, ports: [{ports}]}}}}
"
    )
}

/// TLS of the sidecar's own that takes any certificate.
const SIMPLE: &str = "---
{apiVersion: networking.istio.io/v1, kind: DestinationRule, metadata: {name: shop}, spec: {host: shop.example.com, trafficPolicy: {tls: {mode: SIMPLE, insecureSkipVerify: true}}}}
";
const HTTPS: &str = "{number: 443, name: tls, protocol: TLS}";
const HTTP: &str = "{number: 80, name: http, protocol: HTTP, targetPort: 443}";
const CLOSED: &str = "outboundTrafficPolicy: {mode: REGISTRY_ONLY}";
const BOTH: [Flavor; 2] = [Flavor::Istio, Flavor::Textbook];

fn mesh(flavor: Flavor, more: &str) -> Mesh {
    mesh_of(flavor, &format!("{OUTSIDE}{more}"))
}

/// The client's sidecar's cluster.
fn cluster(account: &Account) -> &str {
    choice(&account.steps, Party::ClientSidecar, Decision::Cluster).expect("a cluster")
}

#[test]
fn https_leaves_under_strict_and_only_the_textbook_reads_its_sni() {
    for (flavor, read) in [(Flavor::Istio, "-"), (Flavor::Textbook, "shop.example.com")] {
        let mesh = mesh(flavor, &policy("STRICT"));
        let account = call(&mesh, "client", "shop.example.com", 443, AppProtocol::Https).account();
        assert_eq!((brief(&account.outcome).as_str(), layers(&account, 2).as_str()), ("200", "tls,http/1.1"));
        assert_eq!(cluster(&account), "PassthroughCluster");
        assert_eq!(account.outcome.requested_server_name, read);
        assert_eq!(leg(&account, 2).path, LegPath::SidecarToApp);
        assert_eq!(account.to.pod.as_deref(), Some("outside.default"));
    }
}

#[test]
fn a_service_entry_has_the_sni_read_in_both() {
    for flavor in BOTH {
        let mesh = mesh(flavor, &entry(HTTPS));
        let account = call(&mesh, "client", "shop.example.com", 443, AppProtocol::Https).over(Family::Ipv6).account();
        assert_eq!(brief(&account.outcome), "200");
        assert_eq!(cluster(&account), "outbound|443||shop.example.com");
        assert_eq!(account.outcome.requested_server_name, "shop.example.com");
        // The app called one family, and the sidecar resolves the name by itself.
        assert_eq!(leg(&account, 1).dials.unwrap().to_string(), "[2001:db8:cafe::1]:443");
        assert_eq!(leg(&account, 2).dials.unwrap().to_string(), "203.0.113.1:443");
        let other = call(&mesh, "client", "pay.example.com", 443, AppProtocol::Https).account();
        assert_eq!(cluster(&other), "PassthroughCluster");
    }
}

#[test]
fn tls_is_originated_for_http_on_a_port_that_leads_to_443() {
    for flavor in BOTH {
        let mesh = mesh(flavor, &(entry(HTTP) + SIMPLE));
        let account = call(&mesh, "client", "shop.example.com", 80, AppProtocol::Http).account();
        assert_eq!(brief(&account.outcome), "200");
        assert_eq!((layers(&account, 1).as_str(), layers(&account, 2).as_str()), ("http/1.1", "tls,http/1.1"));
        assert_eq!(leg(&account, 2).tls[0].sni.as_deref(), Some("shop.example.com"));
        assert_eq!(leg(&account, 2).dials.unwrap().port(), 443);
    }
}

#[test]
fn f15_an_https_app_gets_tls_in_tls() {
    for flavor in BOTH {
        let mesh = mesh(flavor, &(entry(HTTPS) + SIMPLE));
        let account = call(&mesh, "client", "shop.example.com", 443, AppProtocol::Https).account();
        assert_eq!(brief(&account.outcome), "client app tls_handshake_failed - - -> not_tls");
        assert_eq!(layers(&account, 2), "tls,tls");
    }
}

#[test]
fn f16_a_certificate_that_the_rule_does_not_take() {
    let checked = SIMPLE.replace("insecureSkipVerify: true", "subjectAltNames: [somebody.example.com]");
    let account =
        call(&mesh(Flavor::Istio, &(entry(HTTP) + &checked)), "client", "shop.example.com", 80, AppProtocol::Http)
            .account();
    let outcome = &account.outcome;
    // The host's CA is none of the system's.
    assert!(outcome.details.as_str().contains("unable_to_get_local_issuer_certificate"), "{}", outcome.details);
    assert_eq!((outcome.response_flags.as_str(), outcome.status), ("URX,UF", Some(503)));
}

#[test]
fn a_host_that_demands_a_certificate_refuses_simple() {
    let to_mutual = entry(&HTTP.replace("443", "8443"));
    let account =
        call(&mesh(Flavor::Istio, &(to_mutual + SIMPLE)), "client", "shop.example.com", 80, AppProtocol::Http)
            .account();
    assert_eq!(account.outcome.at, Some(Party::ServerApp));
    assert_eq!(account.outcome.reason, Some(Reason::TlsHandshakeFailed));
}

#[test]
fn registry_only_closes_what_no_entry_opens() {
    let ports = format!("{HTTPS}, {{number: 80, name: http, protocol: HTTP}}");
    let mesh = mesh(Flavor::Istio, &(entry(&ports) + &mesh_config(CLOSED)));
    let brief = |host: &str, port: u16, app| brief(&call(&mesh, "client", host, port, app).outcome());
    assert_eq!(brief("shop.example.com", 443, AppProtocol::Https), "200");
    assert_eq!(brief("shop.example.com", 80, AppProtocol::Http), "200");
    assert_eq!(
        brief("pay.example.com", 443, AppProtocol::Https),
        "client sidecar no_healthy_upstream UH - -> connection_reset"
    );
    assert_eq!(brief("pay.example.com", 80, AppProtocol::Http), "client sidecar block_all - direct_response -> 502");
}

#[test]
fn an_endpoint_that_does_not_resolve_is_none() {
    let entry = entry(HTTPS).replace("ports:", "endpoints: [{address: gone.example.com}], ports:");
    let account = call(&mesh(Flavor::Istio, &entry), "client", "shop.example.com", 443, AppProtocol::Https).account();
    assert_eq!(brief(&account.outcome), "client sidecar no_healthy_upstream UH - -> connection_reset");
    let endpoint = account.steps.iter().find(|step| step.what == Decision::Endpoint).unwrap();
    assert_eq!(endpoint.because, "gone.example.com does not resolve");
}

#[test]
fn a_client_without_a_sidecar_just_calls() {
    let account = call(&mesh(Flavor::Istio, ""), "outsider", "shop.example.com", 443, AppProtocol::Https).account();
    assert_eq!((brief(&account.outcome).as_str(), leg(&account, 2).path), ("200", LegPath::AppToApp));
}

/// istiod has names resolved in both families, each address a host of its own.
#[test]
fn a_sidecar_may_dial_any_address_of_a_name_that_it_resolves_in_both_families() {
    let mesh = mesh(Flavor::Istio, &entry(HTTPS));
    let client = mesh.pod("client", "default").expect("the client");
    let mut pushed = compile(&mesh, client, &nowhere()).resources();
    for cluster in pushed.clusters.iter_mut().filter(|cluster| cluster["type"] == "STRICT_DNS") {
        cluster["dns_lookup_family"] = "ALL".into();
    }
    let [compiled, by_istiod] =
        [mesh.clone(), mesh.pushed_by(ControlPlane::Istiod, [("client.default".to_owned(), pushed)].into())].map(
            |mesh| {
                let call = call(&mesh, "client", "shop.example.com", 443, AppProtocol::Https).over(Family::Ipv6).call;
                let ways = predict_each(&mesh, &call).expect("predictions");
                let ways = ways.iter().map(|way| {
                    let leg = leg(way, 2);
                    (leg.dials.expect("an address"), leg.source.expect("an address"), leg.may_dial.clone())
                });
                ways.collect::<Vec<_>>()
            },
        );
    let [v4, v6] = ["203.0.113.1:443", "[2001:db8:cafe::1]:443"].map(|address| address.parse().expect("an address"));
    let client = ["10.244.0.2", "fd00:244::2"].map(|address| address.parse().expect("an address"));
    assert_eq!(compiled, [(v4, client[0], vec![])], "IPv4 is preferred");
    assert_eq!(by_istiod, [(v4, client[0], vec![v4, v6]), (v6, client[1], vec![v4, v6])]);
}

/// <https://istio.io/latest/docs/reference/config/networking/workload-entry/>: `serviceAccount` is for a machine with a sidecar.
#[test]
fn a_machine_whose_entry_names_a_service_account_takes_mtls() {
    let machine = |account: &str| {
        format!(
            "---
apiVersion: networking.istio.io/v1
kind: WorkloadEntry
metadata: {{name: vm}}
spec: {{address: 198.51.100.9, labels: {{app: vm}}{account}}}
---
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {{name: vm}}
spec:
  hosts: [vm.example.com]
  addresses: [240.1.1.9]
  location: MESH_INTERNAL
  resolution: STATIC
  ports: [{{number: 80, name: http, protocol: HTTP}}]
  workloadSelector: {{labels: {{app: vm}}}}
"
        )
    };
    let called = |account: &str| {
        let mesh = mesh_of(Flavor::Istio, &machine(account));
        let account = call(&mesh, "client", "240.1.1.9", 80, AppProtocol::Http).account();
        (brief(&account.outcome), account.steps.last().expect("a step").because.clone())
    };
    let (outcome, because) = called(", serviceAccount: vm");
    assert_eq!(outcome, "200");
    assert!(because.contains("a machine whose sidecar takes mTLS"), "{because}");
    assert_eq!(called("").0, "200");
}
