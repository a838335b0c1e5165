//! Readers for the documents of each kind.

use k8s_openapi::{
    api::core::v1::{ConfigMap, Secret},
    apimachinery::pkg::apis::meta::v1::ObjectMeta,
};
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::Value;

use super::{
    Head, typed,
    webhook::WebhookConfiguration,
    workload::{MakesPods, Workload},
};
use crate::fault::Faults;

/// Reads the whole document.
pub(super) fn whole<T: DeserializeOwned>(head: &Head, value: Value, faults: &mut Faults) -> Option<T> {
    read(head, value, faults, |_, message| message)
}

/// Reads a custom resource's `spec`.
pub(super) fn spec<S: DeserializeOwned + Default>(head: &Head, value: Value, faults: &mut Faults) -> Option<S> {
    whole::<CustomResource<S>>(head, value, faults).map(|resource| resource.spec)
}

/// Reads a workload.
pub(super) fn workload<T: DeserializeOwned + MakesPods>(
    head: &Head,
    value: Value,
    faults: &mut Faults,
) -> Option<Workload> {
    let workload = whole::<T>(head, value, faults)?.workload();
    if workload.is_none() {
        faults.error(head, "spec", format!("is missing, or has no template; a {} makes its pods from that", head.kind));
    }
    workload
}

/// A ConfigMap.
pub(super) fn config_map(head: &Head, mut value: Value, faults: &mut Faults) -> Option<ConfigMap> {
    let data = value.get_mut("binaryData").and_then(Value::as_object_mut);
    data.into_iter().flat_map(|data| data.values_mut()).for_each(strip_line_breaks);
    read(head, value, faults, |path, message| match path.starts_with("binaryData.") {
        true => format!("is not base64 ({message}); write plain text under data instead"),
        false => message,
    })
}

/// A Secret. The API server allows line breaks in base64, the library does not.
pub(super) fn secret(head: &Head, mut value: Value, faults: &mut Faults) -> Option<Secret> {
    let data = value.get_mut("data").and_then(Value::as_object_mut);
    data.into_iter().flat_map(|data| data.values_mut()).for_each(strip_line_breaks);
    read(head, value, faults, |path, message| match path.starts_with("data.") {
        true => format!("is not base64 ({message}); write plain text under stringData instead"),
        false => message,
    })
}

/// Reads a webhook configuration of either kind.
pub(super) fn webhooks<T>(head: &Head, mut value: Value, faults: &mut Faults) -> Option<WebhookConfiguration>
where
    T: DeserializeOwned + Into<WebhookConfiguration>,
{
    for hook in value.get_mut("webhooks").and_then(Value::as_array_mut).into_iter().flatten() {
        if let Some(bundle) = hook.pointer_mut("/clientConfig/caBundle") {
            strip_line_breaks(bundle);
        }
    }
    let configuration: Option<T> = read(head, value, faults, |path, message| match path.ends_with(".caBundle") {
        true => format!("is not base64 ({message}); it is PEM, encoded in base64"),
        false => message,
    });
    configuration.map(Into::into)
}

fn read<T: DeserializeOwned>(
    head: &Head,
    value: Value,
    faults: &mut Faults,
    explain: impl Fn(&str, String) -> String,
) -> Option<T> {
    match typed::read(value) {
        Ok((typed, unknown)) => {
            for field in unknown {
                faults.error(head, field.path, field.message);
            }
            Some(typed)
        }
        Err(e) => {
            let message = explain(&e.path, e.message);
            faults.error(head, e.path, message);
            None
        }
    }
}

fn strip_line_breaks(base64: &mut Value) {
    if let Value::String(text) = base64 {
        text.retain(|c| !matches!(c, '\n' | '\r'));
    }
}

/// The fields around the `spec` of a custom resource.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct CustomResource<S> {
    #[serde(rename = "apiVersion")]
    _api_version: String,
    #[serde(rename = "kind")]
    _kind: String,
    #[serde(rename = "metadata", default)]
    _metadata: ObjectMeta,
    #[serde(default)]
    spec: S,
    /// Written by the control plane; ignored here.
    #[serde(rename = "status", default)]
    _status: Option<Value>,
}
