//! Options of `hold`.

use std::time::Duration;

use clap::{Args, value_parser};

use crate::Target;
use crate::client::ConnectArgs;
use crate::duration::parse_limit;

/// Options for holding connections idle.
#[derive(Clone, Debug, Args)]
pub struct HoldArgs {
    /// URL to connect to and to call once: `http(s)://HOST[:PORT][/PATH]`, `tcp://HOST:PORT`, `tls://HOST:PORT`
    #[arg(value_name = "URL")]
    pub target: Target,

    #[command(flatten)]
    pub connect: ConnectArgs,

    /// Number of connections
    #[arg(long, short = 'c', value_name = "N", default_value_t = 1, value_parser = value_parser!(u32).range(1..))]
    pub connections: u32,

    /// How long to hold them once all were opened [default: until SIGTERM or SIGINT]
    #[arg(long, short = 'd', value_name = "TIME", value_parser = parse_limit)]
    pub duration: Option<Duration>,

    /// Maximum duration of opening a connection and its call
    #[arg(long, value_name = "TIME", value_parser = parse_limit, default_value = "10s")]
    pub timeout: Duration,
}
