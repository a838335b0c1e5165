//! The table of causes.
//!
//! Signatures F1 to F26 are those of the scenarios (`sidelab scenarios --signature F7`). Texts are Envoy's
//! (`source/common/stream_info/utility.cc`, `source/common/router/router.cc`, BoringSSL's `ssl/ssl_*.cc`), curl's (`lib/strerror.c`), and
//! Go's (`crypto/tls`, `crypto/x509`, `net/http`).

mod modes;
mod peers;
mod requests;
mod sidecars;

use super::cause::Cause;

/// All causes, in an order in which, of equally likely ones, the more frequent comes first.
pub(super) fn all() -> impl Iterator<Item = &'static Cause> {
    [modes::CAUSES, peers::CAUSES, requests::CAUSES, sidecars::CAUSES].into_iter().flatten()
}
