//! `/listeners`, in text and JSON.

use serde_json::{Value, json};

use crate::config::Shared;

pub(super) fn text(shared: &Shared) -> String {
    let listeners = shared.listeners.load();
    let lines =
        listeners.all().iter().flat_map(|l| l.addresses.iter().map(move |address| format!("{}::{address}\n", l.name)));
    lines.collect()
}

pub(super) fn json(shared: &Shared) -> Value {
    let listeners = shared.listeners.load();
    let statuses = listeners.all().iter().map(|listener| {
        let addresses: Vec<_> = listener.addresses.iter().map(|address| socket_address(*address)).collect();
        let mut status = json!({ "name": &*listener.name, "local_address": addresses.first() });
        if addresses.len() > 1 {
            status["additional_local_addresses"] = addresses[1..].into();
        }
        status
    });
    json!({ "listener_statuses": statuses.collect::<Value>() })
}

/// JSON of `envoy.config.core.v3.Address`.
pub(super) fn socket_address(address: std::net::SocketAddr) -> Value {
    json!({ "socket_address": { "address": address.ip().to_string(), "port_value": address.port() } })
}
