//! A sidecar's ProxyConfig: MeshConfig's `defaultConfig`, ProxyConfigs, and annotation `proxy.istio.io/config` with one in YAML.
//! Injection hands its `proxyMetadata` to `istio-iptables` as environment variables.

use std::{collections::BTreeMap, net::Ipv4Addr};

use ipnet::Ipv4Net;
use serde_json::{Map, Value};

use super::{super::proxy_configs::Layers, Annotations};
use crate::{
    load::nearest,
    manifests::{Object, proxy_config::ProxyConfigSpec},
    model::{InterceptionMode, OwnerGroups},
};

pub(super) const ANNOTATION: &str = "proxy.istio.io/config";

/// What decides nothing that is shown here: a warning.
const WITHOUT_EFFECT: [&str; 24] = [
    "binaryPath",
    "concurrency",
    "configPath",
    "controlPlaneAuthPolicy",
    "discoveryAddress",
    "drainDuration",
    "envoyAccessLogService",
    "envoyMetricsService",
    "extraStatTags",
    "fileFlushInterval",
    "fileFlushMinSizeKb",
    "holdApplicationUntilProxyStarts",
    "image",
    "meshId",
    "proxyBootstrapTemplatePath",
    "proxyStatsMatcher",
    "readinessProbe",
    "serviceCluster",
    "statNameLength",
    "statsCompression",
    "statsdUdpAddress",
    "terminationDrainDuration",
    "tracing",
    "tracingServiceName",
];

/// What would change what is shown here, and is not read: a warning.
const DECISIVE: [&str; 9] = [
    "caCertificatesPem",
    "connectionSettings",
    "customConfigFile",
    "gatewayTopology",
    "privateKeyProvider",
    "proxyAdminPort",
    "proxyHeaders",
    "runtimeValues",
    "statusPort",
];

/// What a ProxyConfig says of the capture.
pub(super) struct ProxyConfig {
    pub(super) mode: Option<InterceptionMode>,
    pub(super) owner_groups: OwnerGroups,
    pub(super) ipv4_loopback: Ipv4Net,
    pub(super) drop_invalid: bool,
    pub(super) dns: bool,
}

type Fields = Map<String, Value>;

/// Reads a pod's annotation, between the ProxyConfigs of its namespace and of its workload; Istio's defaults where there is none.
pub(super) fn read(annotations: &mut Annotations<'_, '_>, layers: &Layers<'_>) -> ProxyConfig {
    let mut config = ProxyConfig {
        mode: None,
        owner_groups: OwnerGroups::AllBut(Vec::new()),
        ipv4_loopback: Ipv4Net::from(Ipv4Addr::LOCALHOST),
        drop_invalid: false,
        dns: false,
    };
    let own =
        match annotations.pod.annotations.get(ANNOTATION).map(|text| serde_saphyr::from_str::<Option<Fields>>(text)) {
            None => Fields::new(),
            Some(Ok(fields)) => fields.unwrap_or_default(),
            Some(Err(e)) => {
                let reason = e.without_snippet().to_string();
                let reason = reason.lines().next().unwrap_or_default();
                annotations.error(ANNOTATION, &format!("injection fails: not YAML: {reason}"));
                return config;
            }
        };
    // What the mesh says of all pods is looked at by itself; here it is what holds otherwise.
    let mesh = &annotations.mesh.proxy_config;
    if let Some(mode) = mesh.get("interceptionMode").and_then(Value::as_str).filter(|mode| *mode == "NONE") {
        config.mode = annotations.mode_of(ANNOTATION, mode);
    }
    let mut metadata = texts(mesh.get("proxyMetadata")).unwrap_or_default();
    let variables = |object: &Object<ProxyConfigSpec>| object.body.environment_variables.clone();
    for object in [layers.of_mesh, layers.of_namespace].into_iter().flatten() {
        metadata.extend(variables(object));
    }
    for (name, value) in &own {
        match name.as_str() {
            "interceptionMode" => config.mode = annotations.mode_of(ANNOTATION, value.as_str().unwrap_or_default()),
            "proxyMetadata" => match texts(Some(value)) {
                Some(own) => metadata.extend(own),
                None => annotations.error(ANNOTATION, "injection fails: proxyMetadata: expected strings by name"),
            },
            known if WITHOUT_EFFECT.contains(&known) => {
                annotations.note(ANNOTATION, &format!("{known} does not affect any answer"));
            }
            known if DECISIVE.contains(&known) => {
                annotations.warn(ANNOTATION, &format!("{known} is not supported yet and has no effect here"));
            }
            unknown => {
                let known = WITHOUT_EFFECT.into_iter().chain(DECISIVE).chain(["interceptionMode", "proxyMetadata"]);
                let fix = nearest(unknown, known).map(|meant| format!("; did you mean {meant}?")).unwrap_or_default();
                annotations.error(ANNOTATION, &format!("injection fails: unknown field {unknown}{fix}"));
            }
        }
    }
    metadata.extend(layers.of_workload.map(variables).unwrap_or_default());
    config.read_metadata(&metadata, annotations);
    config
}

fn texts(metadata: Option<&Value>) -> Option<BTreeMap<String, String>> {
    serde_json::from_value(metadata?.clone()).ok()
}

impl ProxyConfig {
    fn read_metadata(&mut self, metadata: &BTreeMap<String, String>, annotations: &mut Annotations<'_, '_>) {
        let groups = |text: &str| text.split(',').filter(|group| !group.is_empty()).map(str::to_owned).collect();
        let text = |name: &str| metadata.get(name).map(String::as_str);
        // Exclusions count only where all groups are included.
        self.owner_groups = match text("ISTIO_OUTBOUND_OWNER_GROUPS") {
            None | Some("*") => {
                OwnerGroups::AllBut(groups(text("ISTIO_OUTBOUND_OWNER_GROUPS_EXCLUDE").unwrap_or_default()))
            }
            Some(included) => OwnerGroups::Only(groups(included)),
        };
        for (name, value) in metadata {
            match name.as_str() {
                // The groups are read above, both families are captured in any case, and hosts without an address have here
                // those of the hosts outside that stand for them.
                "ISTIO_OUTBOUND_OWNER_GROUPS"
                | "ISTIO_OUTBOUND_OWNER_GROUPS_EXCLUDE"
                | "ISTIO_DUAL_STACK"
                | "ISTIO_META_DNS_AUTO_ALLOCATE" => {}
                "ISTIO_OUTBOUND_IPV4_LOOPBACK_CIDR" => match value.parse() {
                    Ok(range) => self.ipv4_loopback = range,
                    Err(_) => {
                        let message = format!(
                            "proxyMetadata {name}: {value:?} is not an IPv4 range; expected such as 127.0.0.1/8"
                        );
                        annotations.error(ANNOTATION, &message);
                    }
                },
                "INVALID_DROP" => self.drop_invalid = is_true(value),
                "ISTIO_META_DNS_CAPTURE" => self.dns = is_true(value),
                // The agent writes the sidecar's SVID there (`pkg/istio-agent/agent.go`).
                "OUTPUT_CERTS" => {
                    let message = format!(
                        "proxyMetadata OUTPUT_CERTS has the agent write the sidecar's certificate and key to {value}, which is not modelled: what reads them there finds nothing"
                    );
                    annotations.warn(ANNOTATION, &message);
                }
                _ if annotations.pod.annotations.get(ANNOTATION).is_none_or(|own| !own.contains(name.as_str())) => {}
                _ => annotations.note(ANNOTATION, &format!("proxyMetadata {name} does not affect any answer")),
            }
        }
    }
}

/// As Go's `strconv.ParseBool` reads it.
fn is_true(text: &str) -> bool {
    matches!(text, "1" | "t" | "T" | "true" | "TRUE" | "True")
}

#[cfg(test)]
mod tests;
