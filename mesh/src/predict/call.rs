//! A call to predict, and the errors of a prediction.

use std::net::IpAddr;

use envoy_api::TlsProtocol;
use envoy_rules::BuildError;
use thiserror::Error;

use crate::{
    account::AppProtocol,
    control_plane::NotSupported,
    model::{Family, Unmodelled},
};

use super::{
    app::ServerApp,
    certificate::Check,
    tls::Hello,
    wire::{Request, Sent, Version},
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
    /// The protocol that it sends.
    pub app: AppProtocol,
    /// Whether it waits for the server to speak first; only for raw bytes.
    pub server_first: bool,
    /// The family of the address to use; by default IPv4 if there is one.
    pub family: Option<Family>,
    /// The called app; by default according to its manifest ([`ServerApp::of`]).
    pub server_app: Option<ServerApp>,
    /// The subset of a DestinationRule to route it to.
    pub subset: Option<String>,
    /// The webhook that it calls as an API server would, an index into [`webhooks`](crate::model::Resolved::webhooks).
    pub webhook: Option<usize>,
}

/// Why a call can't be predicted.
#[derive(Debug, Error)]
pub enum CallError {
    /// The name is neither a service nor a host outside the cluster.
    #[error(
        "{host}: no service of this name as pod {pod} resolves it, and no host outside the cluster \
         (sidelab.io/external-host); {}",
        meant.as_ref().map_or_else(
            || "give the name of one, or an address".to_owned(),
            |meant| format!("did you mean {meant}?")
        )
    )]
    UnknownHost {
        /// The name.
        host: String,
        /// The calling pod.
        pod: String,
        /// A similar name.
        meant: Option<String>,
    },
    /// The name has no address of the requested family.
    #[error("{host} has no {family} address")]
    NoAddress {
        /// The name.
        host: String,
        /// The family.
        family: Family,
    },
    /// Envoy would reject a compiled listener.
    #[error("{pod}: listener {listener}: {error}")]
    Refused {
        /// The pod.
        pod: String,
        /// The listener.
        listener: String,
        /// The reason.
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
    /// The call reached a cluster or route configuration of a dump that could not be read.
    #[error("the call reaches {resource}, which could not be read from the dump: {reason}")]
    Unread {
        /// Its name.
        resource: String,
        /// The reason.
        reason: String,
    },
    /// The caller or the called pod has a role that is not modelled.
    #[error("{pod} {what}: the call cannot be predicted")]
    NotModelled {
        /// The pod.
        pod: String,
        /// Its role.
        what: Unmodelled,
    },
    /// The control plane pushes to a sidecar what is not supported.
    #[error(transparent)]
    Pushed(NotSupported),
    /// The call reached a sidecar whose configuration is unknown.
    #[error("{pod}: its sidecar's configuration is unknown")]
    NoSidecar {
        /// The pod.
        pod: String,
    },
}

impl Call {
    /// What the calling app sends, outermost layer first, if it requests `path` and verifies the server with `check`.
    pub(super) fn layers(&self, path: &str, check: Check) -> Vec<Sent> {
        let Self { host, port, .. } = self;
        let is_ip = host.parse::<IpAddr>().is_ok();
        let bracketed = if host.contains(':') { format!("[{host}]") } else { host.clone() };
        let request = Request { authority: format!("{bracketed}:{port}"), path: path.into() };
        let hello = Hello {
            server_name: (!is_ip).then(|| host.to_ascii_lowercase()),
            alpn: vec!["http/1.1".into()],
            certificate: None,
            check,
            latest: TlsProtocol::V1_3,
        };
        match self.app {
            AppProtocol::Http => vec![Sent::Http(Version::Http1, request)],
            AppProtocol::H2 => vec![Sent::Http(Version::Http2, request)],
            AppProtocol::Https => vec![Sent::Tls(hello), Sent::Http(Version::Http1, request)],
            AppProtocol::Tcp if self.server_first => vec![Sent::Nothing],
            AppProtocol::Tcp => vec![Sent::Bytes],
        }
    }
}
