//! The sources of MeshConfig: ConfigMap `istio` of `istio-system` (key `mesh`), which the control plane reads; or in what that is
//! made from, an IstioOperator or the values of Istio's Helm charts.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use crate::{
    fault::Faults,
    manifests::{Head, Manifests, Object},
    model::Source,
};

/// The settings of one document.
pub(super) struct Settings<'m> {
    pub(super) object: &'m Head,
    pub(super) source: Source,
    /// By name, as written.
    pub(super) fields: Map<String, Value>,
    /// The charts' values for injection, by the equivalent annotation.
    pub(super) injection_defaults: BTreeMap<String, String>,
}

impl Settings<'_> {
    /// The path of a setting in the document.
    pub(super) fn field(&self, name: &str) -> String {
        format!("{}.{name}", self.source.field)
    }
}

/// Values of the charts, and the equivalent annotations of a pod
/// (`manifests/charts/istio-control/istio-discovery/files/injection-template.yaml`).
const INJECTION: [(&str, &str); 6] = [
    ("includeIPRanges", "traffic.sidecar.istio.io/includeOutboundIPRanges"),
    ("excludeIPRanges", "traffic.sidecar.istio.io/excludeOutboundIPRanges"),
    ("includeInboundPorts", "traffic.sidecar.istio.io/includeInboundPorts"),
    ("excludeInboundPorts", "traffic.sidecar.istio.io/excludeInboundPorts"),
    ("includeOutboundPorts", "traffic.sidecar.istio.io/includeOutboundPorts"),
    ("excludeOutboundPorts", "traffic.sidecar.istio.io/excludeOutboundPorts"),
];

/// All sources in the manifests, the one with the highest precedence last.
pub(super) fn of<'m>(manifests: &'m Manifests, faults: &mut Faults) -> Vec<Settings<'m>> {
    let mut found = Vec::new();
    for Object { head, body } in &manifests.istio_operators {
        let values = body.get("values").and_then(Value::as_object);
        let of_values = values.and_then(|values| values.get("meshConfig"));
        for (config, field) in [(of_values, "spec.values.meshConfig"), (body.get("meshConfig"), "spec.meshConfig")] {
            if let Some(fields) = config.and_then(Value::as_object) {
                found.push(settings(head, field, fields.clone()));
            }
        }
        let proxy = values.and_then(|values| values.get("global")?.get("proxy")?.as_object());
        if let Some(proxy) = proxy {
            let written = |name: &str| match proxy.get(name)? {
                Value::String(text) if !text.is_empty() => Some(text.clone()),
                Value::Number(number) => Some(number.to_string()),
                _ => None,
            };
            let defaults =
                INJECTION.iter().filter_map(|(name, annotation)| Some(((*annotation).to_owned(), written(name)?)));
            let injection_defaults = defaults.collect();
            found.push(Settings { injection_defaults, ..settings(head, "spec.values.global.proxy", Map::new()) });
        }
    }
    if let Some(Object { head, body }) = config_map(manifests) {
        match body.data.as_ref().and_then(|data| data.get("mesh")) {
            Some(text) => match serde_saphyr::from_str::<Option<Map<String, Value>>>(text) {
                Ok(fields) => found.push(settings(head, "data.mesh", fields.unwrap_or_default())),
                Err(e) => {
                    let reason = e.without_snippet().to_string();
                    faults.error(head, "data.mesh", format!("not YAML: {}", reason.lines().next().unwrap_or_default()));
                }
            },
            None => faults.error(
                head,
                "data.mesh",
                "is missing: ConfigMap istio in istio-system holds the mesh's settings in this key",
            ),
        }
    }
    found
}

fn settings<'m>(object: &'m Head, field: &str, fields: Map<String, Value>) -> Settings<'m> {
    Settings { object, source: object.source.at(field), fields, injection_defaults: BTreeMap::new() }
}

/// That of the default revision, else that of any other (`istio-REVISION`).
fn config_map(manifests: &Manifests) -> Option<&Object<k8s_openapi::api::core::v1::ConfigMap>> {
    let of_istio = || manifests.config_maps.iter().filter(|object| object.head.name.namespace == "istio-system");
    let has_mesh = |object: &&Object<k8s_openapi::api::core::v1::ConfigMap>| {
        object.head.name.name.starts_with("istio-")
            && object.body.data.as_ref().is_some_and(|data| data.contains_key("mesh"))
    };
    of_istio().find(|object| object.head.name.name == "istio").or_else(|| of_istio().find(has_mesh))
}
