//! The bytes that one side sent, in order, with their times.

use schemars::JsonSchema;
use serde::Serialize;

/// How one direction of a connection ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, JsonSchema, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum End {
    /// Closed in order.
    Fin,
    /// Closed in order, then reset: the other side kept sending to a closed socket.
    FinThenRst,
    /// Reset by this side.
    Rst,
    /// Still open when the capture ended, or reset by the other side.
    Open,
}

/// The bytes that one side sent, up to the first gap.
#[derive(Clone, Debug)]
pub(crate) struct Stream {
    pub(crate) bytes: Vec<u8>,
    /// How the direction ended. Inside TLS, `Fin` is a close_notify.
    pub(crate) end: End,
    /// Time of the end, in nanoseconds since the Unix epoch; 0 while open.
    pub(crate) end_ns: u64,
    /// Why `bytes` is incomplete, if it is.
    pub(crate) cut: Option<String>,
    /// End offset and time of arrival of each piece.
    times: Vec<(usize, u64)>,
}

impl Stream {
    pub(crate) fn new() -> Self {
        Self { bytes: Vec::new(), end: End::Open, end_ns: 0, cut: None, times: Vec::new() }
    }

    /// Appends bytes that were complete at `timestamp_ns`.
    pub(crate) fn push(&mut self, bytes: &[u8], timestamp_ns: u64) {
        if bytes.is_empty() {
            return;
        }
        self.bytes.extend_from_slice(bytes);
        // A piece is only available once all previous ones have arrived, even if it was captured earlier.
        let at = self.times.last().map_or(timestamp_ns, |&(_, before)| before.max(timestamp_ns));
        self.times.push((self.bytes.len(), at));
    }

    /// Time at which the first `len` bytes had arrived, in nanoseconds since the Unix epoch; 0 for an empty stream.
    pub(crate) fn complete_at(&self, len: usize) -> u64 {
        let piece = self.times.partition_point(|&(end, _)| end < len);
        self.times.get(piece).or(self.times.last()).map_or(0, |&(_, at)| at)
    }

    /// The stream without its first `offset` bytes.
    pub(crate) fn tail(&self, offset: usize) -> Self {
        let offset = offset.min(self.bytes.len());
        Self {
            bytes: self.bytes[offset..].to_vec(),
            end: self.end,
            end_ns: self.end_ns,
            cut: self.cut.clone(),
            times: self.times.iter().filter(|&&(end, _)| end > offset).map(|&(end, at)| (end - offset, at)).collect(),
        }
    }
}
