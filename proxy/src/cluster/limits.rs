//! What a cluster has in use, and whether there may be more (`source/common/upstream/resource_manager_impl.h`).

use std::sync::{
    Arc,
    atomic::{AtomicU32, Ordering::Relaxed},
};

use envoy_rules::limits::Limits;

use crate::stats::{Gauge, ScopedStats};

/// The resources of a cluster that are limited.
#[derive(Debug)]
pub struct Resources {
    pub(crate) connections: Resource,
    pub(crate) pending: Resource,
    pub(crate) requests: Resource,
    pub(crate) retries: Resource,
}

/// A resource that is limited. Clones share it.
#[derive(Clone, Debug)]
pub(crate) struct Resource(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    used: AtomicU32,
    limit: u32,
    /// 1 while there is no room.
    open: Gauge,
}

/// A part of a resource, in use until dropped.
#[derive(Debug)]
pub struct InUse(Resource);

impl Resources {
    pub(super) fn new(limits: Limits, stats: &ScopedStats) -> Self {
        let resource = |limit, name| Resource::new(limit, stats.gauge(&format!("circuit_breakers.default.{name}")));
        Self {
            connections: resource(limits.connections, "cx_open"),
            pending: resource(limits.pending, "rq_pending_open"),
            requests: resource(limits.requests, "rq_open"),
            retries: resource(limits.retries, "rq_retry_open"),
        }
    }
}

impl Resource {
    fn new(limit: u32, open: Gauge) -> Self {
        let resource = Self(Arc::new(Shared { used: AtomicU32::new(0), limit, open }));
        resource.changed(0);
        resource
    }

    /// Whether there may be one more.
    pub(crate) fn has_room(&self) -> bool {
        self.0.used.load(Relaxed) < self.0.limit
    }

    /// Takes one, if there is room.
    pub(crate) fn take(&self) -> Option<InUse> {
        self.has_room().then(|| self.take_anyway())
    }

    /// Takes one, also beyond the limit.
    pub(crate) fn take_anyway(&self) -> InUse {
        let before = self.0.used.fetch_add(1, Relaxed);
        self.changed(before.saturating_add(1));
        InUse(self.clone())
    }

    fn changed(&self, used: u32) {
        self.0.open.set(u64::from(used >= self.0.limit));
    }
}

impl Drop for InUse {
    fn drop(&mut self) {
        let before = self.0.0.used.fetch_sub(1, Relaxed);
        self.0.changed(before.saturating_sub(1));
    }
}

#[cfg(test)]
mod tests {
    use pretty_assertions::assert_eq;

    use super::*;

    #[test]
    fn a_resource_has_room_up_to_its_limit_and_again_when_one_is_given_back() {
        let open = Gauge::default();
        let resource = Resource::new(2, open.clone());
        let first = resource.take().unwrap();
        assert_eq!((resource.has_room(), open.get()), (true, 0));
        let second = resource.take().unwrap();
        assert_eq!((resource.take().is_none(), open.get()), (true, 1));
        let beyond = resource.take_anyway();
        drop(first);
        assert!(resource.take().is_none(), "two are still in use");
        drop((second, beyond));
        assert_eq!((resource.has_room(), open.get()), (true, 0));
    }

    #[test]
    fn a_limit_of_0_leaves_no_room() {
        let open = Gauge::default();
        assert!(Resource::new(0, open.clone()).take().is_none());
        assert_eq!(open.get(), 1);
    }
}
