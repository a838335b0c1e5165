//! Delays and answers requests as their routes say (`source/extensions/filters/http/fault/fault_filter.cc`).

use envoy_api::{FractionalPercent, HttpFault};
use envoy_rules::outcome::{Flag, Outcome};
use http::StatusCode;
use rand::RngExt as _;
use tokio::time::sleep;

use super::{exchange::Exchange, local_reply::LocalReply};

/// Holds a request up, and returns the answer if it is aborted.
pub(super) async fn inject(exchange: &mut Exchange, fault: &HttpFault) -> Option<LocalReply> {
    if let Some(delay) = &fault.delay
        && let Some(fixed) = delay.fixed_delay.filter(|_| happens(delay.percentage))
    {
        exchange.stream.add_flag(Flag::DelayInjected);
        sleep(fixed.0).await;
    }
    let abort = fault.abort.as_ref().filter(|abort| happens(abort.percentage))?;
    let status = abort.http_status.and_then(|status| StatusCode::from_u16(status).ok()).unwrap_or(StatusCode::OK);
    let grpc_status = abort.grpc_status.filter(|_| abort.http_status.is_none());
    Some(LocalReply { grpc_status, ..LocalReply::new(status, "fault filter abort", Outcome::FaultAbort) })
}

/// Whether it is one of a share of all requests; of none where nothing is said.
fn happens(share: Option<FractionalPercent>) -> bool {
    let share = share.unwrap_or_default();
    share.is_all() || rand::rng().random_range(0..share.of()) < share.numerator
}
