//! Telemetry, by the rules of Istio's webhook (`ValidateTelemetry` in `pkg/config/validation/validation.go`).

use super::{Checked, attachment};
use crate::{
    fault::Faults,
    manifests::{
        Object,
        telemetry::{CustomTagSpec, MetricsOverride, TagOperation, TelemetrySpec},
    },
};

#[cfg(test)]
mod tests;

pub(super) fn validate(telemetry: &Object<TelemetrySpec>, faults: &mut Faults) {
    let mut checked = Checked::of(telemetry, faults);
    let spec = &telemetry.body;
    attachment::check(&mut checked, spec.selector.as_ref(), spec.target_ref.as_ref(), &spec.target_refs);
    for (field, name) in spec.providers() {
        if name.is_empty() {
            checked.error(field, "is missing; name one of extensionProviders of MeshConfig");
        }
    }
    if spec.tracing.len() > 1 {
        checked.warn("spec.tracing", "has several items, of which later ones override earlier ones");
    }
    for (i, tracing) in spec.tracing.iter().flatten().enumerate() {
        let field = format!("spec.tracing[{i}]");
        if tracing.providers.len() > 1 {
            checked.warn(format!("{field}.providers"), "has several items, of which only the first counts");
        }
        if let Some(share) = tracing.random_sampling_percentage.filter(|share| !(0.0..=100.0).contains(share)) {
            let message = format!("{share} is out of range; expected a number from 0 to 100");
            checked.error(format!("{field}.randomSamplingPercentage"), message);
        }
        for (name, tag) in tracing.custom_tags.iter().flatten() {
            self::tag(&mut checked, &format!("{field}.customTags[{name}]"), name, tag.as_ref());
        }
    }
    for (i, metrics) in spec.metrics.iter().flatten().enumerate() {
        for (j, one) in metrics.overrides.iter().enumerate() {
            let field = format!("spec.metrics[{i}].overrides[{j}]");
            match one {
                Some(one) => r#override(&mut checked, &field, one),
                None => checked.error(field, "is null; remove it"),
            }
        }
    }
}

fn tag(checked: &mut Checked<'_>, field: &str, name: &str, tag: Option<&CustomTagSpec>) {
    let Some(tag) = tag else { return checked.error(field, "is null; say what the tag is, or remove it") };
    if name.is_empty() {
        checked.error(field, "has no name");
    }
    let CustomTagSpec { literal, environment, header, formatter } = tag;
    let set = [literal.is_some(), environment.is_some(), header.is_some(), formatter.is_some()];
    if set.into_iter().filter(|set| *set).count() > 1 {
        checked.error(field, "has more than one of literal, environment, header and formatter; keep one");
    }
    if literal.as_ref().is_some_and(|literal| literal.value.is_empty()) {
        checked.error(format!("{field}.literal.value"), "is missing");
    }
    for (kind, named) in [("header", header), ("environment", environment)] {
        if named.as_ref().is_some_and(|named| named.name.is_empty()) {
            checked.error(format!("{field}.{kind}.name"), "is missing");
        }
    }
}

fn r#override(checked: &mut Checked<'_>, field: &str, one: &MetricsOverride) {
    for (name, tag) in &one.tag_overrides {
        let field = format!("{field}.tagOverrides[{name}]");
        match tag {
            None => checked.error(field, "is null; say what becomes of the label, or remove it"),
            Some(tag) if tag.operation == TagOperation::Upsert && tag.value.is_empty() => {
                checked.error(format!("{field}.value"), "is missing: UPSERT needs the label's value");
            }
            Some(tag) if tag.operation == TagOperation::Remove && !tag.value.is_empty() => {
                checked.error(format!("{field}.value"), "is for operation UPSERT alone");
            }
            Some(_) => {}
        }
    }
    if let Some(matched) = &one.r#match {
        match (&matched.metric, &matched.custom_metric) {
            (Some(_), Some(_)) => checked.error(format!("{field}.match"), "has both metric and customMetric; keep one"),
            (None, Some(name)) if name.is_empty() => checked.error(format!("{field}.match.customMetric"), "is missing"),
            _ => {}
        }
    }
}
