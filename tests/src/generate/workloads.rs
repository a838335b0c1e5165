//! Random Sidecars.

use serde_json::{Value, json};

use super::{APPS, Generator, NAMESPACES};

impl Generator {
    pub(super) fn sidecar(&mut self) {
        let level = self.between(0, 3);
        let namespace = if level == 0 { "istio-system" } else { self.one_of(&NAMESPACES) };
        let mut spec = json!({});
        if level > 1 {
            spec["workloadSelector"] = json!({"labels": {"app": self.one_of(&APPS)}});
        }
        let mut egress = vec![];
        if self.chance(0.2) {
            let number = self.one_of(&[80, 443, 3306]);
            let protocol = self.one_of(&["HTTP", "TCP", "HTTPS"]);
            let mut listener =
                json!({"port": {"number": number, "protocol": protocol, "name": "only"}, "hosts": self.scope()});
            if self.chance(0.4) {
                listener["bind"] = "127.0.0.1".into();
            }
            egress.push(listener);
        }
        if egress.is_empty() || self.chance(0.7) {
            egress.push(json!({"hosts": self.scope()}));
        }
        spec["egress"] = egress.into();
        if self.chance(0.3) {
            spec["outboundTrafficPolicy"] = json!({"mode": self.one_of(&["REGISTRY_ONLY", "ALLOW_ANY"])});
            if spec["outboundTrafficPolicy"]["mode"] == "ALLOW_ANY" && self.chance(0.3) {
                spec["outboundTrafficPolicy"]["egressProxy"] =
                    json!({"host": "server.default.svc.cluster.local", "port": {"number": 443}});
            }
        }
        if level > 1 && self.chance(0.3) {
            let protocol = self.one_of(&["HTTP", "TCP", "GRPC"]);
            let mut listener = json!({"port": {"number": 8080, "protocol": protocol, "name": "own"}});
            if self.chance(0.7) {
                listener["defaultEndpoint"] = self.one_of(&["127.0.0.1:9000", "0.0.0.0:9001"]).into();
            }
            if self.chance(0.2) {
                listener["bind"] = self.one_of(&["0.0.0.0", "127.0.0.1"]).into();
            }
            if self.chance(0.2) {
                listener["connectionPool"] = json!({"http": {"http1MaxPendingRequests": 5, "http2MaxRequests": 6}});
            }
            let mut ingress = vec![listener];
            if self.chance(0.3) {
                let protocol = self.one_of(&["HTTP2", "HTTPS", "TLS", "MONGO"]);
                ingress.push(json!({"port": {"number": 9443, "protocol": protocol, "name": "other"},
                                    "defaultEndpoint": "127.0.0.1:9002"}));
            }
            spec["ingress"] = ingress.into();
        }
        if self.chance(0.1) {
            spec["inboundConnectionPool"] =
                json!({"tcp": {"maxConnections": 4}, "http": {"maxRetries": 2, "idleTimeout": "9s"}});
        }
        let name = self.one_of(&["default", "narrow", "by-app"]);
        self.push("networking.istio.io/v1", "Sidecar", namespace, name, spec);
    }

    /// Hosts that a Sidecar lets in.
    fn scope(&mut self) -> Value {
        let all = [
            "./*",
            "*/*",
            "shop/*",
            "istio-system/*",
            "*/server.default.svc.cluster.local",
            "shop/store.shop.svc.cluster.local",
            "*/*.example.com",
            "./web.default.svc.cluster.local",
            "~shop/store.shop.svc.cluster.local",
            "~*/*.example.com",
        ];
        let count = self.between(1, 3);
        let mut hosts: Vec<&str> = (0..count).map(|_| self.one_of(&all)).collect();
        hosts.sort_unstable();
        hosts.dedup();
        if hosts.contains(&"*/*") {
            hosts.retain(|host| *host == "*/*" || host.starts_with('~'));
        }
        if hosts.iter().all(|host| host.starts_with('~')) {
            hosts.push("*/*");
        }
        hosts.into()
    }
}
