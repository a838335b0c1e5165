//! The bootstrap: who the sidecar is, its admin interface, and the two files that name all others.

use envoy_api::{Address, Admin, Bootstrap, ConfigSource, DynamicResources, Node, StaticResources};
use serde_json::json;

use super::{Compiler, files};

/// The admin interface, for programs of the pod only.
const ADMIN: (&str, u16) = ("127.0.0.1", 15000);

impl Compiler<'_> {
    pub(super) fn bootstrap(&self) -> Bootstrap {
        let file = |name| ConfigSource::path(self.placement.config_dir.join(name));
        Bootstrap {
            node: Some(self.node()),
            admin: Some(Admin { address: Address::tcp(ADMIN.0, ADMIN.1), access_log: vec![] }),
            static_resources: StaticResources::default(),
            dynamic_resources: Some(DynamicResources {
                lds_config: Some(file(files::LISTENERS)),
                cds_config: Some(file(files::CLUSTERS)),
            }),
            layered_runtime: None,
        }
    }

    /// Who the sidecar is, as Istio's agent says it: metrics are labelled by it.
    fn node(&self) -> Node {
        let pod = self.pod;
        let (name, namespace) = (&pod.name.name, &pod.name.namespace);
        let app = pod.labels.get("app").unwrap_or(name);
        let metadata = json!({
            "NAME": name,
            "NAMESPACE": namespace,
            "SERVICE_ACCOUNT": pod.service_account,
            "WORKLOAD_NAME": name,
            "LABELS": pod.labels,
            "INSTANCE_IPS": format!("{},{}", pod.ips.v4, pod.ips.v6),
            "CLUSTER_ID": "Kubernetes",
            "MESH_ID": self.mesh.config.trust_domain,
        });
        let serde_json::Value::Object(metadata) = metadata else { unreachable!("an object was written above") };
        Node {
            id: format!("sidecar~{}~{name}.{namespace}~{namespace}.svc.cluster.local", pod.ips.v4),
            cluster: format!("{app}.{namespace}"),
            metadata,
        }
    }
}
