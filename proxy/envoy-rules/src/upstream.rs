//! Where and how a cluster is connected to: which endpoints may be chosen, from which address, through which transport
//! socket, and in which protocol.

use std::net::{IpAddr, SocketAddr};

use envoy_api::{
    BindConfig, Cluster, DiscoveryType, DnsLookupFamily, ExplicitHttpConfig, ExtensionProtocolOptions,
    HTTP_PROTOCOL_OPTIONS, HttpProtocolOptions, Metadata, TRANSPORT_SOCKET_MATCH, TransportSocketMatch,
    UpstreamHttpProtocolOptions, UpstreamTlsContext,
};

use crate::{authority::Authority, codec::HttpVersion};

/// Where a connection may go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Candidates<'a, T> {
    /// Nowhere.
    None,
    /// Where the downstream connection was going.
    Original(SocketAddr),
    /// To any of these; the load balancing policy chooses.
    OneOf(&'a [T]),
}

/// Where a cluster's connections may go, for a downstream connection that was going to an address, and with these endpoints.
pub fn candidates<'a, T>(cluster: &Cluster, original_dst: Option<SocketAddr>, endpoints: &'a [T]) -> Candidates<'a, T> {
    match (cluster.discovery_type, original_dst) {
        (DiscoveryType::OriginalDst, Some(address)) => Candidates::Original(cluster.overridden(address)),
        (DiscoveryType::OriginalDst, None) => Candidates::None,
        _ if endpoints.is_empty() => Candidates::None,
        _ => Candidates::OneOf(endpoints),
    }
}

/// Of the addresses of a name those that a cluster uses, IPv4 first (`dns_lookup_family`).
pub fn of_lookup_family(mut addresses: Vec<SocketAddr>, family: Option<DnsLookupFamily>) -> Vec<SocketAddr> {
    addresses.sort_unstable();
    addresses.dedup();
    let (v4, v6): (Vec<_>, Vec<_>) = addresses.iter().partition(|address| address.is_ipv4());
    let or = |first: Vec<_>, second| if first.is_empty() { second } else { first };
    match family.unwrap_or(DnsLookupFamily::Auto) {
        DnsLookupFamily::V4Only => v4,
        DnsLookupFamily::V6Only => v6,
        DnsLookupFamily::Auto => or(v6, v4),
        DnsLookupFamily::V4Preferred => or(v4, v6),
        DnsLookupFamily::All => addresses,
    }
}

/// The addresses of a bind configuration, the first of them first.
///
/// # Errors
/// The one that is no IP address.
pub fn source_addresses(config: &BindConfig) -> Result<Vec<SocketAddr>, &str> {
    let all = config.source_address.iter().chain(config.extra_source_addresses.iter().map(|extra| &extra.address));
    let address = |configured: &'_ envoy_api::SocketAddress| {
        configured.address.parse::<IpAddr>().ok().map(|ip| SocketAddr::new(ip, configured.port_value))
    };
    all.map(|configured| address(configured).ok_or(configured.address.as_str())).collect()
}

/// The address that a connection to a destination is bound to: the first of the destination's family.
pub fn source_for(sources: &[SocketAddr], destination: SocketAddr) -> Option<SocketAddr> {
    sources.iter().find(|source| source.is_ipv4() == destination.is_ipv4()).copied()
}

/// Which of a cluster's transport socket matches an endpoint takes, by its metadata: the first whose keys and values are all
/// there. `None`: the cluster's own transport socket (`TransportSocketMatcherImpl::resolve`).
pub fn transport_socket_match(matches: &[TransportSocketMatch], metadata: Option<&Metadata>) -> Option<usize> {
    let metadata = metadata.and_then(|metadata| metadata.filter_metadata.get(TRANSPORT_SOCKET_MATCH));
    let has = |key: &String, value: &serde_json::Value| metadata.and_then(|metadata| metadata.get(key)) == Some(value);
    matches.iter().position(|candidate| candidate.matcher.iter().all(|(key, value)| has(key, value)))
}

/// How a cluster speaks HTTP, where it says so.
pub fn http_options(cluster: &Cluster) -> Option<&HttpProtocolOptions> {
    let ExtensionProtocolOptions::Http(options) =
        cluster.typed_extension_protocol_options.get(HTTP_PROTOCOL_OPTIONS)?;
    Some(options)
}

/// The version of HTTP in which a cluster is sent a request that came in another, or the same.
pub fn http_version(cluster: &Cluster, downstream: HttpVersion) -> HttpVersion {
    let Some(options) = http_options(cluster) else { return HttpVersion::Http1 };
    match &options.explicit_http_config {
        Some(ExplicitHttpConfig::Http2ProtocolOptions(_)) => HttpVersion::Http2,
        None if options.use_downstream_protocol_config.is_some() => downstream,
        Some(ExplicitHttpConfig::HttpProtocolOptions(_)) | None => HttpVersion::Http1,
    }
}

/// What decides a ClientHello, beside the TLS context.
#[derive(Clone, Copy, Debug, Default)]
pub struct HelloFacts<'a> {
    /// The ALPN in the filter state (`envoy.network.application_protocols`).
    pub state_alpn: Option<&'a [String]>,
    /// The SNI in the filter state (`envoy.network.upstream_server_name`).
    pub state_server_name: Option<&'a str>,
    /// The request for which the connection is made, by its `host`, and the version in which it is sent; none for a TCP session.
    pub request: Option<(&'a str, HttpVersion)>,
}

/// What a ClientHello offers, and what the answer must be for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hello<'a> {
    /// The SNI.
    pub server_name: Option<&'a str>,
    /// The protocols, in order.
    pub alpn: Alpn<'a>,
    /// The host that the server's certificate must be for, a name or an IP address.
    pub verify_host: Option<&'a str>,
}

/// The protocols that a ClientHello offers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Alpn<'a> {
    /// Those of the TLS context, which may be none.
    OfContext(&'a [String]),
    /// Others in their place.
    Replaced(&'a [String]),
    /// That of the version of HTTP which is spoken, as nothing else names any.
    OfVersion(HttpVersion),
}

impl<'a> Hello<'a> {
    /// The ClientHello that a TLS context makes of these facts, for a cluster with these options.
    ///
    /// Filter state comes first, then (for a request) the cluster's options, then the context. Where `auto_sni` meets an IP
    /// address the context's SNI stays (`Filter::decodeHeaders`, `source/common/router/router.cc`). Of ALPN the protocol of
    /// the connection pool comes last (`ContextImpl::newSsl`, `source/common/tls/client_context_impl.cc`).
    pub fn new(
        context: &'a UpstreamTlsContext,
        options: Option<&UpstreamHttpProtocolOptions>,
        facts: HelloFacts<'a>,
    ) -> Self {
        let host = facts.request.map(|(host, _)| Authority::parse(host));
        let of_request = host.filter(|_| options.is_some_and(|options| options.auto_sni));
        let of_context = Some(context.sni.as_str()).filter(|sni| !sni.is_empty());
        let protocols = &context.common_tls_context.alpn_protocols[..];
        Self {
            server_name: facts.state_server_name.or(of_request.and_then(Authority::server_name)).or(of_context),
            alpn: match (facts.state_alpn, protocols, facts.request) {
                (Some(protocols), ..) => Alpn::Replaced(protocols),
                (None, [], Some((_, version))) => Alpn::OfVersion(version),
                (None, protocols, _) => Alpn::OfContext(protocols),
            },
            verify_host: host
                .filter(|_| options.is_some_and(|options| options.auto_san_validation))
                .map(|host| host.host),
        }
    }
}

impl Alpn<'_> {
    /// The protocols.
    pub fn protocols(self) -> Vec<String> {
        match self {
            Self::OfContext(protocols) | Self::Replaced(protocols) => protocols.to_vec(),
            Self::OfVersion(version) => vec![version.alpn().to_owned()],
        }
    }
}

#[cfg(test)]
mod tests;
