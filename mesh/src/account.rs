//! An account of one call: what each leg carried and how it ended.
//!
//! One type for all four sources: expected by a person, predicted from the manifests, seen with the native proxy, seen
//! with Envoy. Its JSON is the contract `sidelab.explain/v1` (docs/json.md).

mod leg;
mod note;
mod words;

use std::net::IpAddr;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use self::{leg::*, note::*, words::*};

use crate::model::{ControlPlane, Flavor, Protocol, Source};

mod outcome;

/// One call, explained.
#[derive(Clone, Debug, PartialEq, JsonSchema, Serialize, Deserialize)]
pub struct Account {
    /// `sidelab.explain/v1`.
    pub schema: String,
    /// The mesh.
    pub mesh: Flavor,
    /// Whose files the sidecars have; the compiler's if absent.
    #[serde(default, skip_serializing_if = "ControlPlane::is_compiler")]
    pub control_plane: ControlPlane,
    /// The caller.
    pub from: Caller,
    /// The destination.
    pub to: Callee,
    /// What the calling app sends.
    pub app_sends: AppProtocol,
    /// What it speaks on top of that.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub app_speaks: Option<AppSpeaks>,
    /// The legs, in order; a leg that does not exist (no sidecar on that side) is left out.
    pub legs: Vec<Leg>,
    /// The sidecars that read the request in plaintext, as routes, retries, metrics and rules on paths require.
    #[serde(default)]
    pub read_by: Vec<Party>,
    /// The decisions on the way, in order. Empty in an observation, which can't know them.
    #[serde(default)]
    pub steps: Vec<Step>,
    /// How it ended.
    pub outcome: Outcome,
    /// What is taken for granted of a program of which nothing is known, as the end of a sentence: `the app speaks HTTP on 8080`.
    /// Nothing where nothing is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub assumes: Option<String>,
    /// What may become of the call as well, where any of several endpoints may be taken: other answers alone.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub alternatives: Vec<Self>,
    /// What there is to know beside the answer. Only a prediction has any.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<Note>,
}

impl Account {
    /// One of its legs, if it is there.
    pub fn leg(&self, number: LegNumber) -> Option<&Leg> {
        self.legs.iter().find(|leg| leg.number == number)
    }
}

/// The version of [`Account`].
pub const SCHEMA: &str = "sidelab.explain/v1";

/// The calling pod.
#[derive(Clone, Debug, PartialEq, Eq, JsonSchema, Serialize, Deserialize)]
pub struct Caller {
    /// `POD.NAMESPACE`.
    pub pod: String,
    /// Its addresses.
    pub ips: Vec<IpAddr>,
    /// Whether it has a sidecar.
    pub sidecar: bool,
}

/// What a call goes to.
#[derive(Clone, Debug, PartialEq, Eq, JsonSchema, Serialize, Deserialize)]
pub struct Callee {
    /// The service's full name, or the address if it is in no manifest.
    pub host: String,
    /// The address that the app dials.
    pub address: IpAddr,
    /// The port that it dials.
    pub port: u16,
    /// The port's protocol, if a service has it.
    pub protocol: Option<Protocol>,
    /// The pod that answers (the first of several), `POD.NAMESPACE`.
    pub pod: Option<String>,
    /// The container port.
    pub target_port: Option<u16>,
}

/// What an app sends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, JsonSchema, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum AppProtocol {
    /// HTTP/1.1 in plaintext.
    Http,
    /// HTTP/2 in plaintext, with prior knowledge.
    H2,
    /// HTTP/1.1 in the app's own TLS.
    Https,
    /// Bytes that are neither TLS nor HTTP.
    Tcp,
}

/// What an app speaks on top of what it sends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, JsonSchema, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum AppSpeaks {
    /// On `tcp`: nothing until the server has greeted.
    Greeting,
    /// gRPC, on `h2` or inside the TLS of `https`.
    Grpc,
    /// HTTP/2 inside the TLS of `https`.
    H2,
    /// A websocket: a request to upgrade, on `http` or `https`.
    Websocket,
    /// The method CONNECT, which asks for a tunnel, on `http` or `https`.
    Connect,
    /// HTTP/1.0, on `http` or `https`.
    #[serde(rename = "http1.0")]
    Http10,
}

impl AppSpeaks {
    /// All of them.
    pub const ALL: [Self; 6] = [Self::Greeting, Self::Grpc, Self::H2, Self::Websocket, Self::Connect, Self::Http10];

    /// On top of what it can be spoken.
    pub fn on(self) -> &'static [AppProtocol] {
        match self {
            Self::Greeting => &[AppProtocol::Tcp],
            Self::Grpc => &[AppProtocol::H2, AppProtocol::Https],
            Self::H2 => &[AppProtocol::Https],
            Self::Websocket | Self::Connect | Self::Http10 => &[AppProtocol::Http, AppProtocol::Https],
        }
    }
}

/// One decision on the way.
#[derive(Clone, Debug, PartialEq, Eq, JsonSchema, Serialize, Deserialize)]
pub struct Step {
    /// The party that decided.
    pub at: Party,
    /// The kind of decision.
    pub what: Decision,
    /// The choice.
    pub choice: String,
    /// The reason, in words.
    pub because: String,
    /// The document and field that decided, or `default: ...`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<Source>,
}

/// What is decided in a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, JsonSchema, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Decision {
    /// What a name resolves to.
    Name,
    /// Whether iptables hands a connection to the sidecar.
    Redirect,
    /// Which endpoint the node translates a service's address to.
    Service,
    /// Which listener takes a connection.
    Listener,
    /// What a listener filter reads before a filter chain is chosen.
    Inspector,
    /// Which filter chain takes it.
    #[serde(rename = "filter chain")]
    FilterChain,
    /// How a handshake with the sidecar as its server ends.
    Tls,
    /// Whether the HTTP codec understands the bytes.
    Codec,
    /// Which route takes a request.
    Route,
    /// Whether a failed attempt is retried.
    Retry,
    /// Which cluster it is sent to.
    Cluster,
    /// Which endpoint of the cluster.
    Endpoint,
    /// How the connection to the endpoint is secured.
    #[serde(rename = "transport socket")]
    TransportSocket,
    /// Whether the required secrets exist.
    Secret,
    /// What the called app does.
    App,
}

/// A participant in a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, JsonSchema, Serialize, Deserialize)]
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

/// Why a call was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, JsonSchema, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reason {
    /// No DNS knows the name that is called.
    NameNotResolved,
    /// No filter chain matched (`NR`, `filter_chain_not_found`).
    NoFilterChainMatch,
    /// A TLS handshake failed: a certificate was missing or rejected, or the peer does not speak TLS.
    TlsHandshakeFailed,
    /// Nothing listens at the address.
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

crate::display_as_serialized!(AppProtocol, AppSpeaks, Decision, Party, Reason, Admission);

/// How a call ended.
#[derive(Clone, Debug, PartialEq, Eq, JsonSchema, Serialize, Deserialize)]
pub struct Outcome {
    /// Whether the called app got what the calling app sent, and its answer came back.
    pub delivered: bool,
    /// The party that refused.
    pub at: Option<Party>,
    /// The reason of the refusal.
    pub reason: Option<Reason>,
    /// Envoy's response flags from the access log of the sidecar that refused, else the client's, else the server's.
    pub response_flags: Logged,
    /// Envoy's response code details in that log.
    pub details: Logged,
    /// The SNI that the client's sidecar read from the app's own TLS.
    #[serde(default, skip_serializing_if = "Logged::is_nothing")]
    pub requested_server_name: Logged,
    /// The HTTP status that the app got, if it got one.
    pub status: Option<u16>,
    /// What the API server concludes from a webhook's answer or failure; for webhook calls only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub admission: Option<Admission>,
    /// What the calling app sees.
    pub app_sees: AppSees,
}

/// What happens to an object submitted for creation, according to one webhook.
#[derive(Clone, Copy, Debug, PartialEq, Eq, JsonSchema, Serialize, Deserialize)]
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
