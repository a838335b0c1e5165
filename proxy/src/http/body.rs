//! Bodies on their way through: counted, timed, and the requests' kept for another try.

mod request;
mod response;

pub(super) use request::{Progress, RequestBody, RequestSource};
pub(super) use response::{Deadline, ResponseBody};

use thiserror::Error;

/// Why a body ends before its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub(super) enum BodyError {
    #[error("the downstream's body is not well-formed")]
    DownstreamProtocol,
    #[error("the downstream went away")]
    DownstreamClosed,
    #[error("the upstream went away")]
    Upstream,
    #[error("the response took too long")]
    Timeout,
    #[error("another try sends the body now")]
    Superseded,
}
