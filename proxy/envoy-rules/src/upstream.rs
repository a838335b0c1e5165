//! Connecting to a cluster: eligible endpoints, source address, transport socket, and protocol.

use std::net::{IpAddr, SocketAddr};

use envoy_api::{
    AlpnFilter, BindConfig, Cluster, DiscoveryType, DnsLookupFamily, ExplicitHttpConfig, ExtensionProtocolOptions,
    HTTP_PROTOCOL_OPTIONS, HttpProtocolOptions, Metadata, TRANSPORT_SOCKET_MATCH, TransportSocketMatch,
    UpstreamHttpProtocolOptions, UpstreamProtocol, UpstreamTlsContext,
};

use crate::{authority::Authority, codec::HttpVersion};

/// The addresses that a connection may be made to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Candidates<'a, T> {
    /// There are none.
    None,
    /// The original destination of the downstream connection.
    Original(SocketAddr),
    /// Any of these, as chosen by the load balancing policy.
    OneOf(&'a [T]),
}

/// The addresses that a cluster's connections may be made to, given the downstream's original destination and the endpoints.
pub fn candidates<'a, T>(cluster: &Cluster, original_dst: Option<SocketAddr>, endpoints: &'a [T]) -> Candidates<'a, T> {
    match (cluster.discovery_type, original_dst) {
        (DiscoveryType::OriginalDst, Some(address)) => Candidates::Original(cluster.original_destination(address)),
        (DiscoveryType::OriginalDst, None) => Candidates::None,
        _ if endpoints.is_empty() => Candidates::None,
        _ => Candidates::OneOf(endpoints),
    }
}

/// The addresses of a name that a cluster uses, IPv4 first (`dns_lookup_family`).
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

/// The addresses in a bind configuration, with `source_address` first.
///
/// # Errors
/// The first one that is not an IP address.
pub fn source_addresses(config: &BindConfig) -> Result<Vec<SocketAddr>, &str> {
    let all = config.source_address.iter().chain(config.extra_source_addresses.iter().map(|extra| &extra.address));
    let address = |configured: &'_ envoy_api::SocketAddress| {
        configured.address.parse::<IpAddr>().ok().map(|ip| SocketAddr::new(ip, configured.port_value))
    };
    all.map(|configured| address(configured).ok_or(configured.address.as_str())).collect()
}

/// The source address for a destination: the first one of the same IP version.
pub fn source_for(sources: &[SocketAddr], destination: SocketAddr) -> Option<SocketAddr> {
    sources.iter().find(|source| source.is_ipv4() == destination.is_ipv4()).copied()
}

/// Which of a cluster's transport socket matches applies to an endpoint, by its metadata: the first one whose keys and values it
/// contains. `None` means the cluster's own transport socket (`TransportSocketMatcherImpl::resolve`).
pub fn transport_socket_match(matches: &[TransportSocketMatch], metadata: Option<&Metadata>) -> Option<usize> {
    let metadata = metadata.and_then(|metadata| metadata.filter_metadata.get(TRANSPORT_SOCKET_MATCH));
    let has = |key: &String, value: &serde_json::Value| metadata.and_then(|metadata| metadata.get(key)) == Some(value);
    matches.iter().position(|candidate| candidate.matcher.iter().all(|(key, value)| has(key, value)))
}

/// A cluster's HTTP options, if configured.
pub fn http_options(cluster: &Cluster) -> Option<&HttpProtocolOptions> {
    let ExtensionProtocolOptions::Http(options) =
        cluster.typed_extension_protocol_options.get(HTTP_PROTOCOL_OPTIONS)?;
    Some(options)
}

/// The HTTP version in which a request is sent to a cluster, given the downstream's version.
pub fn http_version(cluster: &Cluster, downstream: HttpVersion) -> HttpVersion {
    let Some(options) = http_options(cluster) else { return HttpVersion::Http1 };
    match &options.explicit_http_config {
        Some(ExplicitHttpConfig::Http2ProtocolOptions(_)) => HttpVersion::Http2,
        None if options.use_downstream_protocol_config.is_some() => downstream,
        Some(ExplicitHttpConfig::HttpProtocolOptions(_)) | None => HttpVersion::Http1,
    }
}

/// ALPN that Istio's filter `istio.alpn` makes a request to a cluster with this metadata offer; `None` if the metadata
/// disables the filter, or the filter does not mention the upstream version
/// (istio-proxy: `source/extensions/filters/http/alpn/alpn_filter.cc`).
pub fn alpn_override<'a>(
    filter: &'a AlpnFilter,
    cluster: Option<&Metadata>,
    version: HttpVersion,
) -> Option<&'a [String]> {
    let istio = cluster.and_then(|metadata| metadata.filter_metadata.get("istio"));
    if istio.and_then(|istio| istio.get("alpn_override")).is_some_and(|value| value == "false") {
        return None;
    }
    let spoken = match version {
        HttpVersion::Http1 => UpstreamProtocol::Http11,
        HttpVersion::Http2 => UpstreamProtocol::Http2,
    };
    // The last of a version counts, as in the filter's map.
    let found = filter.alpn_override.iter().rev().find(|one| one.upstream_protocol == spoken)?;
    Some(&found.alpn_override[..]).filter(|offered| !offered.is_empty())
}

/// What a ClientHello depends on besides the TLS context.
#[derive(Clone, Copy, Debug, Default)]
pub struct HelloFacts<'a> {
    /// ALPN from filter state (`envoy.network.application_protocols`) of the request, else of the connection.
    pub state_alpn: Option<&'a [String]>,
    /// SNI from filter state (`envoy.network.upstream_server_name`).
    pub state_server_name: Option<&'a str>,
    /// `host` and upstream version of the request; `None` for a TCP session.
    pub request: Option<(&'a str, HttpVersion)>,
}

/// The contents of a ClientHello, and the host that the certificate must be for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hello<'a> {
    /// The SNI, if any.
    pub server_name: Option<&'a str>,
    /// The offered protocols, in order.
    pub alpn: Alpn<'a>,
    /// The name or IP address that the server's certificate must be for.
    pub verify_host: Option<&'a str>,
}

/// The protocols in a ClientHello, by source.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Alpn<'a> {
    /// From the TLS context; may be empty.
    OfContext(&'a [String]),
    /// From filter state, replacing those of the context.
    Replaced(&'a [String]),
    /// The HTTP version in use, if nothing else provides any.
    OfVersion(HttpVersion),
}

impl<'a> Hello<'a> {
    /// The ClientHello for a TLS context, these facts, and the cluster's options.
    ///
    /// Filter state takes precedence over the cluster's options (for requests), which take precedence over the context. With
    /// `auto_sni` and an IP address, the context's SNI is kept (`Filter::decodeHeaders`, `source/common/router/router.cc`). The
    /// connection pool's protocol is the last choice for ALPN (`ContextImpl::newSsl`, `source/common/tls/client_context_impl.cc`).
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
    /// The protocols as a list.
    pub fn protocols(self) -> Vec<String> {
        match self {
            Self::OfContext(protocols) | Self::Replaced(protocols) => protocols.to_vec(),
            Self::OfVersion(version) => vec![version.alpn().to_owned()],
        }
    }
}

#[cfg(test)]
mod tests;
