//! The legs of a call, and what they carried.

use std::{
    fmt,
    net::{IpAddr, SocketAddr},
};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use thiserror::Error;

/// One leg of a call.
#[derive(Clone, Debug, PartialEq, Eq, JsonSchema, Serialize, Deserialize)]
pub struct Leg {
    #[serde(rename = "leg")]
    pub number: LegNumber,
    /// The parties at its two ends.
    pub path: LegPath,
    /// What it carries, outermost first; empty if nothing was sent.
    pub layers: Vec<LayerKind>,
    /// Its TLS layers, outermost first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tls: Vec<TlsFacts>,
    /// The interface that it crosses: `lo` inside a pod, `eth0` between pods.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub interface: Option<Interface>,
    /// The address that the sender's connection comes from (leg 3: 127.0.0.6 in Istio).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<IpAddr>,
    /// The address that the sender dials; on leg 1, before the redirect.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dials: Option<SocketAddr>,
    /// The addresses that it may dial, `dials` among them, if the configuration leaves the choice to a load balancer or resolver. Empty in
    /// an observation, which can't know them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub may_dial: Vec<SocketAddr>,
    /// The port that iptables redirects it to, if the redirect is visible on the wire (leg 1: 15001).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub redirected_to: Option<u16>,
}

impl Leg {
    /// A leg on which nothing was sent.
    pub fn silent(number: LegNumber, path: LegPath) -> Self {
        Self {
            number,
            path,
            layers: vec![],
            tls: vec![],
            interface: None,
            source: None,
            dials: None,
            may_dial: vec![],
            redirected_to: None,
        }
    }
}

/// Which leg of a call. In JSON and YAML its number: 1, 2, 3 or 4. Leg 4 exists only behind a gateway, between legs 2 and 3.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, JsonSchema, Serialize, Deserialize)]
#[serde(try_from = "u8", into = "u8")]
pub enum LegNumber {
    /// Leg 1, from the calling app to its sidecar.
    ToSidecar = 1,
    /// Leg 2, between the pods; up to the gateway, if the call goes through one.
    BetweenPods = 2,
    /// Leg 3, from the called app's sidecar to that app.
    ToApp = 3,
    /// Leg 4, from a gateway on to the pod or host behind it.
    FromGateway = 4,
}

impl LegNumber {
    /// All of them, in the order of the call's way.
    pub const ALL: [Self; 4] = [Self::ToSidecar, Self::BetweenPods, Self::FromGateway, Self::ToApp];
}

impl fmt::Display for LegNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        u8::from(*self).fmt(f)
    }
}

impl From<LegNumber> for u8 {
    fn from(number: LegNumber) -> Self {
        number as Self
    }
}

/// A number that no leg has.
#[derive(Debug, Error)]
#[error(
    "there is no leg {0}: a call has legs 1 (app to sidecar), 2 (between the pods), 3 (sidecar to app) and 4 (from a gateway on)"
)]
pub struct NoSuchLeg(u8);

impl TryFrom<u8> for LegNumber {
    type Error = NoSuchLeg;

    fn try_from(number: u8) -> Result<Self, NoSuchLeg> {
        Self::ALL.into_iter().find(|leg| u8::from(*leg) == number).ok_or(NoSuchLeg(number))
    }
}

/// The parties at the two ends of a leg, the sender first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, JsonSchema, Serialize, Deserialize)]
pub enum LegPath {
    /// Leg 1; and leg 2 of a caller without a sidecar.
    #[serde(rename = "app -> sidecar")]
    AppToSidecar,
    /// Leg 2 between two sidecars.
    #[serde(rename = "sidecar -> sidecar")]
    SidecarToSidecar,
    /// Leg 3; and leg 2 to a server without a sidecar.
    #[serde(rename = "sidecar -> app")]
    SidecarToApp,
    /// Leg 2 without any sidecar.
    #[serde(rename = "app -> app")]
    AppToApp,
    /// Leg 2 of a caller without a sidecar, to a gateway.
    #[serde(rename = "app -> gateway")]
    AppToGateway,
    /// Leg 2 from a sidecar to a gateway.
    #[serde(rename = "sidecar -> gateway")]
    SidecarToGateway,
    /// Leg 4 to a pod with a sidecar.
    #[serde(rename = "gateway -> sidecar")]
    GatewayToSidecar,
    /// Leg 4 to a server without a sidecar.
    #[serde(rename = "gateway -> app")]
    GatewayToApp,
    /// Leg 4 to another gateway.
    #[serde(rename = "gateway -> gateway")]
    GatewayToGateway,
}

/// What is at one end of a leg.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LegEnd {
    App,
    Sidecar,
    Gateway,
}

impl LegEnd {
    /// The end of a pod that is no gateway.
    pub fn of_pod(sidecar: bool) -> Self {
        if sidecar { Self::Sidecar } else { Self::App }
    }
}

impl LegPath {
    /// The path of a leg between pods, or to a pod's own app.
    pub fn between(from: LegEnd, to: LegEnd) -> Self {
        match (from, to) {
            (LegEnd::Sidecar, LegEnd::Sidecar) => Self::SidecarToSidecar,
            (LegEnd::Sidecar, LegEnd::App) => Self::SidecarToApp,
            (LegEnd::Sidecar, LegEnd::Gateway) => Self::SidecarToGateway,
            (LegEnd::App, LegEnd::Sidecar) => Self::AppToSidecar,
            (LegEnd::App, LegEnd::App) => Self::AppToApp,
            (LegEnd::App, LegEnd::Gateway) => Self::AppToGateway,
            (LegEnd::Gateway, LegEnd::Sidecar) => Self::GatewayToSidecar,
            (LegEnd::Gateway, LegEnd::App) => Self::GatewayToApp,
            (LegEnd::Gateway, LegEnd::Gateway) => Self::GatewayToGateway,
        }
    }

    /// Whether a gateway receives it.
    pub fn reaches_gateway(self) -> bool {
        matches!(self, Self::AppToGateway | Self::SidecarToGateway | Self::GatewayToGateway)
    }

    /// Whether a sidecar receives it.
    pub fn reaches_sidecar(self) -> bool {
        matches!(self, Self::AppToSidecar | Self::SidecarToSidecar | Self::GatewayToSidecar)
    }
}

/// An interface of a pod.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, JsonSchema, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Interface {
    /// `lo`: inside the pod.
    Lo,
    /// `eth0`: between pods.
    Eth0,
}

/// The protocol of a layer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, JsonSchema, Serialize, Deserialize)]
pub enum LayerKind {
    /// TLS in which both sides presented a certificate.
    #[serde(rename = "mtls")]
    Mtls,
    /// TLS in which only the server did.
    #[serde(rename = "tls")]
    Tls,
    /// HTTP/1.0 or HTTP/1.1.
    #[serde(rename = "http/1.1")]
    Http1,
    #[serde(rename = "h2")]
    H2,
    /// Other bytes.
    #[serde(rename = "tcp")]
    Tcp,
}

/// The properties of a TLS layer. A prediction leaves out what only a handshake decides.
#[derive(Clone, Debug, Default, PartialEq, Eq, JsonSchema, Serialize, Deserialize)]
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
    /// The server name in the ClientHello.
    #[serde(default)]
    pub sni: Option<String>,
    /// The client certificate's URI SAN.
    #[serde(default)]
    pub client_identity: Option<String>,
    /// The server certificate's URI SAN, else its first DNS SAN.
    #[serde(default)]
    pub server_identity: Option<String>,
}

crate::display_as_serialized!(LegPath, Interface, LayerKind);
