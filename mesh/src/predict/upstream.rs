//! A sidecar on its way upstream: cluster, endpoint, transport socket, and what comes back.

use std::net::{IpAddr, SocketAddr};

use envoy_api::{
    Cluster, DiscoveryType, DnsLookupFamily, ExplicitHttpConfig, ExtensionProtocolOptions, HTTP_PROTOCOL_OPTIONS,
    HttpProtocolOptions, LbEndpoint, TRANSPORT_SOCKET_MATCH, TransportSocket, TransportSocketConfig,
    UpstreamTlsContext,
};

use crate::{account::Reason, compile::Resource, model::Family};

use super::{
    CallError,
    certificate::Why,
    http::without_port,
    inbound::{Place, Shared},
    sidecar::Sidecar,
    simulate::{Dialler, Simulation},
    tls::{Broken, Hello, Side},
    trace::{Log, Role},
    wire::{Reply, Request, Sent, Version},
};

/// What came of an attempt to reach a cluster.
pub(super) enum Upstream {
    /// The connection stood, its handshake too. For HTTP, the version that was spoken.
    Connected(Option<Version>, Reply),
    /// It never did.
    Failed(Failure),
}

/// Why there was no connection upstream.
pub(super) enum Failure {
    NoCluster,
    NoEndpoint,
    Timeout,
    /// Connecting or the handshake failed; Envoy's words for it.
    Connect(String),
}

/// Where a sidecar connects to.
struct Target<'a> {
    address: SocketAddr,
    /// The TLS to speak there, if any.
    context: Option<&'a UpstreamTlsContext>,
}

impl Simulation<'_> {
    /// A TCP proxy relays to a cluster.
    pub(super) fn relay(
        &mut self,
        at: Place,
        cluster: &str,
        shared: &Shared,
        sent: &[Sent],
    ) -> Result<Reply, CallError> {
        let upstream = self.upstream(at, cluster, shared, None, sent)?;
        // What a plaintext peer has sent is still unread when its connection is closed, so the kernel resets it; TLS is closed in
        // order, and before the peer has sent anything inside.
        let gone = if at.ended_tls { Reply::Closed } else { Reply::Reset };
        let (flags, reply) = match upstream {
            Upstream::Connected(_, Reply::Reset) => ("UR", Reply::Reset),
            Upstream::Connected(_, reply) => ("-", reply),
            Upstream::Failed(Failure::NoCluster) => ("NC", gone),
            Upstream::Failed(Failure::NoEndpoint) => ("UH", gone),
            // After its one attempt the TCP proxy has used up its attempts (envoy: `source/common/tcp_proxy/tcp_proxy.cc`).
            Upstream::Failed(Failure::Timeout | Failure::Connect(_)) => ("UF,URX", gone),
        };
        self.trace.log(at.role, Log::new(flags, "-"));
        Ok(reply)
    }

    /// Something is sent to a cluster. `request` is what an HTTP connection manager read, which is sent in the cluster's
    /// version of HTTP.
    pub(super) fn upstream(
        &mut self,
        at: Place,
        name: &str,
        shared: &Shared,
        request: Option<(Version, &Request)>,
        sent: &[Sent],
    ) -> Result<Upstream, CallError> {
        let sidecar = self.world.sidecar(at.host)?;
        let Some(cluster) = self.cluster(at, sidecar, name)? else {
            return Ok(Upstream::Failed(Failure::NoCluster));
        };
        let Some(target) = self.target(at, sidecar, cluster) else {
            return Ok(Upstream::Failed(Failure::NoEndpoint));
        };
        let version = request.map(|(downstream, _)| http_version(cluster, downstream));
        let message = match (version, request) {
            (Some(version), Some((_, request))) => vec![Sent::Http(version, request.clone())],
            _ => sent.to_vec(),
        };
        let dialler = Dialler { host: at.host, sidecar: Some(at.role), bound_to: source(cluster, target.address) };
        let Some(context) = target.context else {
            let reply = self.dial(dialler, target.address, &message)?;
            return Ok(plain(version, reply));
        };
        let Ok(mut hello) = Hello::of(context, &sidecar.material) else {
            return Ok(self.without_secret(at));
        };
        let by_filter = version.and_then(|version| sidecar.http_alpn(cluster, version == Version::Http2));
        if let Some(alpn) = shared.alpn.as_ref().or(by_filter) {
            hello.alpn.clone_from(alpn);
        }
        hello.server_name = shared.server_name.clone().or(hello.server_name);
        if let (Some(version), Some((_, request))) = (version, request) {
            by_request(cluster, version, request, &mut hello);
        }
        let layers: Vec<Sent> = [Sent::Tls(hello)].into_iter().chain(message).collect();
        let reply = self.dial(dialler, target.address, &layers)?;
        Ok(self.secured(at, version, reply))
    }

    /// The cluster of that name, or of the subset that the call asks for; `None` if there is none.
    fn cluster<'b>(&mut self, at: Place, sidecar: &'b Sidecar, name: &str) -> Result<Option<&'b Cluster>, CallError> {
        let of_subset = self.of_subset(at, name);
        let name = of_subset.as_deref().unwrap_or(name);
        if let Some(cluster) = sidecar.cluster(name) {
            let why = sidecar.why(&Resource::Cluster(name.into()));
            let because = why.map_or("the route or filter names it", |why| &why.because);
            self.trace.step(at.role.party(), "cluster", name, because, why.map(|why| &why.source));
            return Ok(Some(cluster));
        }
        if let Some(reason) = sidecar.unread(name) {
            return Err(CallError::Unread { resource: name.into(), reason: reason.clone() });
        }
        if let (Some(subset), Some((_, host))) =
            (self.subset, of_subset.as_deref().and_then(|name| name.rsplit_once('|')))
        {
            return Err(CallError::NoSubset { host: host.into(), subset: subset.into() });
        }
        self.trace.step(at.role.party(), "cluster", name, "there is no such cluster", None);
        self.trace.refuse(at.role.party(), Reason::NoHealthyUpstream);
        Ok(None)
    }

    /// Where a cluster sends to, and through which transport socket; `None` if it has no endpoint.
    fn target<'b>(&mut self, at: Place, sidecar: &'b Sidecar, cluster: &'b Cluster) -> Option<Target<'b>> {
        let party = at.role.party();
        let endpoints = sidecar.endpoints(cluster);
        let endpoint = endpoints.first().copied();
        let original = cluster.discovery_type == DiscoveryType::OriginalDst;
        let address = match endpoint {
            _ if original => Some(cluster.overridden(at.arrival.destination)),
            Some(endpoint) => self.address_of(cluster, endpoint),
            None => None,
        };
        let Some(address) = address else {
            let because = match endpoint.map(|endpoint| &endpoint.endpoint.address.socket_address.address) {
                Some(name) => format!("{name} does not resolve"),
                None => "the cluster has no endpoint".to_owned(),
            };
            self.trace.step(party, "endpoint", "none", because, None);
            self.trace.refuse(party, Reason::NoHealthyUpstream);
            return None;
        };
        let host = endpoint.map_or_else(
            || address.ip().to_string(),
            |endpoint| endpoint.endpoint.address.socket_address.address.clone(),
        );
        let why = sidecar.why(&Resource::Endpoint { cluster: cluster.name.clone(), host, port: address.port() });
        let which = match endpoints.len() {
            _ if original && address != at.arrival.destination => {
                "where the connection was going, at another port".to_owned()
            }
            _ if original => "where the connection was going".to_owned(),
            1 => "the only endpoint".to_owned(),
            n => format!("the first of {n} endpoints"),
        };
        let because = why.map_or_else(|| which.clone(), |why| format!("{which}; {}", why.because));
        self.trace.step(party, "endpoint", address.to_string(), because, why.map(|why| &why.source));

        let (name, context) = transport_socket(cluster, endpoint);
        let why = sidecar.why(&Resource::TransportSocket { cluster: cluster.name.clone() });
        let choice = match (name, context) {
            ("", Some(_)) => "tls",
            ("", None) => "raw_buffer",
            (name, _) => name,
        };
        let because = why.map_or("the cluster's transport socket", |why| &why.because);
        self.trace.step(party, "transport socket", choice, because, why.map(|why| &why.source));
        Some(Target { address, context })
    }

    /// Where an endpoint is; nowhere if it is a name that nobody has.
    fn address_of(&self, cluster: &Cluster, endpoint: &LbEndpoint) -> Option<SocketAddr> {
        let address = &endpoint.endpoint.address;
        let port = address.socket_address.port_value;
        if let Some(ip) = address.ip() {
            return Some(SocketAddr::new(ip, port));
        }
        let found = self.world.resolve(&address.socket_address.address);
        let of = |family| found.iter().copied().find(|&ip| Family::of(ip) == family);
        let ip = match cluster.dns_lookup_family.unwrap_or(DnsLookupFamily::Auto) {
            DnsLookupFamily::V4Only => of(Family::Ipv4),
            DnsLookupFamily::V6Only => of(Family::Ipv6),
            DnsLookupFamily::Auto => of(Family::Ipv6).or_else(|| of(Family::Ipv4)),
            DnsLookupFamily::V4Preferred | DnsLookupFamily::All => of(Family::Ipv4).or_else(|| of(Family::Ipv6)),
        };
        Some(SocketAddr::new(ip?, port))
    }

    /// The cluster of the subset that the call asks for, in place of the whole service's.
    fn of_subset(&self, at: Place, cluster: &str) -> Option<String> {
        let (subset, Role::Client) = (self.subset?, at.role) else { return None };
        match cluster.split('|').collect::<Vec<_>>().as_slice() {
            ["outbound", port, "", host] => Some(format!("outbound|{port}|{subset}|{host}")),
            _ => None,
        }
    }

    /// A TLS context that waits for a secret closes each connection at once.
    fn without_secret(&mut self, at: Place) -> Upstream {
        self.trace.step(
            at.role.party(),
            "secret",
            "none",
            "a secret that the transport socket names is not there",
            None,
        );
        self.trace.refuse(at.role.party(), Reason::TlsHandshakeFailed);
        Upstream::Failed(Failure::Connect("TLS_error:_Secret_is_not_supplied_by_SDS".into()))
    }

    /// What a reply to a ClientHello of this sidecar comes to.
    fn secured(&mut self, at: Place, version: Option<Version>, reply: Reply) -> Upstream {
        let given_up = |simulation: &mut Self, why: &str| {
            simulation.trace.refuse(at.role.party(), Reason::TlsHandshakeFailed);
            Upstream::Failed(Failure::Connect(tls_error(why)))
        };
        match reply {
            Reply::Tunnel(_, inner) => Upstream::Connected(version, *inner),
            // The request was on its way already, and the connection ends before its answer.
            Reply::Broken(session, broken) if broken.is_late(&session) => Upstream::Connected(version, Reply::Closed),
            Reply::Broken(_, Broken { by: Side::Server, why }) => {
                Upstream::Failed(Failure::Connect(tls_error(alert(&why))))
            }
            Reply::Broken(_, Broken { by: Side::Client, why: Why::WrongSan(sans) }) => {
                let verified = format!("SAN_matcher,_certificate_SANs_are_[{}]", sans.join(",_"));
                given_up(self, &format!("{VERIFY_FAILED}:verify_cert_failed:_{verified}"))
            }
            Reply::Broken(_, Broken { why, .. }) => {
                given_up(self, &format!("{VERIFY_FAILED}:verify_cert_failed:_{}", chain_error(&why)))
            }
            Reply::Response(..) => given_up(self, "268435703:SSL_routines:OPENSSL_internal:WRONG_VERSION_NUMBER"),
            Reply::Echo => given_up(self, "268435679:SSL_routines:OPENSSL_internal:UNEXPECTED_MESSAGE"),
            Reply::Alert => given_up(self, "268436506:SSL_routines:OPENSSL_internal:TLSV1_ALERT_DECODE_ERROR"),
            Reply::Reset | Reply::Closed => {
                given_up(self, "33554536:system_library:OPENSSL_internal:Connection_reset_by_peer")
            }
            Reply::Silence => Upstream::Failed(Failure::Timeout),
            Reply::Refused | Reply::Unreachable => plain(version, reply),
        }
    }
}

const VERIFY_FAILED: &str = "268435581:SSL_routines:OPENSSL_internal:CERTIFICATE_VERIFY_FAILED";

/// What is wrong with a certificate's chain, in OpenSSL's words.
fn chain_error(why: &Why) -> String {
    let error = match why {
        Why::Expired => "certificate_has_expired",
        Why::NotYetValid => "certificate_is_not_yet_valid",
        _ => "unable_to_get_local_issuer_certificate",
    };
    format!("X509_verify_cert:_certificate_verification_error_at_depth_0:_{error}")
}

/// BoringSSL's error for an alert that came (`ERR_LIB_SSL`, 1000 and the alert's number).
fn alert(why: &Why) -> &'static str {
    match why {
        Why::UnknownIssuer => "268436504:SSL_routines:OPENSSL_internal:TLSV1_ALERT_UNKNOWN_CA",
        Why::Expired | Why::NotYetValid => "268436501:SSL_routines:OPENSSL_internal:SSLV3_ALERT_CERTIFICATE_EXPIRED",
        Why::WrongSan(_) => "268436502:SSL_routines:OPENSSL_internal:SSLV3_ALERT_CERTIFICATE_UNKNOWN",
        Why::NoCertificate => "268436572:SSL_routines:OPENSSL_internal:TLSV1_ALERT_CERTIFICATE_REQUIRED",
        Why::NoCommonProtocol => "268436576:SSL_routines:OPENSSL_internal:TLSV1_ALERT_NO_APPLICATION_PROTOCOL",
    }
}

/// An error of BoringSSL as access logs print it.
fn tls_error(text: &str) -> String {
    format!("TLS_error:|{text}:TLS_error_end")
}

/// What a reply on a connection without TLS comes to.
fn plain(version: Option<Version>, reply: Reply) -> Upstream {
    match reply {
        Reply::Refused => Upstream::Failed(Failure::Connect("delayed_connect_error:_Connection_refused".into())),
        Reply::Unreachable => {
            Upstream::Failed(Failure::Connect("delayed_connect_error:_Network_is_unreachable".into()))
        }
        reply => Upstream::Connected(version, reply),
    }
}

/// The transport socket for an endpoint: the first match whose keys and values the endpoint's metadata has, and its name; else
/// the cluster's own, which has none.
fn transport_socket<'a>(
    cluster: &'a Cluster,
    endpoint: Option<&LbEndpoint>,
) -> (&'a str, Option<&'a UpstreamTlsContext>) {
    let metadata = endpoint.and_then(|endpoint| endpoint.metadata.as_ref());
    let metadata = metadata.and_then(|metadata| metadata.filter_metadata.get(TRANSPORT_SOCKET_MATCH));
    let matching = cluster.transport_socket_matches.iter().find(|candidate| {
        let has = |(key, value): (&String, _)| metadata.and_then(|metadata| metadata.get(key)) == Some(value);
        candidate.matcher.iter().all(has)
    });
    let (name, socket) = match matching {
        Some(matching) => (matching.name.as_str(), Some(&matching.transport_socket)),
        None => ("", cluster.transport_socket.as_ref()),
    };
    (name, socket.and_then(upstream_tls))
}

fn upstream_tls(socket: &TransportSocket) -> Option<&UpstreamTlsContext> {
    match &socket.typed_config {
        TransportSocketConfig::UpstreamTls(context) => Some(context),
        TransportSocketConfig::DownstreamTls(_) | TransportSocketConfig::RawBuffer(_) => None,
    }
}

/// What a handshake takes from the request for which it is made: SNI and the name to check, where the cluster says so, and
/// the protocol where nothing else is offered.
fn by_request(cluster: &Cluster, version: Version, request: &Request, hello: &mut Hello) {
    if hello.alpn.is_empty() {
        hello.alpn = vec![version.alpn().into()];
    }
    let options = http_options(cluster).and_then(|options| options.upstream_http_protocol_options.as_ref());
    let host = without_port(&request.authority);
    let name = host.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>().is_err().then(|| host.to_owned());
    if options.is_some_and(|options| options.auto_sni) {
        hello.server_name.clone_from(&name);
    }
    if options.is_some_and(|options| options.auto_san_validation) {
        hello.check.host = name;
    }
}

fn http_options(cluster: &Cluster) -> Option<&HttpProtocolOptions> {
    let ExtensionProtocolOptions::Http(options) =
        cluster.typed_extension_protocol_options.get(HTTP_PROTOCOL_OPTIONS)?;
    Some(options)
}

/// The version of HTTP that a cluster is spoken to in.
fn http_version(cluster: &Cluster, downstream: Version) -> Version {
    let Some(options) = http_options(cluster) else { return Version::Http1 };
    match &options.explicit_http_config {
        Some(ExplicitHttpConfig::Http2ProtocolOptions(_)) => Version::Http2,
        None if options.use_downstream_protocol_config.is_some() => downstream,
        Some(ExplicitHttpConfig::HttpProtocolOptions(_)) | None => Version::Http1,
    }
}

/// The address that a cluster's connections are bound to, of the family of where they go.
fn source(cluster: &Cluster, destination: SocketAddr) -> Option<IpAddr> {
    let config = cluster.upstream_bind_config.as_ref()?;
    let main = config.source_address.iter();
    let addresses = main.chain(config.extra_source_addresses.iter().map(|extra| &extra.address));
    addresses
        .filter_map(|address| address.address.parse::<IpAddr>().ok())
        .find(|&ip| Family::of(ip) == Family::of(destination.ip()) && !ip.is_unspecified())
}

#[cfg(test)]
mod tests;
