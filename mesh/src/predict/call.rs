//! A call to predict, and why it can't be.

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
    /// What it sends.
    pub app: AppProtocol,
    /// What it speaks on top of that.
    pub speaks: Option<AppSpeaks>,
    /// The `Host` header or `:authority`; if unset `HOST:PORT`, without the port where it is the scheme's own, as curl writes it.
    pub authority: Option<String>,
    /// The method of its request; by default what it speaks decides.
    pub method: Option<Method>,
    /// The path and query of its request; `/` if unset.
    pub path: Option<String>,
    /// The headers of its request, beside `Host` and those of what it speaks.
    pub headers: HeaderMap,
    /// The name that its TLS asks for, and verifies; the host if unset.
    pub sni: Option<String>,
    /// Whether its TLS checks the server's certificate.
    pub verify: bool,
    /// The client certificate of its TLS: a PEM file as the calling pod's first container mounts it.
    pub certificate: Option<String>,
    /// The family of the address to use; by default IPv4 if there is one.
    pub family: Option<Family>,
    /// The called app; by default according to its manifest ([`ServerApp::of`]).
    pub server_app: Option<ServerApp>,
    /// The subset of a DestinationRule to route it to.
    pub subset: Option<String>,
    /// The webhook that it asks as an API server does, an index of [`webhooks`](crate::model::Resolved::webhooks).
    pub webhook: Option<usize>,
}

impl Call {
    /// A call that asks for nothing in particular.
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

    /// The request that it makes.
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
        // CONNECT names a port always (RFC 9112, section 3.2.3).
        let is_connect = self.speaks == Some(AppSpeaks::Connect);
        if *port == own_port && !is_connect { bracketed } else { format!("{bracketed}:{port}") }
    }

    /// What the calling app sends, outermost layer first, if it verifies the server with `check`, and has this certificate.
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
    /// The name is none that the configuration of a sidecar knows.
    #[error("{host}: the sidecar of {pod} knows no service of this name; give the name of one, or an address")]
    UnknownHost {
        /// The name.
        host: String,
        /// The calling pod.
        pod: String,
    },
    /// The name has no address of the family that was asked for.
    #[error("{host} has no {family} address")]
    NoAddress {
        /// The name.
        host: String,
        /// The family.
        family: Family,
    },
    /// A compiled listener is one that Envoy refuses.
    #[error("{pod}: listener {listener}: {error}")]
    Refused {
        /// The pod.
        pod: String,
        /// The listener.
        listener: String,
        /// Why.
        error: Box<BuildError>,
    },
    /// The call asks for a subset that no DestinationRule has.
    #[error("no DestinationRule for {host} has a subset {subset:?}")]
    NoSubset {
        /// The service.
        host: String,
        /// The subset.
        subset: String,
    },
    /// The call came to a cluster or route configuration of a dump that could not be read.
    #[error("the call reaches {resource}, which could not be read from the dump: {reason}")]
    Unread {
        /// Its name.
        resource: String,
        /// Why.
        reason: String,
    },
    /// The call is of a pod, or comes to one, whose part in the mesh is not modelled.
    #[error("{pod} {what}: the call cannot be predicted")]
    NotModelled {
        /// The pod.
        pod: String,
        /// What it is.
        what: Unmodelled,
    },
    /// The control plane pushes to a sidecar what is not supported.
    #[error(transparent)]
    Pushed(NotSupported),
    /// The client certificate is no file that the calling pod mounts, or no certificate.
    #[error("{path}: no certificate that the first container of {pod} mounts; name a PEM file of one of its Secrets")]
    NoCertificate {
        /// As given.
        path: String,
        /// The calling pod.
        pod: String,
    },
    /// A websocket would have to be asked for over HTTP/2.
    #[error(
        "a websocket through {cluster}, which speaks HTTP/2, is an extended CONNECT (RFC 8441): it is not modelled yet"
    )]
    WebsocketOverHttp2 {
        /// The cluster.
        cluster: String,
    },
    /// The call reached a sidecar whose configuration is unknown.
    #[error("{pod}: its sidecar's configuration is unknown")]
    NoSidecar {
        /// The pod.
        pod: String,
    },
}
