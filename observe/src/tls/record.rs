//! Splitting a stream into TLS records.

use crate::stream::Stream;

pub(super) const CHANGE_CIPHER_SPEC: u8 = 20;
pub(super) const ALERT: u8 = 21;
pub(super) const HANDSHAKE: u8 = 22;
pub(super) const APPLICATION_DATA: u8 = 23;

/// Length of a record header, in bytes.
pub(super) const HEADER: usize = 5;
/// Maximum length of a body in any version: TLS 1.2's 2^14 + 2048.
const MAX_BODY: usize = (1 << 14) + 2048;

/// One record, still protected.
#[derive(Clone, Copy, Debug)]
pub(super) struct Record<'a> {
    pub(super) kind: u8,
    pub(super) header: &'a [u8],
    pub(super) body: &'a [u8],
    /// Offset of the end of this record in the stream.
    pub(super) end: usize,
}

impl Record<'_> {
    /// Length including the header, in bytes.
    pub(super) fn len(&self) -> u64 {
        (HEADER + self.body.len()) as u64
    }
}

/// What follows the last complete record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Tail {
    Nothing,
    /// A part of a record, of which `missing` bytes are still to come (at least, if the header is incomplete).
    Partial {
        have: usize,
        missing: usize,
    },
    /// Something that is not a record, from this offset on.
    NotTls {
        offset: usize,
    },
}

/// Splits bytes into records.
pub(super) fn split(bytes: &[u8]) -> (Vec<Record<'_>>, Tail) {
    let mut records = Vec::new();
    let mut at = 0;
    loop {
        let rest = &bytes[at..];
        let tail = match body_len(rest) {
            _ if rest.is_empty() => Tail::Nothing,
            Err(NotARecord) => Tail::NotTls { offset: at },
            Ok(None) => Tail::Partial { have: rest.len(), missing: HEADER - rest.len() },
            Ok(Some(len)) if rest.len() < HEADER + len => {
                Tail::Partial { have: rest.len(), missing: HEADER + len - rest.len() }
            }
            Ok(Some(len)) => {
                let (record, _) = rest.split_at(HEADER + len);
                let (header, body) = record.split_at(HEADER);
                at += record.len();
                records.push(Record { kind: header[0], header, body, end: at });
                continue;
            }
        };
        return (records, tail);
    }
}

struct NotARecord;

/// Length of the body of the record at the start of `bytes`; `None` if the header is incomplete.
fn body_len(bytes: &[u8]) -> Result<Option<usize>, NotARecord> {
    let kind_fits = bytes.first().is_none_or(|kind| (CHANGE_CIPHER_SPEC..=APPLICATION_DATA).contains(kind));
    let version_fits = bytes.get(1).is_none_or(|&major| major == 3) && bytes.get(2).is_none_or(|&minor| minor <= 4);
    if !kind_fits || !version_fits {
        return Err(NotARecord);
    }
    let Some(len) = bytes.get(3..HEADER) else {
        return Ok(None);
    };
    let len = usize::from(len[0]) << 8 | usize::from(len[1]);
    // Only application data may be empty.
    let len_fits = len <= MAX_BODY && (len > 0 || bytes[0] == APPLICATION_DATA);
    if len_fits { Ok(Some(len)) } else { Err(NotARecord) }
}

/// Whether a client and a server speak TLS, or started to: the client's bytes start with a record.
/// If the client has sent nothing, the server's bytes decide.
pub(crate) fn recognize(client: &Stream, server: &Stream) -> bool {
    let speaker = if client.bytes.is_empty() { server } else { client };
    let bytes = &speaker.bytes;
    if bytes.len() < 3 || body_len(bytes).is_err() {
        return false;
    }
    // A handshake starts with a ClientHello. Otherwise the start of the connection was not captured; text protocols do not
    // contain such bytes.
    bytes[0] != HANDSHAKE || bytes.get(HEADER).is_none_or(|&message| message <= 24)
}
