//! What may stand after the last chunk. Envoy reads it and, where trailers are not enabled, drops it.

use super::{
    MAX_HEAD,
    head::{self, HeadEnd, is_forbidden},
};
use crate::http::rejection::Rejection;

/// How many bytes the trailers of `bytes` take, the empty line at their end included; `Ok(None)` as long as more are needed.
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
