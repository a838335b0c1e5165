//! The report of a load run.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::failure::Failure;

/// The `schema` of [`LoadReport`].
pub const LOAD_SCHEMA: &str = "sidelab.load/v1";

/// The measurements of a load. They exclude the warm-up.
#[derive(Clone, Debug, PartialEq, JsonSchema, Serialize, Deserialize)]
pub struct LoadReport {
    /// [`LOAD_SCHEMA`].
    pub schema: String,
    /// The URL that was called.
    pub url: String,
    /// Number of concurrent connections.
    pub connections: u32,
    /// Number of threads that generated the load.
    pub threads: u32,
    /// Whether each request had a new connection.
    pub new_connection_per_request: bool,
    /// Number of requests per connection; `None` without a limit.
    #[serde(default)]
    pub requests_per_connection: Option<u64>,
    /// Requested rate in requests per second (open loop); `None` in a closed loop.
    pub target_rate: Option<f64>,
    /// Length of the measured window, in seconds.
    pub seconds: f64,
    /// Number of successful requests.
    pub requests: u64,
    /// Number of failed requests.
    pub failures: u64,
    /// In an open loop: requests that were due within the window but for which no connection was free.
    pub not_started: u64,
    /// Number of connections opened.
    pub connects: u64,
    /// Successful requests per second.
    pub rate: f64,
    /// Payload sent, in bytes, inside TLS and including HTTP headers.
    pub bytes_sent: u64,
    /// Payload received, in bytes, inside TLS and including HTTP headers.
    pub bytes_received: u64,
    /// Payload sent, in bytes per second.
    pub sent_per_second: u64,
    /// Payload received, in bytes per second.
    pub received_per_second: u64,
    /// Latencies of successful requests.
    pub latencies: Latencies,
    /// Failures by kind, most frequent first.
    pub errors: Vec<ErrorCount>,
    /// Responses with a status of 400 or more. They count as successful, since they are complete.
    pub http_errors: u64,
    /// CPU time of this process in user space within the window, in microseconds.
    pub cpu_user_us: u64,
    /// CPU time of this process in the kernel within the window, in microseconds.
    pub cpu_system_us: u64,
}

/// A request of a load, as `--each` prints it when it has ended.
#[derive(Clone, Debug, PartialEq, Eq, JsonSchema, Serialize, Deserialize)]
pub struct RequestReport {
    /// When it began, in nanoseconds since 1970.
    pub began_ns: u64,
    /// When it had ended, in nanoseconds since 1970.
    pub ended_ns: u64,
    /// Payload sent, in bytes, inside TLS and including HTTP headers.
    pub sent: u64,
    /// Payload received, in bytes, inside TLS and including HTTP headers.
    pub received: u64,
    /// HTTP status of the response.
    pub status: Option<u16>,
    /// Why it failed, if it did.
    pub error: Option<Failure>,
}

impl RequestReport {
    /// Whether it failed, or was answered with an HTTP status of 400 or more.
    #[must_use]
    pub fn failed(&self) -> bool {
        self.error.is_some() || self.status.is_some_and(|status| status >= 400)
    }
}

/// Latencies by stage, all measured from the scheduled start of the request, so that a stall of the server is charged to
/// every request that it delayed (no coordinated omission in an open loop).
#[derive(Clone, Debug, Default, PartialEq, Eq, JsonSchema, Serialize, Deserialize)]
pub struct Latencies {
    /// Until the TCP connection was established; requests that opened one.
    pub connect: Option<Percentiles>,
    /// Until the client's side of the TLS handshake was complete; requests that opened a TLS connection.
    pub tls: Option<Percentiles>,
    /// Until the first byte of the response.
    pub first_byte: Option<Percentiles>,
    /// The same, for requests that opened a connection.
    #[serde(default)]
    pub first_byte_of_new: Option<Percentiles>,
    /// Until the last byte of the response.
    pub total: Option<Percentiles>,
}

/// Percentiles of an HDR histogram with three significant digits, in microseconds.
#[derive(Clone, Debug, PartialEq, Eq, JsonSchema, Serialize, Deserialize)]
pub struct Percentiles {
    pub count: u64,
    pub min_us: u64,
    pub mean_us: u64,
    pub p50_us: u64,
    pub p90_us: u64,
    pub p99_us: u64,
    pub p999_us: u64,
    pub max_us: u64,
}

/// A kind of failure and its frequency.
#[derive(Clone, Debug, PartialEq, Eq, JsonSchema, Serialize, Deserialize)]
pub struct ErrorCount {
    pub count: u64,
    /// The failure, with the message of its first occurrence.
    #[serde(flatten)]
    pub failure: Failure,
}
