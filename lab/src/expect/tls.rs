//! The expected TLS layers of a leg.

use std::fmt;

use mesh::account::TlsFacts;
use schemars::JsonSchema;
use serde::{
    Deserialize, Deserializer, Serialize,
    de::{
        MapAccess, SeqAccess, Visitor,
        value::{MapAccessDeserializer, SeqAccessDeserializer},
    },
};

/// The expected properties of a TLS layer.
#[derive(Clone, Debug, Default, PartialEq, Eq, JsonSchema, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct ExpectedTls {
    /// Such as `TLSv1.3`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// Such as `TLS_AES_128_GCM_SHA256`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cipher_suite: Option<String>,
    /// Such as `X25519MLKEM768`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub group: Option<String>,
    /// ALPN as offered, in order.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub alpn_offered: Option<Vec<String>>,
    /// ALPN as chosen.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub alpn: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sni: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_identity: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub server_identity: Option<String>,
}

impl ExpectedTls {
    pub(super) fn exactly(tls: &TlsFacts) -> Self {
        let TlsFacts { version, cipher_suite, group, alpn_offered, alpn, sni, client_identity, server_identity } =
            tls.clone();
        let alpn_offered = Some(alpn_offered);
        Self { version, cipher_suite, group, alpn_offered, alpn, sni, client_identity, server_identity }
    }

    fn merged_with(self, over: Self) -> Self {
        Self {
            version: over.version.or(self.version),
            cipher_suite: over.cipher_suite.or(self.cipher_suite),
            group: over.group.or(self.group),
            alpn_offered: over.alpn_offered.or(self.alpn_offered),
            alpn: over.alpn.or(self.alpn),
            sni: over.sni.or(self.sni),
            client_identity: over.client_identity.or(self.client_identity),
            server_identity: over.server_identity.or(self.server_identity),
        }
    }
}

/// TLS layers, each overridden by that of another list.
pub(super) fn merged(tls: Vec<ExpectedTls>, over: Vec<ExpectedTls>) -> Vec<ExpectedTls> {
    let (mut tls, mut over) = (tls.into_iter(), over.into_iter());
    std::iter::from_fn(|| match (tls.next(), over.next()) {
        (Some(tls), Some(over)) => Some(tls.merged_with(over)),
        (tls, over) => over.or(tls),
    })
    .collect()
}

/// The two notations of TLS layers: a single one is the outermost.
#[derive(JsonSchema)]
#[serde(untagged)]
#[expect(dead_code, reason = "only the shape matters")]
pub(super) enum OneOrMore {
    One(ExpectedTls),
    More(Vec<ExpectedTls>),
}

/// One TLS layer, or a list of them.
pub(super) fn one_or_more<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<ExpectedTls>, D::Error> {
    struct Layers;
    impl<'de> Visitor<'de> for Layers {
        type Value = Vec<ExpectedTls>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("an expected TLS layer, or a list of them")
        }

        fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Self::Value, A::Error> {
            Ok(vec![ExpectedTls::deserialize(MapAccessDeserializer::new(map))?])
        }

        fn visit_seq<A: SeqAccess<'de>>(self, list: A) -> Result<Self::Value, A::Error> {
            Vec::deserialize(SeqAccessDeserializer::new(list))
        }
    }
    deserializer.deserialize_any(Layers)
}
