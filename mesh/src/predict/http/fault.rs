//! Faults that a route injects: delays and aborts.

use envoy_api::{FractionalPercent, HttpConnectionManager, HttpFilterConfig, Route};
use envoy_rules::outcome::Outcome;

use crate::{
    account::{AppSpeaks, Decision, Reason},
    predict::{
        place::Place,
        simulate::Simulation,
        trace::Log,
        wire::{Reply, Request, Version},
    },
};

/// What a fault does to a request.
pub(super) enum Fault {
    /// It is answered.
    Aborted(Reply),
    /// It goes on.
    Passed { delayed: bool },
}

impl Simulation<'_> {
    /// What the fault filter does, which comes before the router.
    pub(super) fn fault(
        &mut self,
        at: Place,
        manager: &HttpConnectionManager,
        route: &Route,
        request: &Request,
        codec: Version,
    ) -> Fault {
        let is_there =
            manager.http_filters.iter().any(|filter| matches!(filter.typed_config, HttpFilterConfig::Fault(_)));
        let Some(fault) = route.fault().filter(|_| is_there) else { return Fault::Passed { delayed: false } };
        let delay =
            fault.delay.as_ref().and_then(|delay| Some((delay.fixed_delay?, delay.percentage.unwrap_or_default())));
        let delayed = delay.is_some_and(|(_, share)| self.happens(share));
        if let Some((fixed, share)) = delay.filter(|_| delayed) {
            let because = format!("a fault delays {} % of requests", share.percent());
            self.trace.step(at.role.party(), Decision::Fault, format!("delayed by {fixed}"), because, None);
        }
        let Some(abort) = &fault.abort else { return Fault::Passed { delayed } };
        let share = abort.percentage.unwrap_or_default();
        if !self.happens(share) {
            return Fault::Passed { delayed };
        }
        let is_grpc = request.speaks == Some(AppSpeaks::Grpc);
        let status = abort.http_status.unwrap_or(200);
        if is_grpc && abort.http_status.is_none() {
            self.trace.grpc_status = abort.grpc_status;
        }
        let because = format!("a fault aborts {} % of requests", share.percent());
        self.trace.step(at.role.party(), Decision::Fault, format!("aborted with {status}"), because, None);
        self.trace.refuse(at.role.party(), Reason::FaultAbort);
        self.log_request(at, Log::of_request(&Outcome::FaultAbort, false), delayed);
        Fault::Aborted(Reply::Response(codec, status))
    }

    /// Whether an event of this probability happens: both are tried unless it is 0 or 100 %.
    fn happens(&mut self, share: FractionalPercent) -> bool {
        !share.is_none() && (share.is_all() || self.picks.pick(2) == 0)
    }
}
