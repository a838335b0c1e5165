//! Random manifests from a seed (services, protocols, policies at every level, DestinationRules, VirtualServices, Sidecars, Gateways,
//! ServiceEntries, WorkloadEntries, Telemetries, settings of the mesh, visibility, ages), and their reduction to the smallest part that still
//! shows a fault.

mod entries;
mod gateways;
mod http;
mod mesh;
mod policies;
mod rules;
mod shrink;
mod telemetry;
mod traffic;
mod workloads;

pub use shrink::shrink;

use rand::{RngExt as _, SeedableRng as _, rngs::StdRng, seq::IndexedRandom as _};
use serde_json::{Map, Value, json};

/// Documents that `kubectl apply` accepts.
pub type Documents = Vec<Value>;

/// The manifests of a seed.
pub fn manifests(seed: u64) -> Documents {
    Generator { random: StdRng::seed_from_u64(seed), documents: vec![] }.all()
}

/// As a file.
pub fn yaml(documents: &[Value]) -> String {
    documents.iter().map(|document| format!("---\n{document}\n")).collect()
}

struct Generator {
    random: StdRng,
    documents: Documents,
}

const NAMESPACES: [&str; 3] = ["default", "shop", "other"];
const APPS: [&str; 4] = ["client", "server", "store", "legacy"];
const MODES: [&str; 4] = ["STRICT", "PERMISSIVE", "DISABLE", "UNSET"];
const HOSTS: [&str; 3] = ["api.example.com", "db.example.com", "files.internal.corp"];

impl Generator {
    fn all(mut self) -> Documents {
        self.namespaces();
        if self.chance(0.4) {
            self.mesh_config();
        }
        self.pod("default", "client", 0);
        for _ in 0..self.between(1, 4) {
            let (namespace, app) = (self.one_of(&NAMESPACES), self.one_of(&APPS));
            let number = self.documents.len();
            self.pod(namespace, app, number);
        }
        for _ in 0..self.between(1, 4) {
            self.service();
        }
        for _ in 0..self.between(0, 3) {
            self.peer_authentication();
        }
        for _ in 0..self.between(0, 3) {
            self.destination_rule();
        }
        for _ in 0..self.between(0, 3) {
            self.service_entry();
        }
        if self.chance(0.25) {
            self.external_name();
        }
        for _ in 0..self.between(0, 2) {
            self.virtual_service();
        }
        if self.chance(0.25) {
            self.sidecar();
        }
        for _ in 0..self.between(0, 2) {
            self.authorization_policy();
        }
        if self.chance(0.25) {
            self.workload_entry();
        }
        if self.chance(0.1) {
            self.proxy_config();
        }
        if self.chance(0.15) {
            self.stateful_set();
        }
        if self.chance(0.1) {
            self.service_without_selector();
        }
        if self.chance(0.25) {
            self.gateways();
        }
        // Last, so that the documents of a seed before it stay the same.
        if self.chance(0.3) {
            self.telemetry();
        }
        self.documents
    }

    fn chance(&mut self, of: f64) -> bool {
        self.random.random_bool(of)
    }

    /// A number from `low` to `high`, inclusive.
    fn between(&mut self, low: usize, high: usize) -> usize {
        self.random.random_range(low..=high)
    }

    fn one_of<T: Copy>(&mut self, of: &[T]) -> T {
        *of.choose(&mut self.random).expect("there is one")
    }

    /// An object with a unique name, and an age in a third of cases.
    #[allow(clippy::needless_pass_by_value, reason = "callers write it in place")]
    fn push(&mut self, api: &str, kind: &str, namespace: &str, name: &str, spec: Value) {
        let mut metadata = json!({"name": name, "namespace": namespace});
        if self.chance(0.3) {
            let hour = self.between(0, 9);
            // Of two entries of one host and one second, Istio treats either as the older.
            let minute = if kind == "ServiceEntry" { self.documents.len() } else { 0 };
            metadata["creationTimestamp"] = format!("2026-01-01T0{hour}:{minute:02}:00Z").into();
        }
        let taken =
            |d: &Value| d["kind"] == kind && d["metadata"]["name"] == name && d["metadata"]["namespace"] == namespace;
        if !self.documents.iter().any(taken) {
            self.documents.push(json!({"apiVersion": api, "kind": kind, "metadata": metadata, "spec": spec}));
        }
    }

    fn pod(&mut self, namespace: &str, app: &str, number: usize) {
        let name = format!("{app}-{number}");
        let mut labels = json!({"app": app});
        if self.chance(0.4) {
            labels["version"] = self.one_of(&["v1", "v2"]).into();
        }
        if self.chance(0.15) {
            labels["sidecar.istio.io/inject"] = self.one_of(&["true", "false"]).into();
        }
        let mut annotations = Map::new();
        if self.chance(0.1) {
            annotations.insert("traffic.sidecar.istio.io/excludeInboundPorts".into(), "9443".into());
        }
        let mut spec = json!({"containers": [{"name": "app", "image": "sidelab/demo-server",
            "ports": [{"name": "web", "containerPort": 8080}, {"name": "admin", "containerPort": 9443}]}]});
        if self.chance(0.3) {
            spec["serviceAccountName"] = self.one_of(&["runner", "builder"]).into();
        }
        let metadata = json!({"name": name, "namespace": namespace, "labels": labels, "annotations": annotations});
        self.documents.push(json!({"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec}));
    }

    fn service(&mut self) {
        let (namespace, app) = (self.one_of(&NAMESPACES), self.one_of(&APPS));
        let mut ports = vec![];
        let names = [
            "http", "http-web", "http2", "grpc", "grpc-web", "tcp", "tcp-db", "tls", "https", "mongo", "mysql",
            "redis", "web", "plain", "udp-dns",
        ];
        let numbers = [80, 443, 8080, 9443, 3306];
        for _ in 0..self.between(1, 3) {
            let (name, number) = (self.one_of(&names), self.one_of(&numbers));
            if ports.iter().any(|p: &Value| p["name"] == name || p["port"] == number) {
                continue;
            }
            let mut port = json!({"name": name, "port": number});
            match self.between(0, 3) {
                0 => port["targetPort"] = self.one_of(&["web", "admin"]).into(),
                1 => port["targetPort"] = self.one_of(&[8080, 9443]).into(),
                _ => {}
            }
            if self.chance(0.15) {
                port["appProtocol"] =
                    self.one_of(&["http", "https", "tcp", "grpc", "kubernetes.io/h2c", "tls", "unknown"]).into();
            }
            if name == "udp-dns" {
                port["protocol"] = "UDP".into();
                port.as_object_mut().expect("an object").shift_remove("appProtocol");
            }
            ports.push(port);
        }
        let mut spec = json!({"selector": {"app": app}, "ports": ports});
        if self.chance(0.2) {
            spec["clusterIP"] = "None".into();
        } else if self.chance(0.2) {
            spec["type"] = self.one_of(&["NodePort", "LoadBalancer"]).into();
        }
        if self.chance(0.1) {
            spec["publishNotReadyAddresses"] = true.into();
        }
        if self.chance(0.1) {
            spec["ipFamilies"] = json!([self.one_of(&["IPv4", "IPv6"])]);
            spec["ipFamilyPolicy"] = "SingleStack".into();
        } else if self.chance(0.5) {
            spec["ipFamilyPolicy"] = "PreferDualStack".into();
        }
        let name = self.one_of(&[app, "web", "extra"]);
        self.push("v1", "Service", namespace, name, spec);
        if self.chance(0.15)
            && let Some(service) = self.documents.last_mut().filter(|document| document["kind"] == "Service")
        {
            let namespaces = *[".", "*", "default", "shop, other", "~"].choose(&mut self.random).expect("there is one");
            service["metadata"]["annotations"] = json!({"networking.istio.io/exportTo": namespaces});
        }
    }

    /// A StatefulSet with its headless service.
    fn stateful_set(&mut self) {
        let (namespace, protocol) = (self.one_of(&NAMESPACES), self.one_of(&["tcp", "http", "tls", "plain"]));
        let template = json!({"metadata": {"labels": {"app": "set"}}, "spec": {"containers": [{"name": "app", "image": "sidelab/demo-server",
            "ports": [{"name": "web", "containerPort": 8080}]}]}});
        let spec = json!({"serviceName": "set", "replicas": self.between(1, 2), "selector": {"matchLabels": {"app": "set"}}, "template": template});
        self.push("apps/v1", "StatefulSet", namespace, "set", spec);
        let port = json!({"name": protocol, "port": self.one_of(&[80, 8080]), "targetPort": 8080});
        let spec = json!({"clusterIP": "None", "selector": {"app": "set"}, "ports": [port]});
        self.push("v1", "Service", namespace, "set", spec);
    }

    /// A service with an EndpointSlice of its own.
    fn service_without_selector(&mut self) {
        let namespace = self.one_of(&NAMESPACES);
        let name = self.one_of(&["tcp", "http", "tls"]);
        let mut spec = json!({"ports": [{"name": name, "port": 3306}]});
        if self.chance(0.3) {
            spec["clusterIP"] = "None".into();
        }
        self.push("v1", "Service", namespace, "manual", spec);
        let metadata =
            json!({"name": "manual-1", "namespace": namespace, "labels": {"kubernetes.io/service-name": "manual"}});
        self.documents.push(json!({"apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice", "metadata": metadata,
            "addressType": "IPv4", "endpoints": [{"addresses": ["203.0.113.77"]}], "ports": [{"name": name, "port": 3306}]}));
    }

    /// Another name for a service, for a host of a ServiceEntry, or for another such name.
    fn external_name(&mut self) {
        let of = self.one_of(&NAMESPACES);
        let app = self.one_of(&["server", "web", "store", "other-name"]);
        let target = match self.between(0, 2) {
            0 => self.one_of(&HOSTS).to_owned(),
            _ => format!("{app}.{of}.svc.cluster.local"),
        };
        let spec = json!({"type": "ExternalName", "externalName": target});
        let namespace = self.one_of(&NAMESPACES);
        let name = self.one_of(&["other-name", "outside"]);
        self.push("v1", "Service", namespace, name, spec);
    }

    fn peer_authentication(&mut self) {
        let level = self.between(0, 2);
        let namespace = if level == 0 { "istio-system" } else { self.one_of(&NAMESPACES) };
        let mut spec = json!({});
        if self.chance(0.9) {
            spec["mtls"] = json!({"mode": self.one_of(&MODES)});
        }
        if level == 2 {
            spec["selector"] = json!({"matchLabels": {"app": self.one_of(&APPS)}});
            if self.chance(0.6) {
                let port = self.one_of(&["8080", "9443", "7070"]);
                spec["portLevelMtls"] = json!({port: {"mode": self.one_of(&MODES)}});
            }
        }
        let name = self.one_of(&["default", "strict", "by-app"]);
        self.push("security.istio.io/v1", "PeerAuthentication", namespace, name, spec);
    }

    fn export_to(&mut self) -> Value {
        self.one_of(&[&["."][..], &["*"], &["default"], &["shop", "other"]]).into()
    }
}
