//! Random AuthorizationPolicies.

use serde_json::{Value, json};

use super::{APPS, Generator, NAMESPACES};

impl Generator {
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
        if self.chance(0.15)
            && let Some(policy) = self.documents.last_mut().filter(|one| one["kind"] == "AuthorizationPolicy")
        {
            policy["metadata"]["annotations"] = json!({"istio.io/dry-run": "true"});
        }
    }

    fn authorization_rule(&mut self) -> Value {
        let mut rule = json!({});
        if self.chance(0.7) {
            let source = match self.between(0, 11) {
                0 => json!({"principals": ["cluster.local/ns/default/sa/default", "*/sa/runner"]}),
                1 => json!({"notPrincipals": ["*"]}),
                2 => json!({"namespaces": ["shop", "other*"]}),
                3 => json!({"ipBlocks": ["10.0.0.0/8"], "notIpBlocks": ["10.1.2.3"]}),
                4 => json!({"requestPrincipals": ["*"]}),
                5 => json!({"notRequestPrincipals": ["*"], "notNamespaces": ["default"]}),
                6 => json!({"notServiceAccounts": ["builder"]}),
                7 => json!({"remoteIpBlocks": ["203.0.113.0/24"], "notRemoteIpBlocks": ["203.0.113.7"]}),
                8 => json!({"trustDomains": ["cluster.local"]}),
                9 => json!({"principals": ["old.example/ns/shop/sa/runner", "cluster.local/ns/shop/*", "*"]}),
                10 => json!({"namespaces": ["*"], "notPrincipals": ["cluster.local/ns/other/sa/default"]}),
                _ => json!({"serviceAccounts": ["runner", "shop/builder"]}),
            };
            rule["from"] = json!([{"source": source}]);
            if self.chance(0.2) {
                rule["from"] = json!([{"source": source}, {"source": {"namespaces": ["istio-system"]}}]);
            }
        }
        if self.chance(0.6) {
            let operation = match self.between(0, 8) {
                0 => json!({"methods": ["GET"], "paths": ["/api*", "/exact"]}),
                1 => json!({"notPaths": ["/admin/*"]}),
                2 => json!({"ports": ["8080"]}),
                3 => json!({"notPorts": ["9443"], "hosts": ["server.default*"]}),
                4 => json!({"notMethods": ["DELETE", "P*"], "ports": ["9443", "8080"]}),
                5 => json!({"hosts": ["*.example.com", "Api.Example.com"], "notHosts": ["*"]}),
                6 => json!({"paths": ["*", "*.html"], "notPaths": ["/x/{*}"]}),
                7 => json!({"methods": ["*"], "paths": ["/p*q"]}),
                _ => json!({"paths": ["/a/{*}/b", "/c/{**}"]}),
            };
            rule["to"] = json!([{"operation": operation}]);
        }
        if self.chance(0.3) {
            let condition = match self.between(0, 12) {
                0 => json!({"key": "request.headers[x-token]", "values": ["admin*"]}),
                1 => json!({"key": "source.namespace", "notValues": ["other"]}),
                2 => json!({"key": "destination.port", "values": ["8080", "9443"]}),
                3 => json!({"key": "connection.sni", "values": ["*.example.com"]}),
                4 => json!({"key": "request.auth.claims[iss]", "values": ["issuer"]}),
                5 => json!({"key": "source.principal", "values": ["cluster.local/ns/shop/sa/runner", "*"]}),
                6 => json!({"key": "source.ip", "values": ["10.1.0.0/16"], "notValues": ["10.1.2.3"]}),
                7 => json!({"key": "remote.ip", "values": ["203.0.113.9"]}),
                8 => json!({"key": "destination.ip", "notValues": ["10.244.0.0/16"]}),
                9 => json!({"key": "source.serviceAccount", "values": ["runner", "shop/builder"]}),
                10 => json!({"key": "request.auth.audiences", "values": ["a.example", "b*"]}),
                11 => json!({"key": "request.headers[:path]", "values": ["*.js"]}),
                _ => json!({"key": "request.auth.principal", "notValues": ["*"]}),
            };
            rule["when"] = json!([condition]);
        }
        rule
    }
}
