//! What VirtualServices make of calls. The manifests are like those of Istio's own samples (`samples/bookinfo/networking`).

use http::{HeaderName, HeaderValue, Method};
use pretty_assertions::assert_eq;

use super::*;
use crate::account::{RouteTaken, WeightedTarget};

/// A mesh with two versions of `reviews`, and these rules of its VirtualService.
fn reviews(http: &str) -> Mesh {
    let version = |version: &str| {
        format!(
            "---
{{apiVersion: v1, kind: Pod, metadata: {{name: reviews-{version}, labels: {{app: reviews, version: {version}}}}}, spec: {{containers: [{{name: app, image: any}}]}}}}
"
        )
    };
    let rules = format!(
        "---
{{apiVersion: v1, kind: Service, metadata: {{name: reviews}}, spec: {{selector: {{app: reviews}}, ports: [{{name: http, port: 9080}}, {{name: https, port: 9443, targetPort: 9080}}]}}}}
---
{{apiVersion: networking.istio.io/v1, kind: DestinationRule, metadata: {{name: reviews}}, spec: {{host: reviews, subsets: [{{name: v1, labels: {{version: v1}}}}, {{name: v2, labels: {{version: v2}}}}]}}}}
---
{{apiVersion: networking.istio.io/v1, kind: VirtualService, metadata: {{name: reviews}}, spec: {{hosts: [reviews], http: {http}}}}}
"
    );
    mesh_of(Flavor::Istio, &(version("v1") + &version("v2") + &rules))
}

/// A request for a path, with these headers.
fn request(mesh: &Mesh, path: &str, headers: &[(&str, &str)]) -> Account {
    let mut calling = call(mesh, "client", "reviews", 9080, AppProtocol::Http);
    calling.call.path = Some(path.into());
    for (name, value) in headers {
        let name: HeaderName = name.parse().unwrap();
        calling.call.headers.insert(name, HeaderValue::from_str(value).unwrap());
    }
    calling.account()
}

fn route(account: &Account) -> &RouteTaken {
    account.route.as_ref().expect("a route")
}

fn subset(version: &str) -> Vec<WeightedTarget> {
    vec![WeightedTarget { name: format!("outbound|9080|{version}|reviews.default.svc.cluster.local"), weight: 100 }]
}

const BY_USER: &str = "[
  {match: [{headers: {end-user: {exact: jason}}}], route: [{destination: {host: reviews, subset: v2}}]},
  {route: [{destination: {host: reviews, subset: v1}}]}]";

#[test]
fn a_header_chooses_the_subset_and_the_step_says_why() {
    let mesh = reviews(BY_USER);
    let jason = request(&mesh, "/", &[("end-user", "jason")]);
    assert_eq!((&route(&jason).clusters, jason.to.pod.as_deref()), (&subset("v2"), Some("reviews-v2.default")));
    let other = request(&mesh, "/", &[]);
    assert_eq!((&route(&other).clusters, other.to.pod.as_deref()), (&subset("v1"), Some("reviews-v1.default")));
    let step = step(&other, Party::ClientSidecar, Decision::Route);
    assert_eq!(
        step.because,
        "host reviews:9080; VirtualService default/reviews http[1]; not http[0].match[0]: it wants header end-user is jason"
    );
    assert_eq!(step.source.as_ref().map(|source| source.field.as_str()), Some("spec.http[1]"));
}

#[test]
fn of_weighted_clusters_each_has_its_answer() {
    let mesh = reviews(
        "[{route: [{destination: {host: reviews, subset: v1}, weight: 90}, {destination: {host: reviews, subset: v2}, weight: 10}]}]",
    );
    let account = request(&mesh, "/", &[]);
    let weights: Vec<_> = route(&account).clusters.iter().map(|one| one.weight).collect();
    assert_eq!(weights, [90, 10]);
    let pods: Vec<_> =
        std::iter::once(&account).chain(&account.alternatives).map(|way| way.to.pod.as_deref()).collect();
    assert_eq!(pods, [Some("reviews-v1.default"), Some("reviews-v2.default")]);
}

#[test]
fn an_abort_is_the_clients_sidecars_own_answer() {
    let whole =
        "[{fault: {abort: {httpStatus: 555, percentage: {value: 100}}}, route: [{destination: {host: reviews}}]}]";
    let account = request(&reviews(whole), "/", &[]);
    assert_eq!(brief(&account.outcome), "client sidecar fault_abort FI fault_filter_abort -> 555");
    assert!(!account.outcome.delivered && account.app_gets.is_none());

    let half = whole.replace("value: 100", "value: 50");
    let account = request(&reviews(&half), "/", &[]);
    let ways: Vec<_> =
        std::iter::once(&account).chain(&account.alternatives).map(|way| way.outcome.delivered).collect();
    assert_eq!(ways, [false, true]);
    assert_eq!(route(&account).fault.as_ref().unwrap().abort.as_ref().unwrap().percentage, 50.0);
}

#[test]
fn an_abort_with_a_status_of_grpc_is_one_for_grpc() {
    let mesh = reviews(
        "[{fault: {abort: {grpcStatus: NOT_FOUND, percentage: {value: 100}}}, route: [{destination: {host: reviews}}]}]",
    );
    let mut calling = call(&mesh, "client", "reviews", 9080, AppProtocol::H2);
    calling.call.speaks = Some(AppSpeaks::Grpc);
    let outcome = calling.outcome();
    assert_eq!((outcome.status, outcome.app_sees.to_string()), (Some(200), "NOT_FOUND".into()));
}

#[test]
fn a_delay_is_a_flag() {
    let mesh = reviews(
        "[{fault: {delay: {fixedDelay: 5s, percentage: {value: 100}}}, route: [{destination: {host: reviews, subset: v1}}]}]",
    );
    let account = request(&mesh, "/", &[]);
    assert_eq!((account.outcome.delivered, account.outcome.response_flags.as_str()), (true, "DI"));
    assert_eq!(route(&account).fault.as_ref().unwrap().delay.as_ref().unwrap().fixed, "5s");
}

#[test]
fn a_redirect_and_a_direct_response_are_not_delivered() {
    let mesh = reviews(
        "[{match: [{uri: {prefix: /old}}], redirect: {uri: /new, authority: other, redirectCode: 308}},
          {directResponse: {status: 418, body: {string: tea}}}]",
    );
    let account = request(&mesh, "/old/x?q=1", &[]);
    assert_eq!(brief(&account.outcome), "client sidecar redirect - direct_response -> 308");
    assert_eq!(route(&account).redirect.as_ref().unwrap().location, "http://other/new?q=1");
    let account = request(&mesh, "/", &[]);
    assert_eq!(brief(&account.outcome), "client sidecar direct_response - direct_response -> 418");
    assert_eq!(route(&account).direct_response.as_ref().unwrap().body.as_deref(), Some("tea"));
}

#[test]
fn the_app_gets_what_the_route_makes_of_a_request() {
    let mesh = reviews(
        "[{match: [{uri: {prefix: /old/}}], rewrite: {uri: /new/, authority: inside}, headers: {request: {set: {x-a: b}, remove: [x-c]}}, route: [{destination: {host: reviews, subset: v1}}]}]",
    );
    let account = request(&mesh, "/old/x?q=1", &[("x-c", "d")]);
    let gets = account.app_gets.as_ref().unwrap();
    assert_eq!((gets.method.as_str(), gets.path.as_str(), gets.authority.as_str()), ("GET", "/new/x?q=1", "inside"));
    let rewrite = route(&account).rewrite.as_ref().unwrap();
    let headers: Vec<_> = rewrite.headers.iter().map(|(name, value)| (name.as_str(), value.as_deref())).collect();
    assert_eq!(headers, [("x-a", Some("b")), ("x-c", None)]);
}

#[test]
fn without_a_catch_all_other_requests_have_no_route() {
    let mesh = reviews("[{match: [{method: {exact: POST}}], route: [{destination: {host: reviews}}]}]");
    assert_eq!(brief(&request(&mesh, "/", &[]).outcome), "client sidecar no_route NR route_not_found -> 404");
    let mut calling = call(&mesh, "client", "reviews", 9080, AppProtocol::Http);
    calling.call.method = Some(Method::POST);
    assert!(calling.outcome().delivered);
}

#[test]
fn a_subset_that_no_rule_has_is_no_cluster() {
    let mesh = reviews("[{route: [{destination: {host: reviews, subset: v3}}]}]");
    assert_eq!(
        brief(&request(&mesh, "/", &[]).outcome),
        "client sidecar no_healthy_upstream NC cluster_not_found -> 503"
    );
}

#[test]
fn routes_of_http_are_never_consulted_on_a_port_named_https() {
    let mesh = reviews("[{directResponse: {status: 500}}]");
    let account = call(&mesh, "client", "reviews", 9443, AppProtocol::Http).account();
    assert_eq!(brief(&account.outcome), "200");
    assert_eq!(route(&account).virtual_host, None);
}

#[test]
fn the_oldest_of_two_for_one_host_counts_and_the_other_is_warned_of() {
    let second = "---
{apiVersion: networking.istio.io/v1, kind: VirtualService, metadata: {name: second}, spec: {hosts: [server], http: [{directResponse: {status: 418}}]}}
";
    let first = second.replace("second", "first").replace("418", "200");
    let (mesh, warnings) = mesh_with_warnings(&format!("{PODS}{first}{second}"), Flavor::Istio);
    assert_eq!(call(&mesh, "client", "server", 80, AppProtocol::Http).outcome().status, Some(200));
    assert!(
        warnings.iter().any(|warning| warning.to_string().contains("is for the same host and older")),
        "{warnings:?}"
    );
}

/// <https://github.com/istio/istio/issues/29092>
#[test]
fn one_with_routes_for_other_callers_alone_hides_no_other() {
    let of_others = "---
{apiVersion: networking.istio.io/v1, kind: VirtualService, metadata: {name: first}, spec: {hosts: [server], http: [{match: [{sourceNamespace: other}], directResponse: {status: 418}}]}}
";
    let second = "---
{apiVersion: networking.istio.io/v1, kind: VirtualService, metadata: {name: second}, spec: {hosts: [server], http: [{directResponse: {status: 200}}]}}
";
    let (mesh, warnings) = mesh_with_warnings(&format!("{PODS}{of_others}{second}"), Flavor::Istio);
    let account = call(&mesh, "client", "server", 80, AppProtocol::Http).account();
    assert_eq!(account.outcome.status, Some(200));
    let notes: Vec<&str> = account.notes.iter().map(|note| note.text.as_str()).collect();
    assert!(!notes.iter().any(|note| note.contains("older")), "{notes:?}");
    assert!(!warnings.iter().any(|warning| warning.to_string().contains("older")), "{warnings:?}");
}

#[test]
fn a_connection_of_tcp_goes_by_weight() {
    let more = "---
{apiVersion: networking.istio.io/v1, kind: DestinationRule, metadata: {name: server}, spec: {host: server, subsets: [{name: a, labels: {app: server}}, {name: b, labels: {app: nobody}}]}}
---
{apiVersion: networking.istio.io/v1, kind: VirtualService, metadata: {name: server}, spec: {hosts: [server], tcp: [{match: [{port: 70}], route: [{destination: {host: server, subset: a}, weight: 80}, {destination: {host: server, subset: b}, weight: 20}]}]}}
";
    let mesh = mesh_of(Flavor::Istio, more);
    let account = call(&mesh, "client", "server", 70, AppProtocol::Tcp).account();
    let weights: Vec<_> = route(&account).clusters.iter().map(|one| one.weight).collect();
    assert_eq!(weights, [80, 20]);
    assert_eq!(account.alternatives.len(), 1);
}
