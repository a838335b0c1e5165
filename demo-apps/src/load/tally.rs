//! Statistics of a load.

use std::collections::HashMap;

use hdrhistogram::Histogram;

use crate::failure::{Failure, FailureKind, Stage};
use crate::report::{ErrorCount, Latencies, Percentiles};

/// Maximum latency of the histograms, an hour in microseconds. Longer ones count as that.
const LONGEST_US: u64 = 3_600_000_000;

/// Timings of one request, in microseconds since its scheduled start.
#[derive(Default)]
pub(crate) struct Sample {
    pub(super) connect_us: Option<u64>,
    pub(super) tls_us: Option<u64>,
    pub(super) first_byte_us: Option<u64>,
    pub(super) total_us: u64,
    pub(super) sent: u64,
    pub(super) received: u64,
    /// HTTP status of the response.
    pub(super) status: Option<u16>,
}

/// Timings of many requests.
pub(crate) struct Tally {
    pub(super) requests: u64,
    pub(crate) failures: u64,
    pub(super) http_errors: u64,
    pub(super) sent: u64,
    pub(super) received: u64,
    connects: u64,
    connect: Histogram<u64>,
    tls: Histogram<u64>,
    first_byte: Histogram<u64>,
    first_byte_of_new: Histogram<u64>,
    total: Histogram<u64>,
    errors: HashMap<(Stage, FailureKind), (u64, String)>,
}

impl Default for Tally {
    fn default() -> Self {
        let histogram =
            || Histogram::new_with_bounds(1, LONGEST_US, 3).expect("bounds and digits are within HDR's limits");
        Self {
            requests: 0,
            failures: 0,
            http_errors: 0,
            sent: 0,
            received: 0,
            connects: 0,
            connect: histogram(),
            tls: histogram(),
            first_byte: histogram(),
            first_byte_of_new: histogram(),
            total: histogram(),
            errors: HashMap::new(),
        }
    }
}

impl Tally {
    pub(crate) fn record(&mut self, sample: &Sample, failure: Option<Failure>) {
        self.connects += u64::from(sample.connect_us.is_some());
        self.sent += sample.sent;
        self.received += sample.received;
        if let Some(Failure { stage, kind, message }) = failure {
            self.failures += 1;
            self.errors.entry((stage, kind)).or_insert((0, message)).0 += 1;
            return;
        }
        self.requests += 1;
        self.http_errors += u64::from(sample.status.is_some_and(|status| status >= 400));
        for (histogram, value) in [
            (&mut self.connect, sample.connect_us),
            (&mut self.tls, sample.tls_us),
            (&mut self.first_byte, sample.first_byte_us),
            (&mut self.first_byte_of_new, sample.connect_us.and(sample.first_byte_us)),
            (&mut self.total, Some(sample.total_us)),
        ] {
            if let Some(value) = value {
                histogram.saturating_record(value);
            }
        }
    }

    pub(super) fn add(&mut self, other: &Self) {
        self.requests += other.requests;
        self.failures += other.failures;
        self.http_errors += other.http_errors;
        self.sent += other.sent;
        self.received += other.received;
        self.connects += other.connects;
        for (own, others) in [
            (&mut self.connect, &other.connect),
            (&mut self.tls, &other.tls),
            (&mut self.first_byte, &other.first_byte),
            (&mut self.first_byte_of_new, &other.first_byte_of_new),
            (&mut self.total, &other.total),
        ] {
            // Cannot fail, since the bounds are the same.
            let _ = own.add(others);
        }
        for (key, (count, message)) in &other.errors {
            self.errors.entry(key.clone()).or_insert_with(|| (0, message.clone())).0 += count;
        }
    }

    /// Number of connections made.
    pub(super) fn connects(&self) -> u64 {
        self.connects
    }

    pub(super) fn latencies(&self) -> Latencies {
        Latencies {
            connect: percentiles(&self.connect),
            tls: percentiles(&self.tls),
            first_byte: percentiles(&self.first_byte),
            first_byte_of_new: percentiles(&self.first_byte_of_new),
            total: percentiles(&self.total),
        }
    }

    /// Failures by kind, most frequent first.
    pub(crate) fn errors(&self) -> Vec<ErrorCount> {
        let mut errors: Vec<_> = self
            .errors
            .iter()
            .map(|((stage, kind), (count, message))| ErrorCount {
                count: *count,
                failure: Failure { stage: *stage, kind: kind.clone(), message: message.clone() },
            })
            .collect();
        errors.sort_by(|a, b| b.count.cmp(&a.count).then_with(|| a.failure.message.cmp(&b.failure.message)));
        errors
    }
}

fn percentiles(histogram: &Histogram<u64>) -> Option<Percentiles> {
    (!histogram.is_empty()).then(|| Percentiles {
        count: histogram.len(),
        min_us: histogram.min(),
        mean_us: histogram.mean().round() as u64,
        p50_us: histogram.value_at_quantile(0.5),
        p90_us: histogram.value_at_quantile(0.9),
        p99_us: histogram.value_at_quantile(0.99),
        p999_us: histogram.value_at_quantile(0.999),
        max_us: histogram.max(),
    })
}
