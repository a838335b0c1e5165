//! Finding the listener for a redirected connection.

use std::{
    collections::HashMap,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
};

use envoy_api::Listener;

/// The listeners of a proxy by address, for those with `use_original_dst`.
#[derive(Clone, Debug, Default)]
pub struct ListenerTable {
    by_address: HashMap<SocketAddr, usize>,
}

impl ListenerTable {
    /// Indexes a proxy's listeners, whether bound to a port or not. If two have the same address the first one counts (Envoy
    /// refuses the second).
    pub fn new<'a>(listeners: impl IntoIterator<Item = &'a Listener>) -> Self {
        let mut by_address = HashMap::new();
        for (index, listener) in listeners.into_iter().enumerate() {
            let addresses =
                [&listener.address].into_iter().chain(listener.additional_addresses.iter().map(|more| &more.address));
            for address in addresses {
                if let Some(ip) = address.ip() {
                    by_address.entry(SocketAddr::new(ip, address.socket_address.port_value)).or_insert(index);
                }
            }
        }
        Self { by_address }
    }

    /// The listener for an original destination: the one with exactly that address, or else the one with its port and the
    /// unspecified address of its IP version. `None` means that the connection stays with the listener that accepted it
    /// (`ConnectionHandlerImpl::getBalancedHandlerByAddress`).
    pub fn find(&self, destination: SocketAddr) -> Option<usize> {
        let all: IpAddr = match destination {
            SocketAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
            SocketAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
        };
        // `SocketAddr` compares flow label and scope of IPv6 addresses, too, so the key is created without them.
        let exact = SocketAddr::new(destination.ip(), destination.port());
        let wildcard = SocketAddr::new(all, destination.port());
        self.by_address.get(&exact).or_else(|| self.by_address.get(&wildcard)).copied()
    }
}

#[cfg(test)]
mod tests;
