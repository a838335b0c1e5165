//! Calls through a gateway.

use http::{HeaderName, HeaderValue};

use crate::{
    account::{Account, AppProtocol, LegNumber, LegPath, Party, Reason},
    model::{Flavor, Mesh},
    predict::{Call, predict},
    testing::{EDGE, mesh, mesh_with_warnings},
};

const MESH: &str = "---
apiVersion: v1
kind: Namespace
metadata: {name: default, labels: {istio-injection: enabled}}
---
apiVersion: v1
kind: Pod
metadata: {name: client, labels: {sidecar.istio.io/inject: 'false'}}
spec: {containers: [{name: app, image: sidelab/demo-client}]}
---
apiVersion: v1
kind: Service
metadata: {name: edge}
spec: {selector: {istio: edge}, ports: [{name: http, port: 80, targetPort: 8080}, {name: https, port: 443, targetPort: 8443}]}
---
apiVersion: v1
kind: Pod
metadata: {name: server, labels: {app: server}}
spec: {containers: [{name: app, image: sidelab/demo-server, args: [--http, '8080', --https, '8443', --cert, /c, --key, /k]}]}
---
apiVersion: v1
kind: Service
metadata: {name: server}
spec: {selector: {app: server}, ports: [{name: http, port: 8080}, {name: tls, port: 8443}]}
---
apiVersion: networking.istio.io/v1
kind: Gateway
metadata: {name: g}
spec:
  selector: {istio: edge}
  servers:
  - {port: {number: 80, name: http, protocol: HTTP}, hosts: [a.example.com]}
  - {port: {number: 80, name: secure, protocol: HTTP}, hosts: [s.example.com], tls: {httpsRedirect: true}}
  - {port: {number: 443, name: pass, protocol: TLS}, hosts: [p.example.com], tls: {mode: PASSTHROUGH}}
  - {port: {number: 443, name: absent, protocol: HTTPS}, hosts: [t.example.com], tls: {mode: SIMPLE, credentialName: absent}}
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: v}
spec:
  hosts: [a.example.com, s.example.com, p.example.com, t.example.com]
  gateways: [g]
  http: [{route: [{destination: {host: server, port: {number: 8080}}}]}]
  tls: [{match: [{sniHosts: [p.example.com]}], route: [{destination: {host: server, port: {number: 8443}}}]}]
";

fn call(mesh: &Mesh, port: u16, app: AppProtocol, host: &str) -> Account {
    call_with(mesh, port, app, host, &[])
}

fn call_with(
    mesh: &Mesh,
    port: u16,
    app: AppProtocol,
    host: &str,
    headers: &[(&'static str, &'static str)],
) -> Account {
    let headers = headers.iter().map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value)));
    let from = mesh.pod("client", "default").expect("it is there");
    let call = Call {
        authority: Some(host.into()),
        sni: (app == AppProtocol::Https).then(|| host.into()),
        verify: false,
        headers: headers.collect(),
        ..Call::new(from, "edge", port, app)
    };
    predict(mesh, &call).expect("it is modelled")
}

fn path(account: &Account, number: LegNumber) -> Option<LegPath> {
    account.leg(number).map(|leg| leg.path)
}

fn refused(account: &Account) -> (Option<Party>, Option<Reason>, Option<u16>) {
    (account.outcome.at, account.outcome.reason, account.outcome.status)
}

#[test]
fn a_request_goes_on_from_the_gateway_to_the_sidecar_behind_it() {
    let account = call(&mesh(&[EDGE, MESH].concat()), 80, AppProtocol::Http, "a.example.com");
    assert!(account.outcome.delivered);
    assert_eq!(path(&account, LegNumber::BetweenPods), Some(LegPath::AppToGateway));
    assert_eq!(path(&account, LegNumber::FromGateway), Some(LegPath::GatewayToSidecar));
    assert_eq!(account.read_by, [Party::Gateway, Party::ServerSidecar]);
    let route = account.route.expect("the gateway's");
    assert_eq!(route.virtual_host.as_deref(), Some("a.example.com:80"));
}

#[test]
fn a_host_that_nobody_opens_has_no_route_and_one_that_requires_tls_is_redirected() {
    let mesh = mesh(&[EDGE, MESH].concat());
    let unknown = call(&mesh, 80, AppProtocol::Http, "x.example.com");
    assert_eq!(refused(&unknown), (Some(Party::Gateway), Some(Reason::NoRoute), Some(404)));
    let secure = call(&mesh, 80, AppProtocol::Http, "s.example.com");
    assert_eq!(refused(&secure), (Some(Party::Gateway), Some(Reason::Redirect), Some(301)));
}

#[test]
fn tls_that_passes_through_reaches_the_app_and_an_sni_that_nobody_opens_finds_no_chain() {
    let mesh = mesh(&[EDGE, MESH].concat());
    let passed = call(&mesh, 443, AppProtocol::Https, "p.example.com");
    assert!(passed.outcome.delivered, "{:?}", passed.outcome);
    let behind = passed.leg(LegNumber::FromGateway).expect("there is one");
    let layers: Vec<String> = behind.layers.iter().map(ToString::to_string).collect();
    assert_eq!(layers, ["mtls", "tls", "http/1.1"]);
    let unknown = call(&mesh, 443, AppProtocol::Https, "x.example.com");
    assert_eq!(refused(&unknown), (Some(Party::Gateway), Some(Reason::NoFilterChainMatch), None));
}

#[test]
fn a_gateway_without_its_secret_closes_connections_and_without_a_server_refuses_them() {
    let mesh = mesh(&[EDGE, MESH].concat());
    let no_secret = call(&mesh, 443, AppProtocol::Https, "t.example.com");
    assert_eq!(refused(&no_secret), (Some(Party::Gateway), Some(Reason::TlsHandshakeFailed), None));
    let from = mesh.pod("client", "default").expect("it is there");
    let edge = mesh.pods[mesh.pod("edge", "default").expect("it is there")].ips.v4.to_string();
    let closed = predict(&mesh, &Call::new(from, edge, 9999, AppProtocol::Http)).expect("it is modelled");
    assert_eq!(refused(&closed), (Some(Party::Gateway), Some(Reason::ConnectionRefused), None));
}

#[test]
fn a_gateway_that_does_not_listen_says_whether_a_route_or_its_address_is_the_reason() {
    let reason = |server: &str| {
        let gateway = format!("---
apiVersion: networking.istio.io/v1
kind: Gateway
metadata: {{name: db}}
spec: {{selector: {{istio: edge}}, servers: [{{port: {{number: 9000, name: p, protocol: {server}, hosts: ['*']}}]}}
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {{name: db}}
spec: {{hosts: ['*'], gateways: [db], tcp: [{{match: [{{port: 5432}}], route: [{{destination: {{host: server, port: {{number: 8080}}}}}}]}}]}}
");
        let (mesh, _) = mesh_with_warnings(&([EDGE, MESH].concat() + &gateway), Flavor::Istio);
        let edge = mesh.pods[mesh.pod("edge", "default").expect("it is there")].ips.v4.to_string();
        let from = mesh.pod("client", "default").expect("it is there");
        let account = predict(&mesh, &Call::new(from, edge, 9000, AppProtocol::Http)).expect("it is modelled");
        assert_eq!(refused(&account), (Some(Party::Gateway), Some(Reason::ConnectionRefused), None));
        account.steps.iter().find(|step| step.at == Party::Gateway).expect("a step").because.clone()
    };
    assert!(reason("TCP}").contains("Gateway db.default opens port 9000, and no VirtualService has a route for it"));
    assert!(reason("HTTP}, bind: 127.0.0.1").contains("opens port 9000 at 127.0.0.1 alone"));
}

/// <https://github.com/istio/istio/issues/27315>
#[test]
fn a_trusted_proxy_before_the_gateway_says_how_its_client_called() {
    let topology = |fields: &str| {
        let annotation =
            format!(", annotations: {{proxy.istio.io/config: '{{gatewayTopology: {{{fields}}}}}'}}}}\nspec");
        let edge = EDGE.replacen("}}\nspec", &format!("}}{annotation}"), 1);
        mesh(&(edge + MESH))
    };
    let https = [("x-forwarded-proto", "https"), ("x-forwarded-for", "203.0.113.9")];
    let called = |fields: &str| call_with(&topology(fields), 80, AppProtocol::Http, "s.example.com", &https);
    assert!(called("numTrustedProxies: 1").outcome.delivered);
    assert_eq!(refused(&called("")), (Some(Party::Gateway), Some(Reason::Redirect), Some(301)));
}

/// <https://istio.io/latest/docs/tasks/security/authorization/authz-ingress/>: the app's sidecar sees the gateway's caller.
#[test]
fn the_client_of_a_request_through_a_gateway_is_the_gateways_caller() {
    let policy = |ip: &str| {
        format!(
            "---
apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: {{name: p}}
spec: {{selector: {{matchLabels: {{app: server}}}}, rules: [{{from: [{{source: {{remoteIpBlocks: ['{ip}']}}}}]}}]}}
"
        )
    };
    let client = |mesh: &Mesh| mesh.pods[mesh.pod("client", "default").expect("it is there")].ips.v4.to_string();
    let own = client(&mesh(&[EDGE, MESH].concat()));
    let allowed = |ip: &str, headers: &[(&'static str, &'static str)]| {
        let mesh = mesh(&[EDGE, MESH, &policy(ip)].concat());
        call_with(&mesh, 80, AppProtocol::Http, "a.example.com", headers).outcome.delivered
    };
    assert!(allowed(&own, &[]));
    let spoofed = [("x-forwarded-for", "203.0.113.9")];
    assert!(allowed(&own, &spoofed) && !allowed("203.0.113.9", &spoofed), "the last address counts");
}
