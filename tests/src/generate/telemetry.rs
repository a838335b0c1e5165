//! Random Telemetries, and the providers that they refer to.

use serde_json::{Value, json};

use super::{APPS, Generator, NAMESPACES};

impl Generator {
    /// Providers in MeshConfig, and Telemetries of the mesh, a namespace or a workload.
    pub(super) fn telemetry(&mut self) {
        self.providers();
        for _ in 0..self.between(1, 4) {
            let namespace = self.one_of(&["istio-system", NAMESPACES[0], NAMESPACES[1]]);
            let mut spec = json!({});
            if namespace != "istio-system" && self.chance(0.5) {
                spec["selector"] = json!({"matchLabels": {"app": self.one_of(&APPS)}});
            }
            if self.chance(0.85) {
                let count = if self.chance(0.2) { 2 } else { 1 };
                spec["tracing"] = (0..count).map(|_| self.tracing()).collect();
            }
            if self.chance(0.2) {
                spec["accessLogging"] = json!([{"providers": [{"name": "envoy"}], "disabled": self.chance(0.5)}]);
            }
            if self.chance(0.2) {
                spec["metrics"] = json!([{"providers": [{"name": "prometheus"}],
                    "overrides": [{"match": {"metric": "REQUEST_COUNT", "mode": "CLIENT"}, "disabled": true}]}]);
            }
            let name = self.one_of(&["telemetry", "more", "third"]);
            self.push("telemetry.istio.io/v1", "Telemetry", namespace, name, spec);
        }
    }

    fn providers(&mut self) {
        let of = self.one_of(&NAMESPACES);
        let service = self.one_of(&["server", "web", "store", "missing"]);
        let host = format!("{service}.{of}.svc.cluster.local");
        let host = if self.chance(0.3) { format!("{of}/{host}") } else { host };
        let mut collector = json!({"service": host, "port": self.one_of(&[80, 4317])});
        match self.between(0, 5) {
            0 => {
                collector["http"] =
                    json!({"path": "/v1/traces", "timeout": "3s", "headers": [{"name": "a", "value": "b"}]});
            }
            1 => collector["grpc"] = json!({"timeout": "1.5s", "initialMetadata": [{"name": "a", "value": "b"}]}),
            2 => collector["maxTagLength"] = 64.into(),
            3 => collector["serviceAttributeEnrichment"] = "OTEL_SEMANTIC_CONVENTIONS".into(),
            _ => {}
        }
        let mut config = json!({"extensionProviders": [{"name": "otel", "opentelemetry": collector}]});
        if self.chance(0.5) {
            config["defaultProviders"] = json!({"tracing": ["otel"]});
        }
        if self.chance(0.3) {
            config["defaultConfig"] = json!({"tracing": {"sampling": 12.5, "maxPathTagLength": 99,
                "customTags": {"of-proxy": {"literal": {"value": "p"}}}}});
        }
        let metadata = json!({"name": "istio", "namespace": "istio-system"});
        let is_config = |document: &&mut Value| document["kind"] == "ConfigMap";
        match self.documents.iter_mut().find(is_config) {
            // YAML's flow style is JSON: the lines before it stay.
            Some(document) => {
                let before =
                    document["data"]["mesh"].as_str().filter(|text| *text != "{}").unwrap_or_default().to_owned();
                let more = config.as_object().into_iter().flatten().map(|(name, value)| format!("{name}: {value}"));
                document["data"]["mesh"] = [before].into_iter().chain(more).collect::<Vec<_>>().join("\n").into();
            }
            None => self.documents.push(json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata,
                "data": {"mesh": config.to_string()}})),
        }
    }

    fn tracing(&mut self) -> Value {
        let mut tracing = json!({});
        if self.chance(0.5) {
            tracing["providers"] = json!([{"name": self.one_of(&["otel", "OTEL", "missing"])}]);
        }
        if self.chance(0.3) {
            tracing["match"] = json!({"mode": self.one_of(&["CLIENT", "SERVER", "CLIENT_AND_SERVER"])});
        }
        if self.chance(0.6) {
            tracing["randomSamplingPercentage"] = self.one_of(&[0.0, 33.3, 100.0]).into();
        }
        if self.chance(0.2) {
            tracing["disableSpanReporting"] = self.chance(0.5).into();
        }
        if self.chance(0.4) {
            tracing["customTags"] = json!({
                "fixed": {"literal": {"value": "x"}},
                "user": {"header": {"name": "end-user", "defaultValue": "none"}},
                "home": {"environment": {"name": "HOME"}},
            });
        }
        if self.chance(0.2) {
            tracing["useRequestIdForTraceSampling"] = self.chance(0.5).into();
        }
        if self.chance(0.2) {
            tracing["enableIstioTags"] = self.chance(0.5).into();
        }
        if self.chance(0.2) {
            tracing["disableContextPropagation"] = self.chance(0.5).into();
        }
        tracing
    }
}
