//! Extracting the first handshake message from its records.

use std::borrow::Cow;

/// Length of a record header, in bytes. Like Envoy, the inspector needs all of it to call a connection plaintext: a client
/// that sends less and then waits is not answered.
const HEADER: usize = 5;
/// Maximum payload of a record (RFC 8446, section 5.1).
const MAX_RECORD: usize = 16 * 1024;
/// Maximum length of a ClientHello, as in BoringSSL (`ssl_max_handshake_message_len`).
const MAX_MESSAGE: usize = 16 * 1024;
/// Maximum number of consecutive empty records or warnings (`kMaxEmptyRecords`).
const MAX_EMPTY: usize = 32;

const ALERT: u8 = 21;
const HANDSHAKE: u8 = 22;
const CLIENT_HELLO: u8 = 1;

/// The result of examining the bytes so far.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Found<'a> {
    /// A ClientHello, without its header.
    Message(Cow<'a, [u8]>),
    /// More bytes are needed.
    More,
    /// Not TLS.
    Plaintext,
    /// An alert that ends the connection.
    Closed,
}

/// Reassembles the first handshake message.
pub(super) fn handshake(bytes: &[u8]) -> Found<'_> {
    if let Some(found) = version2(bytes) {
        return found;
    }
    let (mut rest, mut message, mut empty) = (bytes, Cow::from(&[][..]), 0);
    loop {
        if rest.len() < HEADER {
            return Found::More;
        }
        let (header, body) = rest.split_at(HEADER);
        let length = usize::from(u16::from_be_bytes([header[3], header[4]]));
        if header[1] != 3 || length > MAX_RECORD || !matches!(header[0], ALERT | HANDSHAKE) {
            return Found::Plaintext;
        }
        let Some(body) = body.get(..length) else { return Found::More };
        rest = &rest[HEADER + length..];
        match (header[0], body) {
            (ALERT, [1, 0]) => return Found::Closed,
            (HANDSHAKE, []) | (ALERT, [1, _]) => empty += 1,
            (HANDSHAKE, body) => {
                empty = 0;
                if message.is_empty() { message = body.into() } else { message.to_mut().extend_from_slice(body) }
            }
            _ => return Found::Plaintext,
        }
        if empty > MAX_EMPTY || message.first().is_some_and(|kind| *kind != CLIENT_HELLO) {
            return Found::Plaintext;
        }
        if let [_, high, middle, low, ..] = *message {
            let length = usize::from(high) << 16 | usize::from(middle) << 8 | usize::from(low);
            let have = message.len() - 4;
            if length > MAX_MESSAGE || have > length {
                return Found::Plaintext; // too long, or several messages
            }
            if have == length {
                return Found::Message(match message {
                    Cow::Borrowed(message) => message[4..].into(),
                    Cow::Owned(message) => message[4..].to_vec().into(),
                });
            }
        }
    }
}

/// A ClientHello in the format of SSL 2, which has no extensions.
fn version2(bytes: &[u8]) -> Option<Found<'_>> {
    match bytes {
        [first, second, CLIENT_HELLO, 3, ..] if first & 0x80 != 0 => {
            let length = usize::from(first & 0x7f) << 8 | usize::from(*second);
            // Converted to TLS format: its version, and no extensions.
            Some(if bytes.len() < 2 + length { Found::More } else { Found::Message(super::hello::bare().into()) })
        }
        _ => None,
    }
}
