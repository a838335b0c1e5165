//! A sidecar's configuration in istioctl's columns.

use serde_json::Value;

use super::{
    columns::{ISTIOCTL, columns, row},
    dump::{items, text, texts},
};

#[cfg(test)]
mod tests;

/// Which listeners are shown.
#[derive(Clone, Debug, Default)]
pub(crate) struct ListenerFilter {
    pub(crate) address: Option<String>,
    pub(crate) port: Option<u16>,
    /// `HTTP`, `TCP` or `HTTP+TCP`, in any case.
    pub(crate) kind: Option<String>,
}

/// Which clusters are shown, by parts of their names.
#[derive(Clone, Debug, Default)]
pub(crate) struct ClusterFilter {
    pub(crate) fqdn: Option<String>,
    pub(crate) port: Option<u16>,
    pub(crate) subset: Option<String>,
    pub(crate) direction: Option<String>,
}

/// Which endpoints are shown.
#[derive(Clone, Debug, Default)]
pub(crate) struct EndpointFilter {
    pub(crate) address: Option<String>,
    pub(crate) port: Option<u16>,
    pub(crate) cluster: Option<String>,
    /// `HEALTHY` and the like, in any case.
    pub(crate) status: Option<String>,
}

const HTTP: &str = "envoy.filters.network.http_connection_manager";
const TCP: &str = "envoy.filters.network.tcp_proxy";
const ADDRESS: &str = "/address/socket_address/address";
const PORT: &str = "/address/socket_address/port_value";

fn number(value: &Value, place: &str) -> u64 {
    value.pointer(place).and_then(Value::as_u64).unwrap_or(0)
}

/// A listener's filter chains, the default one last.
pub(crate) fn chains(listener: &Value) -> impl Iterator<Item = &Value> {
    items(listener, "/filter_chains").iter().chain(listener.get("default_filter_chain"))
}

/// The filters of a kind in a chain.
fn filters<'a>(chain: &'a Value, name: &'a str) -> impl Iterator<Item = &'a Value> {
    items(chain, "/filters").iter().filter(move |filter| text(filter, "/name") == name)
}

/// Whether a filter sends to the cluster that drops everything.
fn is_black_hole(filter: &Value) -> bool {
    filter.to_string().contains("BlackHoleCluster")
}

/// `HTTP`, `TCP`, `HTTP+TCP` or `UNKNOWN`, as istioctl classifies listeners.
fn kind(listener: &Value) -> &'static str {
    let http = chains(listener).any(|chain| filters(chain, HTTP).next().is_some());
    let tcp = chains(listener).any(|chain| filters(chain, TCP).any(|filter| !is_black_hole(filter)));
    match (http, tcp) {
        (true, true) => "HTTP+TCP",
        (true, false) => "HTTP",
        (false, true) => "TCP",
        (false, false) => "UNKNOWN",
    }
}

/// The listeners that a filter lets through, by port, address and kind.
pub(crate) fn listeners<'a>(all: Vec<&'a Value>, filter: &ListenerFilter) -> Vec<&'a Value> {
    let is_it = |listener: &&Value| {
        filter.address.as_ref().is_none_or(|address| text(listener, ADDRESS).eq_ignore_ascii_case(address))
            && filter.port.is_none_or(|port| number(listener, PORT) == u64::from(port))
            && filter.kind.as_ref().is_none_or(|of| kind(listener).eq_ignore_ascii_case(of))
    };
    let mut listeners: Vec<&Value> = all.into_iter().filter(is_it).collect();
    listeners.sort_by_key(|listener| (number(listener, PORT), text(listener, ADDRESS), kind(listener)));
    listeners
}

/// istioctl's table of listeners (`istioctl/pkg/writer/envoy/configdump/listener.go`).
pub(crate) fn listener_table(listeners: &[&Value]) -> String {
    let mut rows = vec![row(["ADDRESSES", "PORT", "MATCH", "DESTINATION"])];
    for listener in listeners {
        let more = items(listener, "/additional_addresses").iter().map(|one| text(one, ADDRESS));
        let addresses = [text(listener, ADDRESS)].into_iter().chain(more).collect::<Vec<_>>().join(",");
        let port = number(listener, PORT).to_string();
        let mut matches: Vec<(String, String)> =
            chains(listener).map(|chain| (destination(chain), chain_match(chain))).collect();
        matches.sort_by(|(a, _), (b, _)| b.cmp(a));
        rows.extend(matches.iter().map(|(destination, of)| row([&addresses, &port, of, destination])));
    }
    columns(&rows, 1)
}

/// What a filter chain is chosen by, in istioctl's words.
pub(crate) fn chain_match(chain: &Value) -> String {
    let of = chain.get("filter_chain_match").unwrap_or(&Value::Null);
    let mut words = Vec::new();
    let names = texts(of, "/server_names");
    if !names.is_empty() {
        words.push(format!("SNI: {}", names.join(",")));
    }
    let transport = text(of, "/transport_protocol");
    if !transport.is_empty() {
        words.push(format!("Trans: {transport}"));
    }
    let protocols = texts(of, "/application_protocols");
    if !protocols.is_empty() {
        words.push(match protocols[..] {
            ["http/1.0", "http/1.1", "h2c", "istio-http/1.0", "istio-http/1.1", "istio-h2"] => "App: HTTP TLS".into(),
            ["istio", "istio-http/1.0", "istio-http/1.1", "istio-h2"] => "App: Istio HTTP Plain".into(),
            ["istio-peer-exchange", "istio"] => "App: TCP TLS".into(),
            ["http/1.0", "http/1.1", "h2c"] => "App: HTTP".into(),
            _ => format!("App: {}", protocols.join(",")),
        });
    }
    let port = of.get("destination_port").and_then(Value::as_u64).map(|port| format!(":{port}"));
    let prefixes: Vec<String> = items(of, "/prefix_ranges")
        .iter()
        .map(|range| format!("{}/{}", text(range, "/address_prefix"), number(range, "/prefix_len")))
        .collect();
    if !prefixes.is_empty() {
        words.push(format!("Addr: {}{}", prefixes.join(","), port.unwrap_or_default()));
    } else if let Some(port) = port {
        words.push(format!("Addr: *{port}"));
    }
    if words.is_empty() { "ALL".to_owned() } else { words.join("; ") }
}

/// Where a filter chain sends what it accepts, in istioctl's words.
pub(crate) fn destination(chain: &Value) -> String {
    for filter in items(chain, "/filters") {
        let name = text(filter, "/name");
        let config = filter.get("typed_config").unwrap_or(&Value::Null);
        if name == HTTP {
            if let Some(routes) = config.get("route_config") {
                return inline_routes(routes);
            }
            let route = text(config, "/rds/route_config_name");
            return if route.is_empty() { "HTTP".to_owned() } else { format!("Route: {route}") };
        }
        if name == TCP && !is_black_hole(filter) {
            let cluster = text(config, "/cluster");
            // Of weighted clusters istioctl shows none.
            return named_cluster(cluster);
        }
    }
    "Non-HTTP/Non-TCP".to_owned()
}

fn named_cluster(cluster: &str) -> String {
    if cluster.contains("Cluster") { cluster.to_owned() } else { format!("Cluster: {cluster}") }
}

/// Routes within a listener: the one cluster that gets everything, else the hosts with their matches.
fn inline_routes(routes: &Value) -> String {
    let hosts = items(routes, "/virtual_hosts");
    if let [host] = hosts
        && texts(host, "/domains") == ["*"]
        && let [route] = items(host, "/routes")
        && text(route, "/match/prefix") == "/"
        && let Some(cluster) = route.pointer("/route/cluster").and_then(Value::as_str)
    {
        return named_cluster(cluster);
    }
    let described = hosts.iter().map(|host| {
        let routes: Vec<String> = items(host, "/routes").iter().map(route_match).collect();
        let domains = texts(host, "/domains");
        if domains == ["*"] { routes.join(", ") } else { format!("{} {}", domains.join("/"), routes.join(", ")) }
    });
    format!("Inline Route: {}", described.collect::<Vec<_>>().join("; "))
}

fn route_match(route: &Value) -> String {
    let of = route.get("match").unwrap_or(&Value::Null);
    let mut words = Vec::new();
    let words_of = [
        ("/prefix", "", "*"),
        ("/path_separated_prefix", "", "/*"),
        ("/path", "", ""),
        ("/safe_regex/regex", "regex ", ""),
    ];
    for (place, before, after) in words_of {
        let word = text(of, place);
        if !word.is_empty() {
            words.push(format!("{before}{word}{after}"));
        }
    }
    words.join(" ")
}

/// A cluster's name in parts: direction, subset, host and port; `None` for a name that is not of this form.
fn parts(name: &str) -> Option<(&str, &str, &str, &str)> {
    let parts: Vec<&str> = name.split('|').collect();
    match parts[..] {
        [direction, port, subset, host] => Some((direction, subset, host, port)),
        _ => None,
    }
}

/// The clusters that a filter lets through, by host, subset, port and direction.
pub(crate) fn clusters<'a>(all: Vec<&'a Value>, filter: &ClusterFilter) -> Vec<&'a Value> {
    let has = |name: &str, part: &Option<String>| part.as_ref().is_none_or(|part| name.contains(part.as_str()));
    let is_it = |cluster: &&Value| {
        let name = text(cluster, "/name");
        let port = filter.port.map(|port| format!("|{port}|"));
        [&filter.fqdn, &filter.direction, &filter.subset, &port].into_iter().all(|part| has(name, part))
    };
    let mut clusters: Vec<&Value> = all.into_iter().filter(is_it).collect();
    clusters.sort_by_key(|cluster| {
        let name = text(cluster, "/name");
        let (direction, subset, host, port) = parts(name).unwrap_or(("", "", name, "0"));
        (host, subset, port.parse::<u16>().unwrap_or(0), direction)
    });
    clusters
}

/// istioctl's table of clusters (`istioctl/pkg/writer/envoy/configdump/cluster.go`).
pub(crate) fn cluster_table(clusters: &[&Value]) -> String {
    let mut rows = vec![row(["SERVICE FQDN", "PORT", "SUBSET", "DIRECTION", "TYPE", "DESTINATION RULE"])];
    for cluster in clusters {
        let name = text(cluster, "/name");
        let (direction, subset, host, port) = parts(name).unwrap_or(("-", "-", name, "-"));
        let subset = if subset.is_empty() { "-" } else { subset };
        // Protobuf's JSON leaves out the first value of an enum.
        let kind = Some(text(cluster, "/type")).filter(|kind| !kind.is_empty()).unwrap_or("STATIC");
        rows.push(row([host, port, subset, direction, kind, &management(cluster)]));
    }
    columns(&rows, ISTIOCTL)
}

/// The DestinationRule or VirtualService behind a resource, `NAME.NAMESPACE`, from Istio's metadata.
fn management(resource: &Value) -> String {
    let config = text(resource, "/metadata/filter_metadata/istio/config");
    match config.split('/').collect::<Vec<_>>()[..] {
        ["", "apis", "networking.istio.io", _, "namespaces", namespace, _, name] => format!("{name}.{namespace}"),
        [""] => String::new(),
        _ => "<unknown>".to_owned(),
    }
}

/// The routes of a name, or all, by number.
pub(crate) fn routes<'a>(all: Vec<&'a Value>, name: Option<&str>) -> Vec<&'a Value> {
    let is_it = |route: &&Value| name.is_none_or(|name| text(route, "/name") == name);
    let mut routes: Vec<&Value> = all.into_iter().filter(is_it).collect();
    routes.sort_by_key(|route| {
        let name = text(route, "/name");
        (name.parse::<u16>().map_or(u32::MAX, u32::from), name)
    });
    routes
}

/// istioctl's table of routes (`istioctl/pkg/writer/envoy/configdump/route.go`).
pub(crate) fn route_table(routes: &[&Value]) -> String {
    let mut rows = vec![row(["NAME", "VHOST NAME", "DOMAINS", "MATCH", "VIRTUAL SERVICE"])];
    for config in routes {
        let name = text(config, "/name");
        for host in items(config, "/virtual_hosts") {
            let (of, domains) = (text(host, "/name"), domains(&texts(host, "/domains")));
            let routes = items(host, "/routes");
            if routes.is_empty() {
                rows.push(row([name, of, &domains, "/*", "404"]));
            }
            for route in routes.iter().filter(|route| text(route, "/route/cluster") != "PassthroughCluster") {
                rows.push(row([name, of, &domains, &route_match(route), &management(route)]));
            }
        }
    }
    columns(&rows, ISTIOCTL)
}

/// The shortest two domains without a port, and how many others there are.
fn domains(all: &[&str]) -> String {
    if let [one] = all {
        return (*one).to_owned();
    }
    let without_port = all.iter().filter(|domain| !domain.contains(':') || domain.ends_with(']'));
    let kept: Vec<&str> = without_port
        .copied()
        .filter(|domain| {
            let is_longer_form = |end: &str| domain.strip_suffix(end).is_some_and(|short| all.contains(&short));
            !is_longer_form(".svc.cluster.local") && !is_longer_form(".svc")
        })
        .collect();
    match kept.len().saturating_sub(2) {
        0 => kept.join(", "),
        more => format!("{} + {more} more...", kept[..2].join(", ")),
    }
}

/// One endpoint of a cluster, from `/clusters?format=json`.
struct Endpoint<'a> {
    address: &'a str,
    port: u64,
    cluster: &'a str,
    host: &'a Value,
}

/// The clusters of `/clusters?format=json` that have an endpoint which a filter lets through.
pub(crate) fn clusters_with_endpoints<'a>(statuses: &'a Value, filter: &EndpointFilter) -> Vec<&'a Value> {
    let clusters = items(statuses, "/cluster_statuses").iter();
    clusters.filter(|cluster| endpoints_of(cluster, filter).next().is_some()).collect()
}

fn endpoints_of<'a>(cluster: &'a Value, filter: &'a EndpointFilter) -> impl Iterator<Item = Endpoint<'a>> {
    let name = text(cluster, "/name");
    let endpoint = move |host: &'a Value| {
        let pipe = text(host, "/address/pipe/path");
        let address = if pipe.is_empty() { text(host, ADDRESS) } else { pipe };
        Endpoint { address, port: number(host, PORT), cluster: name, host }
    };
    let is =
        |wanted: &Option<String>, value: &str| wanted.as_ref().is_none_or(|wanted| wanted.eq_ignore_ascii_case(value));
    let is_it = move |one: &Endpoint<'_>| {
        is(&filter.address, one.address)
            && filter.port.is_none_or(|port| one.port == u64::from(port))
            && is(&filter.cluster, one.cluster)
            && is(&filter.status, health(one.host))
    };
    items(cluster, "/host_statuses").iter().map(endpoint).filter(is_it)
}

/// The health by EDS; protobuf's JSON leaves out the first value of an enum.
fn health(host: &Value) -> &str {
    Some(text(host, "/health_status/eds_health_status")).filter(|health| !health.is_empty()).unwrap_or("UNKNOWN")
}

/// istioctl's table of endpoints (`istioctl/pkg/writer/envoy/clusters/clusters.go`).
pub(crate) fn endpoint_table(statuses: &Value, filter: &EndpointFilter) -> String {
    let clusters = items(statuses, "/cluster_statuses").iter();
    let mut endpoints: Vec<Endpoint<'_>> = clusters.flat_map(|cluster| endpoints_of(cluster, filter)).collect();
    endpoints.sort_by_key(|one| (one.address, one.port, one.cluster));
    let mut rows = vec![row(["ENDPOINT", "STATUS", "OUTLIER CHECK", "CLUSTER"])];
    for Endpoint { address, port, cluster, host } in endpoints {
        let failed = host.pointer("/health_status/failed_outlier_check").and_then(Value::as_bool) == Some(true);
        let endpoint = match address {
            _ if address.starts_with('/') => format!("unix://{address}"),
            _ => format!("{address}:{port}"),
        };
        rows.push(row([&endpoint, health(host), if failed { "FAILED" } else { "OK" }, cluster]));
    }
    columns(&rows, ISTIOCTL)
}
