//! PeerAuthentication, by the rules of Istio's webhook (`pkg/config/validation/validation.go`).

use std::collections::BTreeMap;

use super::Checked;
use crate::{
    fault::Faults,
    manifests::{Object, peer_authentication::PeerAuthenticationSpec},
};

pub(super) fn validate(policy: &Object<PeerAuthenticationSpec>, faults: &mut Faults) {
    let mut checked = Checked::of(policy, faults);
    let labels = policy.body.selector.as_ref().map(|selector| &selector.match_labels);
    match labels {
        Some(labels) if labels.is_empty() => {
            checked.warn(
                "spec.selector",
                "has no labels: the policy is for the whole namespace (the whole mesh in the root namespace)",
            );
        }
        Some(labels) => checked.selector_labels("spec.selector.matchLabels", labels),
        None => {}
    }
    let Some(ports) = &policy.body.port_level_mtls else { return };
    if labels.is_none_or(BTreeMap::is_empty) && !ports.is_empty() {
        checked.error(
            "spec.portLevelMtls",
            "needs a selector: a policy for a mesh or a namespace cannot set ports; add spec.selector.matchLabels with the pods' labels",
        );
    }
    if ports.is_empty() {
        checked.error("spec.portLevelMtls", "is empty; name a port, or remove the field");
    }
    for port in ports.keys() {
        let field = format!("spec.portLevelMtls[{port}]");
        match port.parse::<u32>() {
            Ok(1..=65535) => {}
            Ok(_) => checked.error(field, format!("{port} is out of range; a port is a number from 1 to 65535")),
            Err(_) => checked.error(field, format!("{port:?} is not a port; the key is a container's port by number")),
        }
    }
}
