//! Longest-prefix match over a small number of networks.

use std::net::IpAddr;

use ipnet::IpNet;

/// Values by network. The longest prefix that contains an address counts.
///
/// Envoy uses a level-compressed trie. Listeners have few networks, for which a linear scan is faster.
#[derive(Clone, Debug)]
pub(crate) struct Prefixes<T> {
    /// Longest prefix first; `None`, which contains every address, last.
    entries: Vec<(Option<IpNet>, T)>,
}

impl<T> Default for Prefixes<T> {
    fn default() -> Self {
        Self { entries: Vec::new() }
    }
}

impl<T: Default> Prefixes<T> {
    /// The value of a network, inserted if necessary; `None` stands for every address.
    pub(crate) fn entry(&mut self, network: Option<IpNet>) -> &mut T {
        let network = network.map(|network| network.trunc());
        let length = |network: &Option<IpNet>| network.map(|network| network.prefix_len());
        let at = match self.entries.iter().position(|(known, _)| *known == network) {
            Some(at) => at,
            None => {
                let at = self.entries.partition_point(|(known, _)| length(known) >= length(&network));
                self.entries.insert(at, (network, T::default()));
                at
            }
        };
        &mut self.entries[at].1
    }
}

impl<T> Prefixes<T> {
    /// The value of the longest prefix that contains an address.
    pub(crate) fn find(&self, address: IpAddr) -> Option<&T> {
        let holds = |network: &Option<IpNet>| network.is_none_or(|network| network.contains(&address));
        self.entries.iter().find(|(network, _)| holds(network)).map(|(_, value)| value)
    }

    /// Whether there are no networks.
    pub(crate) fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }
}
