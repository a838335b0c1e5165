//! Configured timeouts.

use std::time::Duration;

use envoy_api::ProtoDuration;

/// A configured timeout, where 0 means no limit.
pub(super) fn timeout(configured: Option<ProtoDuration>, default: Duration) -> Option<Duration> {
    Some(configured.map_or(default, |ProtoDuration(duration)| duration)).filter(|duration| !duration.is_zero())
}
