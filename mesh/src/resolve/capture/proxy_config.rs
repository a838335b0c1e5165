//! A sidecar's ProxyConfig: MeshConfig's `defaultConfig`, ProxyConfigs, and annotation `proxy.istio.io/config` with one in YAML.
//! Injection hands its `proxyMetadata` to `istio-iptables` as environment variables.

use std::{collections::BTreeMap, net::Ipv4Addr};

use ipnet::Ipv4Net;
use serde_json::{Map, Value};

use super::{
    super::{drafts::Draft, proxy_configs::ProxyConfigs},
    Annotations,
};
use crate::{
    load::nearest,
    manifests::{Object, proxy_config::ProxyConfigSpec},
    model::{InterceptionMode, MeshConfig, NodeMetadata, OwnerGroups, PROXY_CONFIG, SIDECAR_CONTAINER},
    time::go_duration,
};

/// What decides nothing that is shown here: a warning.
const WITHOUT_EFFECT: [&str; 29] = [
    "availabilityZone",
    "binaryPath",
    "concurrency",
    "configPath",
    "controlPlaneAuthPolicy",
    "discoveryAddress",
    "discoveryRefreshDelay",
    "drainDuration",
    "envoyAccessLogService",
    "envoyMetricsService",
    "envoyMetricsServiceAddress",
    "extraStatTags",
    "fileFlushInterval",
    "fileFlushMinSizeKb",
    "holdApplicationUntilProxyStarts",
    "image",
    "meshId",
    "proxyBootstrapTemplatePath",
    "proxyStatsMatcher",
    "readinessProbe",
    "sds",
    "serviceCluster",
    "statNameLength",
    "statsCompression",
    "statsdUdpAddress",
    "terminationDrainDuration",
    "tracing",
    "tracingServiceName",
    "zipkinAddress",
];

/// What would change what is shown here, and is not read: a warning.
const DECISIVE: [&str; 8] = [
    "caCertificatesPem",
    "connectionSettings",
    "customConfigFile",
    "privateKeyProvider",
    "proxyAdminPort",
    "proxyHeaders",
    "runtimeValues",
    "statusPort",
];

/// What is read.
const READ: [&str; 3] = ["gatewayTopology", "interceptionMode", "proxyMetadata"];

/// What a field of a ProxyConfig does to the answers here.
pub(in crate::resolve) enum Effect {
    Read,
    None,
    /// It would change some, and is not read: this part of it.
    NotRead(String),
    /// There is no such field; a word on which one may be meant.
    Unknown(String),
}

/// What a field with this value does.
pub(in crate::resolve) fn effect(name: &str, value: &Value) -> Effect {
    match name {
        "gatewayTopology" if value.get("proxyProtocol").is_some() => Effect::NotRead(format!("{name}.proxyProtocol")),
        read if READ.contains(&read) => Effect::Read,
        known if WITHOUT_EFFECT.contains(&known) => Effect::None,
        known if DECISIVE.contains(&known) => Effect::NotRead(known.to_owned()),
        unknown => {
            let known = WITHOUT_EFFECT.into_iter().chain(DECISIVE).chain(READ);
            Effect::Unknown(nearest(unknown, known).map(|meant| format!("; did you mean {meant}?")).unwrap_or_default())
        }
    }
}

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
pub(super) fn read(annotations: &mut Annotations<'_, '_>, proxy_configs: &ProxyConfigs<'_>) -> ProxyConfig {
    let mut config = ProxyConfig {
        mode: None,
        owner_groups: OwnerGroups::AllBut(Vec::new()),
        ipv4_loopback: Ipv4Net::from(Ipv4Addr::LOCALHOST),
        drop_invalid: false,
        dns: false,
    };
    let own = match own(annotations.pod) {
        Ok(own) => own,
        Err(reason) => {
            annotations.error(PROXY_CONFIG, &format!("injection fails: not YAML: {reason}"));
            return config;
        }
    };
    // What the mesh says of all pods is looked at by itself; here it is what holds otherwise.
    let mesh = &annotations.mesh.proxy_config;
    if let Some(mode) = mesh.get("interceptionMode").and_then(Value::as_str).filter(|mode| *mode == "NONE") {
        config.mode = annotations.mode_of(PROXY_CONFIG, mode);
    }
    for (name, value) in &own {
        match name.as_str() {
            "interceptionMode" => config.mode = annotations.mode_of(PROXY_CONFIG, value.as_str().unwrap_or_default()),
            "proxyMetadata" if texts(Some(value)).is_none() => {
                annotations.error(PROXY_CONFIG, "injection fails: proxyMetadata: expected strings by name");
            }
            other => match effect(other, value) {
                Effect::Read => {}
                Effect::None => annotations.note(PROXY_CONFIG, &format!("{other} does not affect any answer")),
                Effect::NotRead(part) => {
                    annotations.warn(PROXY_CONFIG, &format!("{part} is not supported yet and has no effect here"));
                }
                Effect::Unknown(fix) => {
                    annotations.error(PROXY_CONFIG, &format!("injection fails: unknown field {other}{fix}"));
                }
            },
        }
    }
    let metadata = proxy_metadata(annotations.pod, &own, annotations.mesh, proxy_configs);
    config.read_metadata(&metadata, annotations);
    config
}

/// What a pod's proxy reports of itself: from its ProxyConfig, and from the environment of a container that is written out, as of a
/// gateway.
pub(in crate::resolve) fn node_metadata(
    pod: &Draft<'_>,
    mesh: &MeshConfig,
    proxy_configs: &ProxyConfigs<'_>,
) -> NodeMetadata {
    let mut variables = proxy_metadata(pod, &own(pod).unwrap_or_default(), mesh, proxy_configs);
    let containers = pod.spec.init_containers.iter().flatten().chain(&pod.spec.containers);
    let environment = containers.filter(|container| container.name == SIDECAR_CONTAINER).flat_map(|proxy| &proxy.env);
    variables.extend(environment.flatten().filter_map(|one| Some((one.name.clone(), one.value.clone()?))));
    NodeMetadata {
        accepts_http_10: variables.get("ISTIO_META_HTTP10").is_some_and(|value| value == "1"),
        idle_timeout: variables.get("ISTIO_META_IDLE_TIMEOUT").and_then(|text| go_duration(text)),
    }
}

/// The fields of a pod's annotation.
///
/// # Errors
/// Why they can't be read.
fn own(pod: &Draft<'_>) -> Result<Fields, String> {
    let Some(text) = pod.annotations.get(PROXY_CONFIG) else { return Ok(Fields::new()) };
    let fields = serde_saphyr::from_str::<Option<Fields>>(text);
    fields.map(Option::unwrap_or_default).map_err(|error| {
        let reason = error.without_snippet().to_string();
        reason.lines().next().unwrap_or_default().to_owned()
    })
}

/// The environment variables that a pod's ProxyConfig sets.
fn proxy_metadata(
    pod: &Draft<'_>,
    own: &Fields,
    mesh: &MeshConfig,
    proxy_configs: &ProxyConfigs<'_>,
) -> BTreeMap<String, String> {
    let layers = proxy_configs.layers(&pod.name.namespace, &pod.labels);
    let variables = |object: &Object<ProxyConfigSpec>| object.body.environment_variables.clone();
    let mut metadata = texts(mesh.proxy_config.get("proxyMetadata")).unwrap_or_default();
    for object in [layers.of_mesh, layers.of_namespace].into_iter().flatten() {
        metadata.extend(variables(object));
    }
    metadata.extend(texts(own.get("proxyMetadata")).unwrap_or_default());
    metadata.extend(layers.of_workload.map(variables).unwrap_or_default());
    metadata
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
                // The groups are read above, `NodeMetadata` elsewhere, both families are captured in any case, and hosts without
                // an address have here those of the hosts outside that stand for them.
                "ISTIO_OUTBOUND_OWNER_GROUPS"
                | "ISTIO_OUTBOUND_OWNER_GROUPS_EXCLUDE"
                | "ISTIO_DUAL_STACK"
                | "ISTIO_META_DNS_AUTO_ALLOCATE"
                | "ISTIO_META_HTTP10" => {}
                "ISTIO_META_IDLE_TIMEOUT" if go_duration(value).is_some() => {}
                "ISTIO_META_IDLE_TIMEOUT" => {
                    let message = format!(
                        "proxyMetadata {name}: {value:?} is not a duration, and istiod ignores it; expected such as 30s"
                    );
                    annotations.warn(PROXY_CONFIG, &message);
                }
                "ISTIO_OUTBOUND_IPV4_LOOPBACK_CIDR" => match value.parse() {
                    Ok(range) => self.ipv4_loopback = range,
                    Err(_) => {
                        let message = format!(
                            "proxyMetadata {name}: {value:?} is not an IPv4 range; expected such as 127.0.0.1/8"
                        );
                        annotations.error(PROXY_CONFIG, &message);
                    }
                },
                "INVALID_DROP" => self.drop_invalid = is_true(value),
                "ISTIO_META_DNS_CAPTURE" => self.dns = is_true(value),
                // The agent writes the sidecar's SVID there (`pkg/istio-agent/agent.go`).
                "OUTPUT_CERTS" => {
                    let message = format!(
                        "proxyMetadata OUTPUT_CERTS has the agent write the sidecar's certificate and key to {value}, which is not modelled: what reads them there finds nothing"
                    );
                    annotations.warn(PROXY_CONFIG, &message);
                }
                _ if annotations.pod.annotations.get(PROXY_CONFIG).is_none_or(|own| !own.contains(name.as_str())) => {}
                _ => annotations.note(PROXY_CONFIG, &format!("proxyMetadata {name} does not affect any answer")),
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
