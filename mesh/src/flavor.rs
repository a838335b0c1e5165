//! What differs between the two meshes: everything else in the compiler is the same for both.
//!
//! **Textbook** is the mesh as it is usually described: one ALPN marks all mesh traffic, a port's name decides its protocol,
//! and the sidecar dials its app on loopback. **Istio** is what a current Istio control plane generates (1.32-dev).
//! What that description leaves open (names, retries, redirects, SNI) follows Istio in both.

use crate::model::Flavor;

/// The decisions of the compiler that differ between the two meshes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Decisions {
    /// Which ALPN marks mesh traffic on leg 2.
    ///
    /// Textbook: `istio-peer-exchange`, whatever it carries. Istio: that and `istio` for TCP only; HTTP offers
    /// `istio-http/1.1,istio,http/1.1` or `istio-h2,istio,h2` (`pilot/pkg/xds/filters/filters.go`).
    pub mesh_alpn: MeshAlpn,
    /// Whether a STRICT port accepts only TLS that is marked as mesh traffic.
    ///
    /// Textbook: yes, so that foreign TLS finds no chain. Istio: no, all TLS is accepted, and a peer without a mesh
    /// certificate fails in the handshake (`pilot/pkg/networking/core/filterchain_options.go`).
    pub strict_matches_alpn: bool,
    /// Whether foreign TLS to a PERMISSIVE port that is named for HTTP is passed on to the app.
    ///
    /// Textbook: yes, everything else falls through to the passthrough chain. Istio: no chain matches it.
    pub http_ports_pass_foreign_tls: bool,
    /// Whether a port with mode DISABLE rejects TLS.
    ///
    /// Textbook: yes, the server's sidecar rejects it (there are only `raw_buffer` chains). Istio: it does not detect
    /// TLS there at all, and the bytes reach the HTTP codec or the app.
    pub disable_refuses_tls: bool,
    /// Where the server's sidecar dials its app on a port of a service.
    ///
    /// Textbook: `127.0.0.1:PORT` (`[::1]:PORT`). Istio (since 1.10): the original destination, from 127.0.0.6
    /// (`::6`). Ports of no service are dialled as in Istio in both.
    pub app_address: AppAddress,
    /// What the client's sidecar does with bytes that are not HTTP on a port that is named for HTTP.
    ///
    /// Textbook: its HTTP parser gets them, and fails. Istio: they are forwarded to their original destination, or dropped
    /// (`outboundTrafficPolicy`).
    pub http_ports_pass_other_bytes: bool,
    /// Whether the protocol of an undeclared port is detected for each connection.
    ///
    /// Textbook: no, it is opaque TCP. Istio: yes.
    pub detects_protocols: bool,
    /// Whether the two sidecars verify the identity in the peer's certificate, besides the mesh root.
    ///
    /// Textbook: no. Istio: the client accepts only the service accounts behind the service, the server only the mesh's
    /// trust domain.
    pub checks_identities: bool,
    /// Whether the client's sidecar reads the SNI of TLS that leaves the mesh.
    ///
    /// Textbook: yes, it is in the access log. Istio: no, unless a ServiceEntry or VirtualService makes a TLS listener.
    pub reads_egress_sni: bool,
    /// How the server's sidecar distinguishes HTTP/2 from HTTP/1.1 inside mTLS.
    ///
    /// Textbook: by the port's name, since its single ALPN does not say. Istio: by the negotiated ALPN.
    pub inbound_codec: InboundCodec,
    /// How the server's sidecar is configured to speak TLS to its app (leg 3).
    ///
    /// Textbook: an annotation on the pod, `textbook.sidelab.io/tls-to-app`. Istio: an EnvoyFilter that
    /// patches the inbound cluster, since there is no API.
    pub tls_to_app: TlsToApp,
    /// Whether a DestinationRule can ask for mode PASSTHROUGH (annotation `textbook.sidelab.io/tls-mode`).
    ///
    /// Textbook: yes, the client's sidecar then relays the app's TLS by its SNI, without mTLS. Istio: PASSTHROUGH is a
    /// mode of gateways; a sidecar wraps the app's TLS in mTLS like everything else.
    pub has_passthrough: bool,
}

/// See [`Decisions::mesh_alpn`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MeshAlpn {
    /// `istio-peer-exchange` for everything.
    PeerExchange,
    /// According to what the connection carries.
    ByProtocol,
}

/// See [`Decisions::app_address`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AppAddress {
    /// The loopback address of the connection's family.
    Loopback,
    OriginalDestination,
}

/// See [`Decisions::inbound_codec`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum InboundCodec {
    /// The protocol of the port's name.
    PortName,
    /// The negotiated ALPN, else the HTTP/2 preface (Envoy's `AUTO`).
    Negotiated,
}

/// See [`Decisions::tls_to_app`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TlsToApp {
    /// With an annotation of the pod.
    Annotation,
    EnvoyFilter,
}

impl Decisions {
    /// The decisions of a mesh.
    pub fn of(flavor: Flavor) -> Self {
        match flavor {
            Flavor::Textbook => Self {
                mesh_alpn: MeshAlpn::PeerExchange,
                strict_matches_alpn: true,
                http_ports_pass_foreign_tls: true,
                disable_refuses_tls: true,
                app_address: AppAddress::Loopback,
                http_ports_pass_other_bytes: false,
                detects_protocols: false,
                checks_identities: false,
                reads_egress_sni: true,
                inbound_codec: InboundCodec::PortName,
                tls_to_app: TlsToApp::Annotation,
                has_passthrough: true,
            },
            Flavor::Istio => Self {
                mesh_alpn: MeshAlpn::ByProtocol,
                strict_matches_alpn: false,
                http_ports_pass_foreign_tls: false,
                disable_refuses_tls: false,
                app_address: AppAddress::OriginalDestination,
                http_ports_pass_other_bytes: true,
                detects_protocols: true,
                checks_identities: true,
                reads_egress_sni: false,
                inbound_codec: InboundCodec::Negotiated,
                tls_to_app: TlsToApp::EnvoyFilter,
                has_passthrough: false,
            },
        }
    }
}
