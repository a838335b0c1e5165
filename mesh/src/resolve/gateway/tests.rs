use crate::testing::{EDGE, faults, mesh};

const WEB: &str = "---
apiVersion: v1
kind: Service
metadata: {name: web}
spec: {selector: {app: web}, ports: [{name: http, port: 80}]}
";

fn gateway(selector: &str, server: &str) -> String {
    format!(
        "---
apiVersion: networking.istio.io/v1
kind: Gateway
metadata: {{name: g}}
spec: {{selector: {{istio: {selector}}}, servers: [{{port: {{number: 80, name: p, {server}}}]}}
"
    )
}

fn routes(gateway: &str, routes: &str) -> String {
    format!(
        "---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {{name: v}}
spec: {{hosts: [a.example.com], gateways: [{gateway}], {routes}}}
"
    )
}

const HTTP: &str = "protocol: HTTP}, hosts: [a.example.com]";
const TO_WEB: &str = "http: [{route: [{destination: {host: web}}]}]";

#[test]
fn a_pod_whose_proxy_says_router_or_stands_alone_or_is_made_by_the_template_is_a_gateway() {
    let pod = |metadata: &str, containers: &str| {
        let text = format!(
            "---
apiVersion: v1
kind: Pod
metadata: {{name: p, {metadata}}}
spec: {{containers: [{containers}]}}
"
        );
        mesh(&text).pods[0].is_gateway()
    };
    let injected = "labels: {sidecar.istio.io/inject: 'true'}";
    let by_template = format!("{injected}, annotations: {{inject.istio.io/templates: gateway}}");
    assert!(pod("", "{name: istio-proxy, image: x, args: [proxy, router]}"));
    assert!(pod("", "{name: istio-proxy, image: istio/proxyv2}"));
    assert!(pod(&by_template, "{name: istio-proxy, image: auto}"));
    assert!(!pod("", "{name: istio-proxy, image: x, args: [proxy, sidecar]}"));
    // Istio's default template makes a sidecar of it.
    assert!(!pod(injected, "{name: istio-proxy, image: auto}"));
    assert!(!pod(injected, "{name: app, image: sidelab/demo-client}"));
}

#[test]
fn a_gateway_that_no_gateways_pod_has_the_labels_of_is_warned_of() {
    let rest = gateway("nobody", HTTP) + &routes("g", TO_WEB);
    assert!(faults(&([EDGE, WEB].concat() + &rest)).contains("spec.selector: warning: selects no pod"));
}

#[test]
fn a_server_that_no_route_is_for_is_warned_of_with_what_callers_get() {
    let alone = [EDGE, WEB].concat() + &gateway("edge", HTTP);
    assert!(faults(&alone).contains("has routes of http for a.example.com: requests get 404"));
    let bound = alone.clone() + &routes("g", TO_WEB);
    assert!(!faults(&bound).contains("has routes of"));
    let other = alone + &routes("g", "tcp: [{route: [{destination: {host: web}}]}]");
    assert!(faults(&other).contains("requests get 404"));
}

#[test]
fn a_virtual_service_for_a_gateway_that_is_not_there_or_opens_other_hosts_is_warned_of() {
    let absent = [EDGE, WEB].concat() + &gateway("edge", HTTP) + &routes("x", TO_WEB);
    assert!(faults(&absent).contains("spec.gateways[0]: warning: there is no Gateway default/x"));
    let elsewhere =
        [EDGE, WEB].concat() + &gateway("edge", "protocol: HTTP}, hosts: [b.example.com]") + &routes("g", TO_WEB);
    assert!(faults(&elsewhere).contains("opens none of its hosts: it has b.example.com"));
}

#[test]
fn a_certificate_that_the_gateways_namespace_does_not_have_is_warned_of() {
    let secret = "---
apiVersion: v1
kind: Secret
metadata: {name: c, namespace: elsewhere}
stringData: {tls.crt: x}
";
    let server = "protocol: HTTPS}, hosts: [a.example.com], tls: {mode: SIMPLE, credentialName: c}";
    let said = faults(&([EDGE, WEB].concat() + secret + &gateway("edge", server) + &routes("g", TO_WEB)));
    assert!(
        said.contains("spec.servers[0].tls: warning: no Secret of namespace default has a usable c/tls.crt"),
        "{said}"
    );
}

/// `GatewayPortNotDefinedOnService` (IST0162) of `istioctl analyze`.
#[test]
fn a_port_that_the_gateways_service_does_not_lead_to_is_warned_of() {
    let service = |port: u16| {
        format!(
            "---\napiVersion: v1\nkind: Service\nmetadata: {{name: edge}}\nspec: {{selector: {{istio: edge}}, ports: [{{port: {port}}}]}}\n"
        )
    };
    let all = [EDGE, WEB].concat() + &gateway("edge", HTTP) + &routes("g", TO_WEB);
    let warning = "spec.servers[0].port: warning: Service edge has no port that leads to 80 of edge.default";
    let without = faults(&(all.clone() + &service(9000)));
    assert!(without.contains(warning), "{without}");
    assert!(!faults(&(all.clone() + &service(80))).contains(warning) && !faults(&all).contains(warning));
}

#[test]
fn a_tcp_route_for_another_port_than_the_servers_is_no_route_for_it() {
    let tcp = |port: &str| {
        let rest = gateway("edge", "protocol: TCP}, hosts: ['*']")
            + &routes("g", &format!("tcp: [{{{port} route: [{{destination: {{host: web}}}}]}}]"));
        faults(&([EDGE, WEB].concat() + &rest))
    };
    let warning = "has routes of tcp for *: the gateway does not listen there";
    assert!(tcp("match: [{port: 5432}],").contains(warning));
    assert!(!tcp("match: [{port: 80}],").contains(warning) && !tcp("").contains(warning));
}

#[test]
fn a_proxy_that_waits_for_an_injection_that_does_not_come_is_warned_of() {
    let said = faults(
        "---
apiVersion: v1
kind: Pod
metadata: {name: p, labels: {inject.istio.io/templates: gateway}}
spec: {containers: [{name: istio-proxy, image: auto}]}
",
    );
    assert!(said.contains("spec.containers[0].image: warning: injection is to replace auto"), "{said}");
    assert!(said.contains("labels[inject.istio.io/templates]: warning: has no effect as a label"), "{said}");
}
