//! Replaces the addresses of a dump by those of a lab.

use std::{
    collections::BTreeMap,
    net::{IpAddr, SocketAddr},
};

use ipnet::IpNet;
use serde_json::Value;

use crate::{control_plane::place, model::Pushed};

/// The lab's address of each address in dumps.
#[derive(Clone, Debug, Default)]
pub(super) struct Mapping {
    pub(super) to: BTreeMap<IpAddr, IpAddr>,
    /// What could not be mapped, and the consequences.
    pub(super) left_out: Vec<String>,
}

impl Mapping {
    /// Adds pairs of the same family, in order.
    pub(super) fn pair(&mut self, old: impl IntoIterator<Item = IpAddr>, new: &[IpAddr]) {
        let (mut v4, mut v6) = (new.iter().filter(|ip| ip.is_ipv4()), new.iter().filter(|ip| ip.is_ipv6()));
        for ip in old {
            let next = if ip.is_ipv4() { v4.next() } else { v6.next() };
            if let Some(new) = next {
                self.to.insert(ip, *new);
            }
        }
    }

    /// What a sidecar gets in the lab.
    pub(super) fn apply(&mut self, pushed: &Pushed) -> Pushed {
        let mut pushed = pushed.clone();
        for set in &mut pushed.endpoints {
            self.keep_known(set);
        }
        for cluster in &mut pushed.clusters {
            let name = place::name(cluster).to_owned();
            if let Some(set) = cluster.get_mut("load_assignment") {
                set["cluster_name"] = name.into();
                self.keep_known(set);
            }
        }
        pushed.listeners.retain(|listener| self.is_free(listener));
        let Pushed { listeners, routes, clusters, endpoints } = &mut pushed;
        for value in [listeners, routes, clusters, endpoints].into_iter().flatten() {
            self.put(value);
        }
        pushed
    }

    /// Removes a cluster's endpoints in pods that were not dumped: their addresses may be other pods' here.
    fn keep_known(&mut self, set: &mut Value) {
        let (mut kept, mut gone) = (0, Vec::new());
        let localities = set.get_mut("endpoints").and_then(Value::as_array_mut);
        for locality in localities.into_iter().flatten() {
            let Some(endpoints) = locality.get_mut("lb_endpoints").and_then(Value::as_array_mut) else { continue };
            endpoints.retain(|endpoint| {
                let address = &endpoint["endpoint"]["address"]["socket_address"]["address"];
                let ip: Option<IpAddr> = address.as_str().and_then(|ip| ip.parse().ok());
                let foreign = ip.filter(|ip| !ip.is_loopback() && !self.to.contains_key(ip));
                gone.extend(foreign);
                foreign.is_none()
            });
            kept += endpoints.len();
        }
        if let Some(first) = gone.first() {
            let consequence = if kept == 0 { "; calls to it find no endpoint" } else { "; the others get all calls" };
            self.left_out.push(format!(
                "{}: {} of its {} endpoints are in no dumped pod, such as {first}{consequence}",
                place::name(set),
                gone.len(),
                gone.len() + kept
            ));
        }
    }

    /// Whether a listener's address is not one that the lab uses for something else.
    fn is_free(&mut self, listener: &Value) -> bool {
        let address = listener.pointer("/address/socket_address/address").and_then(Value::as_str);
        let Some(ip) = address.and_then(|ip| ip.parse::<IpAddr>().ok()) else { return true };
        let is_taken = !self.to.contains_key(&ip) && self.to.values().any(|new| *new == ip);
        if is_taken {
            let name = place::name(listener);
            self.left_out.push(format!("listener {name} is left out: its address is another's in the lab"));
        }
        !is_taken
    }

    fn put(&mut self, value: &mut Value) {
        match value {
            Value::String(text) => {
                if let Some(mapped) = self.text(text) {
                    *text = mapped;
                }
            }
            Value::Array(items) => items.iter_mut().for_each(|item| self.put(item)),
            Value::Object(fields) => {
                let range = range(fields.get("address_prefix"), fields.get("prefix_len"));
                match range.filter(|range| range.prefix_len() < range.max_prefix_len()) {
                    Some(range) => self.check(range),
                    None => fields.values_mut().for_each(|field| self.put(field)),
                }
            }
            _ => {}
        }
    }

    /// Notes a range that an address has entered or left.
    fn check(&mut self, range: IpNet) {
        let moved = |(old, new): &(&IpAddr, &IpAddr)| range.contains(*old) != range.contains(*new);
        if let Some((old, new)) = self.to.iter().find(moved) {
            let note =
                format!("the range {range} is kept, but {old} is {new} in the lab: what matches it is different");
            self.left_out.push(note);
        }
    }

    /// A text that is an address, with or without a port or a prefix's length, with the lab's address.
    fn text(&self, text: &str) -> Option<String> {
        if let Ok(ip) = text.parse::<IpAddr>() {
            return Some(self.to.get(&ip)?.to_string());
        }
        if let Ok(socket) = text.parse::<SocketAddr>() {
            return Some(SocketAddr::new(*self.to.get(&socket.ip())?, socket.port()).to_string());
        }
        if let Some(ip) = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
            return Some(format!("[{}]", self.to.get(&ip.parse().ok()?)?));
        }
        // Names of listeners, `ADDRESS_PORT`, and ranges of one address.
        let (ip, rest) = text.split_at(text.find(['_', '/'])?);
        Some(format!("{}{rest}", self.to.get(&ip.parse().ok()?)?))
    }
}

fn range(prefix: Option<&Value>, length: Option<&Value>) -> Option<IpNet> {
    let length = length.and_then(Value::as_u64).unwrap_or_default();
    IpNet::new(prefix?.as_str()?.parse().ok()?, u8::try_from(length).ok()?).ok()
}
