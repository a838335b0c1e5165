//! Ejecting endpoints that fail, and taking them back.

use std::{
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use envoy_rules::outlier::{Cause, Detection, Sign};

use super::endpoint::Endpoint;
use crate::{
    config::{At as _, Invalid},
    stats::{Counter, Gauge, ScopedStats},
};

/// The detection of a cluster, with its state.
#[derive(Debug)]
pub(super) struct Outliers {
    detection: Detection,
    started: Instant,
    /// When the next endpoint comes back, in milliseconds since the start; [`u64::MAX`] if none is ejected.
    next_return: AtomicU64,
    /// Held while endpoints are ejected or taken back.
    changing: Mutex<()>,
    active: Gauge,
    enforced: Counter,
    by_cause: [(Cause, Counter); 3],
    overflow: Counter,
}

impl Outliers {
    pub(super) fn new(config: &envoy_api::Cluster, stats: &ScopedStats) -> Result<Option<Self>, Invalid> {
        let detection = match Detection::new(config) {
            Ok(Some(detection)) => detection,
            Ok(None) => return Ok(None),
            Err(field) => return Err("is only supported with 0, or 100 for consecutive errors").at(field),
        };
        let counter = |name: &str| stats.counter(&format!("outlier_detection.{name}"));
        let causes = [Cause::GatewayFailure, Cause::Consecutive5xx, Cause::LocalOriginFailure];
        Ok(Some(Self {
            detection,
            started: Instant::now(),
            next_return: AtomicU64::new(u64::MAX),
            changing: Mutex::default(),
            active: stats.gauge("outlier_detection.ejections_active"),
            enforced: counter("ejections_enforced_total"),
            by_cause: causes.map(|cause| (cause, counter(&format!("ejections_enforced_{}", cause.name())))),
            overflow: counter("ejections_overflow"),
        }))
    }

    /// Notes what became of a request or a connection to an endpoint, and ejects that if it failed too often. Returns whether it did.
    pub(super) fn observe(&self, endpoint: &Endpoint, sign: Sign, all: &[Arc<Endpoint>]) -> bool {
        let cause = self.detection.observe(&mut endpoint.health.monitor(), sign);
        cause.is_some_and(|cause| self.eject(endpoint, cause, all))
    }

    /// Ejects an endpoint, if enough of them are left. Returns whether it did.
    fn eject(&self, endpoint: &Endpoint, cause: Cause, all: &[Arc<Endpoint>]) -> bool {
        let _changing = self.changing.lock().unwrap_or_else(PoisonError::into_inner);
        let ejected = all.iter().filter(|one| one.health.is_ejected()).count();
        if endpoint.health.is_ejected() {
            return false;
        }
        if !self.detection.may_eject(ejected, all.len()) {
            self.overflow.inc();
            return false;
        }
        self.detection.eject(&mut endpoint.health.monitor(), self.started.elapsed());
        endpoint.health.set_ejected(true);
        self.enforced.inc();
        self.by_cause.iter().filter(|(one, _)| *one == cause).for_each(|(_, counter)| counter.inc());
        self.plan(all);
        true
    }

    /// Takes back what has been ejected for long enough. Returns whether anything was.
    pub(super) fn take_back(&self, all: &[Arc<Endpoint>]) -> bool {
        let now = self.started.elapsed();
        if self.next_return.load(Ordering::Relaxed) > milliseconds(now) {
            return false;
        }
        let _changing = self.changing.lock().unwrap_or_else(PoisonError::into_inner);
        let mut any = false;
        for endpoint in all {
            let mut monitor = endpoint.health.monitor();
            if self.detection.returns_at(&monitor).is_some_and(|at| at <= now) {
                self.detection.take_back(&mut monitor, now);
                endpoint.health.set_ejected(false);
                any = true;
            }
        }
        self.plan(all);
        any
    }

    /// Notes when the next endpoint comes back.
    fn plan(&self, all: &[Arc<Endpoint>]) {
        let returns = all.iter().filter_map(|one| self.detection.returns_at(&one.health.monitor()));
        self.next_return.store(returns.min().map_or(u64::MAX, milliseconds), Ordering::Relaxed);
        self.active.set(all.iter().filter(|one| one.health.is_ejected()).count() as u64);
    }
}

fn milliseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
