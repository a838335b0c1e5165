//! Random DestinationRules.

use serde_json::{Value, json};

use super::{Generator, HOSTS, NAMESPACES};

impl Generator {
    pub(super) fn destination_rule(&mut self) {
        let namespace = self.one_of(&["default", "shop", "other", "istio-system"]);
        let app = self.one_of(&["server", "store", "web", "client"]);
        let of = self.one_of(&NAMESPACES);
        let host = match self.between(0, 4) {
            0 => app.to_owned(),
            1 => format!("{app}.{of}"),
            2 => self.one_of(&HOSTS).to_owned(),
            3 => self.one_of(&["*.local", "*.shop.svc.cluster.local", "*.example.com", "*"]).to_owned(),
            _ => format!("{app}.{of}.svc.cluster.local"),
        };
        let mut spec = json!({"host": host});
        if self.chance(0.9) {
            spec["trafficPolicy"] = self.traffic_policy();
        }
        if self.chance(0.3) && !host.starts_with('*') {
            let mut subsets = vec![json!({"name": "v1", "labels": {"version": "v1"}})];
            if self.chance(0.4) {
                subsets.push(json!({"name": "v2", "labels": {"version": "v2", "app": "server"}}));
            }
            for subset in &mut subsets {
                if self.chance(0.5) {
                    subset["trafficPolicy"] = self.traffic_policy();
                }
            }
            spec["subsets"] = subsets.into();
        }
        if self.chance(0.3) {
            spec["exportTo"] = self.export_to();
        }
        if self.chance(0.1) && spec.get("exportTo").is_none() {
            spec["workloadSelector"] = json!({"matchLabels": {"app": "client"}});
            if self.chance(0.3) {
                spec["trafficPolicy"] = json!({"tls": {"mode": "MUTUAL", "credentialName": "client-credential"}});
            }
        }
        let name = self.one_of(&["first", "second", "third"]);
        self.push("networking.istio.io/v1", "DestinationRule", namespace, name, spec);
    }

    fn traffic_policy(&mut self) -> Value {
        // An empty policy is refused.
        let mut policy = json!({});
        let has_tls = self.chance(0.8);
        if has_tls {
            policy["tls"] = self.tls();
        }
        if !has_tls || self.chance(0.3) {
            let mut at = json!({"port": {"number": self.one_of(&[80, 443, 8080])}, "tls": self.tls()});
            if self.chance(0.2) {
                at = json!({"port": at["port"], "loadBalancer": {"simple": "LEAST_REQUEST"}});
            }
            if self.chance(0.5) {
                self.settings(&mut at);
            }
            policy["portLevelSettings"] = json!([at]);
        }
        if self.chance(0.5) {
            self.settings(&mut policy);
        }
        policy
    }

    fn tls(&mut self) -> Value {
        let mode = self.one_of(&["DISABLE", "ISTIO_MUTUAL", "ISTIO_MUTUAL", "SIMPLE", "MUTUAL"]);
        let mut tls = json!({"mode": mode});
        if mode == "MUTUAL" {
            tls["clientCertificate"] = "/etc/certs/cert.pem".into();
            tls["privateKey"] = "/etc/certs/key.pem".into();
            tls["caCertificates"] = "/etc/certs/ca.pem".into();
        }
        if mode == "SIMPLE" && self.chance(0.3) {
            tls["caCertificates"] = self.one_of(&["/etc/certs/ca.pem", "system"]).into();
        }
        if mode != "DISABLE" && self.chance(0.3) {
            tls["sni"] = "sni.example.com".into();
        }
        if mode != "DISABLE" && self.chance(0.3) {
            tls["subjectAltNames"] = json!(["san.example.com", "spiffe://cluster.local/ns/shop/sa/runner"]);
        }
        if mode == "SIMPLE" && tls.get("subjectAltNames").is_none() && self.chance(0.3) {
            tls["insecureSkipVerify"] = true.into();
        }
        tls
    }

    /// Adds load balancing, limits and outlier detection to the settings of a destination, a port or a subset.
    fn settings(&mut self, policy: &mut Value) {
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
            if self.chance(0.15) {
                pool["http"]["http2KeepAlive"] = json!({"interval": "20s", "timeout": "5s"});
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
}
