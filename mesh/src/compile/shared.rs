//! What services share: where the ports of several are met by one listener, which filter chains it has
//! (`buildSidecarOutboundListener` in `pilot/pkg/networking/core/listener.go`).
//!
//! HTTP services are distinguished by the request's host. Others are distinguished by SNI where they speak TLS, by ranges of addresses where
//! they have any, and not at all otherwise: then the older one stays.

use std::{collections::HashMap, net::IpAddr};

use envoy_api::FilterChain;

use super::PortClass;
use crate::model::{Protocol, ServicePort, Source};

/// Outbound listeners in the making: those for all addresses first, by port.
#[derive(Default)]
pub(super) struct Shared<'a> {
    listeners: Vec<SharedListener<'a>>,
    by_place: HashMap<(IpAddr, u16), usize>,
    /// The first of those are closed: nothing is added to them.
    closed: usize,
}

/// A listener in the making.
pub(super) struct SharedListener<'a> {
    pub(super) addresses: Vec<IpAddr>,
    /// The port of the first service.
    pub(super) port: &'a ServicePort,
    /// What its bytes are; AUTO where that is found out for each connection.
    speaks: Protocol,
    pub(super) chains: Vec<SharedChain>,
}

/// A filter chain, and why it is there.
pub(super) struct SharedChain {
    pub(super) chain: FilterChain,
    pub(super) because: String,
    pub(super) source: Source,
}

impl<'a> Shared<'a> {
    /// Closes all listeners so far: a Sidecar says all of what they are for.
    pub(super) fn close(&mut self) {
        self.closed = self.listeners.len();
    }

    /// Adds the chains of a service's port where it has a listener.
    pub(super) fn add(
        &mut self,
        addresses: &[IpAddr],
        port: &'a ServicePort,
        class: PortClass,
        chains: Vec<SharedChain>,
    ) {
        let speaks = match class {
            // Bytes that are not HTTP are taken there, too.
            PortClass::Http | PortClass::Detected => Protocol::Auto,
            PortClass::Tcp if port.protocol.is_auto() => Protocol::Tcp,
            PortClass::Tcp => port.protocol,
        };
        let place = (addresses[0], port.port);
        match self.by_place.get(&place) {
            Some(&at) if at < self.closed => {}
            Some(&at) => self.listeners[at].add(speaks, chains),
            None => {
                self.by_place.insert(place, self.listeners.len());
                self.listeners.push(SharedListener { addresses: addresses.to_vec(), port, speaks, chains });
            }
        }
    }

    pub(super) fn into_listeners(mut self) -> Vec<SharedListener<'a>> {
        let order = |listener: &SharedListener<'_>| match listener.addresses[0].is_unspecified() {
            true => (false, listener.port.port),
            false => (true, 0),
        };
        self.listeners.sort_by_key(order);
        self.listeners
    }
}

impl SharedListener<'_> {
    fn add(&mut self, speaks: Protocol, chains: Vec<SharedChain>) {
        // Who looks for HTTP already looks for that of all.
        if self.speaks.is_auto() && speaks.is_auto() {
            return;
        }
        // Where the server speaks first nobody may wait for the client's bytes (`isConflictWithWellKnownPort`).
        let speaks_first = |protocol| matches!(protocol, Protocol::Mongo | Protocol::MySql);
        if self.speaks != speaks && (speaks_first(self.speaks) || speaks_first(speaks)) {
            return;
        }
        if speaks.is_auto() {
            self.speaks = speaks;
        }
        for chain in chains {
            // Envoy refuses two chains of one match: the older one stays.
            let is_taken = |earlier: &SharedChain| earlier.chain.filter_chain_match == chain.chain.filter_chain_match;
            if !self.chains.iter().any(is_taken) {
                self.chains.push(chain);
            }
        }
    }
}
