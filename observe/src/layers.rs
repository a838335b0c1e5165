//! What the bytes of a connection are, layer by layer.

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

/// TLS inside TLS is opened up to this depth. Two is what double encryption needs; the limit is there for hostile input.
const MAX_TLS_DEPTH: usize = 4;

/// The layers of a connection's content, outermost first.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Layers(Vec<Layer>);

impl JsonSchema for Layers {
    fn schema_name() -> Cow<'static, str> {
        "Layers".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        /// As [`Layers`] is serialized.
        #[derive(JsonSchema)]
        #[expect(dead_code, reason = "the form alone counts")]
        struct Written {
            /// The names of the layers, outermost first: `mtls`, `tls`, `http/1.1`, `h2`, `tcp`.
            layers: Vec<String>,
            /// What is known of each.
            content: Vec<Layer>,
        }
        Written::json_schema(generator)
    }
}

impl Serialize for Layers {
    /// An object with the names as `layers`, and the layers themselves as `content`.
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut object = serializer.serialize_struct("Layers", 2)?;
        object.serialize_field("layers", &self.names())?;
        object.serialize_field("content", &self.0)?;
        object.end()
    }
}

impl Layers {
    /// The names of the layers, outermost first: `["mtls", "tls", "http/1.1"]`.
    pub fn names(&self) -> Vec<&'static str> {
        self.0.iter().map(Layer::name).collect()
    }

    /// The layers, outermost first.
    pub fn iter(&self) -> std::slice::Iter<'_, Layer> {
        self.0.iter()
    }

    /// The outermost layer.
    pub fn first(&self) -> Option<&Layer> {
        self.0.first()
    }

    /// The innermost layer.
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

    /// Requests and responses, of whichever version of HTTP there is.
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
    /// TLS, mutual or not. What it carries is the next layer, when it could be opened.
    #[serde(rename = "tls")]
    Tls(Box<Tls>),
    /// HTTP/1.1 or HTTP/1.0.
    #[serde(rename = "http/1.1")]
    Http1(Http1),
    /// HTTP/2, recognised by its preface.
    #[serde(rename = "h2")]
    H2(H2),
    /// Bytes that are none of the above, or none at all.
    #[serde(rename = "tcp")]
    Tcp(Opaque),
}

impl Layer {
    /// The layer's name in lists of layers: `mtls`, `tls`, `http/1.1`, `h2` or `tcp`.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Tls(tls) if tls.mutual => "mtls",
            Self::Tls(_) => "tls",
            Self::Http1(_) => "http/1.1",
            Self::H2(_) => "h2",
            Self::Tcp(_) => "tcp",
        }
    }

    /// Requests and responses, if the layer is HTTP.
    pub fn exchanges(&self) -> &[Exchange] {
        match self {
            Self::Http1(http1) => &http1.exchanges,
            Self::H2(h2) => &h2.exchanges,
            Self::Tls(_) | Self::Tcp(_) => &[],
        }
    }

    /// Whether `marker` stands in what this layer carries itself: the target, a header or the kept start of a body of HTTP,
    /// or the kept start of opaque bytes. A TLS layer carries nothing of its own.
    pub fn contains(&self, marker: &str) -> bool {
        match self {
            Self::Tls(_) => false,
            Self::Http1(_) | Self::H2(_) => self.exchanges().iter().any(|exchange| exchange.contains(marker)),
            Self::Tcp(opaque) => opaque.contains(marker.as_bytes()),
        }
    }
}

/// Whether bytes are what only a client sends first: a TLS ClientHello, or the beginning of a request.
pub(crate) fn begins_as_client(stream: &Stream) -> bool {
    tls::is_client_hello(&stream.bytes) || http1::recognise(&stream.bytes) || h2::recognise(&stream.bytes)
}

/// Recognises and opens what a client and a server sent each other, layer by layer.
pub(crate) fn open(client: Stream, server: Stream, keys: &KeyLog) -> Layers {
    let mut layers = Vec::new();
    let mut inside = Some((client, server));
    while let Some((client, server)) = inside.take() {
        let depth = layers.iter().filter(|layer| matches!(layer, Layer::Tls(_))).count();
        if depth < MAX_TLS_DEPTH && tls::recognise(&client, &server) {
            let (tls, payload) = tls::open(&client, &server, keys);
            layers.push(Layer::Tls(Box::new(tls)));
            inside = payload;
        } else if http1::recognise(&client.bytes) {
            let (http1, upgraded) = http1::open(&client, &server);
            layers.push(Layer::Http1(http1));
            inside = upgraded;
        } else if h2::recognise(&client.bytes) {
            layers.push(Layer::H2(h2::open(&client, &server)));
        } else {
            layers.push(Layer::Tcp(Opaque::of(&client, &server)));
        }
    }
    Layers(layers)
}

#[cfg(test)]
mod tests;
