//! Fields and filters that istiod writes for a sidecar and that are read without effect, each with the reason why it decides
//! nothing here. What is in no row, or has another value than its row names, stays an error that names its path.
//!
//! docs/control-plane.md shows the table.

use std::fmt::Write as _;

use serde_json::Value;

#[cfg(test)]
mod tests;

/// A row of the table.
#[derive(Clone, Copy, Debug)]
pub struct Accepted {
    /// The message that the field stands in, by its name in Envoy's API.
    pub message: Message,
    /// The field: names with dots between them, `[]` for each element of a list. One that ends in `[]` is an element.
    pub field: &'static str,
    /// The values that decide nothing.
    pub values: Values,
    /// Why they don't.
    pub why: &'static str,
}

/// A message with fields that are accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Message {
    /// `envoy.config.listener.v3.Listener`.
    Listener,
    /// `envoy.extensions.filters.listener.tls_inspector.v3.TlsInspector`.
    TlsInspector,
    /// `envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager`.
    HttpConnectionManager,
    /// `envoy.config.route.v3.RouteConfiguration`, in a file or in place.
    RouteConfiguration,
    /// `envoy.config.cluster.v3.Cluster`.
    Cluster,
    /// `envoy.config.endpoint.v3.ClusterLoadAssignment`, in a file or in place.
    ClusterLoadAssignment,
    /// `envoy.config.trace.v3.OpenTelemetryConfig`.
    OpenTelemetryConfig,
}

/// Values of a field that decide nothing.
#[derive(Clone, Copy, Debug)]
pub enum Values {
    /// All.
    Any,
    /// This one, as JSON.
    Only(&'static str),
    /// Extensions of this type, by the end of its URL.
    OfType(&'static str),
}

const fn row(message: Message, field: &'static str, values: Values, why: &'static str) -> Accepted {
    Accepted { message, field, values, why }
}

use Message::{
    Cluster, ClusterLoadAssignment, HttpConnectionManager, Listener, OpenTelemetryConfig, RouteConfiguration,
    TlsInspector,
};
use Values::{Any, OfType, Only};

const EXCHANGE: &str = "envoy.tcp.metadataexchange.config.MetadataExchange";
const STATS: &str = "stats.PluginConfig";
const WHY_EXCHANGE: &str = "Tells the peer's sidecar which workload this is, in a frame before the app's bytes, for labels of TCP metrics alone. It is not done: stock Envoy, which negotiates the same ALPN, would hand the frame to its app";
const WHY_STATS: &str = "Counts `istio_*` metrics, and decides nothing. They are counted here on each listener that has a direction, with the filter or without";
const WHY_NOTES: &str = "Notes which VirtualService or Sidecar made the chain. Only Istio's filters read it";
const WHY_DNS: &str =
    "How often and how a name is resolved. Here every 5 s by the host's resolver, whose answers a lab does not change";
const WHY_WEIGHT: &str = "Counts only where traffic is split among localities, which is refused where there are several (`common_lb_config`)";
const WHY_TRACER: &str = "Where spans are sent in a format other than OpenTelemetry's. None are: only the headers of tracing in Envoy itself are done, `x-request-id` and `x-envoy-decorator-operation`";
const WHY_GRPC: &str = "No limit, whatever `grpc-timeout` says. No limit is set here by that header";

/// Every accepted field.
pub const ACCEPTED: &[Accepted] = &[
    row(Listener, "filter_chains[].filters[]", OfType(EXCHANGE), WHY_EXCHANGE),
    row(Listener, "default_filter_chain.filters[]", OfType(EXCHANGE), WHY_EXCHANGE),
    row(Listener, "filter_chains[].filters[]", OfType(STATS), WHY_STATS),
    row(Listener, "default_filter_chain.filters[]", OfType(STATS), WHY_STATS),
    row(Listener, "filter_chains[].metadata", Any, WHY_NOTES),
    row(Listener, "default_filter_chain.metadata", Any, WHY_NOTES),
    row(
        Listener,
        "max_connections_to_accept_per_socket_event",
        Any,
        "How many connections are accepted before others are served: a matter of latency",
    ),
    row(
        Listener,
        "connection_balance_config",
        Any,
        "Which worker takes a connection. All of them have the same configuration",
    ),
    row(
        TlsInspector,
        "initial_read_buffer_size",
        Any,
        "How much is read at once. A longer ClientHello is read in full",
    ),
    row(HttpConnectionManager, "http_filters[]", OfType(STATS), WHY_STATS),
    row(
        HttpConnectionManager,
        "http_filters[]",
        OfType("envoy.extensions.filters.http.grpc_stats.v3.FilterConfig"),
        "Counts gRPC calls, and decides nothing. They are not counted here",
    ),
    row(
        HttpConnectionManager,
        "http_filters[]",
        OfType("envoy.extensions.filters.http.grpc_web.v3.GrpcWeb"),
        "Translates gRPC-Web to gRPC. No client of a lab speaks gRPC-Web, and other requests pass through it",
    ),
    row(HttpConnectionManager, "tracing.provider", OfType("envoy.config.trace.v3.ZipkinConfig"), WHY_TRACER),
    row(HttpConnectionManager, "tracing.provider", OfType("envoy.config.trace.v3.DatadogConfig"), WHY_TRACER),
    row(HttpConnectionManager, "tracing.provider", OfType("envoy.config.trace.v3.SkyWalkingConfig"), WHY_TRACER),
    row(
        OpenTelemetryConfig,
        "resource_detectors[]",
        OfType("envoy.extensions.tracers.opentelemetry.resource_detectors.v3.EnvironmentResourceDetectorConfig"),
        "What `OTEL_RESOURCE_ATTRIBUTES` adds to spans. A lab's sidecars have no such variable",
    ),
    row(
        HttpConnectionManager,
        "proxy_100_continue",
        Any,
        "Whether the app answers `Expect: 100-continue`. Here the sidecar does; the final answer is the app's in any case",
    ),
    row(
        RouteConfiguration,
        "max_direct_response_body_size_bytes",
        Any,
        "How long a body of the sidecar's own may be. Istio's webhook lets none be longer",
    ),
    row(RouteConfiguration, "virtual_hosts[].routes[].route.max_grpc_timeout", Only("\"0s\""), WHY_GRPC),
    row(
        RouteConfiguration,
        "virtual_hosts[].routes[].route.max_stream_duration",
        Only(r#"{"max_stream_duration":"0s","grpc_timeout_header_max":"0s"}"#),
        WHY_GRPC,
    ),
    row(Cluster, "filters[]", OfType(EXCHANGE), WHY_EXCHANGE),
    row(
        Cluster,
        "circuit_breakers.thresholds[].track_remaining",
        Any,
        "Gauges of what is left below the limits. They are not counted here",
    ),
    row(Cluster, "cleanup_interval", Any, "When addresses that nobody calls any more are forgotten. Here none is kept"),
    row(Cluster, "dns_refresh_rate", Any, WHY_DNS),
    row(Cluster, "dns_jitter", Any, WHY_DNS),
    row(Cluster, "respect_dns_ttl", Any, WHY_DNS),
    row(
        Cluster,
        "typed_dns_resolver_config",
        OfType("envoy.extensions.network.dns_resolver.cares.v3.CaresDnsResolverConfig"),
        WHY_DNS,
    ),
    row(ClusterLoadAssignment, "endpoints[].locality", Any, WHY_WEIGHT),
    row(ClusterLoadAssignment, "endpoints[].load_balancing_weight", Any, WHY_WEIGHT),
    row(
        ClusterLoadAssignment,
        "endpoints[].lb_endpoints[].health_status",
        Only("\"HEALTHY\""),
        "An endpoint is taken for healthy where nothing else is said",
    ),
];

impl Message {
    fn of_url(url: &str) -> Option<Self> {
        let name = url.strip_prefix("type.googleapis.com/")?;
        [
            Listener,
            TlsInspector,
            HttpConnectionManager,
            RouteConfiguration,
            Cluster,
            ClusterLoadAssignment,
            OpenTelemetryConfig,
        ]
        .into_iter()
        .find(|message| name == message.name())
    }

    /// Its full name.
    pub fn name(self) -> &'static str {
        match self {
            Listener => "envoy.config.listener.v3.Listener",
            TlsInspector => "envoy.extensions.filters.listener.tls_inspector.v3.TlsInspector",
            HttpConnectionManager => {
                "envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager"
            }
            RouteConfiguration => "envoy.config.route.v3.RouteConfiguration",
            Cluster => "envoy.config.cluster.v3.Cluster",
            ClusterLoadAssignment => "envoy.config.endpoint.v3.ClusterLoadAssignment",
            OpenTelemetryConfig => "envoy.config.trace.v3.OpenTelemetryConfig",
        }
    }

    /// The messages of these kinds that stand in it in place, not in an `Any`.
    fn inside(self) -> Option<(&'static str, Self)> {
        match self {
            HttpConnectionManager => Some(("route_config", RouteConfiguration)),
            Cluster => Some(("load_assignment", ClusterLoadAssignment)),
            Listener | TlsInspector | RouteConfiguration | ClusterLoadAssignment | OpenTelemetryConfig => None,
        }
    }
}

impl Values {
    fn hold(self, value: &Value) -> bool {
        match self {
            Any => true,
            Only(text) => serde_json::from_str::<Value>(text).is_ok_and(|only| only == *value),
            OfType(name) => extension(value).is_some_and(|url| url.rsplit('/').next() == Some(name)),
        }
    }
}

/// The type of an extension, whether its fields are known to Envoy or only named (`TypedStruct`).
pub fn extension(value: &Value) -> Option<&str> {
    let config = value.get("typed_config")?;
    let url = config.get("@type")?.as_str()?;
    if crate::typed::is_typed_struct(url) {
        return config.get("type_url")?.as_str();
    }
    Some(url)
}

/// Takes what is accepted without effect out of a message's fields.
pub(crate) fn leave_out(url: &str, fields: &mut Value) {
    if let Some(message) = Message::of_url(url) {
        leave_out_of(message, fields);
    }
}

fn leave_out_of(message: Message, fields: &mut Value) {
    for row in ACCEPTED.iter().filter(|row| row.message == message) {
        remove(fields, row.field, row.values);
    }
    if let Some((field, inside)) = message.inside()
        && let Some(fields) = fields.get_mut(field)
    {
        leave_out_of(inside, fields);
    }
}

/// Takes out what stands at a path and has one of the values.
fn remove(value: &mut Value, path: &str, values: Values) {
    let (field, rest) = path.split_once('.').unwrap_or((path, ""));
    let Value::Object(fields) = value else { return };
    let (name, is_list) = field.strip_suffix("[]").map_or((field, false), |name| (name, true));
    let mut emptied = false;
    match (fields.get_mut(name), rest) {
        (Some(Value::Array(items)), "") if is_list => {
            let count = items.len();
            items.retain(|item| !values.hold(item));
            emptied = items.is_empty() && count > 0;
        }
        (Some(Value::Array(items)), rest) if is_list => items.iter_mut().for_each(|item| remove(item, rest, values)),
        (Some(value), "") if values.hold(value) => {
            fields.shift_remove(name);
        }
        (Some(inner), rest) if !rest.is_empty() => remove(inner, rest, values),
        _ => {}
    }
    // A list of extensions that are all accepted is no list any more; one that was empty stays, for the reader to judge.
    if emptied {
        fields.shift_remove(name);
    }
}

/// The table, as docs/control-plane.md shows it.
pub fn markdown() -> String {
    let mut text = String::from("| Message | Field | Values | Why it decides nothing |\n|---|---|---|---|\n");
    for Accepted { message, field, values, why } in ACCEPTED {
        let message = message.name().rsplit('.').next().unwrap_or_default();
        let values = match values {
            Any => "any".to_owned(),
            Only(value) => format!("`{value}`"),
            OfType(name) => format!("`{name}`"),
        };
        let _ = writeln!(text, "| {message} | `{field}` | {values} | {why} |");
    }
    text
}
