//! An account of one call: what each leg carried and how it ended.
//!
//! One shape for all four judges: expected by a person, predicted from the manifests, seen with the native proxy, seen
//! with Envoy. Its JSON is the contract `sidelab.explain/v1` (docs/json.md).

use std::{
    fmt,
    net::{IpAddr, SocketAddr},
};

use serde::{Deserialize, Serialize};

use crate::model::{Flavor, Protocol};

/// One call, explained.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Account {
    /// `sidelab.explain/v1`.
    pub schema: String,
    /// In which mesh.
    pub mesh: Flavor,
    /// Who calls.
    pub from: Caller,
    /// Who is called.
    pub to: Callee,
    /// What the calling app sends.
    pub app_sends: AppProtocol,
    /// The legs, in order; a leg that does not exist (no sidecar on that side) is left out.
    pub legs: Vec<Leg>,
    /// The sidecars that read the request in plaintext, which is what they need for all that HTTP gives them: routes, retries,
    /// metrics, rules on paths.
    #[serde(default)]
    pub read_by: Vec<Party>,
    /// The decisions that led there, in order. Empty where they can't be known (an observation).
    #[serde(default)]
    pub steps: Vec<Step>,
    /// How it ended.
    pub outcome: Outcome,
}

/// The contract's name.
pub const SCHEMA: &str = "sidelab.explain/v1";

/// Who calls.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Caller {
    /// `POD.NAMESPACE`.
    pub pod: String,
    /// Its addresses.
    pub ips: Vec<IpAddr>,
    /// Whether it has a sidecar.
    pub sidecar: bool,
}

/// Who is called.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Callee {
    /// The service's full name, or the address when no manifest has it.
    pub host: String,
    /// The address that the app dials.
    pub address: IpAddr,
    /// The port that it dials.
    pub port: u16,
    /// The port's protocol, if a service has it.
    pub protocol: Option<Protocol>,
    /// The pod that answers (the first, if there are more), `POD.NAMESPACE`.
    pub pod: Option<String>,
    /// The container port.
    pub target_port: Option<u16>,
}

/// What an app sends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum AppProtocol {
    /// HTTP/1.1 in plaintext.
    Http,
    /// HTTP/2 in plaintext, with prior knowledge.
    H2,
    /// HTTP/1.1 in TLS of the app's own.
    Https,
    /// Bytes that are neither TLS nor HTTP.
    Tcp,
}

impl fmt::Display for AppProtocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Http => "http",
            Self::H2 => "h2",
            Self::Https => "https",
            Self::Tcp => "tcp",
        })
    }
}

/// One leg of a call.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Leg {
    /// 1: app to its sidecar; 2: between the pods; 3: sidecar to its app.
    pub leg: u8,
    /// Who to whom: `app -> sidecar`, `sidecar -> sidecar`, `sidecar -> app`, `app -> app`, ...
    pub path: String,
    /// What it carries, outermost first; empty when nothing was sent on it.
    pub layers: Vec<LayerKind>,
    /// Its TLS layers, outermost first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tls: Vec<TlsFacts>,
    /// The interface that it crosses: `lo` inside a pod, `eth0` between pods.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub interface: Option<String>,
    /// The address that the sender's connection comes from (leg 3: 127.0.0.6 in Istio).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<IpAddr>,
    /// The address that the sender dials; on leg 1, before the redirect.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dials: Option<SocketAddr>,
    /// The port that iptables redirects it to, where the redirect is seen on the wire (leg 1: 15001).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub redirected_to: Option<u16>,
}

/// A layer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum LayerKind {
    /// TLS in which both sides showed a certificate.
    #[serde(rename = "mtls")]
    Mtls,
    /// TLS in which only the server did.
    #[serde(rename = "tls")]
    Tls,
    /// HTTP/1.0 or HTTP/1.1.
    #[serde(rename = "http/1.1")]
    Http1,
    /// HTTP/2.
    #[serde(rename = "h2")]
    H2,
    /// Other bytes.
    #[serde(rename = "tcp")]
    Tcp,
}

impl fmt::Display for LayerKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Mtls => "mtls",
            Self::Tls => "tls",
            Self::Http1 => "http/1.1",
            Self::H2 => "h2",
            Self::Tcp => "tcp",
        })
    }
}

/// What is known of a TLS layer. A prediction leaves out what only a handshake settles.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TlsFacts {
    /// `TLSv1.3`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// `TLS_AES_128_GCM_SHA256`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cipher_suite: Option<String>,
    /// `X25519MLKEM768`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub group: Option<String>,
    /// ALPN as offered, in order.
    #[serde(default)]
    pub alpn_offered: Vec<String>,
    /// ALPN as chosen.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub alpn: Option<String>,
    /// The server name that the client asked for.
    #[serde(default)]
    pub sni: Option<String>,
    /// The client certificate's URI SAN.
    #[serde(default)]
    pub client_identity: Option<String>,
    /// The server certificate's URI SAN, else its first DNS SAN.
    #[serde(default)]
    pub server_identity: Option<String>,
}

/// One decision on the way.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Step {
    /// Where: `client app`, `client sidecar`, `node`, `server sidecar`, `server app`.
    pub at: String,
    /// What was decided: `redirect`, `listener`, `filter chain`, `route`, `cluster`, `endpoint`, `transport socket`, ...
    pub what: String,
    /// What was chosen.
    pub choice: String,
    /// Why.
    pub because: String,
    /// The document and field that decided, or `default: ...`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<String>,
}

/// Where on the way a call was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Party {
    /// The calling app.
    #[serde(rename = "client app")]
    ClientApp,
    /// Its sidecar.
    #[serde(rename = "client sidecar")]
    ClientSidecar,
    /// The node, for services without endpoints.
    #[serde(rename = "node")]
    Node,
    /// The called app's sidecar.
    #[serde(rename = "server sidecar")]
    ServerSidecar,
    /// The called app.
    #[serde(rename = "server app")]
    ServerApp,
}

impl fmt::Display for Party {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::ClientApp => "client app",
            Self::ClientSidecar => "client sidecar",
            Self::Node => "node",
            Self::ServerSidecar => "server sidecar",
            Self::ServerApp => "server app",
        })
    }
}

/// Why a call was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reason {
    /// No filter chain matched (`NR`, `filter_chain_not_found`).
    NoFilterChainMatch,
    /// A TLS handshake failed: a certificate was missing or refused, or the peer does not speak TLS.
    TlsHandshakeFailed,
    /// Nobody listens at the address.
    ConnectionRefused,
    /// The connection ended before a response.
    ConnectionTerminated,
    /// The bytes are not the protocol that the receiver speaks.
    ProtocolError,
    /// The cluster has no endpoint (`UH`).
    NoHealthyUpstream,
    /// No route for the request's host or path (`NR`, `route_not_found`).
    NoRoute,
    /// A route's own answer, such as the 502 of `REGISTRY_ONLY`.
    DirectResponse,
    /// Nobody answered in time.
    Timeout,
    /// A policy forbade it.
    Forbidden,
}

/// What a log has in place of what there is not.
fn none_logged() -> String {
    "-".into()
}

fn is_none_logged(text: &String) -> bool {
    *text == none_logged()
}

/// How a call ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Outcome {
    /// Whether the called app got what the calling app sent, and its answer came back.
    pub delivered: bool,
    /// Who refused.
    pub at: Option<Party>,
    /// Why.
    pub reason: Option<Reason>,
    /// Envoy's response flags in the log of the sidecar that refused, else of the client's (the server's without one); `-` if none.
    pub response_flags: String,
    /// Envoy's response code details in that log; `-` if none.
    pub details: String,
    /// The SNI that the client's sidecar read of TLS that the app sent; `-` if it read none.
    #[serde(default = "none_logged", skip_serializing_if = "is_none_logged")]
    pub requested_server_name: String,
    /// The HTTP status that the app got, if it got one.
    pub status: Option<u16>,
    /// What the API server made of a webhook's answer, or of its failure; of calls of webhooks alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub admission: Option<Admission>,
    /// What the calling app sees: the status, `echo` for a raw TCP call that came back, or its error's kind, such as
    /// `connection_reset`, `eof`, `connection_refused`, `not_tls`, `certificate_required`.
    pub app_sees: String,
}

/// What becomes of an object that was to be created, by what one webhook says of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Admission {
    /// It is created as it is.
    #[serde(rename = "allowed")]
    Allowed,
    /// It is created with the webhook's changes.
    #[serde(rename = "patched")]
    Patched,
    /// The webhook denies it.
    #[serde(rename = "denied")]
    Denied,
    /// The webhook failed, and `failurePolicy` is Ignore: it is created.
    #[serde(rename = "let through")]
    LetThrough,
    /// The webhook failed, and `failurePolicy` is Fail: it is not created.
    #[serde(rename = "rejected")]
    Rejected,
}

impl fmt::Display for Admission {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Allowed => "allowed",
            Self::Patched => "patched",
            Self::Denied => "denied",
            Self::LetThrough => "let through",
            Self::Rejected => "rejected",
        })
    }
}
