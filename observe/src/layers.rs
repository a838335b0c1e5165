//! The layers of a connection's payload.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::ser::SerializeStruct;
use serde::{Serialize, Serializer};

use crate::h2::H2;
use crate::http::Exchange;
use crate::http1::Http1;
use crate::keylog::KeyLog;
use crate::opaque::Opaque;
use crate::stream::Stream;
use crate::tls::{self, Tls};
use crate::{h2, http1};

/// TLS inside TLS is opened up to this depth. Double encryption needs two; the limit guards against hostile input.
const MAX_TLS_DEPTH: usize = 4;

/// The layers of a connection's content, outermost first.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Layers(Vec<Layer>);

impl JsonSchema for Layers {
    fn schema_name() -> Cow<'static, str> {
        "Layers".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        /// The serialized form of [`Layers`].
        #[derive(JsonSchema)]
        #[expect(dead_code, reason = "only its schema is used")]
        struct Written {
            /// Names of the layers, outermost first: `mtls`, `tls`, `http/1.1`, `h2`, `tcp`.
            layers: Vec<String>,
            /// Details of each layer.
            content: Vec<Layer>,
        }
        Written::json_schema(generator)
    }
}

impl Serialize for Layers {
    /// An object with the names as `layers` and the details as `content`.
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut object = serializer.serialize_struct("Layers", 2)?;
        object.serialize_field("layers", &self.names())?;
        object.serialize_field("content", &self.0)?;
        object.end()
    }
}

impl Layers {
    /// Names of the layers, outermost first: `["mtls", "tls", "http/1.1"]`.
    pub fn names(&self) -> Vec<&'static str> {
        self.0.iter().map(Layer::name).collect()
    }

    /// Iterates over the layers, outermost first.
    pub fn iter(&self) -> std::slice::Iter<'_, Layer> {
        self.0.iter()
    }

    /// The outermost layer; `None` without any.
    pub fn first(&self) -> Option<&Layer> {
        self.0.first()
    }

    /// The innermost layer; `None` without any.
    pub fn last(&self) -> Option<&Layer> {
        self.0.last()
    }

    /// The TLS layers, outermost first.
    pub fn tls(&self) -> impl Iterator<Item = &Tls> {
        self.0.iter().filter_map(|layer| match layer {
            Layer::Tls(tls) => Some(tls.as_ref()),
            _ => None,
        })
    }

    /// Whether one of the layers is the same TLS connection: a proxy relays its handshake unopened.
    pub fn carries(&self, tls: &Tls) -> bool {
        tls.client_random.is_some() && self.tls().any(|layer| layer.client_random == tls.client_random)
    }

    /// Requests and responses, in either version of HTTP.
    pub fn exchanges(&self) -> &[Exchange] {
        self.0.iter().map(Layer::exchanges).find(|exchanges| !exchanges.is_empty()).unwrap_or_default()
    }

    pub(crate) fn tls_mut(&mut self) -> impl Iterator<Item = &mut Tls> {
        self.0.iter_mut().filter_map(|layer| match layer {
            Layer::Tls(tls) => Some(tls.as_mut()),
            _ => None,
        })
    }
}

/// One layer of a connection's content.
#[derive(Clone, Debug, PartialEq, Eq, JsonSchema, Serialize)]
#[serde(tag = "layer")]
pub enum Layer {
    /// TLS, mutual or not. Its payload is the next layer, if it could be decrypted.
    #[serde(rename = "tls")]
    Tls(Box<Tls>),
    /// HTTP/1.1 or HTTP/1.0.
    #[serde(rename = "http/1.1")]
    Http1(Http1),
    /// HTTP/2, recognized by its preface.
    #[serde(rename = "h2")]
    H2(H2),
    /// Any other bytes, or none at all.
    #[serde(rename = "tcp")]
    Tcp(Opaque),
}

impl Layer {
    /// Name of the layer: `mtls`, `tls`, `http/1.1`, `h2` or `tcp`.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Tls(tls) if tls.mutual => "mtls",
            Self::Tls(_) => "tls",
            Self::Http1(_) => "http/1.1",
            Self::H2(_) => "h2",
            Self::Tcp(_) => "tcp",
        }
    }

    /// Requests and responses; empty unless the layer is HTTP.
    pub fn exchanges(&self) -> &[Exchange] {
        match self {
            Self::Http1(http1) => &http1.exchanges,
            Self::H2(h2) => &h2.exchanges,
            Self::Tls(_) | Self::Tcp(_) => &[],
        }
    }

    /// Whether this layer's own content contains `marker`: the target, a header or the kept start of a body in HTTP, or the
    /// kept start of opaque bytes. A TLS layer has only a payload.
    pub fn contains(&self, marker: &str) -> bool {
        match self {
            Self::Tls(_) => false,
            Self::Http1(_) | Self::H2(_) => self.exchanges().iter().any(|exchange| exchange.contains(marker)),
            Self::Tcp(opaque) => opaque.contains(marker.as_bytes()),
        }
    }
}

/// Whether a stream starts with what only a client sends first: a TLS ClientHello or an HTTP request.
pub(crate) fn starts_as_client(stream: &Stream) -> bool {
    tls::is_client_hello(&stream.bytes) || http1::recognize(&stream.bytes) || h2::recognize(&stream.bytes)
}

/// Recognizes and opens the layers of a connection, outermost first.
pub(crate) fn open(client: Stream, server: Stream, keys: &KeyLog) -> Layers {
    let mut layers = Vec::new();
    let mut inside = Some((client, server));
    while let Some((client, server)) = inside.take() {
        let depth = layers.iter().filter(|layer| matches!(layer, Layer::Tls(_))).count();
        if depth < MAX_TLS_DEPTH && tls::recognize(&client, &server) {
            let (tls, payload) = tls::open(&client, &server, keys);
            layers.push(Layer::Tls(Box::new(tls)));
            inside = payload;
        } else if http1::recognize(&client.bytes) {
            let (http1, upgraded) = http1::open(&client, &server);
            layers.push(Layer::Http1(http1));
            inside = upgraded;
        } else if h2::recognize(&client.bytes) {
            layers.push(Layer::H2(h2::open(&client, &server)));
        } else {
            layers.push(Layer::Tcp(Opaque::new(&client, &server)));
        }
    }
    Layers(layers)
}

#[cfg(test)]
mod tests;
