//! Admission webhooks, which the API server calls when an object is created.

use super::object::{ObjectName, Source};

#[derive(Clone, Debug)]
pub struct Webhook {
    /// Its name, such as `pods.policy.example.com`.
    pub name: String,
    /// The name of its configuration.
    pub configuration: String,
    /// Whether it may change objects.
    pub mutating: bool,
    pub place: WebhookPlace,
    /// `caBundle`, PEM: the only authorities that its server's certificate is verified against; the host's if `None`.
    pub ca_bundle: Option<Vec<u8>>,
    /// `failurePolicy`; Fail.
    pub failure_policy: FailurePolicy,
    /// `timeoutSeconds`; 10.
    pub timeout_seconds: u32,
    /// Its place in the manifests: `webhooks[0]` of its configuration.
    pub source: Source,
}

/// The address of a webhook.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum WebhookPlace {
    /// `clientConfig.service`.
    Service {
        name: ObjectName,
        port: u16,
        /// The path; `/`.
        path: String,
    },
    /// `clientConfig.url`.
    Url {
        /// A name or an address.
        host: String,
        port: u16,
        /// The path; `/`.
        path: String,
    },
}

impl WebhookPlace {
    /// The name that is dialled, and that the server's certificate must have: `NAME.NAMESPACE.svc` of a service
    /// (`k8s.io/apiserver/pkg/util/webhook/client.go`).
    pub fn host(&self) -> String {
        match self {
            Self::Service { name, .. } => format!("{name}.svc"),
            Self::Url { host, .. } => host.clone(),
        }
    }

    /// The port that is dialled.
    pub fn port(&self) -> u16 {
        match self {
            Self::Service { port, .. } | Self::Url { port, .. } => *port,
        }
    }

    /// The path of the request.
    pub fn path(&self) -> &str {
        match self {
            Self::Service { path, .. } | Self::Url { path, .. } => path,
        }
    }
}

/// What happens to a request if its webhook fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FailurePolicy {
    /// It fails as well.
    Fail,
    /// It continues as if the webhook had allowed it.
    Ignore,
}

/// Host and port (443 where none is given) of what follows `https://` in a URL.
pub(crate) fn host_and_port(rest: &str) -> Option<(String, u16)> {
    let authority = rest.split('/').next()?;
    // An IPv6 address is in brackets.
    let (host, port) = match authority.rsplit_once(':') {
        Some((host, port)) if !port.contains(']') => (host, port.parse().ok().filter(|port| *port > 0)?),
        _ => (authority, 443),
    };
    let host = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
    (!host.is_empty()).then(|| (host.to_owned(), port))
}
