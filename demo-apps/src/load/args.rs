//! The options of load.

use std::time::Duration;

use clap::{Args, value_parser};

use crate::Target;
use crate::client::ConnectArgs;
use crate::duration::parse_limit;

/// Load on one target.
#[derive(Clone, Debug, Args)]
#[command(group = clap::ArgGroup::new("length").required(true).multiple(true))]
pub struct LoadArgs {
    /// What to call: `http://HOST[:PORT][/PATH]`, `https://...`, `tcp://HOST:PORT`, `tls://HOST:PORT` (raw bytes inside TLS)
    #[arg(value_name = "URL")]
    pub target: Target,

    /// How to connect.
    #[command(flatten)]
    pub connect: ConnectArgs,

    /// Connections side by side
    #[arg(long, short = 'c', value_name = "N", default_value_t = 1, value_parser = value_parser!(u32).range(1..))]
    pub connections: u32,

    /// Go on for so long
    #[arg(long, short = 'd', value_name = "TIME", value_parser = parse_limit, group = "length")]
    pub duration: Option<Duration>,

    /// Make so many requests
    #[arg(long, short = 'n', value_name = "N", group = "length", value_parser = value_parser!(u64).range(1..))]
    pub requests: Option<u64>,

    /// Begin so many requests a second, whether or not earlier ones are done (open loop), and count latency from when each
    /// was meant to begin [default: each connection begins its next request when it has its answer]
    #[arg(long, short = 'r', value_name = "R", value_parser = rate)]
    pub rate: Option<f64>,

    /// Make a connection for each request
    #[arg(long, conflicts_with = "requests_per_connection")]
    pub new_connection_per_request: bool,

    /// Make so many requests on each connection, one after the other, and then another connection [default: all]
    #[arg(long, value_name = "N", value_parser = value_parser!(u64).range(1..))]
    pub requests_per_connection: Option<u64>,

    /// Bytes each request sends [default: 0 for HTTP; 64 for raw connections]
    #[arg(long, value_name = "BYTES")]
    pub upload: Option<usize>,

    /// Bytes each answer has: for HTTP the path /bytes/N, for raw connections the bulk protocol of `demo-server --tcp-bulk`
    /// [default: as the URL says; raw connections expect their bytes back]
    #[arg(long, value_name = "BYTES")]
    pub download: Option<u64>,

    /// Run for so long first, without measuring
    #[arg(long, value_name = "TIME", value_parser = parse_limit)]
    pub warm_up: Option<Duration>,

    /// Give each request so long, its connection included
    #[arg(long, value_name = "TIME", value_parser = parse_limit, default_value = "10s")]
    pub timeout: Duration,

    /// Threads to generate load with
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = value_parser!(u32).range(1..=1024))]
    pub threads: u32,
}

impl LoadArgs {
    /// How many requests a connection is for; any number where none is said.
    pub(super) fn requests_per_connection(&self) -> Option<u64> {
        if self.new_connection_per_request { Some(1) } else { self.requests_per_connection }
    }
}

fn rate(text: &str) -> Result<f64, String> {
    match text.parse() {
        Ok(rate) if rate > 0.0 && rate <= 10_000_000.0 => Ok(rate),
        _ => Err("expected requests a second, more than 0 and at most 10000000".to_owned()),
    }
}
