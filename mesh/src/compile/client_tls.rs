//! How the client's sidecar secures connections to a destination: not at all, with mTLS and its SVID, or with TLS as in a
//! DestinationRule (`pilot/pkg/networking/core/cluster_tls.go`).

use envoy_api::{
    CertificateValidationContext, CommonTlsContext, DataSource, SanType, Secret, StringMatcher, SubjectAltNameMatcher,
    TlsCertificate, TransportSocket, UpstreamHttpProtocolOptions, UpstreamTlsContext,
};

use super::{
    Compiler,
    chain_table::{MESH_TCP, PEER_EXCHANGE},
    destination::Destination,
    names,
    tls::{OFFER_HTTP1, OFFER_HTTP2, uri},
    traffic_policy,
};
use crate::{
    flavor::MeshAlpn,
    model::{ClientMaterial, ClientTls, ClientTlsMode, Pem, Roots, Source},
    system_roots,
};

/// What the client's sidecar does, and the reason.
pub(super) struct ClientSide {
    pub(super) sockets: Sockets,
    /// The settings that it takes from the request's host.
    pub(super) by_host: Option<UpstreamHttpProtocolOptions>,
    pub(super) because: String,
    pub(super) source: Source,
}

/// A cluster's transport sockets.
#[allow(clippy::large_enum_variant)] // one for each cluster, for as long as it takes to compile it
pub(super) enum Sockets {
    /// No TLS.
    Plaintext,
    /// The same for all endpoints.
    All(TransportSocket),
    /// This socket for endpoints marked for mTLS, plaintext for others.
    Marked(TransportSocket),
}

impl<'a> Compiler<'a> {
    pub(super) fn client_side(&mut self, destination: Destination<'a>) -> ClientSide {
        match (destination.passthrough, destination.tls()) {
            (Some((by, source)), _) => ClientSide {
                sockets: Sockets::Plaintext,
                by_host: None,
                because: format!("{by} is annotated PASSTHROUGH: the app's TLS unchanged"),
                source: source.clone(),
            },
            (None, Some(tls)) => self.as_ruled(destination, tls),
            (None, None) => self.automatic(destination),
        }
    }

    fn automatic(&self, destination: Destination<'a>) -> ClientSide {
        let (mtls, because, source) = if self.mesh.config.enable_auto_mtls {
            destination.auto_mtls(self.mesh, &self.entries)
        } else {
            let source = self.mesh.config.source.at("enableAutoMtls");
            (false, "automatic mTLS is off".into(), source)
        };
        let sockets = match mtls {
            false => Sockets::Plaintext,
            true => Sockets::Marked(self.mesh_tls(destination, destination.mesh_sni(), None)),
        };
        ClientSide { sockets, by_host: None, because, source }
    }

    fn as_ruled(&mut self, destination: Destination<'a>, tls: &ClientTls) -> ClientSide {
        let ClientTls { spec, by, source, .. } = tls;
        let (sockets, by_host) = match spec.mode {
            ClientTlsMode::Simple | ClientTlsMode::Mutual if tls.is_ignored_by(self.pod) => (Sockets::Plaintext, None),
            ClientTlsMode::Disable => (Sockets::Plaintext, None),
            ClientTlsMode::IstioMutual => {
                let sni = if spec.sni.is_empty() { destination.mesh_sni() } else { spec.sni.clone() };
                let names = (!spec.subject_alt_names.is_empty()).then_some(&spec.subject_alt_names[..]);
                (Sockets::All(self.mesh_tls(destination, sni, names)), None)
            }
            ClientTlsMode::Simple | ClientTlsMode::Mutual => {
                (Sockets::All(self.own_tls(destination, tls)), by_host(tls))
            }
        };
        let mode = spec.mode.name();
        let because = if tls.is_ignored_by(self.pod) {
            format!("{by} says {mode}, but its credentialName only applies with a workloadSelector: plaintext")
        } else {
            format!("{by} says {mode}")
        };
        ClientSide { sockets, by_host, because, source: source.clone() }
    }

    /// mTLS with the workload's SVID, to one of the service's accounts unless the user names others.
    fn mesh_tls(&self, destination: Destination<'_>, sni: String, names: Option<&[String]>) -> TransportSocket {
        let identities = match names {
            Some(names) => names.iter().flat_map(|name| any_kind(name)).collect(),
            None if destination.service.entry.is_some() => {
                destination.entry_names(self.mesh).iter().flat_map(|name| any_kind(name)).collect()
            }
            None if self.decisions.checks_identities => {
                let endpoints = destination.service.ports.iter().flat_map(|port| &port.endpoints);
                let pods = endpoints.map(|endpoint| &self.mesh.pods[endpoint.pod]);
                // Pods without a sidecar count, too: Istio considers only their service accounts.
                let mut ids: Vec<_> = pods
                    .filter(|pod| !pod.service_account.is_empty())
                    .flat_map(|pod| self.mesh.config.spiffe_ids(&pod.name.namespace, &pod.service_account))
                    .collect();
                let workloads = destination.service.workloads.iter().filter(|one| !one.service_account.is_empty());
                let namespace = &destination.service.name.namespace;
                ids.extend(workloads.flat_map(|one| self.mesh.config.spiffe_ids(namespace, &one.service_account)));
                ids.sort();
                ids.dedup();
                ids.into_iter().map(|id| uri(StringMatcher::exact(id))).collect()
            }
            None => vec![],
        };
        TransportSocket::upstream_tls(UpstreamTlsContext {
            common_tls_context: self.mesh_context(self.offer(destination), &[], identities),
            sni,
            max_session_keys: self.max_session_keys(),
        })
    }

    /// What the client offers to a port that says what it speaks: Istio's filter `istio.alpn` goes by the protocol of
    /// the *upstream* connection, and the cluster settles that. Where the connection settles it, its chain says so
    /// (`outbound.rs`), and this is for bytes that are not HTTP.
    fn offer(&self, destination: Destination<'_>) -> &'static [&'static str] {
        match self.decisions.mesh_alpn {
            MeshAlpn::PeerExchange => PEER_EXCHANGE,
            MeshAlpn::ByProtocol if self.speaks_http2(destination) => OFFER_HTTP2,
            MeshAlpn::ByProtocol if destination.port.protocol.is_http() => OFFER_HTTP1,
            // A gateway's chain does not know which cluster a request goes to; its chains for bytes say what they offer.
            MeshAlpn::ByProtocol if self.pod.is_gateway() && destination.port.protocol.is_auto() => OFFER_HTTP1,
            MeshAlpn::ByProtocol => MESH_TCP,
        }
    }

    /// Whether the cluster of a destination speaks HTTP/2 whatever came in.
    fn speaks_http2(&self, destination: Destination<'_>) -> bool {
        let asked = self.asked(destination.connection_pool());
        traffic_policy::speaks_http2(destination.port, self.client_class(destination), asked)
    }

    /// TLS with the user's certificates, roots and names.
    fn own_tls(&mut self, destination: Destination<'_>, tls: &ClientTls) -> TransportSocket {
        let names = destination.own_names(&tls.spec.subject_alt_names, self.mesh);
        let names = names.iter().flat_map(|name| any_kind(name)).collect();
        let checks = CertificateValidationContext { match_typed_subject_alt_names: names, ..Default::default() };
        let ClientMaterial { certificate, key, roots } = self.mesh.client_material(self.index, tls);
        let [certificate_name, roots_name] = secret_names(tls);
        let mut context = CommonTlsContext { alpn_protocols: vec![], ..self.user_context() };
        if self.speaks_http2(destination) {
            context.alpn_protocols = vec!["h2".into()];
        }
        if let (Some(certificate), Some(key)) = (certificate, key) {
            let secret = certificate_secret(&certificate_name, &certificate, &key);
            context.tls_certificate_sds_secret_configs = vec![self.secret(&certificate_name)];
            self.secrets.insert(certificate_name, secret);
        }
        match roots {
            Roots::Anyone => {}
            Roots::System => {
                context.combined_validation_context = Some(self.checked_against(system_roots::SECRET, checks));
                self.secrets.insert(system_roots::SECRET.into(), Some(system_roots::secret()));
            }
            Roots::Pem(roots) => {
                context.combined_validation_context = Some(self.checked_against(&roots_name, checks));
                let secret = roots_secret(&roots_name, &roots);
                self.secrets.insert(roots_name, secret);
            }
        }
        TransportSocket::upstream_tls(UpstreamTlsContext {
            common_tls_context: context,
            sni: tls.spec.sni.clone(),
            max_session_keys: self.max_session_keys(),
        })
    }
}

/// A secret with a certificate and its key; `None` if one of them is missing.
pub(super) fn certificate_secret(name: &str, certificate: &Pem<'_>, key: &Pem<'_>) -> Option<Secret> {
    let certificate =
        TlsCertificate { certificate_chain: inline(certificate.content?), private_key: inline(key.content?) };
    Some(Secret { name: name.into(), tls_certificate: Some(certificate), validation_context: None })
}

/// A secret with roots; `None` if they are missing.
pub(super) fn roots_secret(name: &str, roots: &Pem<'_>) -> Option<Secret> {
    let context = CertificateValidationContext { trusted_ca: Some(inline(roots.content?)), ..Default::default() };
    Some(Secret { name: name.into(), tls_certificate: None, validation_context: Some(context) })
}

/// Istio's names for the secrets of a certificate and of the roots, by file or `credentialName`.
fn secret_names(tls: &ClientTls) -> [String; 2] {
    let spec = &tls.spec;
    if spec.credential_name.is_empty() {
        let certificate = format!("file-cert:{}~{}", spec.client_certificate, spec.private_key);
        return [certificate, format!("file-root:{}", spec.ca_certificates)];
    }
    let name = spec.credential_name.strip_prefix(names::SECRET_SCHEME).unwrap_or(&spec.credential_name);
    [format!("{}{name}", names::SECRET_SCHEME), format!("{}{name}-cacert", names::SECRET_SCHEME)]
}

/// What is taken from the request's host where the rule leaves it open: the SNI, and the name that is checked. Without
/// HTTP there is no host, and neither is done.
fn by_host(tls: &ClientTls) -> Option<UpstreamHttpProtocolOptions> {
    let auto_sni = tls.spec.sni.is_empty();
    let auto_san_validation = auto_sni && tls.spec.subject_alt_names.is_empty() && !tls.spec.insecure_skip_verify;
    auto_sni.then_some(UpstreamHttpProtocolOptions { auto_sni, auto_san_validation })
}

/// A name from the user can be of any type.
fn any_kind(name: &str) -> [SubjectAltNameMatcher; 4] {
    let exact = |san_type| SubjectAltNameMatcher { san_type, matcher: StringMatcher::exact(name) };
    [SanType::Email, SanType::Dns, SanType::Uri, SanType::IpAddress].map(exact)
}

/// PEM is ASCII: what is not would be refused all the same.
fn inline(pem: &[u8]) -> DataSource {
    DataSource::InlineString(String::from_utf8_lossy(pem).into_owned())
}
