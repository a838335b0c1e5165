//! The options of `sidelab bench` that set the conditions.

use std::time::Duration;

use anyhow::{Result, bail};
use clap::{Args, ValueEnum, value_parser};

use crate::{
    bench::setup::{Key, KeyExchange, Settings, Setup},
    cli::delay::round_trip,
    data_plane::DataPlane,
};

/// The conditions of a bench.
#[derive(Debug, Args)]
#[command(next_help_heading = "Conditions")]
pub struct SettingsArgs {
    /// Workers of each sidecar; each number is measured
    #[arg(long, value_name = "N,N", value_delimiter = ',', default_value = "1", value_parser = value_parser!(u32).range(1..=64))]
    pub concurrency: Vec<u32>,
    /// Delays added to each round trip between pods, such as 0,1ms,10ms,50ms: each is measured, by default with connect and
    /// request only; memory only at 0 [default: 0,10ms]
    #[arg(long, value_name = "TIME,TIME", value_delimiter = ',', value_parser = round_trip)]
    pub rtt: Option<Vec<Duration>>,
    /// The key type of the mesh's certificates. The apps' certificates stay P-256
    #[arg(long, value_enum, default_value_t)]
    pub key: Key,
    /// The key exchange of all TLS, the sidecars' and the apps'
    #[arg(long, value_enum, default_value_t)]
    pub kx: KeyExchange,
    /// The TLS 1.3 cipher suite; only the default can be used, since Envoy has no such setting
    #[arg(long, value_enum, default_value = "aes128")]
    pub suite: Suite,
    /// Whether sidecars resume TLS sessions, with each other and with their apps
    #[arg(long, value_enum, default_value = "off")]
    pub resumption: Switch,
    /// Whether sidecars write access logs
    #[arg(long, value_enum, default_value = "off")]
    pub access_log: Switch,
    /// Bytes of each answer in measures of connections and requests; each number is measured
    #[arg(long, value_name = "BYTES,BYTES", value_delimiter = ',', default_value = "64",
          value_parser = value_parser!(u64).range(1..=1 << 30))]
    pub message_size: Vec<u64>,
    /// Concurrent connections in the measures that have several
    #[arg(long, value_name = "N", default_value_t = 16, value_parser = value_parser!(u32).range(1..=1024))]
    pub connections: u32,
    /// Requests on each new connection, one after the other. Operations are still connections, and latency is that
    /// of the first request
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = value_parser!(u32).range(1..=100_000))]
    pub requests_per_connection: u32,
    /// Pin the client's app, its sidecar, the server's sidecar and its app to separate CPUs, in this order: one for an app, and
    /// one per worker for a sidecar; if there are too few, they are reused from the first
    #[arg(long)]
    pub pin: bool,
    /// Start concurrent requests at a fixed rate, 70 % of what the layering can do, and count latency from when each was due:
    /// a stall then counts for every request that it delays
    #[arg(long)]
    pub open_loop: bool,
    /// Numbers of idle connections to measure [default: 0,1000,5000; with --quick 0,1000]
    #[arg(long, value_name = "N,N", value_delimiter = ',', value_parser = value_parser!(u32).range(..=100_000))]
    pub idle: Option<Vec<u32>>,
}

/// An option that can be switched.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Switch {
    Off,
    On,
}

/// A suite of TLS 1.3.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Suite {
    /// `TLS_AES_128_GCM_SHA256`.
    Aes128,
    /// `TLS_AES_256_GCM_SHA384`.
    Aes256,
    /// `TLS_CHACHA20_POLY1305_SHA256`.
    Chacha20,
}

impl SettingsArgs {
    /// The settings that all series share.
    ///
    /// # Errors
    /// If they cannot be satisfied.
    pub fn settings(&self, quick: bool) -> Result<Settings> {
        if self.suite != Suite::Aes128 {
            bail!(
                "--suite: Envoy has no setting for TLS 1.3 suites (tls_params.cipher_suites are those of TLS 1.2): \
                 where the processor has AES, sidecars agree on TLS_AES_128_GCM_SHA256; leave --suite out"
            );
        }
        let mut idle = self.idle.clone().unwrap_or_else(|| if quick { vec![0, 1000] } else { vec![0, 1000, 5000] });
        idle.sort_unstable();
        idle.dedup();
        if idle.len() < 2 {
            bail!("--idle: memory per connection is a difference: name at least two numbers, such as 0,1000");
        }
        Ok(Settings {
            key: self.key,
            key_exchange: self.kx,
            resumption: self.resumption == Switch::On,
            access_log: self.access_log == Switch::On,
            pin: self.pin,
            open_loop: self.open_loop,
            connections: self.connections,
            requests_per_connection: self.requests_per_connection,
            idle,
        })
    }

    /// Every combination of conditions to measure, on these data planes and with these round trips.
    pub fn setups(&self, planes: &[DataPlane], rtts: &[Duration]) -> Vec<Setup> {
        let mut setups = Vec::new();
        for data_plane in planes.iter().copied() {
            for concurrency in self.concurrency.iter().copied() {
                for rtt in rtts.iter().copied() {
                    let with = |message_bytes| Setup { data_plane, concurrency, rtt, message_bytes };
                    setups.extend(self.message_size.iter().copied().map(with));
                }
            }
        }
        setups.sort();
        setups.dedup();
        setups
    }
}
