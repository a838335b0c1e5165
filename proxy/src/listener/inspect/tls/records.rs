//! The first message of a handshake, out of its records.

use std::borrow::Cow;

/// A record's header, in bytes. Like Envoy, the inspector wants to see it before it calls a connection plaintext: a client
/// that sends less and then waits, waits for ever.
const HEADER: usize = 5;
/// The most that a record holds (RFC 8446, section 5.1).
const MAX_RECORD: usize = 16 * 1024;
/// The most that a ClientHello may say that it takes; BoringSSL looks no further (`ssl_max_handshake_message_len`).
const MAX_MESSAGE: usize = 16 * 1024;
/// How many empty records, or warnings, may follow each other (`kMaxEmptyRecords`).
const MAX_EMPTY: usize = 32;

const ALERT: u8 = 21;
const HANDSHAKE: u8 = 22;
const CLIENT_HELLO: u8 = 1;

/// What the bytes so far are.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Found<'a> {
    /// A ClientHello, without its header.
    Message(Cow<'a, [u8]>),
    /// Not yet to be said.
    More,
    /// No TLS.
    Plaintext,
    /// An alert that says that there will be no handshake.
    Goodbye,
}

/// Puts the first handshake message together.
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
            (ALERT, [1, 0]) => return Found::Goodbye,
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
                return Found::Plaintext; // too long, or more than one message
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

/// A ClientHello of TLS in the form of SSL 2, which asks for nothing: it has no extensions.
fn version2(bytes: &[u8]) -> Option<Found<'_>> {
    match bytes {
        [first, second, CLIENT_HELLO, 3, ..] if first & 0x80 != 0 => {
            let length = usize::from(first & 0x7f) << 8 | usize::from(*second);
            // As a hello of TLS: its version, and what no extensions can follow.
            Some(if bytes.len() < 2 + length { Found::More } else { Found::Message(super::hello::bare().into()) })
        }
        _ => None,
    }
}
