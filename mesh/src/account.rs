//! An account of one call: what each leg carried and how it ended.
//!
//! One type for all four sources: expected by a person, predicted from the manifests, seen with the native proxy, seen
//! with Envoy. Its JSON is the contract `sidelab.explain/v1` (docs/json.md).

mod leg;
mod note;
mod route;
mod words;

use std::net::IpAddr;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use self::{leg::*, note::*, route::*, words::*};

use crate::model::{ControlPlane, Flavor, Protocol, Source};

mod outcome;

/// One call, explained.
#[derive(Clone, Debug, PartialEq, JsonSchema, Serialize, Deserialize)]
pub struct Account {
    /// `sidelab.explain/v1`.
    pub schema: String,
    pub mesh: Flavor,
    /// The source of the sidecars' files; the compiler if absent.
    #[serde(default, skip_serializing_if = "ControlPlane::is_compiler")]
    pub control_plane: ControlPlane,
    pub from: Caller,
    pub to: Callee,
    /// The outermost protocol that the calling app sends.
    pub app_sends: AppProtocol,
    /// The protocol within `app_sends`, if it is not the usual one.
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
    /// The route that the caller's sidecar chose, if it has one and read the call so far. Empty in an observation.
    #[serde(default)]
    pub route: Option<RouteTaken>,
    /// The request as the called app gets it, if it does. Empty in an observation.
    #[serde(default)]
    pub app_gets: Option<AppGets>,
    pub outcome: Outcome,
    /// What is assumed about a program that the manifests don't describe, as the end of a sentence: `the app speaks HTTP on 8080`.
    /// Absent if nothing is assumed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub assumes: Option<String>,
    /// Different results that the call may have, if any of several endpoints may be chosen.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub alternatives: Vec<Self>,
    /// Notes on the answer. Only a prediction has any.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<Note>,
}

impl Account {
    /// The leg of this number, if the call has it.
    pub fn leg(&self, number: LegNumber) -> Option<&Leg> {
        self.legs.iter().find(|leg| leg.number == number)
    }
}

/// The version of [`Account`].
pub const SCHEMA: &str = "sidelab.explain/v1";

#[derive(Clone, Debug, PartialEq, Eq, JsonSchema, Serialize, Deserialize)]
pub struct Caller {
    /// `POD.NAMESPACE`.
    pub pod: String,
    pub ips: Vec<IpAddr>,
    /// Whether it has a sidecar.
    pub sidecar: bool,
}

/// The destination of a call.
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

/// The protocol that an app speaks within its [`AppProtocol`].
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
    /// The method CONNECT, which requests a tunnel, on `http` or `https`.
    Connect,
    /// HTTP/1.0, on `http` or `https`.
    #[serde(rename = "http1.0")]
    Http10,
}

impl AppSpeaks {
    pub const ALL: [Self; 6] = [Self::Greeting, Self::Grpc, Self::H2, Self::Websocket, Self::Connect, Self::Http10];

    /// The protocols within which it can be spoken.
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
    /// Which listener accepts a connection.
    Listener,
    /// What a listener filter reads before a filter chain is chosen.
    Inspector,
    /// Which filter chain matches it.
    #[serde(rename = "filter chain")]
    FilterChain,
    /// How a handshake with the sidecar as its server ends.
    Tls,
    /// Whether the HTTP codec understands the bytes.
    Codec,
    /// Whether policies allow a request or a connection: `allow` or `deny`.
    Authorization,
    /// Which route matches a request.
    Route,
    /// What a fault does to a request.
    Fault,
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
    #[serde(rename = "client app")]
    ClientApp,
    #[serde(rename = "client sidecar")]
    ClientSidecar,
    /// The node, for services without endpoints.
    #[serde(rename = "node")]
    Node,
    /// A gateway between caller and called pod.
    #[serde(rename = "gateway")]
    Gateway,
    /// The called app's sidecar.
    #[serde(rename = "server sidecar")]
    ServerSidecar,
    #[serde(rename = "server app")]
    ServerApp,
}

/// Why a call was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, JsonSchema, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reason {
    /// The called name does not resolve.
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
    /// The cluster has as many connections or requests as its limits allow (`UO`).
    Overflow,
    /// No route for the request's host or path (`NR`, `route_not_found`).
    NoRoute,
    /// A route's own answer.
    DirectResponse,
    /// The 502 of `REGISTRY_ONLY` for a host that no service has.
    BlockAll,
    /// A route sends the caller elsewhere.
    Redirect,
    /// A fault that a route injects.
    FaultAbort,
    /// The request is none that a sidecar takes (400).
    BadRequest,
    /// No answer came in time.
    Timeout,
    /// An AuthorizationPolicy denied it.
    #[serde(alias = "forbidden")] // its name before there were AuthorizationPolicies
    RbacDenied,
}

crate::display_as_serialized!(AppProtocol, AppSpeaks, Decision, Party, Reason, Admission);

/// How a call ended.
#[derive(Clone, Debug, PartialEq, Eq, JsonSchema, Serialize, Deserialize)]
pub struct Outcome {
    /// Whether the called app received what the calling app sent, and its answer came back.
    pub delivered: bool,
    /// The party that refused.
    pub at: Option<Party>,
    /// The reason of the refusal.
    pub reason: Option<Reason>,
    /// Envoy's response flags from the access log of the sidecar or gateway that refused, else the client's, else the gateway's, else the
    /// server's.
    pub response_flags: Logged,
    /// Envoy's response code details in that log; of a connection that is denied, why it was ended.
    pub details: Logged,
    /// The SNI that the client's sidecar read from the app's own TLS.
    #[serde(default, skip_serializing_if = "Logged::is_nothing")]
    pub requested_server_name: Logged,
    /// The HTTP status that the app got, if it got one.
    pub status: Option<u16>,
    /// The status of gRPC that the app got; for gRPC calls only. 7 is PERMISSION_DENIED.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub grpc_status: Option<u8>,
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
