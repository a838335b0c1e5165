//! The options of holding.

use std::time::Duration;

use clap::{Args, value_parser};

use crate::Target;
use crate::client::ConnectArgs;
use crate::duration::parse_limit;

/// Connections that are to stand idle.
#[derive(Clone, Debug, Args)]
pub struct HoldArgs {
    /// What to connect to and to call once: `http(s)://HOST[:PORT][/PATH]`, `tcp://HOST:PORT`, `tls://HOST:PORT`
    #[arg(value_name = "URL")]
    pub target: Target,

    /// How to connect.
    #[command(flatten)]
    pub connect: ConnectArgs,

    /// Connections to hold
    #[arg(long, short = 'c', value_name = "N", default_value_t = 1, value_parser = value_parser!(u32).range(1..))]
    pub connections: u32,

    /// Hold them for so long, counted from when all stand [default: until SIGTERM or SIGINT]
    #[arg(long, short = 'd', value_name = "TIME", value_parser = parse_limit)]
    pub duration: Option<Duration>,

    /// Give each connection and its call so long
    #[arg(long, value_name = "TIME", value_parser = parse_limit, default_value = "10s")]
    pub timeout: Duration,
}
