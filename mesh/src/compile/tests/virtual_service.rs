use pretty_assertions::assert_eq;

use super::*;

/// The names of the routes to the server's port 80.
fn routes(documents: &str) -> Vec<String> {
    let config = with(documents, Flavor::Istio, "client");
    let routes = config.routes.iter().find(|routes| routes.name == "80").expect("routes of port 80");
    let is_server = |domains: &[String]| domains.iter().any(|domain| domain == "server.default.svc.cluster.local");
    let server = routes.virtual_hosts.iter().find(|host| is_server(&host.domains)).expect("the server's");
    server.routes.iter().map(|route| route.name.clone()).collect()
}

#[test]
fn a_route_that_takes_every_request_is_the_last() {
    let manifests = "
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: rules}
spec:
  hosts: [server]
  http:
  - {name: some, match: [{uri: {prefix: /some}}], route: [{destination: {host: server}}]}
  - {name: all, match: [{uri: {prefix: /}}], route: [{destination: {host: server}}]}
  - {name: never, match: [{uri: {prefix: /never}}], route: [{destination: {host: server}}]}
  - {name: rest, route: [{destination: {host: server}}]}
";
    assert_eq!(routes(manifests), ["some", "all"]);
}

#[test]
fn the_longest_wildcard_counts_whichever_object_it_is_in() {
    for (first, second) in
        [("*.cluster.local", "*.default.svc.cluster.local"), ("*.default.svc.cluster.local", "*.local")]
    {
        let rule = |name: &str, host: &str| {
            format!(
                "apiVersion: networking.istio.io/v1\nkind: VirtualService\nmetadata: {{name: {name}}}\nspec:\n  hosts: ['{host}']\n  \
                 http: [{{name: '{host}', route: [{{destination: {{host: server}}}}]}}]\n---\n"
            )
        };
        let manifests = rule("first", first) + &rule("second", second);
        assert_eq!(routes(&manifests), ["*.default.svc.cluster.local"]);
    }
}
