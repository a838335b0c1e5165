//! Kinds of Istio's that are set aside: Istio's webhook checks them nevertheless.

mod request_authentication;
mod wasm;
mod workload_group;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::Checked;
use crate::{
    fault::Faults,
    manifests::{Head, Scope, read},
    model::Source,
};

type Check = fn(&mut Checked<'_>, Value);

/// The checks by API group and kind.
static CHECKS: [(&str, &str, Check); 4] = [
    ("security.istio.io", "RequestAuthentication", |checked, spec| {
        with(checked, spec, request_authentication::validate);
    }),
    ("extensions.istio.io", "WasmPlugin", |checked, spec| with(checked, spec, wasm::plugin)),
    ("extensions.istio.io", "TrafficExtension", |checked, spec| with(checked, spec, wasm::extension)),
    ("networking.istio.io", "WorkloadGroup", |checked, spec| with(checked, spec, workload_group::validate)),
];

/// Checks a document of a kind that is set aside, if Istio's webhook does.
pub(crate) fn validate(api_version: &str, kind: &str, document: &Value, source: &Source, faults: &mut Faults) {
    let group = api_version.split_once('/').map_or("", |(group, _)| group);
    let known = CHECKS.iter().find(|(of, name, _)| (*of, *name) == (group, kind));
    let Some((_, kind, check)) = known else { return };
    let meta: ObjectMeta =
        document.get("metadata").cloned().and_then(|meta| read(meta).ok()).map(|(meta, _)| meta).unwrap_or_default();
    let head = Head::new(kind, Scope::Namespaced, meta, source.clone(), 0);
    let spec = document.get("spec").cloned().unwrap_or_else(|| Value::Object(Default::default()));
    check(&mut Checked { head: &head, faults }, spec);
}

fn with<S: DeserializeOwned>(checked: &mut Checked<'_>, spec: Value, check: fn(&mut Checked<'_>, &S)) {
    match read::<S>(spec) {
        Ok((spec, unknown)) => {
            for field in unknown {
                checked.error(format!("spec.{}", field.path), field.message);
            }
            check(checked, &spec);
        }
        Err(misfit) => checked.error(format!("spec.{}", misfit.path).trim_end_matches('.'), misfit.message),
    }
}

/// Names that go into a list, where an empty one means nothing.
fn not_empty(checked: &mut Checked<'_>, field: &str, names: &[String]) {
    for (i, _) in names.iter().enumerate().filter(|(_, name)| name.is_empty()) {
        checked.error(format!("{field}[{i}]"), "is empty");
    }
}

#[cfg(test)]
mod tests;
