//! Volumes (`ValidateVolumes`, `validateVolumeSource`).

use std::collections::BTreeSet;

use k8s_openapi::api::core::v1::{KeyToPath, Volume};
use serde_json::Value;

use super::super::Checked;
use crate::manifests::is_dns_label;

/// Checks a pod's volumes, and returns their names and those of `claims`.
pub(super) fn validate<'a>(
    checked: &mut Checked<'_>,
    field: &str,
    volumes: &'a [Volume],
    claims: &'a [String],
) -> BTreeSet<&'a str> {
    checked.unique(
        volumes.iter().enumerate().map(|(i, volume)| (format!("{field}.volumes[{i}].name"), volume.name.as_str())),
    );
    for (i, volume) in volumes.iter().enumerate() {
        one(checked, &format!("{field}.volumes[{i}]"), volume);
    }
    volumes.iter().map(|volume| volume.name.as_str()).chain(claims.iter().map(String::as_str)).collect()
}

fn one(checked: &mut Checked<'_>, field: &str, volume: &Volume) {
    if !is_dns_label(&volume.name) {
        let message = format!("{:?} is not a volume name: lower-case letters, digits and '-', at most 63", volume.name);
        checked.error(format!("{field}.name"), message);
    }
    // `Volume` has about thirty optional sources. The JSON keys besides the name are the ones that are set.
    if let Ok(Value::Object(fields)) = serde_json::to_value(volume) {
        let sources: Vec<_> = fields.keys().filter(|key| *key != "name").map(String::as_str).collect();
        if sources.len() > 1 {
            checked.error(field, format!("may have only one source, and has {}; keep one", sources.join(", ")));
        }
    }
    if let Some(source) = &volume.secret {
        if source.secret_name.as_ref().is_none_or(String::is_empty) {
            checked.error(format!("{field}.secret.secretName"), "is missing");
        }
        mode(checked, &format!("{field}.secret.defaultMode"), source.default_mode);
        items(checked, &format!("{field}.secret"), source.items.as_deref());
    }
    if let Some(source) = &volume.config_map {
        if source.name.is_empty() {
            checked.error(format!("{field}.configMap.name"), "is missing");
        }
        mode(checked, &format!("{field}.configMap.defaultMode"), source.default_mode);
        items(checked, &format!("{field}.configMap"), source.items.as_deref());
    }
    if let Some(source) = &volume.projected {
        mode(checked, &format!("{field}.projected.defaultMode"), source.default_mode);
        for (i, source) in source.sources.iter().flatten().enumerate() {
            let field = format!("{field}.projected.sources[{i}]");
            let secret = source.secret.as_ref().and_then(|secret| secret.items.as_deref());
            let config_map = source.config_map.as_ref().and_then(|config_map| config_map.items.as_deref());
            items(checked, &format!("{field}.secret"), secret);
            items(checked, &format!("{field}.configMap"), config_map);
        }
    }
    if let Some(source) = &volume.downward_api {
        mode(checked, &format!("{field}.downwardAPI.defaultMode"), source.default_mode);
    }
    if volume.persistent_volume_claim.as_ref().is_some_and(|claim| claim.claim_name.is_empty()) {
        checked.error(format!("{field}.persistentVolumeClaim.claimName"), "is missing");
    }
    if let Some(source) = &volume.host_path {
        if source.path.is_empty() {
            checked.error(format!("{field}.hostPath.path"), "is missing");
        }
        if source.path.split('/').any(|part| part == "..") {
            checked.error(format!("{field}.hostPath.path"), "must not contain '..'");
        }
        let kinds = ["DirectoryOrCreate", "Directory", "FileOrCreate", "File", "Socket", "CharDevice", "BlockDevice"];
        checked.one_of(&format!("{field}.hostPath.type"), source.type_.as_deref(), &kinds);
    }
}

fn mode(checked: &mut Checked<'_>, field: &str, mode: Option<i32>) {
    if let Some(mode) = mode.filter(|mode| !(0..=0o777).contains(mode)) {
        checked.error(field, format!("{mode} is out of range; a mode is a number from 0 to 0777 (octal, 511)"));
    }
}

fn items(checked: &mut Checked<'_>, field: &str, items: Option<&[KeyToPath]>) {
    for (i, item) in items.unwrap_or_default().iter().enumerate() {
        if item.key.is_empty() {
            checked.error(format!("{field}.items[{i}].key"), "is missing");
        }
        if item.path.is_empty() {
            checked.error(format!("{field}.items[{i}].path"), "is missing");
        }
        mode(checked, &format!("{field}.items[{i}].mode"), item.mode);
    }
}
