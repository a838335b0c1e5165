//! A call to predict, and why it may not be possible.

use std::net::IpAddr;

use envoy_api::TlsProtocol;
use envoy_rules::BuildError;
use thiserror::Error;

use crate::{
    account::AppProtocol,
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
    /// The calling pod, an index of [`pods`](crate::model::Resolved::pods).
    pub from: usize,
    /// What it calls: a name as it would resolve it, or an address.
    pub host: String,
    /// The port that it calls.
    pub port: u16,
    /// What it sends.
    pub app: AppProtocol,
    /// Whether it waits for the server to speak first; only raw bytes can.
    pub server_first: bool,
    /// Which of a name's addresses it takes; IPv4 where there is one if unset.
    pub family: Option<Family>,
    /// What the called app is; what its manifest tells ([`ServerApp::of`]) if unset.
    pub server_app: Option<ServerApp>,
    /// The subset of a DestinationRule that it is sent to, as a route might do it.
    pub subset: Option<String>,
    /// The webhook that it asks as an API server does, an index of [`webhooks`](crate::model::Resolved::webhooks).
    pub webhook: Option<usize>,
}

/// Why a call can't be predicted.
#[derive(Debug, Error)]
pub enum CallError {
    /// The name is no service's, and no host's outside of the cluster.
    #[error(
        "{host}: no service of this name as pod {pod} resolves it, and no host outside of the cluster \
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
        /// What may be meant.
        meant: Option<String>,
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
    #[error("the call comes to {resource}, which could not be read from the dump: {reason}")]
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
    /// The call came to a sidecar of which nothing is known.
    #[error("{pod}: its sidecar's configuration is not known")]
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
