//! EndpointSlices (`pkg/apis/discovery/validation/validation.go`).

use std::net::IpAddr;

use k8s_openapi::api::discovery::v1::EndpointSlice;

use super::Checked;
use crate::{fault::Faults, manifests::Object};

/// Checks addresses against their type, and the ports' names. Other fields are checked by themselves.
pub(super) fn validate(slice: &Object<EndpointSlice>, faults: &mut Faults) {
    let mut checked = Checked::of(slice, faults);
    let fits: fn(&str) -> bool = match slice.body.address_type.as_str() {
        "IPv4" => |text| text.parse::<IpAddr>().is_ok_and(|ip| ip.is_ipv4()),
        "IPv6" => |text| text.parse::<IpAddr>().is_ok_and(|ip| ip.is_ipv6()),
        _ => |_| true,
    };
    for (i, endpoint) in slice.body.endpoints.iter().enumerate() {
        for (j, address) in endpoint.addresses.iter().enumerate().filter(|(_, address)| !fits(address)) {
            let message = format!("{address:?} is not an {} address, as addressType says", slice.body.address_type);
            checked.error(format!("endpoints[{i}].addresses[{j}]"), message);
        }
    }
    let ports = slice.body.ports.iter().flatten().enumerate();
    checked.unique(ports.map(|(i, port)| (format!("ports[{i}].name"), port.name.as_deref().unwrap_or_default())));
}
