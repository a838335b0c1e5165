//! Options of `load`.

use std::time::Duration;

use clap::{Args, value_parser};

use super::random::Sizes;
use crate::Target;
use crate::client::ConnectArgs;
use crate::duration::parse_limit;

/// Options for a load on one target.
#[derive(Clone, Debug, Args)]
#[command(group = clap::ArgGroup::new("length").required(true).multiple(true))]
pub struct LoadArgs {
    /// URL to call: `http://HOST[:PORT][/PATH]`, `https://...`, `tcp://HOST:PORT`, `tls://HOST:PORT` (raw bytes inside TLS)
    #[arg(value_name = "URL")]
    pub target: Target,

    #[command(flatten)]
    pub connect: ConnectArgs,

    /// Number of concurrent connections
    #[arg(long, short = 'c', value_name = "N", default_value_t = 1, value_parser = value_parser!(u32).range(1..))]
    pub connections: u32,

    /// Duration of the load; SIGTERM ends it earlier
    #[arg(long, short = 'd', value_name = "TIME", value_parser = parse_limit, group = "length")]
    pub duration: Option<Duration>,

    /// Number of requests
    #[arg(long, short = 'n', value_name = "N", group = "length", value_parser = value_parser!(u64).range(1..))]
    pub requests: Option<u64>,

    /// Start R requests per second, whether or not earlier ones are complete (open loop), and measure latency from their
    /// scheduled start [default: each connection starts its next request after the response]
    #[arg(long, short = 'r', value_name = "R", value_parser = rate)]
    pub rate: Option<f64>,

    /// Open a connection for each request
    #[arg(long, conflicts_with = "requests_per_connection")]
    pub new_connection_per_request: bool,

    /// Make N requests on each connection, one after the other, then open another connection [default: all]
    #[arg(long, value_name = "N", value_parser = value_parser!(u64).range(1..))]
    pub requests_per_connection: Option<u64>,

    /// Send random bytes in each request, from MIN to MAX of them, most often few: the server has to echo them (path /echo), and
    /// the answer has to be the same bytes
    #[arg(long, value_name = "MIN-MAX", conflicts_with_all = ["upload", "download", "marker"])]
    pub random: Option<Sizes>,

    /// The seed of the random bytes and sizes
    #[arg(long, value_name = "N", default_value_t = 1, requires = "random")]
    pub seed: u64,

    /// Send FIN (and close_notify) after the bytes of each request, then read until the server closes: each request has a connection
    /// [tcp, tls]
    #[arg(long, requires = "random")]
    pub half_close: bool,

    /// Read no more than BYTES a second of each answer
    #[arg(long, value_name = "BYTES", value_parser = value_parser!(u64).range(1..))]
    pub read_rate: Option<u64>,

    /// Bytes to send in each request [default: 0 for HTTP; 64 for raw connections]
    #[arg(long, value_name = "BYTES")]
    pub upload: Option<usize>,

    /// Bytes of each response: for HTTP the path /bytes/N, for raw connections the bulk protocol of `demo-server --tcp-bulk`
    /// [default: as the URL says; raw connections expect an echo]
    #[arg(long, value_name = "BYTES")]
    pub download: Option<u64>,

    /// Run without measuring for this long first
    #[arg(long, value_name = "TIME", value_parser = parse_limit)]
    pub warm_up: Option<Duration>,

    /// Maximum duration of each request, including its connection
    #[arg(long, value_name = "TIME", value_parser = parse_limit, default_value = "10s")]
    pub timeout: Duration,

    /// Mark each request: header `x-sidelab-probe: ID`, or the line `sidelab-probe ID` before raw bytes
    #[arg(long, value_name = "ID")]
    pub marker: Option<String>,

    /// Print each request as a line of JSON when it ends, and check its response: an echo has to be the bytes that were sent, and a
    /// `demo-server` has to report the length of the body that it got
    #[arg(long, conflicts_with = "download")]
    pub each: bool,

    /// Number of threads that generate load
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = value_parser!(u32).range(1..=1024))]
    pub threads: u32,
}

impl LoadArgs {
    /// Number of requests per connection; `None` for no limit.
    pub(super) fn requests_per_connection(&self) -> Option<u64> {
        if self.new_connection_per_request || self.half_close { Some(1) } else { self.requests_per_connection }
    }
}

fn rate(text: &str) -> Result<f64, String> {
    match text.parse() {
        Ok(rate) if rate > 0.0 && rate <= 10_000_000.0 => Ok(rate),
        _ => Err("expected a number of requests per second, more than 0 and at most 10000000".to_owned()),
    }
}
