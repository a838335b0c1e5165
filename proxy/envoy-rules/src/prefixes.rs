//! Longest-prefix match over a few networks.

use std::net::IpAddr;

use ipnet::IpNet;

/// Values by network; the longest network that holds an address wins.
///
/// Envoy has a level-compressed trie here. Listeners have a handful of networks at most, and a scan of those is faster.
#[derive(Clone, Debug)]
pub(crate) struct Prefixes<T> {
    /// Longest first; `None`, which holds every address of both families, last.
    entries: Vec<(Option<IpNet>, T)>,
}

impl<T> Default for Prefixes<T> {
    fn default() -> Self {
        Self { entries: Vec::new() }
    }
}

impl<T: Default> Prefixes<T> {
    /// The value of a network, made if it isn't there; `None` stands for every address.
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
    /// The value of the longest network that holds an address.
    pub(crate) fn find(&self, address: IpAddr) -> Option<&T> {
        let holds = |network: &Option<IpNet>| network.is_none_or(|network| network.contains(&address));
        self.entries.iter().find(|(network, _)| holds(network)).map(|(_, value)| value)
    }

    /// Whether there is no network at all.
    pub(crate) fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }
}
