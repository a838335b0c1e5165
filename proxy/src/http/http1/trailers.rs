//! Trailers after the last chunk. Envoy parses and, unless they are enabled, drops them.

use super::head::{self, HeadEnd, MAX_HEAD, is_forbidden};
use crate::http::rejection::Rejection;

/// Length of the trailers at the start of `bytes`, including the empty line; `Ok(None)` if more bytes are needed.
pub(super) fn skip(bytes: &[u8], end: &mut HeadEnd) -> Result<Option<usize>, Rejection> {
    match bytes {
        [b'\n', ..] => return Ok(Some(1)),
        [b'\r', b'\n', ..] => return Ok(Some(2)),
        [] | [b'\r'] => return Ok(None),
        _ => {}
    }
    let found = end.find(bytes);
    if found.unwrap_or(bytes.len()) > MAX_HEAD {
        return Err(Rejection::HEAD_TOO_LARGE);
    }
    let Some(length) = found else { return Ok(None) };
    if bytes[..length].iter().any(|byte| is_forbidden(*byte)) {
        return Err(Rejection::INVALID_CHARACTERS);
    }
    head::each_line(&bytes[..length], |_, _| Ok(()))?;
    Ok(Some(length))
}
