//! The textbook mesh's annotations: a misspelled one would silently have no effect.

use std::collections::BTreeMap;

use super::Checked;
use crate::{
    fault::Faults,
    load::nearest,
    manifests::{
        Head, Manifests, Object,
        destination_rule::{PASSTHROUGH, TLS_MODE},
    },
    resolve::TLS_TO_APP,
};

/// What the names of these annotations begin with.
const PREFIX: &str = "textbook.sidelab.io/";

/// The kinds whose pods have their annotations in a template.
const MAKE_PODS: [&str; 6] = ["Deployment", "StatefulSet", "DaemonSet", "ReplicaSet", "ReplicationController", "Job"];
/// Where each of them may stand.
const KNOWN: [(&str, &str); 2] = [(TLS_TO_APP, "Pod"), (TLS_MODE, "DestinationRule")];

#[cfg(test)]
mod tests;

pub(super) fn validate(manifests: &Manifests, faults: &mut Faults) {
    for head in manifests.heads() {
        annotations(head, head.kind, "", &head.annotations, faults);
    }
    for Object { head, body } in &manifests.workloads {
        let template = body.template.metadata.as_ref();
        if let Some(annotated) = template.and_then(|metadata| metadata.annotations.as_ref()) {
            annotations(head, "Pod", body.template_field, annotated, faults);
        }
    }
}

fn annotations(head: &Head, kind: &str, prefix: &str, all: &BTreeMap<String, String>, faults: &mut Faults) {
    let mut checked = Checked { head, faults };
    for (name, value) in all.iter().filter(|(name, _)| name.starts_with(PREFIX)) {
        let field = format!("{prefix}metadata.annotations[{name}]");
        match KNOWN.iter().find(|(known, _)| known == name) {
            None => {
                let known = KNOWN.map(|(name, _)| name);
                let message = match nearest(name, known.into_iter()) {
                    Some(meant) => format!("there is no such annotation; did you mean {meant}?"),
                    None => format!("there is no such annotation; there are {}", known.join(", ")),
                };
                checked.error(field, message);
            }
            Some((_, of)) if *of != kind => {
                let moved = if MAKE_PODS.contains(&kind) { "; move it to spec.template.metadata" } else { "" };
                checked.error(field, format!("has no effect on a {kind}: it is for a {of}{moved}"));
            }
            Some((name, _)) if *name == TLS_MODE && value != PASSTHROUGH => {
                let message = format!(
                    "{value:?} is not a mode that an annotation asks for; {PASSTHROUGH} is, others stand in spec.trafficPolicy.tls.mode"
                );
                checked.error(field, message);
            }
            Some(_) => {}
        }
    }
}
