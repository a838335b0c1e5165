//! Counters and gauges, with Envoy's names.
//!
//! A statistic is looked up by name once, when a listener or cluster is built. After that it is an atomic number behind a
//! handle, and counting costs one relaxed addition.

use std::{
    collections::BTreeMap,
    fmt::Write as _,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
};

/// All statistics of a proxy. Clones share them.
#[derive(Clone, Debug, Default)]
pub struct Stats(Arc<Mutex<BTreeMap<Key, Statistic>>>);

/// A monotonic counter.
#[derive(Clone, Debug, Default)]
pub struct Counter(Arc<AtomicU64>);

/// A number that can increase and decrease.
#[derive(Clone, Debug, Default)]
pub struct Gauge(Arc<AtomicU64>);

/// The distribution of a value.
#[derive(Clone, Debug, Default)]
pub struct Histogram(Arc<Mutex<Distribution>>);

#[derive(Debug, Default)]
struct Distribution {
    /// How many values are at most as large as each of [`BUCKETS`].
    at_most: [u64; BUCKETS.len()],
    count: u64,
    sum: f64,
}

/// Envoy's default buckets (`source/common/stats/histogram_impl.cc`).
const BUCKETS: [f64; 19] = [
    0.5,
    1.0,
    5.0,
    10.0,
    25.0,
    50.0,
    100.0,
    250.0,
    500.0,
    1000.0,
    2500.0,
    5000.0,
    10000.0,
    30000.0,
    60000.0,
    300_000.0,
    600_000.0,
    1_800_000.0,
    3_600_000.0,
];

impl Histogram {
    /// Adds a value.
    pub fn record(&self, value: f64) {
        let mut distribution = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        for (count, _) in distribution.at_most.iter_mut().zip(BUCKETS).filter(|(_, bucket)| value <= *bucket) {
            *count += 1;
        }
        distribution.count += 1;
        distribution.sum += value;
    }

    /// Its lines in Prometheus' text format.
    fn prometheus(&self, family: &str, labels: &[String]) -> String {
        let distribution = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let with = |more: &str| labels.iter().map(String::as_str).chain([more]).collect::<Vec<_>>().join(",");
        let mut out = String::new();
        for (bucket, count) in BUCKETS.iter().zip(distribution.at_most) {
            let _ = writeln!(out, "{family}_bucket{{{}}} {count}", with(&format!("le=\"{bucket}\"")));
        }
        let Distribution { count, sum, .. } = &*distribution;
        let _ = writeln!(out, "{family}_bucket{{{}}} {count}", with("le=\"+Inf\""));
        let labels = labels.join(",");
        let _ = writeln!(out, "{family}_sum{{{labels}}} {sum}");
        let _ = writeln!(out, "{family}_count{{{labels}}} {count}");
        out
    }
}

/// What a statistic belongs to, which determines its prefix in Envoy's text format and its labels for Prometheus.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Scope {
    /// The proxy: no prefix, as in `server.live`.
    Root,
    /// A cluster, by name: `cluster.NAME.`
    Cluster(String),
    /// HTTP connection managers, by `stat_prefix`: `http.PREFIX.`
    Http(String),
    /// TCP proxies, by `stat_prefix`: `tcp.PREFIX.`
    Tcp(String),
    /// A listener, by address (`0.0.0.0_15006`) or `stat_prefix`: `listener.ADDRESS.`
    Listener(String),
}

/// The statistics of one [`Scope`].
#[derive(Clone, Debug)]
pub struct ScopedStats {
    stats: Stats,
    scope: Scope,
}

/// The two names of a statistic. Sorted by text name like Envoy's `/stats`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Key {
    text: String,
    family: String,
    labels: Vec<(String, String)>,
}

#[derive(Clone, Debug)]
enum Statistic {
    Counter(Counter),
    Gauge(Gauge),
    Histogram(Histogram),
}

impl Stats {
    /// The statistics in a scope.
    pub fn scope(&self, scope: Scope) -> ScopedStats {
        ScopedStats { stats: self.clone(), scope }
    }

    /// The value of a statistic by its text name, such as `cluster.NAME.upstream_cx_total`.
    pub fn get(&self, name: &str) -> Option<u64> {
        self.lock().iter().find(|(key, _)| key.text == name).map(|(_, statistic)| statistic.value())
    }

    /// The statistics whose names `keep` accepts, as `NAME: VALUE` lines, in the format of Envoy's `/stats`.
    pub fn text(&self, keep: impl Fn(&str) -> bool) -> String {
        let plain = |statistic: &Statistic| !matches!(statistic, Statistic::Histogram(_));
        self.lock().iter().filter(|(key, statistic)| plain(statistic) && keep(&key.text)).fold(
            String::new(),
            |mut out, (key, statistic)| {
                let _ = writeln!(out, "{}: {}", key.text, statistic.value());
                out
            },
        )
    }

    /// All statistics in Prometheus' text format, like Envoy's `/stats/prometheus`.
    pub fn prometheus(&self) -> String {
        let statistics = self.lock();
        let mut families: BTreeMap<&str, Vec<(&Key, &Statistic)>> = BTreeMap::new();
        for (key, statistic) in statistics.iter() {
            families.entry(&key.family).or_default().push((key, statistic));
        }
        let mut out = String::new();
        for (family, members) in families {
            let _ = writeln!(out, "# TYPE {family} {}", members[0].1.kind());
            for (key, statistic) in members {
                let labels: Vec<_> = key.labels.iter().map(|(k, v)| format!("{k}=\"{}\"", escape(v))).collect();
                if let Statistic::Histogram(histogram) = statistic {
                    out.push_str(&histogram.prometheus(family, &labels));
                    continue;
                }
                let _ = writeln!(out, "{family}{{{}}} {}", labels.join(","), statistic.value());
            }
        }
        out
    }

    fn counter(&self, key: Key) -> Counter {
        match self.lock().entry(key).or_insert_with(|| Statistic::Counter(Counter::default())) {
            Statistic::Counter(counter) => counter.clone(),
            Statistic::Gauge(gauge) => Counter(gauge.0.clone()),
            Statistic::Histogram(_) => Counter::default(),
        }
    }

    /// The counter of a metric that has a name and labels, and no place in Envoy's tree.
    pub fn metric(&self, family: &str, labels: Vec<(String, String)>) -> Counter {
        self.counter(Key::of_metric(family, labels))
    }

    /// The histogram of such a metric.
    pub fn histogram(&self, family: &str, labels: Vec<(String, String)>) -> Histogram {
        let new = || Statistic::Histogram(Histogram::default());
        match self.lock().entry(Key::of_metric(family, labels)).or_insert_with(new) {
            Statistic::Histogram(histogram) => histogram.clone(),
            Statistic::Counter(_) | Statistic::Gauge(_) => Histogram::default(),
        }
    }

    fn gauge(&self, key: Key) -> Gauge {
        match self.lock().entry(key).or_insert_with(|| Statistic::Gauge(Gauge::default())) {
            Statistic::Gauge(gauge) => gauge.clone(),
            Statistic::Counter(counter) => Gauge(counter.0.clone()),
            Statistic::Histogram(_) => Gauge::default(),
        }
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<Key, Statistic>> {
        // The map is consistent between any two statements, so a panic elsewhere does no harm.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Key {
    /// Istio's names in `/stats` begin with `istiocustom.`, and contain the labels.
    fn of_metric(family: &str, labels: Vec<(String, String)>) -> Self {
        let mut text = format!("istiocustom.{family}");
        for (label, value) in &labels {
            let _ = write!(text, ";.;{label}=.={}", value.replace(':', "_"));
        }
        Self { text, family: family.to_owned(), labels }
    }
}

impl ScopedStats {
    /// The counter with this name in the scope, such as `upstream_cx_total`.
    pub fn counter(&self, name: &str) -> Counter {
        self.stats.counter(self.scope.key(name))
    }

    /// The gauge with this name in the scope, such as `upstream_cx_active`.
    pub fn gauge(&self, name: &str) -> Gauge {
        self.stats.gauge(self.scope.key(name))
    }
}

impl Counter {
    /// Whether both count in the same place.
    pub fn is(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }

    pub fn inc(&self) {
        self.add(1);
    }

    /// Adds `n` to it.
    pub fn add(&self, n: u64) {
        self.0.fetch_add(n, Relaxed);
    }

    pub fn get(&self) -> u64 {
        self.0.load(Relaxed)
    }
}

impl Gauge {
    pub fn inc(&self) {
        self.0.fetch_add(1, Relaxed);
    }

    pub fn dec(&self) {
        self.0.fetch_sub(1, Relaxed);
    }

    pub fn set(&self, value: u64) {
        self.0.store(value, Relaxed);
    }

    pub fn get(&self) -> u64 {
        self.0.load(Relaxed)
    }

    /// Increments it until the guard is dropped.
    pub fn hold(&self) -> Held {
        self.inc();
        Held(self.clone())
    }
}

/// Increments a [`Gauge`] until dropped.
#[derive(Debug)]
pub struct Held(Gauge);

impl Drop for Held {
    fn drop(&mut self) {
        self.0.dec();
    }
}

impl Statistic {
    fn value(&self) -> u64 {
        match self {
            Self::Counter(counter) => counter.get(),
            Self::Gauge(gauge) => gauge.get(),
            Self::Histogram(histogram) => histogram.0.lock().unwrap_or_else(PoisonError::into_inner).count,
        }
    }

    fn kind(&self) -> &'static str {
        match self {
            Self::Counter(_) => "counter",
            Self::Gauge(_) => "gauge",
            Self::Histogram(_) => "histogram",
        }
    }
}

impl Scope {
    fn key(&self, name: &str) -> Key {
        let (kind, member) = match self {
            Self::Root => ("", None),
            Self::Cluster(cluster) => ("cluster", Some((cluster, "envoy_cluster_name"))),
            Self::Http(prefix) => ("http", Some((prefix, "envoy_http_conn_manager_prefix"))),
            Self::Tcp(prefix) => ("tcp", Some((prefix, "envoy_tcp_prefix"))),
            Self::Listener(address) => ("listener", Some((address, "envoy_listener_address"))),
        };
        let (rest, mut labels) = response_code_label(name);
        let Some((member, label)) = member else {
            return Key { text: name.to_owned(), family: family(&rest), labels };
        };
        // A colon would look like the end of a name (`cluster.[fd00::1]_8080.x: 1`): Envoy uses underscores.
        let member_name = member.replace(':', "_");
        labels.push((label.to_owned(), member_name.clone()));
        Key { text: format!("{kind}.{member_name}.{name}"), family: family(&format!("{kind}_{rest}")), labels }
    }
}

/// Moves a response code (`upstream_rq_503`) or its class (`upstream_rq_5xx`) from a name to a label, like Envoy's default
/// tags.
fn response_code_label(name: &str) -> (String, Vec<(String, String)>) {
    let Some((stem, last)) = name.rsplit_once("_rq_") else { return (name.to_owned(), Vec::new()) };
    let is_code = |code: &str| code.len() == 3 && code.bytes().all(|b| b.is_ascii_digit());
    if let Some(class) = last.strip_suffix("xx").filter(|class| class.len() == 1) {
        (format!("{stem}_rq_xx"), vec![("envoy_response_code_class".into(), class.into())])
    } else if is_code(last) {
        (format!("{stem}_rq"), vec![("envoy_response_code".into(), last.into())])
    } else {
        (name.to_owned(), Vec::new())
    }
}

/// A Prometheus family name: Envoy's prefix, and underscores for invalid characters.
fn family(name: &str) -> String {
    let name: String = name.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '_' }).collect();
    format!("envoy_{name}")
}

fn escape(value: &str) -> String {
    value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}

#[cfg(test)]
mod tests;
