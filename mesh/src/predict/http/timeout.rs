//! Answers that come too late.

use std::time::Duration;

use envoy_api::RouteAction;
use envoy_rules::outcome::Outcome;

use super::Ended;
use crate::{
    account::Reason,
    predict::{
        place::Place,
        simulate::Simulation,
        trace::{Log, Role},
    },
};

/// How long a response may take: 15 s if unset, and without a limit if 0 (`RouteAction.timeout` in `route_components.proto`).
pub(super) fn of_route(action: &RouteAction) -> Option<Duration> {
    let timeout = action.timeout.map_or(Duration::from_secs(15), |timeout| timeout.0);
    Some(timeout).filter(|timeout| !timeout.is_zero())
}

impl Simulation<'_> {
    /// How a try ends, of which each limit has its own outcome: the shortest that is over before the app's answer comes decides.
    pub(super) fn in_time(&mut self, at: Place, ended: Ended, limits: [(Option<Duration>, Outcome); 2]) -> Ended {
        let delay = self.trace.delay;
        let limits = limits.into_iter().filter_map(|(limit, outcome)| Some((limit?, outcome)));
        let Some((_, outcome)) = limits.filter(|(limit, _)| *limit < delay).min_by_key(|(limit, _)| *limit) else {
            return ended;
        };
        self.trace.refuse(at.role.party(), Reason::Timeout);
        // Those upstream see that the one who asked is gone.
        for role in [Role::Client, Role::Gateway, Role::Server] {
            if role != at.role && self.trace.logs[role as usize].is_some() {
                self.trace.log(role, Log::of_request(&Outcome::DownstreamClosed, false));
            }
        }
        Ended::Failed { outcome, sent: true }
    }
}
