//! The call that a prediction is made for, and the errors of predicting it.

use std::net::IpAddr;

use envoy_api::TlsProtocol;
use envoy_rules::BuildError;
use http::{HeaderMap, Method};
use thiserror::Error;

use super::{
    app::ServerApp,
    certificate::{Certificate, Check},
    tls::Hello,
    wire::{Request, Sent, Version},
};
use crate::{
    account::{AppProtocol, AppSpeaks},
    control_plane::NotSupported,
    model::{Family, Unmodelled},
};

/// A call to predict.
#[derive(Clone, Debug)]
pub struct Call {
    /// The calling pod, an index into [`pods`](crate::model::Resolved::pods).
    pub from: usize,
    /// The destination: a name that the pod resolves, or an address.
    pub host: String,
    /// The destination port.
    pub port: u16,
    /// The outermost protocol that the app sends.
    pub app: AppProtocol,
    /// The protocol within `app`, if it is not the usual one.
    pub speaks: Option<AppSpeaks>,
    /// The `Host` header or `:authority`; if unset `HOST:PORT`, without the scheme's default port, as curl writes it.
    pub authority: Option<String>,
    /// The method of the request; by default the one that `app` and `speaks` imply.
    pub method: Option<Method>,
    /// The path and query of the request; `/` if unset.
    pub path: Option<String>,
    /// Headers of the request, besides `Host` and those that `speaks` implies.
    pub headers: HeaderMap,
    /// The SNI of the app's TLS, and the name that it verifies; `host` if unset.
    pub sni: Option<String>,
    /// Whether the app's TLS verifies the server's certificate.
    pub verify: bool,
    /// The client certificate of the app's TLS: the path of a PEM file in the calling pod's first container.
    pub certificate: Option<String>,
    /// The address family to use; if unset, IPv4 where the host has such an address.
    pub family: Option<Family>,
    /// The called app; if unset, what its manifest says ([`ServerApp::of`]).
    pub server_app: Option<ServerApp>,
    /// The subset of a DestinationRule that the call is routed to.
    pub subset: Option<String>,
    /// The webhook that the API server asks with this call, an index into [`webhooks`](crate::model::Resolved::webhooks).
    pub webhook: Option<usize>,
}

impl Call {
    /// A call with everything optional unset, which verifies the server's certificate.
    pub fn new(from: usize, host: impl Into<String>, port: u16, app: AppProtocol) -> Self {
        Self {
            from,
            host: host.into(),
            port,
            app,
            speaks: None,
            authority: None,
            method: None,
            path: None,
            headers: HeaderMap::new(),
            sni: None,
            verify: true,
            certificate: None,
            family: None,
            server_app: None,
            subset: None,
            webhook: None,
        }
    }

    /// The HTTP request of the call.
    fn request(&self) -> Request {
        let authority = self.authority.clone().unwrap_or_else(|| self.default_authority());
        let path = self.path.clone().unwrap_or_else(|| "/".to_owned());
        let mut request = Request::new(authority, path, self.speaks);
        if let Some(method) = &self.method {
            request.method = method.clone();
        }
        request.headers.extend(self.headers.clone());
        request
    }

    fn default_authority(&self) -> String {
        let Self { host, port, .. } = self;
        let bracketed = if host.contains(':') { format!("[{host}]") } else { host.clone() };
        let own_port = if self.app == AppProtocol::Https { 443 } else { 80 };
        // CONNECT always names a port (RFC 9112, section 3.2.3).
        let is_connect = self.speaks == Some(AppSpeaks::Connect);
        if *port == own_port && !is_connect { bracketed } else { format!("{bracketed}:{port}") }
    }

    /// The layers that the calling app sends, outermost first. Its TLS verifies the server with `check` and presents `certificate`.
    pub(super) fn layers(&self, check: Check, certificate: Option<Certificate>) -> Vec<Sent> {
        let Self { host, speaks, .. } = self;
        let request = self.request();
        let name = self.sni.as_ref().unwrap_or(host);
        let is_ip = name.parse::<IpAddr>().is_ok();
        let inside = match speaks {
            Some(AppSpeaks::H2 | AppSpeaks::Grpc) => Version::Http2,
            _ => Version::Http1,
        };
        let hello = Hello {
            server_name: (!is_ip).then(|| name.to_ascii_lowercase()),
            alpn: vec![inside.alpn().into()],
            certificate,
            check: if self.verify { check } else { Check::default() },
            latest: TlsProtocol::V1_3,
        };
        match self.app {
            AppProtocol::Http => vec![Sent::Http(Version::Http1, request)],
            AppProtocol::H2 => vec![Sent::Http(Version::Http2, request)],
            AppProtocol::Https => vec![Sent::Tls(hello), Sent::Http(inside, request)],
            AppProtocol::Tcp if *speaks == Some(AppSpeaks::Greeting) => vec![Sent::Nothing],
            AppProtocol::Tcp => vec![Sent::Bytes],
        }
    }
}

/// Why a call can't be predicted.
#[derive(Debug, Error)]
pub enum CallError {
    /// The calling sidecar's configuration has no service of this name.
    #[error("{host}: the sidecar of {pod} knows no service of this name; give the name of one, or an address")]
    UnknownHost {
        /// The name.
        host: String,
        /// The calling pod.
        pod: String,
    },
    /// The host has no address of the requested family.
    #[error("{host} has no {family} address")]
    NoAddress {
        /// The name.
        host: String,
        family: Family,
    },
    /// Envoy would reject a compiled listener.
    #[error("{pod}: listener {listener}: {error}")]
    Refused {
        pod: String,
        listener: String,
        /// Why.
        error: Box<BuildError>,
    },
    /// No DestinationRule for the host has the subset of the call.
    #[error("no DestinationRule for {host} has a subset {subset:?}")]
    NoSubset {
        /// The service.
        host: String,
        subset: String,
    },
    /// The call reaches a cluster or route configuration of a dump that could not be read.
    #[error("the call reaches {resource}, which could not be read from the dump: {reason}")]
    Unread {
        /// Its name.
        resource: String,
        /// Why.
        reason: String,
    },
    /// The calling or the called pod has a role in the mesh that is not modelled.
    #[error("{pod} {what}: the call cannot be predicted")]
    NotModelled { pod: String, what: Unmodelled },
    /// The control plane pushes something unsupported to a sidecar.
    #[error(transparent)]
    Pushed(NotSupported),
    /// The calling pod's first container mounts no such file, or it holds no certificate.
    #[error("{path}: no certificate that the first container of {pod} mounts; name a PEM file of one of its Secrets")]
    NoCertificate {
        /// As given.
        path: String,
        /// The calling pod.
        pod: String,
    },
    /// The call reached a sidecar whose configuration is unknown.
    #[error("{pod}: its sidecar's configuration is unknown")]
    NoSidecar { pod: String },
}
