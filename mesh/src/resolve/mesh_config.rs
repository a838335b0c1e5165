//! MeshConfig, as Istio keeps it: YAML in key `mesh` of ConfigMap `istio` in `istio-system`.

use serde_json::{Map, Value, json};

use crate::{
    fault::Faults,
    load::nearest,
    manifests::{Manifests, Object},
    model::{MeshConfig, OutboundTrafficPolicy, Source},
};

/// What is read.
const SUPPORTED: [&str; 7] = [
    "trustDomain",
    "rootNamespace",
    "enableAutoMtls",
    "outboundTrafficPolicy",
    "accessLogFile",
    "accessLogEncoding",
    "protocolDetectionTimeout",
];

/// What is not read and decides nothing that is shown here: a warning.
const WITHOUT_EFFECT: [&str; 25] = [
    "accessLogFormat",
    "certificates",
    "configSources",
    "connectTimeout",
    "defaultConfig",
    "defaultProviders",
    "disableEnvoyListenerLog",
    "dnsRefreshRate",
    "enableEnvoyAccessLogService",
    "enablePrometheusMerge",
    "enableTracing",
    "extensionProviders",
    "inboundClusterStatName",
    "ingressClass",
    "ingressControllerMode",
    "ingressSelector",
    "ingressService",
    "localityLbSetting",
    "outboundClusterStatName",
    "pathNormalization",
    "proxyHttpPort",
    "statPrefix",
    "tcpKeepalive",
    "thriftConfig",
    "verifyCertificateAtClient",
];

/// What is not read though it would change who may call whom: an error, unless it says what holds anyway.
fn decisive(name: &str) -> Option<Value> {
    Some(match name {
        "proxyListenPort" => json!(15001),
        "proxyInboundListenPort" => json!(15006),
        "inboundTrafficPolicy" => json!({"mode": "PASSTHROUGH"}),
        "defaultServiceExportTo" | "defaultVirtualServiceExportTo" | "defaultDestinationRuleExportTo" => json!(["*"]),
        "h2UpgradePolicy" => json!("DO_NOT_UPGRADE"),
        "caCertificates" | "discoverySelectors" | "serviceScopeConfigs" | "serviceSettings" | "trustDomainAliases" => {
            json!([])
        }
        "ca" | "defaultHttpRetryPolicy" | "meshMTLS" | "tlsDefaults" => json!({}),
        _ => return None,
    })
}

const DECISIVE: [&str; 15] = [
    "ca",
    "caCertificates",
    "defaultDestinationRuleExportTo",
    "defaultHttpRetryPolicy",
    "defaultServiceExportTo",
    "defaultVirtualServiceExportTo",
    "discoverySelectors",
    "h2UpgradePolicy",
    "inboundTrafficPolicy",
    "meshMTLS",
    "proxyInboundListenPort",
    "proxyListenPort",
    "serviceScopeConfigs",
    "serviceSettings",
    "tlsDefaults",
];

/// Reads the mesh's settings; Istio's defaults where nothing is said.
pub(super) fn resolve(manifests: &Manifests, faults: &mut Faults) -> MeshConfig {
    let mut config = MeshConfig {
        trust_domain: "cluster.local".into(),
        root_namespace: "istio-system".into(),
        enable_auto_mtls: true,
        outbound_traffic_policy: OutboundTrafficPolicy::AllowAny,
        access_log_file: None,
        access_log_json: false,
        protocol_detection_timeout_ms: 0,
        source: Source::default_of("MeshConfig"),
    };
    let is_mesh_config = |name: &crate::model::ObjectName| name.name == "istio" && name.namespace == "istio-system";
    let Some(object) = manifests.config_maps.iter().find(|o| is_mesh_config(&o.head.name)) else { return config };
    let Some(text) = object.body.data.as_ref().and_then(|data| data.get("mesh")) else {
        faults.error(
            object,
            "data.mesh",
            "is missing: ConfigMap istio in istio-system holds the mesh's settings in this key",
        );
        return config;
    };
    config.source = object.head.source.at("data.mesh");
    match serde_saphyr::from_str::<Option<Map<String, Value>>>(text) {
        Ok(fields) => Reader { object, faults, config: &mut config }.read(&fields.unwrap_or_default()),
        Err(e) => {
            let reason = e.without_snippet().to_string();
            faults.error(object, "data.mesh", format!("not YAML: {}", reason.lines().next().unwrap_or_default()));
        }
    }
    config
}

struct Reader<'a, T> {
    object: &'a Object<T>,
    faults: &'a mut Faults,
    config: &'a mut MeshConfig,
}

impl<T> Reader<'_, T> {
    fn read(mut self, fields: &Map<String, Value>) {
        for (name, value) in fields {
            if let Err((within, message)) = self.field(name, value) {
                self.faults.error(self.object, format!("data.mesh.{name}{within}"), message);
            }
        }
    }

    /// Reads one setting; else says where within it the fault is, and what.
    fn field(&mut self, name: &str, value: &Value) -> Result<(), (&'static str, String)> {
        let whole = |message: String| ("", message);
        match name {
            "trustDomain" => {
                let domain = string(value).map_err(whole)?;
                if domain.is_empty() || domain.contains(|c: char| c == '/' || c.is_whitespace()) {
                    return Err(("", format!("{domain:?} is no trust domain")));
                }
                self.config.trust_domain = domain;
            }
            "rootNamespace" => self.config.root_namespace = string(value).map_err(whole)?,
            "enableAutoMtls" => {
                self.config.enable_auto_mtls = value.as_bool().ok_or(("", "true or false was expected".to_owned()))?;
            }
            "outboundTrafficPolicy" => self.outbound_traffic_policy(value)?,
            "accessLogFile" => {
                self.config.access_log_file = Some(string(value).map_err(whole)?).filter(|f| !f.is_empty());
            }
            "accessLogEncoding" => match value.as_str() {
                Some("TEXT") => self.config.access_log_json = false,
                Some("JSON") => self.config.access_log_json = true,
                _ => return Err(("", format!("{value} is no encoding; TEXT and JSON are"))),
            },
            "protocolDetectionTimeout" => {
                self.config.protocol_detection_timeout_ms = milliseconds(value).map_err(whole)?;
            }
            _ if WITHOUT_EFFECT.contains(&name) => {
                self.faults.warn(
                    self.object,
                    format!("data.mesh.{name}"),
                    "is not supported yet and has no effect here",
                );
            }
            _ => match decisive(name) {
                Some(default) if *value == default => {}
                Some(_) => return Err(("", "is not supported yet".into())),
                None => return Err(("", unknown(name))),
            },
        }
        Ok(())
    }

    fn outbound_traffic_policy(&mut self, value: &Value) -> Result<(), (&'static str, String)> {
        let fields = value.as_object().ok_or(("", "a mapping with mode was expected".to_owned()))?;
        if let Some(other) = fields.keys().find(|key| *key != "mode") {
            return Err(("", format!("unknown field {other}; known is mode")));
        }
        self.config.outbound_traffic_policy = match fields.get("mode").and_then(Value::as_str) {
            None | Some("ALLOW_ANY") => OutboundTrafficPolicy::AllowAny,
            Some("REGISTRY_ONLY") => OutboundTrafficPolicy::RegistryOnly,
            Some(other) => return Err((".mode", format!("{other} is not supported; ALLOW_ANY and REGISTRY_ONLY are"))),
        };
        Ok(())
    }
}

fn unknown(name: &str) -> String {
    let known = SUPPORTED.into_iter().chain(WITHOUT_EFFECT).chain(DECISIVE);
    match nearest(name, known) {
        Some(meant) => format!("unknown field; did you mean {meant}?"),
        None => format!("unknown field; supported are {}", SUPPORTED.join(", ")),
    }
}

fn string(value: &Value) -> Result<String, String> {
    value.as_str().map(str::to_owned).ok_or_else(|| format!("a text was expected, not {value}"))
}

/// A duration as protobuf writes it in JSON: seconds with up to nine decimals, then `s`.
fn milliseconds(value: &Value) -> Result<u64, String> {
    let seconds = value.as_str().and_then(|text| text.strip_suffix('s')?.parse::<f64>().ok());
    match seconds {
        Some(seconds) if (0.0..=86_400.0).contains(&seconds) => Ok((seconds * 1000.0).round() as u64),
        _ => Err(format!("{value} is no duration; seconds with an s were expected, such as 5s or 0.1s")),
    }
}

#[cfg(test)]
mod tests;
