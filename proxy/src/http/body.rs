//! Bodies in transit: counted, timed, and buffered for retries.

mod incoming;
mod request;
mod response;

pub(super) use incoming::{BodyError, Broken, Incoming};
pub(super) use request::{Progress, RequestBody, RequestSource};
pub(super) use response::{Deadline, ResponseBody};
