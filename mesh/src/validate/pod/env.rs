//! Environment variables (`ValidateEnv`, `ValidateEnvFrom`).

use std::collections::BTreeSet;

use k8s_openapi::api::core::v1::{Container, EnvVarSource};

use super::super::Checked;

pub(super) fn validate(checked: &mut Checked<'_>, field: &str, container: &Container) {
    let mut seen = BTreeSet::new();
    for (i, variable) in container.env.iter().flatten().enumerate() {
        let field = format!("{field}.env[{i}]");
        if variable.name.is_empty() || variable.name.contains(['=', '\0']) {
            checked.error(format!("{field}.name"), format!("{:?} is not a variable name", variable.name));
        }
        if !seen.insert(variable.name.as_str()) {
            checked.warn(format!("{field}.name"), format!("{:?} is duplicated; the last one applies", variable.name));
        }
        if let Some(source) = &variable.value_from {
            if variable.value.as_ref().is_some_and(|value| !value.is_empty()) {
                checked.error(format!("{field}.valueFrom"), "cannot be combined with value; keep one");
            }
            value_from(checked, &format!("{field}.valueFrom"), source);
        }
    }
    for (i, source) in container.env_from.iter().flatten().enumerate() {
        let field = format!("{field}.envFrom[{i}]");
        let sources = usize::from(source.config_map_ref.is_some()) + usize::from(source.secret_ref.is_some());
        if sources != 1 {
            checked.error(&field, "needs exactly one of configMapRef and secretRef");
        }
        let references = [
            ("configMapRef", source.config_map_ref.as_ref().map(|reference| &reference.name)),
            ("secretRef", source.secret_ref.as_ref().map(|reference| &reference.name)),
        ];
        for (name, reference) in references {
            if reference.is_some_and(String::is_empty) {
                checked.error(format!("{field}.{name}.name"), "is missing");
            }
        }
    }
}

fn value_from(checked: &mut Checked<'_>, field: &str, source: &EnvVarSource) {
    let set = [
        source.field_ref.is_some(),
        source.resource_field_ref.is_some(),
        source.config_map_key_ref.is_some(),
        source.secret_key_ref.is_some(),
        source.file_key_ref.is_some(),
    ];
    match set.into_iter().filter(|set| *set).count() {
        1 => {}
        0 => checked
            .error(field, "is empty; expected one of fieldRef, resourceFieldRef, configMapKeyRef and secretKeyRef"),
        _ => checked.error(field, "may have only one source; keep one"),
    }
    let keys = [
        ("configMapKeyRef", source.config_map_key_ref.as_ref().map(|key| (&key.name, &key.key))),
        ("secretKeyRef", source.secret_key_ref.as_ref().map(|key| (&key.name, &key.key))),
    ];
    for (reference, name, key) in
        keys.into_iter().filter_map(|(reference, key)| key.map(|(name, key)| (reference, name, key)))
    {
        for (part, _) in [("name", name), ("key", key)].into_iter().filter(|(_, text)| text.is_empty()) {
            checked.error(format!("{field}.{reference}.{part}"), "is missing");
        }
    }
}
