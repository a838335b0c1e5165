//! Random Sidecars, WorkloadEntries and AuthorizationPolicies.

use serde_json::{Value, json};

use super::{APPS, Generator, HOSTS, NAMESPACES};

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
        }
        if level > 1 && self.chance(0.3) {
            let protocol = self.one_of(&["HTTP", "TCP", "GRPC"]);
            let mut listener = json!({"port": {"number": 8080, "protocol": protocol, "name": "own"}});
            if self.chance(0.7) {
                listener["defaultEndpoint"] = self.one_of(&["127.0.0.1:9000", "0.0.0.0:9001"]).into();
            }
            spec["ingress"] = json!([listener]);
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
        ];
        let count = self.between(1, 3);
        let mut hosts: Vec<&str> = (0..count).map(|_| self.one_of(&all)).collect();
        hosts.sort_unstable();
        hosts.dedup();
        if hosts.contains(&"*/*") {
            hosts = vec!["*/*"];
        }
        hosts.into()
    }

    /// A WorkloadEntry, and now and then a ServiceEntry that selects such.
    pub(super) fn workload_entry(&mut self) {
        let (namespace, app) = (self.one_of(&NAMESPACES), self.one_of(&APPS));
        let number = self.documents.len();
        let mut spec = json!({"address": format!("203.0.113.{}", 50 + number % 100), "labels": {"app": app}});
        if self.chance(0.4) {
            spec["serviceAccount"] = "vm".into();
        }
        if self.chance(0.3) {
            spec["ports"] = json!({self.one_of(&["http", "web", "tcp", "secure"]): 9443});
        }
        if self.chance(0.2) {
            spec["labels"]["version"] = "v1".into();
        }
        if self.chance(0.2) {
            spec["labels"]["security.istio.io/tlsMode"] = self.one_of(&["istio", "disabled"]).into();
        }
        let name = format!("vm-{number}");
        self.push("networking.istio.io/v1", "WorkloadEntry", namespace, &name, spec);
        if self.chance(0.5) {
            let protocol = self.one_of(&["HTTP", "TCP", "TLS", "GRPC"]);
            let ports = json!([{"number": self.one_of(&[80, 443]), "name": "web", "protocol": protocol}]);
            let host = self.one_of(&["vm.internal.corp", HOSTS[0]]);
            let location = self.one_of(&["MESH_EXTERNAL", "MESH_INTERNAL"]);
            let spec = json!({"hosts": [host], "ports": ports, "resolution": "STATIC", "location": location,
                              "workloadSelector": {"labels": {"app": app}}});
            let name = self.one_of(&["selects", "selects-more"]);
            self.push("networking.istio.io/v1", "ServiceEntry", namespace, name, spec);
        }
    }

    pub(super) fn authorization_policy(&mut self) {
        let level = self.between(0, 2);
        let namespace = if level == 0 { "istio-system" } else { self.one_of(&NAMESPACES) };
        let action = self.one_of(&["ALLOW", "ALLOW", "DENY", "AUDIT"]);
        let mut spec = json!({"action": action});
        if level == 2 || self.chance(0.2) {
            spec["selector"] = json!({"matchLabels": {"app": self.one_of(&APPS)}});
        }
        if action == "DENY" || self.chance(0.8) {
            let count = self.between(1, 2);
            spec["rules"] = (0..count).map(|_| self.authorization_rule()).collect();
        }
        let name = self.one_of(&["guard", "wall", "gate"]);
        self.push("security.istio.io/v1", "AuthorizationPolicy", namespace, name, spec);
    }

    fn authorization_rule(&mut self) -> Value {
        let mut rule = json!({});
        if self.chance(0.7) {
            let source = match self.between(0, 6) {
                0 => json!({"principals": ["cluster.local/ns/default/sa/default", "*/sa/runner"]}),
                1 => json!({"notPrincipals": ["*"]}),
                2 => json!({"namespaces": ["shop", "other*"]}),
                3 => json!({"ipBlocks": ["10.0.0.0/8"], "notIpBlocks": ["10.1.2.3"]}),
                4 => json!({"requestPrincipals": ["*"]}),
                5 => json!({"notRequestPrincipals": ["*"], "notNamespaces": ["default"]}),
                _ => json!({"serviceAccounts": ["runner", "shop/builder"]}),
            };
            rule["from"] = json!([{"source": source}]);
        }
        if self.chance(0.6) {
            let operation = match self.between(0, 4) {
                0 => json!({"methods": ["GET"], "paths": ["/api*", "/exact"]}),
                1 => json!({"notPaths": ["/admin/*"]}),
                2 => json!({"ports": ["8080"]}),
                3 => json!({"notPorts": ["9443"], "hosts": ["server.default*"]}),
                _ => json!({"paths": ["/a/{*}/b", "/c/{**}"]}),
            };
            rule["to"] = json!([{"operation": operation}]);
        }
        if self.chance(0.3) {
            let condition = match self.between(0, 5) {
                0 => json!({"key": "request.headers[x-token]", "values": ["admin*"]}),
                1 => json!({"key": "source.namespace", "notValues": ["other"]}),
                2 => json!({"key": "destination.port", "values": ["8080", "9443"]}),
                3 => json!({"key": "connection.sni", "values": ["*.example.com"]}),
                4 => json!({"key": "request.auth.claims[iss]", "values": ["issuer"]}),
                _ => json!({"key": "request.auth.principal", "notValues": ["*"]}),
            };
            rule["when"] = json!([condition]);
        }
        rule
    }
}
