//! WorkloadEntry, by the rules of Istio's webhook (`ValidateWorkloadEntry` in `pkg/config/validation/validation.go`).

use std::net::IpAddr;

use super::{Checked, is_full_name, is_socket, service_entry::without_effect};
use crate::{
    fault::Faults,
    load::is_istio_label,
    manifests::{Object, service_entry::WorkloadEntrySpec},
};

pub(super) fn validate(entry: &Object<WorkloadEntrySpec>, faults: &mut Faults) {
    let mut checked = Checked::of(entry, faults);
    let spec = &entry.body;
    let address = spec.address.as_str();
    if address.is_empty() {
        match &spec.network {
            Some(network) if !network.is_empty() => {
                checked.warn(
                    "spec.address",
                    format!("is missing: calls go to a gateway of network {network}, which is not modelled"),
                );
            }
            _ => checked.error("spec.address", "is missing; write an address or a full name"),
        }
    } else if let Some(path) = address.strip_prefix("unix://") {
        if !is_socket(path) {
            checked.error("spec.address", format!("{address:?} has no absolute path of a file"));
        } else if !spec.ports.is_empty() {
            checked.error("spec.ports", "cannot be combined with a socket; remove them");
        }
    } else if address.parse::<IpAddr>().is_err() && !is_full_name(address) {
        checked.error("spec.address", format!("{address:?} is neither an address nor a full name"));
    }
    for (name, port) in &spec.ports {
        if !is_istio_label(name) {
            let message = format!("{name:?} is not a port name: letters, digits and '-'");
            checked.error(format!("spec.ports[{name}]"), message);
        }
        checked.port(format!("spec.ports[{name}]"), *port);
    }
    checked.labels("spec.labels", &spec.labels);
    without_effect(&mut checked, "spec", spec);
}

#[cfg(test)]
mod tests;
