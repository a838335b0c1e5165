//! HTTP/2.

/// What every HTTP/2 client sends first (RFC 9113, section 3.4).
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// Whether a client that sent `bytes` speaks HTTP/2.
pub(crate) fn recognise(bytes: &[u8]) -> bool {
    bytes.starts_with(PREFACE)
}
