//! Random VirtualServices, and what DestinationRules say beside TLS.

use serde_json::{Value, json};

use super::{APPS, Generator, HOSTS, NAMESPACES};

impl Generator {
    /// Adds load balancing, limits and outlier detection to the settings of a destination, a port or a subset.
    pub(super) fn settings(&mut self, policy: &mut Value) {
        if self.chance(0.35) {
            policy["loadBalancer"] = self.load_balancer();
        }
        if self.chance(0.25) {
            policy["connectionPool"] = self.connection_pool();
        }
        if self.chance(0.3) {
            policy["outlierDetection"] = self.outlier_detection();
        }
    }

    fn load_balancer(&mut self) -> Value {
        let mut settings = match self.between(0, 2) {
            0 => json!({"consistentHash": self.consistent_hash()}),
            1 => {
                json!({"simple": self.one_of(&["ROUND_ROBIN", "LEAST_REQUEST", "LEAST_CONN", "RANDOM", "UNSPECIFIED"])})
            }
            _ => json!({"simple": self.one_of(&["ROUND_ROBIN", "LEAST_REQUEST", "PASSTHROUGH"])}),
        };
        match self.between(0, 7) {
            0 => settings["warmup"] = json!({"duration": "30s"}),
            1 => settings["warmup"] = json!({"duration": "1m", "minimumPercent": 25, "aggression": 2}),
            2 => settings["warmupDurationSecs"] = "10s".into(),
            3 => settings["localityLbSetting"] = json!({"failover": [{"from": "a", "to": "b"}]}),
            4 => settings["localityLbSetting"] = json!({"enabled": false}),
            _ => {}
        }
        settings
    }

    fn consistent_hash(&mut self) -> Value {
        let mut hash = match self.between(0, 4) {
            0 => json!({"httpHeaderName": "x-user"}),
            1 => json!({"httpCookie": {"name": "session", "ttl": "60s"}}),
            2 => {
                json!({"httpCookie": {"name": "session", "path": "/a", "attributes": [{"name": "SameSite", "value": "Lax"}]}})
            }
            3 => json!({"useSourceIp": self.chance(0.8)}),
            _ => json!({"httpQueryParameterName": "user"}),
        };
        match self.between(0, 3) {
            0 => hash["ringHash"] = json!({"minimumRingSize": 512}),
            1 => hash["maglev"] = json!({"tableSize": 1009}),
            2 if self.chance(0.5) => hash["minimumRingSize"] = 2048.into(),
            _ => {}
        }
        hash
    }

    fn connection_pool(&mut self) -> Value {
        let mut pool = json!({});
        if self.chance(0.6) {
            pool["http"] = json!({"http1MaxPendingRequests": 7, "http2MaxRequests": 9});
            if self.chance(0.4) {
                pool["http"]["maxRequestsPerConnection"] = 3.into();
                pool["http"]["maxRetries"] = 2.into();
                pool["http"]["idleTimeout"] = "30s".into();
            }
            if self.chance(0.2) {
                pool["http"]["h2UpgradePolicy"] = self.one_of(&["UPGRADE", "DO_NOT_UPGRADE", "DEFAULT"]).into();
            }
        }
        if pool.get("http").is_none() || self.chance(0.5) {
            pool["tcp"] = json!({"maxConnections": 11, "connectTimeout": "3s"});
            if self.chance(0.3) {
                pool["tcp"]["idleTimeout"] = "1h".into();
                pool["tcp"]["maxConnectionDuration"] = "2h".into();
            }
            if self.chance(0.3) {
                pool["tcp"]["tcpKeepalive"] = json!({"time": "75s", "interval": "5s", "probes": 3});
            }
        }
        pool
    }

    fn outlier_detection(&mut self) -> Value {
        let mut detection = json!({});
        if self.chance(0.6) {
            detection["consecutive5xxErrors"] = self.one_of(&[0, 1, 7]).into();
        }
        if self.chance(0.4) {
            detection["consecutiveGatewayErrors"] = self.one_of(&[0, 3]).into();
        }
        if self.chance(0.5) {
            detection["interval"] = "5s".into();
            detection["baseEjectionTime"] = "1m30s".into();
        }
        if self.chance(0.5) {
            detection["maxEjectionPercent"] = self.one_of(&[0, 50, 100]).into();
        }
        if self.chance(0.3) {
            detection["minHealthPercent"] = self.one_of(&[0, 40]).into();
        }
        if self.chance(0.3) {
            detection["splitExternalLocalOriginErrors"] = true.into();
            if self.chance(0.7) {
                detection["consecutiveLocalOriginFailures"] = self.one_of(&[0, 4]).into();
            }
        }
        detection
    }

    pub(super) fn virtual_service(&mut self) {
        let namespace = self.one_of(&NAMESPACES);
        let host = self.destination_host();
        let mut hosts = vec![host.clone()];
        if self.chance(0.2) {
            hosts.push("virtual.example.com".into());
        }
        if self.chance(0.1) {
            hosts = vec![self.one_of(&["*.example.com", "*.shop.svc.cluster.local"]).into()];
        }
        let mut spec = json!({"hosts": hosts});
        let kind = self.between(0, 5);
        if kind < 4 {
            let count = self.between(1, 3);
            spec["http"] = (0..count).map(|_| self.http_rule(&host)).collect();
        }
        if kind == 4 || self.chance(0.1) {
            let mut rule = json!({"route": self.l4_route(&host)});
            if self.chance(0.5) {
                rule["match"] = json!([{"port": self.one_of(&[80, 443, 3306, 8080])}]);
            }
            spec["tcp"] = json!([rule]);
        }
        if kind == 5 {
            let sni = hosts[0].clone();
            let mut matched = json!({"sniHosts": [sni]});
            if self.chance(0.5) {
                matched["port"] = 443.into();
            }
            spec["tls"] = json!([{"match": [matched], "route": self.l4_route(&host)}]);
        }
        if self.chance(0.2) {
            spec["exportTo"] = self.export_to();
        }
        let name = self.one_of(&["first", "second", "third"]);
        self.push("networking.istio.io/v1", "VirtualService", namespace, name, spec);
    }

    fn destination_host(&mut self) -> String {
        let app = self.one_of(&["server", "store", "web", "client"]);
        let of = self.one_of(&NAMESPACES);
        match self.between(0, 5) {
            0 => app.to_owned(),
            1 => format!("{app}.{of}"),
            2 => self.one_of(&HOSTS).to_owned(),
            _ => format!("{app}.{of}.svc.cluster.local"),
        }
    }

    fn destination(&mut self, host: &str) -> Value {
        let host = if self.chance(0.75) { host.to_owned() } else { self.destination_host() };
        let mut destination = json!({"host": host});
        if self.chance(0.3) {
            destination["subset"] = "v1".into();
        }
        if self.chance(0.3) {
            destination["port"] = json!({"number": self.one_of(&[80, 443, 8080, 3306])});
        }
        destination
    }

    fn l4_route(&mut self, host: &str) -> Value {
        if self.chance(0.6) {
            return json!([{"destination": self.destination(host)}]);
        }
        json!([{"destination": self.destination(host), "weight": 80}, {"destination": self.destination(host), "weight": 20}])
    }

    fn http_rule(&mut self, host: &str) -> Value {
        let mut rule = json!({});
        if self.chance(0.6) {
            let count = self.between(1, 2);
            rule["match"] = (0..count).map(|_| self.http_match()).collect();
        }
        if self.chance(0.3) {
            rule["name"] = "named".into();
        }
        match self.between(0, 9) {
            0 => {
                rule["redirect"] = json!({"uri": "/new", "authority": "elsewhere.example.com"});
                return rule;
            }
            1 => {
                rule["directResponse"] = json!({"status": 418, "body": {"string": "tea"}});
                return rule;
            }
            2..=4 => {
                let weights = self.one_of(&[[90, 10], [50, 50], [100, 0]]);
                rule["route"] = weights
                    .iter()
                    .map(|weight| json!({"destination": self.destination(host), "weight": weight}))
                    .collect();
            }
            _ => rule["route"] = json!([{"destination": self.destination(host)}]),
        }
        if self.chance(0.3) {
            rule["timeout"] = "5s".into();
        }
        match self.between(0, 5) {
            0 => rule["retries"] = json!({"attempts": 0}),
            1 => rule["retries"] = json!({"attempts": 3, "perTryTimeout": "2s", "retryOn": "5xx,503,reset"}),
            _ => {}
        }
        if self.chance(0.2) {
            rule["fault"] = json!({"abort": {"httpStatus": 503, "percentage": {"value": 12.5}}});
        }
        if self.chance(0.2) {
            rule["rewrite"] = json!({"uri": "/rewritten"});
        }
        if self.chance(0.2) {
            rule["headers"] =
                json!({"request": {"set": {"x-a": "1"}, "remove": ["x-b"]}, "response": {"add": {"x-c": "2"}}});
        }
        if self.chance(0.15) {
            rule["mirror"] = self.destination(host);
        }
        if self.chance(0.1) {
            rule["corsPolicy"] =
                json!({"allowOrigins": [{"exact": "https://a.example"}], "allowMethods": ["GET"], "maxAge": "1h"});
        }
        rule
    }

    fn http_match(&mut self) -> Value {
        let mut matched = match self.between(0, 3) {
            0 => json!({"uri": {"prefix": "/api"}}),
            1 => json!({"uri": {"exact": "/one"}}),
            2 => json!({"uri": {"regex": "/r/[0-9]+"}}),
            _ => json!({"method": {"exact": "POST"}}),
        };
        if self.chance(0.3) {
            matched["headers"] = json!({"x-user": {"exact": "jason"}, "x-any": {}});
        }
        if self.chance(0.15) {
            matched["withoutHeaders"] = json!({"x-not": {"prefix": "n"}});
        }
        if self.chance(0.15) {
            matched["queryParams"] = json!({"q": {"exact": "1"}});
        }
        if self.chance(0.2) {
            matched["port"] = self.one_of(&[80, 8080]).into();
        }
        if self.chance(0.15) {
            matched["sourceLabels"] = json!({"app": self.one_of(&APPS)});
        }
        if self.chance(0.1) {
            matched["sourceNamespace"] = self.one_of(&NAMESPACES).into();
        }
        if self.chance(0.2) {
            matched["ignoreUriCase"] = true.into();
        }
        matched
    }
}
