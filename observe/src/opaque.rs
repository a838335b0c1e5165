//! Bytes of an unknown protocol.

use schemars::JsonSchema;
use serde::{Serialize, Serializer};

use crate::stream::Stream;

/// How much of the start of each direction is kept, in bytes.
const KEPT: usize = 4096;

/// A connection of an unknown protocol.
#[derive(Clone, Debug, PartialEq, Eq, JsonSchema, Serialize)]
pub struct Opaque {
    /// What the client sent.
    pub client: Bytes,
    /// What the server sent.
    pub server: Bytes,
}

/// The start of what one side sent, and its length.
#[derive(Clone, Debug, PartialEq, Eq, JsonSchema, Serialize)]
pub struct Bytes {
    /// Number of bytes sent.
    pub bytes: u64,
    /// The first of them, at most 4 KiB. In JSON they are text, in which anything but printable ASCII is escaped as `\x00`.
    #[schemars(with = "String")]
    #[serde(serialize_with = "escaped")]
    pub first: Vec<u8>,
    /// Why bytes are missing, if any are.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cut: Option<String>,
}

impl Opaque {
    pub(crate) fn new(client: &Stream, server: &Stream) -> Self {
        Self { client: Bytes::new(client), server: Bytes::new(server) }
    }

    /// Whether the kept start of either direction contains `marker`.
    pub fn contains(&self, marker: &[u8]) -> bool {
        contains(&self.client.first, marker) || contains(&self.server.first, marker)
    }
}

impl Bytes {
    fn new(stream: &Stream) -> Self {
        Self {
            bytes: stream.bytes.len() as u64,
            first: stream.bytes[..stream.bytes.len().min(KEPT)].to_vec(),
            cut: stream.cut.clone(),
        }
    }
}

/// Whether `haystack` contains `needle`; never true for an empty needle.
pub(crate) fn contains(haystack: &[u8], needle: &[u8]) -> bool {
    !needle.is_empty() && haystack.windows(needle.len()).any(|window| window == needle)
}

/// Serializes bytes as text, in which anything but printable ASCII is escaped.
pub(crate) fn escaped<S: Serializer>(bytes: &[u8], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(&bytes.escape_ascii())
}
