//! Istio's metrics, with Istio's labels (istio/proxy: `source/extensions/filters/http/istio_stats/istio_stats.cc`).
//!
//! Sidecars tell each other their workload by `istio.metadata_exchange`, for HTTP alone. Where they don't, only a peer's principal and its
//! namespace are known, from its certificate; the other labels of the peer are `unknown`.

mod labels;

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use envoy_api::{Metadata, Node, TrafficDirection};

use self::labels::{Labels, Side};
use crate::{
    access_log::Entry,
    stats::{Counter, Histogram, Stats},
    stream_info::StreamInfo,
    workload::{Introduction, Workload},
};

/// The metrics of a sidecar.
#[derive(Debug)]
pub(crate) struct IstioMetrics {
    stats: Stats,
    own: Workload,
    /// How the sidecar introduces itself to peers.
    introduction: Option<Introduction>,
    requests: Mutex<HashMap<Labels, Requests>>,
}

/// The metrics of requests with the same labels.
#[derive(Clone, Debug)]
struct Requests {
    total: Counter,
    duration: Histogram,
}

/// Counts what passes a listener.
#[derive(Clone, Debug)]
pub(crate) struct Reporter {
    metrics: Arc<IstioMetrics>,
    side: Side,
}

impl IstioMetrics {
    /// The metrics of a node that says which workload it is; `None` if it is no sidecar.
    pub(crate) fn new(node: Option<&Node>, stats: &Stats) -> Option<Arc<Self>> {
        let node = node?;
        let own = Workload::of_node(node)?;
        let introduction = Introduction::new(node, &own);
        Some(Arc::new(Self { stats: stats.clone(), own, introduction, requests: Mutex::default() }))
    }

    /// The reporter for a listener; `None` for one that has no direction, such as that of the metrics themselves.
    pub(crate) fn reporter(self: &Arc<Self>, direction: Option<TrafficDirection>) -> Option<Reporter> {
        let side = match direction? {
            TrafficDirection::Outbound => Side::Source,
            TrafficDirection::Inbound => Side::Destination,
        };
        Some(Reporter { metrics: self.clone(), side })
    }
}

impl Reporter {
    /// How the sidecar introduces itself to peers.
    pub(crate) fn introduction(&self) -> Option<&Introduction> {
        self.metrics.introduction.as_ref()
    }

    /// Counts a request that is over. `cluster` is the metadata of its cluster.
    pub(crate) fn request(&self, entry: &Entry<'_>, cluster: Option<&Metadata>) {
        let labels = Labels::of_request(self.side, entry, cluster);
        let mut requests = self.metrics.requests.lock().unwrap_or_else(PoisonError::into_inner);
        let series = requests.entry(labels).or_insert_with_key(|labels| {
            let all = || labels.all(&self.metrics.own);
            Requests {
                total: self.metrics.stats.metric("istio_requests_total", all()),
                duration: self.metrics.stats.histogram("istio_request_duration_milliseconds", all()),
            }
        });
        series.total.inc();
        let took = entry.stream.duration.unwrap_or(Duration::ZERO);
        series.duration.record(took.as_secs_f64() * 1000.0);
    }

    /// Counts a TCP session that is open on both sides.
    pub(crate) fn opened(&self, session: &StreamInfo, cluster: Option<&Metadata>) {
        self.session(session, cluster)("istio_tcp_connections_opened_total").inc();
    }

    /// Counts a TCP session that is over, and its bytes.
    pub(crate) fn closed(&self, session: &StreamInfo, cluster: Option<&Metadata>) {
        let counter = self.session(session, cluster);
        counter("istio_tcp_connections_closed_total").inc();
        counter("istio_tcp_received_bytes_total").add(session.bytes_received);
        counter("istio_tcp_sent_bytes_total").add(session.bytes_sent);
    }

    /// The counters of sessions with the labels of this one, by their names.
    fn session(&self, session: &StreamInfo, cluster: Option<&Metadata>) -> impl Fn(&str) -> Counter {
        let labels = Labels::of_session(self.side, session, cluster).all(&self.metrics.own);
        move |metric| self.metrics.stats.metric(metric, labels.clone())
    }
}
