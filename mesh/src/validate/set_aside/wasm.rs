//! WasmPlugin and TrafficExtension (`ValidateWasmPlugin` and `ValidateTrafficExtension` in `pkg/config/validation/validation.go`; their
//! fields: `extensions/v1alpha1/*.proto` in istio/api).

use std::collections::BTreeSet;

use serde::Deserialize;
use serde_json::Value;

use super::Checked;
use crate::{
    manifests::{authorization_policy::TargetRef, istio::WorkloadSelector},
    validate::attachment,
};

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct WasmPlugin {
    selector: Option<WorkloadSelector>,
    target_ref: Option<TargetRef>,
    target_refs: Vec<TargetRef>,
    url: String,
    sha256: String,
    image_pull_policy: String,
    image_pull_secret: String,
    #[serde(rename = "verificationKey")]
    _verification_key: String,
    #[serde(rename = "pluginConfig")]
    _plugin_config: Value,
    plugin_name: String,
    phase: String,
    #[serde(rename = "priority")]
    _priority: Option<i32>,
    fail_strategy: String,
    vm_config: VmConfig,
    #[serde(rename = "match")]
    matches: Vec<TrafficSelector>,
    #[serde(rename = "type")]
    of: String,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct TrafficExtension {
    selector: Option<WorkloadSelector>,
    target_refs: Vec<TargetRef>,
    #[serde(rename = "match")]
    matches: Vec<TrafficSelector>,
    wasm: Option<Value>,
    lua: Option<Value>,
    #[serde(rename = "phase")]
    _phase: Value,
    #[serde(rename = "priority")]
    _priority: Value,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct VmConfig {
    env: Vec<Variable>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Variable {
    name: String,
    value_from: String,
    value: String,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct TrafficSelector {
    #[serde(rename = "mode")]
    _mode: String,
    ports: Vec<Port>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Port {
    number: i64,
}

pub(super) fn plugin(checked: &mut Checked<'_>, spec: &WasmPlugin) {
    attachment::check(checked, spec.selector.as_ref(), spec.target_ref.as_ref(), &spec.target_refs);
    module(checked, "spec", &spec.url, &spec.sha256);
    for (name, text, most) in
        [("imagePullSecret", &spec.image_pull_secret, 253), ("pluginName", &spec.plugin_name, 256)]
    {
        if text.len() > most {
            checked.error(format!("spec.{name}"), format!("is longer than {most} bytes"));
        }
    }
    let unset = ["UNSPECIFIED_POLICY", "IfNotPresent", "Always"];
    checked.one_of("spec.imagePullPolicy", Some(&spec.image_pull_policy), &unset);
    checked.one_of("spec.phase", Some(&spec.phase), &["UNSPECIFIED_PHASE", "AUTHN", "AUTHZ", "STATS"]);
    checked.one_of("spec.failStrategy", Some(&spec.fail_strategy), &["FAIL_CLOSE", "FAIL_OPEN", "FAIL_RELOAD"]);
    checked.one_of("spec.type", Some(&spec.of), &["UNSPECIFIED_PLUGIN_TYPE", "HTTP", "NETWORK"]);
    let mut seen = BTreeSet::new();
    for (i, one) in spec.vm_config.env.iter().enumerate() {
        let field = format!("spec.vmConfig.env[{i}]");
        if one.name.is_empty() || one.name.len() > 256 {
            checked.error(format!("{field}.name"), "is missing, or longer than 256 bytes");
        } else if !seen.insert(&one.name) {
            checked.error(format!("{field}.name"), format!("{:?} is duplicated; names must differ", one.name));
        }
        checked.one_of(&format!("{field}.valueFrom"), Some(&one.value_from), &["INLINE", "HOST"]);
        if one.value_from == "HOST" && !one.value.is_empty() {
            checked.error(format!("{field}.value"), "is for valueFrom INLINE alone");
        }
    }
    ports(checked, &spec.matches);
}

pub(super) fn extension(checked: &mut Checked<'_>, spec: &TrafficExtension) {
    if spec.wasm.is_some() == spec.lua.is_some() {
        checked.error("spec", "needs one of wasm and lua, and only one");
    }
    attachment::check(checked, spec.selector.as_ref(), None, &spec.target_refs);
    let text = |of: &Value, name: &str| of.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
    if let Some(lua) = &spec.lua {
        let code = text(lua, "inlineCode");
        if code.is_empty() || code.len() > 65_536 {
            checked.error("spec.lua.inlineCode", "is missing, or longer than 64 KiB");
        }
    }
    if let Some(wasm) = &spec.wasm {
        module(checked, "spec.wasm", &text(wasm, "url"), &text(wasm, "sha256"));
    }
    ports(checked, &spec.matches);
}

/// Where a module is loaded from.
fn module(checked: &mut Checked<'_>, field: &str, url: &str, sha256: &str) {
    let scheme = url.split_once("://").map(|(scheme, _)| scheme);
    if url.is_empty() {
        checked.error(format!("{field}.url"), "is missing; say where the module is, such as oci://HOST/IMAGE");
    } else if !matches!(scheme, None | Some("file" | "http" | "https" | "oci")) {
        checked.error(format!("{field}.url"), format!("{url:?} is none of oci://, https://, http:// and file://"));
    }
    let is_digest = sha256.len() == 64 && sha256.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
    if !sha256.is_empty() && !is_digest {
        checked.error(format!("{field}.sha256"), "is not a SHA-256: 64 digits and letters a to f");
    }
}

fn ports(checked: &mut Checked<'_>, matches: &[TrafficSelector]) {
    for (i, one) in matches.iter().enumerate() {
        for (k, port) in one.ports.iter().enumerate() {
            checked.port(format!("spec.match[{i}].ports[{k}].number"), port.number);
        }
    }
}
