//! The report of a load run.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::failure::Failure;

/// The `schema` of [`LoadReport`].
pub const LOAD_SCHEMA: &str = "sidelab.load/v1";

/// What a load run measured. Warm-up is in none of the figures.
#[derive(Clone, Debug, PartialEq, JsonSchema, Serialize, Deserialize)]
pub struct LoadReport {
    /// [`LOAD_SCHEMA`].
    pub schema: String,
    /// The URL that was called.
    pub url: String,
    /// Connections used side by side.
    pub connections: u32,
    /// Threads that generated the load.
    pub threads: u32,
    /// Whether each request had a connection of its own.
    pub new_connection_per_request: bool,
    /// How many requests each connection was for; none where it was for all.
    #[serde(default)]
    pub requests_per_connection: Option<u64>,
    /// The rate asked for, in requests a second (open loop); none when each connection asked as fast as it could.
    pub target_rate: Option<f64>,
    /// Length of the measured window in seconds.
    pub seconds: f64,
    /// Requests that went through.
    pub requests: u64,
    /// Requests that failed.
    pub failures: u64,
    /// Of an open loop: requests whose time came within the window but that no connection was free to begin.
    pub not_started: u64,
    /// Connections made.
    pub connects: u64,
    /// Requests that went through, a second.
    pub rate: f64,
    /// Payload sent, bytes, above TLS and with HTTP's own headers.
    pub bytes_sent: u64,
    /// Payload received, bytes, above TLS and with HTTP's own headers.
    pub bytes_received: u64,
    /// Payload sent, bytes a second.
    pub sent_per_second: u64,
    /// Payload received, bytes a second.
    pub received_per_second: u64,
    /// Latencies of the requests that went through.
    pub latencies: Latencies,
    /// Failures by kind, the most frequent first.
    pub errors: Vec<ErrorCount>,
    /// Answers with a status of 400 and above. They count as gone through: they are complete.
    pub http_errors: u64,
    /// CPU this process spent in user space within the window, microseconds.
    pub cpu_user_us: u64,
    /// CPU this process spent in the kernel within the window, microseconds.
    pub cpu_system_us: u64,
}

/// Latencies by what was waited for. All count from when the request was meant to begin, so that a stall of the server
/// is charged to every request that it held up (no coordinated omission in an open loop).
#[derive(Clone, Debug, Default, PartialEq, Eq, JsonSchema, Serialize, Deserialize)]
pub struct Latencies {
    /// Until the TCP connection stood; of requests that made one.
    pub connect: Option<Percentiles>,
    /// Until the client's side of the TLS handshake was done; of requests that made a TLS connection.
    pub tls: Option<Percentiles>,
    /// Until the first byte of the answer.
    pub first_byte: Option<Percentiles>,
    /// The same, of requests that made a connection.
    #[serde(default)]
    pub first_byte_of_new: Option<Percentiles>,
    /// Until the last byte of the answer.
    pub total: Option<Percentiles>,
}

/// Percentiles of an HDR histogram with three significant digits, in microseconds.
#[derive(Clone, Debug, PartialEq, Eq, JsonSchema, Serialize, Deserialize)]
pub struct Percentiles {
    /// How many values.
    pub count: u64,
    /// The least.
    pub min_us: u64,
    /// The mean.
    pub mean_us: u64,
    /// Half are at or below.
    pub p50_us: u64,
    /// 90 %.
    pub p90_us: u64,
    /// 99 %.
    pub p99_us: u64,
    /// 99.9 %.
    pub p999_us: u64,
    /// The greatest.
    pub max_us: u64,
}

/// How often a failure happened.
#[derive(Clone, Debug, PartialEq, Eq, JsonSchema, Serialize, Deserialize)]
pub struct ErrorCount {
    /// How often.
    pub count: u64,
    /// The failure; its message is that of the first one.
    #[serde(flatten)]
    pub failure: Failure,
}
