//! MeshConfig: the mesh's own settings (`mesh/v1alpha1/config.proto` in istio/api, defaults in `pkg/config/mesh/mesh.go`).

mod sources;

use std::collections::BTreeSet;

use serde::de::DeserializeOwned;
use serde_json::{Map, Value, json};

use self::sources::Settings;
use super::capture::proxy_config::{self, Effect};
use crate::{
    fault::Faults,
    manifests::{Manifests, nearest, read, telemetry::ExtensionProvider},
    model::{
        DefaultExportTo, DefaultProviders, MeshConfig, MeshTls, OutboundTrafficPolicy, PathNormalization, Provider,
        ProviderKind, Source, TlsFloor,
    },
};

/// The settings that are read.
const SUPPORTED: [&str; 22] = [
    "trustDomain",
    "trustDomainAliases",
    "rootNamespace",
    "enableAutoMtls",
    "outboundTrafficPolicy",
    "accessLogFile",
    "accessLogEncoding",
    "extensionProviders",
    "defaultProviders",
    "protocolDetectionTimeout",
    "pathNormalization",
    "meshMTLS",
    "tlsDefaults",
    "defaultConfig",
    "defaultServiceExportTo",
    "defaultVirtualServiceExportTo",
    "defaultDestinationRuleExportTo",
    "h2UpgradePolicy",
    "connectTimeout",
    "tcpKeepalive",
    "defaultHttpRetryPolicy",
    "inboundTrafficPolicy",
];

/// Settings that are not read, and do not affect any answer.
const WITHOUT_EFFECT: [&str; 21] = [
    "accessLogFormat",
    "certificates",
    "configSources",
    "disableEnvoyListenerLog",
    "dnsRefreshRate",
    "enableClientSidePolicyCheck",
    "enableEnvoyAccessLogService",
    "enablePrometheusMerge",
    "enableTracing",
    "hboneIdleTimeout",
    "inboundClusterStatName",
    "ingressClass",
    "ingressControllerMode",
    "ingressSelector",
    "ingressService",
    "localityLbSetting",
    "outboundClusterStatName",
    "proxyHttpPort",
    "statPrefix",
    "thriftConfig",
    "verifyCertificateAtClient",
];

/// Settings that are not read though they may change an answer, with the behaviour assumed instead.
fn decisive(name: &str) -> Option<Value> {
    Some(match name {
        "proxyListenPort" => json!(15001),
        "proxyInboundListenPort" => json!(15006),
        "caCertificates" | "discoverySelectors" | "serviceScopeConfigs" | "serviceSettings" => json!([]),
        "ca" | "defaultTrafficPolicy" => json!({}),
        _ => return None,
    })
}

const DECISIVE: [&str; 8] = [
    "ca",
    "caCertificates",
    "defaultTrafficPolicy",
    "discoverySelectors",
    "proxyInboundListenPort",
    "proxyListenPort",
    "serviceScopeConfigs",
    "serviceSettings",
];

/// Reads the mesh's settings; Istio's defaults if unset.
pub(super) fn resolve(manifests: &Manifests, faults: &mut Faults) -> MeshConfig {
    let mut config = MeshConfig {
        trust_domain: "cluster.local".into(),
        trust_domain_aliases: vec![],
        root_namespace: "istio-system".into(),
        enable_auto_mtls: true,
        outbound_traffic_policy: OutboundTrafficPolicy::AllowAny,
        access_log_file: None,
        access_log_json: false,
        providers: vec![],
        default_providers: DefaultProviders::default(),
        protocol_detection_timeout_ms: 0,
        path_normalization: PathNormalization::default(),
        export_to: DefaultExportTo::default(),
        upgrades_to_http2: false,
        default_retries: None,
        apps_are_on_loopback: false,
        connect_timeout_ms: 10_000,
        tcp_keepalive: None,
        mesh_mtls: MeshTls::default(),
        tls_defaults: MeshTls::default(),
        proxy_config: Map::new(),
        injection_defaults: Default::default(),
        source: Source::default_of("MeshConfig"),
    };
    for settings in sources::of(manifests, faults) {
        config.source = settings.source.clone();
        config.injection_defaults.extend(settings.injection_defaults.clone());
        Reader { settings: &settings, faults: &mut *faults, config: &mut config }.read();
    }
    config
}

struct Reader<'a, 'm> {
    settings: &'a Settings<'m>,
    faults: &'a mut Faults,
    config: &'a mut MeshConfig,
}

/// The path within a setting, and the message.
type Wrong = (String, String);

impl Reader<'_, '_> {
    fn read(mut self) {
        let settings = self.settings;
        let mut without_effect = Vec::new();
        for (name, value) in &settings.fields {
            if WITHOUT_EFFECT.contains(&name.as_str()) {
                without_effect.push(name.as_str());
            } else if let Err((within, message)) = self.field(name, value) {
                self.faults.error(self.settings.object, self.settings.field(&format!("{name}{within}")), message);
            }
        }
        if let [first, ..] = without_effect[..] {
            let message = format!("does not affect any answer; nor do: {}", without_effect[1..].join(", "));
            let message = message.trim_end_matches("; nor do: ");
            self.faults.note(self.settings.object, self.settings.field(first), message);
        }
    }

    /// Reads one setting.
    fn field(&mut self, name: &str, value: &Value) -> Result<(), Wrong> {
        let whole = |message: String| (String::new(), message);
        match name {
            "trustDomain" => self.config.trust_domain = trust_domain(value).map_err(whole)?,
            "trustDomainAliases" => {
                let aliases = value.as_array().ok_or_else(|| whole("expected a list".into()))?;
                let aliases = aliases.iter().enumerate();
                let aliases = aliases.map(|(i, alias)| trust_domain(alias).map_err(|e| (format!("[{i}]"), e)));
                self.config.trust_domain_aliases = aliases.collect::<Result<_, _>>()?;
            }
            "rootNamespace" => self.config.root_namespace = string(value).map_err(whole)?,
            "enableAutoMtls" => {
                self.config.enable_auto_mtls = value.as_bool().ok_or_else(|| whole("expected true or false".into()))?;
            }
            "outboundTrafficPolicy" => self.outbound_traffic_policy(name, value)?,
            "accessLogFile" => {
                self.config.access_log_file = Some(string(value).map_err(whole)?).filter(|f| !f.is_empty());
            }
            "accessLogEncoding" => match value.as_str() {
                Some("TEXT") => self.config.access_log_json = false,
                Some("JSON") => self.config.access_log_json = true,
                _ => return Err(whole(format!("{value} is not an encoding; expected TEXT or JSON"))),
            },
            "extensionProviders" => self.providers(value)?,
            "defaultProviders" => self.config.default_providers = self.typed("defaultProviders", value)?,
            "protocolDetectionTimeout" => {
                self.config.protocol_detection_timeout_ms = milliseconds(value).map_err(whole)?;
            }
            "pathNormalization" => self.config.path_normalization = path_normalization(value)?,
            "defaultServiceExportTo" => self.config.export_to.services = set(value).map_err(whole)?,
            "defaultVirtualServiceExportTo" => self.config.export_to.virtual_services = set(value).map_err(whole)?,
            "defaultDestinationRuleExportTo" => self.config.export_to.destination_rules = set(value).map_err(whole)?,
            "h2UpgradePolicy" => match value.as_str() {
                Some("UPGRADE") => self.config.upgrades_to_http2 = true,
                Some("DO_NOT_UPGRADE") => self.config.upgrades_to_http2 = false,
                _ => return Err(whole(format!("{value} is not a policy; expected UPGRADE or DO_NOT_UPGRADE"))),
            },
            "connectTimeout" => self.config.connect_timeout_ms = milliseconds(value).map_err(whole)?,
            "tcpKeepalive" => {
                let keepalive = read(value.clone()).map_err(|e| (format!(".{}", e.path), e.message))?.0;
                self.config.tcp_keepalive = Some(keepalive);
            }
            "defaultHttpRetryPolicy" => self.config.default_retries = self.typed(name, value)?,
            "inboundTrafficPolicy" => {
                self.config.apps_are_on_loopback = match value.get("mode").and_then(Value::as_str) {
                    None | Some("PASSTHROUGH") => false,
                    Some("LOCALHOST") => true,
                    Some(other) => {
                        let message = format!("{other} is not a mode; expected PASSTHROUGH or LOCALHOST");
                        return Err((".mode".into(), message));
                    }
                };
            }
            "meshMTLS" => {
                let tls = mesh_tls(value)?;
                if !tls.ecdh_curves.is_empty() {
                    return Err((".ecdhCurves".into(), "mesh TLS does not support a choice of curves".into()));
                }
                self.config.mesh_mtls = tls;
            }
            "tlsDefaults" => {
                let tls = mesh_tls(value)?;
                if tls.floor != TlsFloor::Auto {
                    let field = self.settings.field("tlsDefaults.minProtocolVersion");
                    let message = "has no effect on sidecars; meshMTLS.minProtocolVersion has";
                    self.faults.warn(self.settings.object, field, message);
                }
                self.config.tls_defaults = tls;
            }
            "defaultConfig" => {
                let fields = value.as_object().ok_or_else(|| whole("expected a ProxyConfig".into()))?;
                for (part, value) in fields {
                    let field = self.settings.field(&format!("defaultConfig.{part}"));
                    match proxy_config::effect(part, value) {
                        Effect::Read | Effect::None => {}
                        Effect::NotRead(part) => {
                            let message = format!("{part} is not supported yet: it may change what is answered here");
                            self.faults.set_aside(self.settings.object, &field, message);
                        }
                        Effect::Unknown(fix) => {
                            self.faults.error(self.settings.object, field, format!("unknown field{fix}"));
                        }
                    }
                }
                self.config.proxy_config.extend(fields.clone());
            }
            _ => match decisive(name) {
                Some(default) if *value == default => {}
                Some(_) => {
                    let message = "is not supported yet: it may change what is answered here".to_owned();
                    self.faults.set_aside(self.settings.object, &self.settings.field(name), message);
                }
                None => return Err(whole(unknown(name))),
            },
        }
        Ok(())
    }

    /// Reads a setting as a type. Fields that it does not know are faults.
    fn typed<T: DeserializeOwned>(&mut self, name: &str, value: &Value) -> Result<T, Wrong> {
        let within =
            |path: &str| if path.is_empty() || path.starts_with('[') { path.to_owned() } else { format!(".{path}") };
        let (typed, unknown) = read(value.clone()).map_err(|misfit| (within(&misfit.path), misfit.message))?;
        for misfit in unknown {
            let field = self.settings.field(&format!("{name}{}", within(&misfit.path)));
            self.faults.error(self.settings.object, field, misfit.message);
        }
        Ok(typed)
    }

    /// A later source replaces those of the same names (`applyMeshConfig` in `pkg/config/mesh/mesh.go`).
    fn providers(&mut self, value: &Value) -> Result<(), Wrong> {
        const AUTHORIZERS: [&str; 2] = ["envoyExtAuthzHttp", "envoyExtAuthzGrpc"];
        const KINDS: [&str; 15] = [
            "datadog",
            "envoyExtAuthzGrpc",
            "envoyExtAuthzHttp",
            "envoyFileAccessLog",
            "envoyHttpAls",
            "envoyOtelAls",
            "envoyTcpAls",
            "lightstep",
            "opencensus",
            "opentelemetry",
            "prometheus",
            "sds",
            "skywalking",
            "stackdriver",
            "zipkin",
        ];
        let all: Vec<ExtensionProvider> = match value {
            Value::Null => vec![],
            value => self.typed("extensionProviders", value)?,
        };
        for (i, ExtensionProvider { name, opentelemetry, others }) in all.into_iter().enumerate() {
            let at = |message: String| (format!("[{i}]"), message);
            if name.is_empty() {
                return Err((format!("[{i}].name"), "is missing".into()));
            }
            let known = |kind: &&String| KINDS.contains(&kind.as_str());
            if let Some(unknown) = others.keys().find(|kind| !known(kind)) {
                let meant = nearest(unknown, KINDS.into_iter()).map(|meant| format!("; did you mean {meant}?"));
                return Err((format!("[{i}].{unknown}"), format!("unknown field{}", meant.unwrap_or_default())));
            }
            let kind = match (opentelemetry, others.into_iter().next()) {
                (Some(collector), None) if collector.service.is_empty() => {
                    return Err((format!("[{i}].opentelemetry.service"), "is missing".into()));
                }
                (Some(collector), None) if !(1..=65535).contains(&collector.port) => {
                    let message = format!("{} is out of range; a port is a number from 1 to 65535", collector.port);
                    return Err((format!("[{i}].opentelemetry.port"), message));
                }
                (Some(collector), None) => ProviderKind::OpenTelemetry(Box::new(collector)),
                (None, Some((kind, of))) if AUTHORIZERS.contains(&kind.as_str()) => {
                    let service = of.get("service").and_then(Value::as_str).unwrap_or_default();
                    if service.is_empty() {
                        return Err((format!("[{i}].{kind}.service"), "is missing".into()));
                    }
                    ProviderKind::Authorizer { service: service.to_owned() }
                }
                (None, Some((kind, _))) => ProviderKind::Other(kind),
                (None, None) => return Err(at(format!("needs one of {}", KINDS.join(", ")))),
                (Some(_), Some((other, _))) => return Err(at(format!("has both opentelemetry and {other}; keep one"))),
            };
            let source = self.settings.source.at(self.settings.field(&format!("extensionProviders[{i}]")));
            self.config.providers.retain(|earlier| earlier.name != name);
            self.config.providers.push(Provider { name, kind, source });
        }
        Ok(())
    }

    fn outbound_traffic_policy(&mut self, name: &str, value: &Value) -> Result<(), Wrong> {
        let wrong = |within: &str, message: String| (within.to_owned(), message);
        let fields = value.as_object().ok_or_else(|| wrong("", "expected a mapping with mode".to_owned()))?;
        if let Some(other) = fields.keys().find(|key| *key != "mode") {
            return Err(wrong("", format!("unknown field {other}; known is mode")));
        }
        self.config.outbound_traffic_policy = match fields.get("mode").and_then(Value::as_str) {
            None | Some("ALLOW_ANY") => OutboundTrafficPolicy::AllowAny,
            Some("REGISTRY_ONLY") => OutboundTrafficPolicy::RegistryOnly,
            Some("ALLOW_ANY_DYNAMIC_DNS") => {
                let message = "ALLOW_ANY_DYNAMIC_DNS is taken for ALLOW_ANY: calls to unknown hosts go on to where they were going, not to what the sidecar resolves";
                let field = self.settings.field(&format!("{name}.mode"));
                self.faults.set_aside(self.settings.object, &field, message.to_owned());
                OutboundTrafficPolicy::AllowAny
            }
            Some(other) => {
                let known = "expected ALLOW_ANY, ALLOW_ANY_DYNAMIC_DNS or REGISTRY_ONLY";
                return Err(wrong(".mode", format!("{other} is not a mode; {known}")));
            }
        };
        Ok(())
    }
}

/// `MeshConfig.ProxyPathNormalization`.
fn path_normalization(value: &Value) -> Result<PathNormalization, Wrong> {
    let fields =
        value.as_object().ok_or_else(|| (String::new(), "expected a mapping with normalization".to_owned()))?;
    if let Some(other) = fields.keys().find(|key| *key != "normalization") {
        return Err((String::new(), format!("unknown field {other}; known is normalization")));
    }
    Ok(match fields.get("normalization").map(|value| (value, value.as_str())) {
        None | Some((_, Some("DEFAULT" | "BASE"))) => PathNormalization::Base,
        Some((_, Some("NONE"))) => PathNormalization::None,
        Some((_, Some("MERGE_SLASHES"))) => PathNormalization::MergeSlashes,
        Some((_, Some("DECODE_AND_MERGE_SLASHES"))) => PathNormalization::DecodeAndMergeSlashes,
        Some((other, _)) => {
            let known = "expected DEFAULT, NONE, BASE, MERGE_SLASHES or DECODE_AND_MERGE_SLASHES";
            return Err((".normalization".into(), format!("{other} is not a normalization; {known}")));
        }
    })
}

fn trust_domain(value: &Value) -> Result<String, String> {
    let domain = string(value)?;
    if domain.is_empty() || domain.contains(|c: char| c == '/' || c.is_whitespace()) {
        return Err(format!("{domain:?} is not a trust domain"));
    }
    Ok(domain)
}

/// `MeshConfig.TLSConfig`.
fn mesh_tls(value: &Value) -> Result<MeshTls, Wrong> {
    let fields = value.as_object().ok_or_else(|| (String::new(), "expected a mapping".to_owned()))?;
    let mut tls = MeshTls::default();
    for (name, value) in fields {
        let at = |message: String| (format!(".{name}"), message);
        match name.as_str() {
            "minProtocolVersion" => {
                tls.floor = match value.as_str() {
                    Some("TLS_AUTO") => TlsFloor::Auto,
                    Some("TLSV1_2") => TlsFloor::Tls12,
                    Some("TLSV1_3") => TlsFloor::Tls13,
                    _ => return Err(at(format!("{value} is not a version; expected TLS_AUTO, TLSV1_2 or TLSV1_3"))),
                };
            }
            "cipherSuites" => tls.cipher_suites = strings(value).map_err(at)?,
            "ecdhCurves" => tls.ecdh_curves = strings(value).map_err(at)?,
            _ => {
                let known = ["minProtocolVersion", "cipherSuites", "ecdhCurves"];
                return Err(at(format!("unknown field; known are {}", known.join(", "))));
            }
        }
    }
    Ok(tls)
}

fn unknown(name: &str) -> String {
    let known = SUPPORTED.into_iter().chain(WITHOUT_EFFECT).chain(DECISIVE);
    match nearest(name, known) {
        Some(meant) => format!("unknown field; did you mean {meant}?"),
        None => format!("unknown field; supported are {}", SUPPORTED.join(", ")),
    }
}

fn string(value: &Value) -> Result<String, String> {
    value.as_str().map(str::to_owned).ok_or_else(|| format!("expected a text, not {value}"))
}

/// Texts, each once.
fn set(value: &Value) -> Result<BTreeSet<String>, String> {
    Ok(strings(value)?.into_iter().collect())
}

fn strings(value: &Value) -> Result<Vec<String>, String> {
    let texts = value.as_array().ok_or_else(|| format!("expected a list of texts, not {value}"))?;
    texts.iter().map(string).collect()
}

/// A duration as protobuf writes it in JSON: seconds with up to nine decimals, then `s`.
fn milliseconds(value: &Value) -> Result<u64, String> {
    let seconds = value.as_str().and_then(|text| text.strip_suffix('s')?.parse::<f64>().ok());
    match seconds {
        Some(seconds) if (0.0..=86_400.0).contains(&seconds) => Ok((seconds * 1000.0).round() as u64),
        _ => Err(format!("{value} is not a duration; expected seconds with an s, such as 5s or 0.1s")),
    }
}

#[cfg(test)]
mod tests;
