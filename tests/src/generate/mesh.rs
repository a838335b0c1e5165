//! Random settings of the mesh, and of its sidecars.

use serde_json::json;

use super::{APPS, Generator, NAMESPACES};

/// Further settings, each with the chance that one of its forms is there.
const MORE: &[(f64, &[&str])] = &[
    (0.1, &["defaultServiceExportTo: ['.']", "defaultServiceExportTo: [shop]", "defaultServiceExportTo: ['*']"]),
    (0.1, &["defaultVirtualServiceExportTo: ['.']", "defaultVirtualServiceExportTo: [default, shop]"]),
    (0.1, &["defaultDestinationRuleExportTo: ['.']", "defaultDestinationRuleExportTo: ['*']"]),
    (0.15, &["h2UpgradePolicy: UPGRADE", "h2UpgradePolicy: DO_NOT_UPGRADE"]),
    (0.1, &["connectTimeout: 3s"]),
    (0.1, &["tcpKeepalive: {time: 60s, interval: 7s, probes: 4}", "tcpKeepalive: {time: 60s}"]),
    (0.15, &["trustDomainAliases: [old.example]", "trustDomainAliases: [old.example, another.example]"]),
    (0.1, &["meshMTLS: {minProtocolVersion: TLSV1_3}", "meshMTLS: {cipherSuites: [ECDHE-RSA-AES256-GCM-SHA384]}"]),
    (0.1, &["tlsDefaults: {cipherSuites: [ECDHE-RSA-AES256-GCM-SHA384]}", "tlsDefaults: {ecdhCurves: [P-256]}"]),
    (0.1, &["accessLogFile: /dev/stdout", "accessLogEncoding: JSON"]),
];

impl Generator {
    pub(super) fn mesh_config(&mut self) {
        let mut lines = vec![];
        if self.chance(0.5) {
            lines.push("outboundTrafficPolicy: {mode: REGISTRY_ONLY}");
        }
        if self.chance(0.3) {
            lines.push("enableAutoMtls: false");
        }
        if self.chance(0.3) {
            lines.push("trustDomain: example.org");
        }
        if self.chance(0.2) {
            lines.push("protocolDetectionTimeout: 5s");
        }
        if self.chance(0.3) {
            lines.push(self.one_of(&[
                "pathNormalization: {normalization: NONE}",
                "pathNormalization: {normalization: MERGE_SLASHES}",
                "pathNormalization: {normalization: DECODE_AND_MERGE_SLASHES}",
            ]));
        }
        for (chance, settings) in MORE {
            if self.chance(*chance) {
                lines.push(self.one_of(settings));
            }
        }
        let metadata = json!({"name": "istio", "namespace": "istio-system"});
        let text = if lines.is_empty() { "{}".to_owned() } else { lines.join("\n") };
        self.documents
            .push(json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": {"mesh": text}}));
    }

    /// A ProxyConfig: environment and threads of sidecars.
    pub(super) fn proxy_config(&mut self) {
        let namespace = self.one_of(&["istio-system", "default", "shop"]);
        let mut spec = json!({"concurrency": self.one_of(&[0, 2])});
        if namespace != "istio-system" && self.chance(0.5) {
            spec["selector"] = json!({"matchLabels": {"app": self.one_of(&APPS)}});
        }
        if self.chance(0.5) {
            spec["environmentVariables"] =
                self.one_of(&[|| json!({"ISTIO_META_IDLE_TIMEOUT": "30s"}), || json!({"ISTIO_META_HTTP10": "1"})])();
        }
        self.push("networking.istio.io/v1beta1", "ProxyConfig", namespace, "settings", spec);
    }

    /// Namespaces, most of which are injected, by the old label or that of a revision.
    pub(super) fn namespaces(&mut self) {
        for namespace in NAMESPACES {
            let labels = match self.between(0, 9) {
                0 | 1 => json!({}),
                2 => json!({"istio.io/rev": "default"}),
                _ => json!({"istio-injection": "enabled"}),
            };
            self.documents.push(
                json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace, "labels": labels}}),
            );
        }
    }
}
