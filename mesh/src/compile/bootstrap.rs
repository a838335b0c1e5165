//! The bootstrap: who the sidecar is, what others may ask it, and the two files that name all others.

use envoy_api::{
    Address, Admin, Bootstrap, Cluster, ConfigSource, DirectResponseAction, DynamicResources, Listener, Node, Route,
    RouteConfiguration, StaticResources, TlsRequirement, VirtualHost,
};
use serde_json::{Map, Value, json};

use crate::sidecar::{ADMIN_PORT, HEALTH_PORT, PROMETHEUS_PORT};

use super::{
    Compiler, clusters, files,
    filters::seconds,
    names,
    parts::{self, WILDCARDS},
    routes,
};

/// The admin interface, for programs of the pod only.
const ADMIN: (&str, u16) = ("127.0.0.1", ADMIN_PORT);
const PROMETHEUS_CLUSTER: &str = "prometheus_stats";

impl Compiler<'_> {
    pub(super) fn bootstrap(&self) -> Bootstrap {
        let file = |name| ConfigSource::path(self.placement.config_dir.join(name));
        Bootstrap {
            node: Some(self.node()),
            admin: Some(Admin { address: Address::tcp(ADMIN.0, ADMIN.1), access_log: vec![] }),
            static_resources: StaticResources {
                listeners: vec![self.metrics(), self.health()],
                clusters: vec![Cluster {
                    load_assignment: Some(clusters::one_endpoint(PROMETHEUS_CLUSTER, ADMIN.0, ADMIN.1)),
                    connect_timeout: Some(seconds(10)),
                    ..clusters::fixed(PROMETHEUS_CLUSTER)
                }],
                secrets: vec![],
            },
            dynamic_resources: Some(DynamicResources {
                lds_config: Some(file(files::LISTENERS)),
                cds_config: Some(file(files::CLUSTERS)),
            }),
            // Verdicts do not wait for spans of other requests.
            layered_runtime: Some(json!({"layers": [{
                "name": "lab", "static_layer": {"tracing.opentelemetry.min_flush_spans": 1},
            }]})),
        }
    }

    /// The metrics, and nothing else of the admin interface.
    fn metrics(&self) -> Listener {
        let route = routes::to_cluster("", PROMETHEUS_CLUSTER.into(), None, None);
        self.utility(PROMETHEUS_PORT, "stats", "/stats/prometheus", route)
    }

    /// Whether the sidecar is ready. In Istio its agent answers; here the listener itself does: Envoy opens it when
    /// everything that it waits for has been read.
    fn health(&self) -> Listener {
        let direct_response = Some(DirectResponseAction { status: 200, body: None });
        let route = Route { direct_response, ..routes::any_path("") };
        self.utility(HEALTH_PORT, "agent", "/healthz/ready", route)
    }

    /// A listener that answers one path, and logs nothing.
    fn utility(&self, port: u16, stat_prefix: &str, path: &str, mut route: Route) -> Listener {
        route.matcher.prefix = Some(path.into());
        let host = VirtualHost {
            name: "backend".into(),
            domains: vec!["*".into()],
            routes: vec![route],
            include_request_attempt_count: false,
            require_tls: TlsRequirement::None,
        };
        let routes = RouteConfiguration {
            name: stat_prefix.into(),
            virtual_hosts: vec![host],
            validate_clusters: None,
            ignore_port_in_host_matching: false,
        };
        let chain = parts::chain(None, vec![self.utility_http(stat_prefix, routes)]);
        let name = names::listener(WILDCARDS[0], port);
        parts::listener(&name, &WILDCARDS, port, vec![chain])
    }

    /// Who the sidecar is, as Istio's agent says it: metrics are labelled by it.
    fn node(&self) -> Node {
        let pod = self.pod;
        let (name, namespace) = (&pod.name.name, &pod.name.namespace);
        let kind = if pod.is_gateway() { "router" } else { "sidecar" };
        let labels = pod.labels.iter().map(|(key, value)| (key.clone(), Value::from(value.as_str()))).collect();
        let metadata = [
            ("NAME", name.as_str().into()),
            ("NAMESPACE", namespace.as_str().into()),
            ("SERVICE_ACCOUNT", pod.service_account.as_str().into()),
            ("WORKLOAD_NAME", pod.workload.as_str().into()),
            ("LABELS", Value::Object(labels)),
            ("INSTANCE_IPS", format!("{},{}", pod.ips.v4, pod.ips.v6).into()),
            ("CLUSTER_ID", names::CLUSTER_ID.into()),
            ("MESH_ID", self.mesh.config.trust_domain.as_str().into()),
        ];
        Node {
            id: format!("{kind}~{}~{name}.{namespace}~{namespace}.svc.cluster.local", pod.ips.v4),
            cluster: names::service_cluster(pod),
            metadata: Map::from_iter(metadata.map(|(key, value)| (key.into(), value))),
        }
    }
}
