//! The parts of listeners: addresses, chains, and listener filters.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use envoy_api::{
    AdditionalAddress, Address, FilterChain, FilterChainMatch, Int32Range, Listener, ListenerFilter,
    ListenerFilterChainMatchPredicate, ListenerFilterConfig, MatchSet, TrafficDirection,
};

use super::{Transport, filters::seconds, names};

/// All addresses of a host, IPv4 first.
pub(super) const WILDCARDS: [IpAddr; 2] = [IpAddr::V4(Ipv4Addr::UNSPECIFIED), IpAddr::V6(Ipv6Addr::UNSPECIFIED)];

/// A listener that gets its connections from `virtualOutbound`.
pub(super) fn unbound(addresses: &[IpAddr], port: u16, filter_chains: Vec<FilterChain>) -> Listener {
    Listener {
        bind_to_port: Some(false),
        listener_filters_timeout: Some(seconds(0)),
        continue_on_listener_filters_timeout: true,
        traffic_direction: Some(TrafficDirection::Outbound),
        ..listener(&names::listener(addresses[0], port), addresses, port, filter_chains)
    }
}

/// A listener on several addresses, named after the first.
pub(super) fn listener(name: &str, addresses: &[IpAddr], port: u16, filter_chains: Vec<FilterChain>) -> Listener {
    let mut addresses = addresses.iter().map(|address| Address::tcp(address.to_string(), port));
    Listener {
        name: name.into(),
        address: addresses.next().expect("a listener has an address"),
        additional_addresses: addresses.map(|address| AdditionalAddress { address }).collect(),
        traffic_direction: None,
        use_original_dst: None,
        bind_to_port: None,
        enable_reuse_port: None,
        listener_filters: vec![],
        listener_filters_timeout: None,
        continue_on_listener_filters_timeout: false,
        filter_chains,
        default_filter_chain: None,
        access_log: vec![],
        socket_options: vec![],
        stat_prefix: String::new(),
        tcp_backlog_size: None,
    }
}

pub(super) fn chain(filter_chain_match: Option<FilterChainMatch>, filters: Vec<envoy_api::Filter>) -> FilterChain {
    FilterChain {
        name: String::new(),
        filter_chain_match,
        filters,
        transport_socket: None,
        transport_socket_connect_timeout: None,
    }
}

/// Matches plaintext in which the HTTP inspector detected one of these.
pub(super) fn plain_http(seen: &[&str]) -> FilterChainMatch {
    FilterChainMatch {
        transport_protocol: Transport::RawBuffer.as_str().into(),
        application_protocols: seen.iter().map(|&seen| seen.into()).collect(),
        ..FilterChainMatch::default()
    }
}

/// The listener filter that recovers the original destination.
pub(super) fn original_dst() -> ListenerFilter {
    ListenerFilter {
        name: "envoy.filters.listener.original_dst".into(),
        typed_config: ListenerFilterConfig::OriginalDst(envoy_api::Empty {}),
        filter_disabled: None,
    }
}

/// The listener filter that detects TLS.
pub(super) fn tls_inspector(filter_disabled: Option<ListenerFilterChainMatchPredicate>) -> ListenerFilter {
    ListenerFilter {
        name: "envoy.filters.listener.tls_inspector".into(),
        typed_config: ListenerFilterConfig::TlsInspector(envoy_api::Empty {}),
        filter_disabled,
    }
}

/// The listener filter that detects HTTP in plaintext.
pub(super) fn http_inspector(filter_disabled: Option<ListenerFilterChainMatchPredicate>) -> ListenerFilter {
    ListenerFilter {
        name: "envoy.filters.listener.http_inspector".into(),
        typed_config: ListenerFilterConfig::HttpInspector(envoy_api::Empty {}),
        filter_disabled,
    }
}

/// Matches connections to one of these original destination ports; `None` if there are none.
pub(super) fn on_ports(ports: impl IntoIterator<Item = u16>) -> Option<ListenerFilterChainMatchPredicate> {
    let on_port = |port: u16| {
        let start = i32::from(port);
        ListenerFilterChainMatchPredicate::DestinationPortRange(Int32Range { start, end: start + 1 })
    };
    let mut rules: Vec<_> = ports.into_iter().map(on_port).collect();
    match rules.len() {
        0 | 1 => rules.pop(),
        _ => Some(ListenerFilterChainMatchPredicate::OrMatch(MatchSet { rules })),
    }
}
