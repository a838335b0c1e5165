mod app_tls;
mod clusters;
mod files;
mod inbound;
mod options;
mod outbound;
mod rules;
mod scope;
mod service_entry;
mod traffic_policy;
mod virtual_service;

use envoy_api::{Cluster, FilterChain, Listener, NetworkFilter, TransportSocketConfig, UpstreamTlsContext};

use super::{Options, Placement, PodConfig, compile};
use crate::{model::Flavor, redirect::ProxyIdentity, testing::mesh_with_warnings};

/// A client and a server with sidecars, and a service with a port of each kind.
const MESH: &str = r"
apiVersion: v1
kind: Namespace
metadata: {name: default, labels: {istio-injection: enabled}}
---
apiVersion: v1
kind: Pod
metadata: {name: client}
spec: {containers: [{name: app, image: sidelab/demo-client}]}
---
apiVersion: v1
kind: ServiceAccount
metadata: {name: server}
---
apiVersion: v1
kind: Pod
metadata: {name: server, labels: {app: server}}
spec:
  serviceAccountName: server
  containers: [{name: app, image: sidelab/demo-server}]
---
apiVersion: v1
kind: Service
metadata: {name: server}
spec:
  ipFamilyPolicy: PreferDualStack
  clusterIP: 10.96.0.10
  clusterIPs: [10.96.0.10, 'fd00:96::a']
  selector: {app: server}
  ports:
  - {name: http, port: 80, targetPort: 8080}
  - {name: grpc, port: 8082}
  - {name: tcp, port: 9000}
  - {name: https, port: 8443}
  - {name: detected, port: 7000}
";

/// Compiles a pod of [`MESH`] with more documents.
fn with(documents: &str, flavor: Flavor, pod: &str) -> PodConfig {
    compiled(&format!("{MESH}---\n{documents}"), flavor, pod, ProxyIdentity::ISTIO)
}

fn placement(redirect: ProxyIdentity, options: Options) -> Placement {
    Placement { config_dir: "/etc/sidecar".into(), log_dir: "/var/log/sidecar".into(), redirect, options }
}

fn compiled(manifests: &str, flavor: Flavor, pod: &str, redirect: ProxyIdentity) -> PodConfig {
    let (mesh, _) = mesh_with_warnings(manifests, flavor);
    let pod = mesh.pods.iter().position(|p| p.name.name == pod).expect("the pod is there");
    let options = Options { key_log: true, ..Options::default() };
    compile(&mesh, pod, &placement(redirect, options))
}

/// A PeerAuthentication for the server.
fn server_mode(mode: &str) -> String {
    format!(
        "apiVersion: security.istio.io/v1\nkind: PeerAuthentication\nmetadata: {{name: server}}\n\
         spec: {{selector: {{matchLabels: {{app: server}}}}, mtls: {{mode: {mode}}}}}\n"
    )
}

/// MeshConfig as Istio keeps it.
fn mesh_config(fields: &str) -> String {
    format!(
        "apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: istio, namespace: istio-system}}\ndata:\n  mesh: |\n    {fields}\n"
    )
}

impl PodConfig {
    fn listener(&self, name: &str) -> &Listener {
        let names: Vec<_> = self.listeners.iter().map(|l| &l.name).collect();
        self.listeners.iter().find(|l| l.name == name).unwrap_or_else(|| panic!("no {name} in {names:?}"))
    }

    fn cluster(&self, name: &str) -> &Cluster {
        let names: Vec<_> = self.clusters.iter().map(|c| &c.name).collect();
        self.clusters.iter().find(|c| c.name == name).unwrap_or_else(|| panic!("no {name} in {names:?}"))
    }

    fn has_cluster(&self, name: &str) -> bool {
        self.clusters.iter().any(|c| c.name == name)
    }
}

/// A chain as a line: `NAME [to PORT] [in PREFIX] [for SNI] TRANSPORT ALPN -> [mtls] TERMINAL TO [offering ALPN]`.
fn outline(chain: &FilterChain) -> String {
    let mut words = vec![chain.name.clone()];
    if let Some(m) = &chain.filter_chain_match {
        words.extend(m.destination_port.map(|port| format!("to {port}")));
        words.extend(m.prefix_ranges.iter().map(|range| format!("in {}/{}", range.address_prefix, range.prefix_len)));
        words.extend(m.server_names.iter().map(|name| format!("for {name}")));
        words.push(m.transport_protocol.clone());
        words.push(m.application_protocols.join(","));
    }
    words.push("->".into());
    words.extend(chain.transport_socket.as_ref().map(|_| "mtls".into()));
    for filter in &chain.filters {
        words.push(match &filter.typed_config {
            NetworkFilter::TcpProxy(tcp) => format!("tcp {}", tcp.cluster),
            NetworkFilter::HttpConnectionManager(http) => {
                let routes = http.rds.as_ref().map(|rds| &rds.route_config_name);
                let routes = routes.or(http.route_config.as_ref().map(|routes| &routes.name));
                format!("http {}", routes.expect("routes"))
            }
            NetworkFilter::Rbac(_) => "rbac".into(),
            NetworkFilter::SetFilterState(set) => {
                let format = set.on_new_connection[0].format_string.text_format_source.as_ref();
                format!("offering {}", format.expect("a text").inline_string)
            }
        });
    }
    words.retain(|word| !word.is_empty());
    words.join(" ")
}

fn outlines(listener: &Listener) -> Vec<String> {
    listener.filter_chains.iter().map(outline).collect()
}

/// The client's TLS context of a cluster that has one, for endpoints that take mTLS.
fn client_tls(cluster: &Cluster) -> &UpstreamTlsContext {
    let by_endpoint = cluster.transport_socket_matches.first().map(|m| &m.transport_socket);
    let socket = cluster.transport_socket.as_ref().or(by_endpoint).expect("a transport socket");
    match &socket.typed_config {
        TransportSocketConfig::UpstreamTls(context) => context,
        other => panic!("no TLS: {other:?}"),
    }
}
