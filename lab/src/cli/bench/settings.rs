//! Options of `sidelab bench` that say under what is measured.

use std::time::Duration;

use anyhow::{Result, bail};
use clap::{Args, ValueEnum, value_parser};

use crate::{
    bench::setup::{Key, KeyExchange, Settings, Setup},
    cli::delay::round_trip,
    data_plane::DataPlane,
};

/// Under what is measured.
#[derive(Debug, Args)]
#[command(next_help_heading = "Under what is measured")]
pub struct SettingsArgs {
    /// How many workers each sidecar has; each number is measured
    #[arg(long, value_name = "N,N", value_delimiter = ',', default_value = "1", value_parser = value_parser!(u32).range(1..=64))]
    pub concurrency: Vec<u32>,
    /// How much longer a round trip between pods takes, such as 0,1ms,10ms,50ms: each is measured, by default with connect and
    /// request only; memory at 0 alone [default: 0,10ms]
    #[arg(long, value_name = "TIME,TIME", value_delimiter = ',', value_parser = round_trip)]
    pub rtt: Option<Vec<Duration>>,
    /// What the keys of the mesh's certificates are made of. The apps' own stay P-256
    #[arg(long, value_enum, default_value_t)]
    pub key: Key,
    /// How all TLS agrees on its secret, the sidecars' and the apps'
    #[arg(long, value_enum, default_value_t)]
    pub kx: KeyExchange,
    /// The suite of TLS 1.3. Sidecars can't be told any but what they agree on by themselves
    #[arg(long, value_enum, default_value = "aes128")]
    pub suite: Suite,
    /// Whether sidecars resume TLS sessions, with each other and into the app
    #[arg(long, value_enum, default_value = "off")]
    pub resumption: Switch,
    /// Whether sidecars write access logs
    #[arg(long, value_enum, default_value = "off")]
    pub access_log: Switch,
    /// Bytes of each answer where connections and requests are counted; each number is measured
    #[arg(long, value_name = "BYTES,BYTES", value_delimiter = ',', default_value = "64",
          value_parser = value_parser!(u64).range(1..=1 << 30))]
    pub message_size: Vec<u64>,
    /// Connections side by side, where many are
    #[arg(long, value_name = "N", default_value_t = 16, value_parser = value_parser!(u32).range(1..=1024))]
    pub connections: u32,
    /// Requests on each new connection, one after the other. What is counted stays the connection, and latency its first
    /// request's
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = value_parser!(u32).range(1..=100_000))]
    pub requests_per_connection: u32,
    /// Bind the client's app, its sidecar, the server's sidecar and its app to CPUs of their own, in this order, an app to one
    /// and a sidecar to one for each worker; where there are no more, the first are used again
    #[arg(long)]
    pub pin: bool,
    /// Offer the load of many connections at a fixed rate, 70 % of what the layering can do, and count latency from when
    /// each request was meant to begin: a stall then counts for all that it holds up
    #[arg(long)]
    pub open_loop: bool,
    /// How many idle connections are held, one number after the other [default: 0,1000,5000; with --quick 0,1000]
    #[arg(long, value_name = "N,N", value_delimiter = ',', value_parser = value_parser!(u32).range(..=100_000))]
    pub idle: Option<Vec<u32>>,
}

/// Off or on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Switch {
    /// Off.
    Off,
    /// On.
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
    /// What all of the bench has in common.
    ///
    /// # Errors
    /// When it can't be had.
    pub fn settings(&self, quick: bool) -> Result<Settings> {
        if self.suite != Suite::Aes128 {
            bail!(
                "--suite: Envoy takes no choice among the suites of TLS 1.3 (its tls_params.cipher_suites are those of TLS 1.2): \
                 where the processor has AES, sidecars agree on TLS_AES_128_GCM_SHA256; leave --suite out"
            );
        }
        let mut idle = self.idle.clone().unwrap_or_else(|| if quick { vec![0, 1000] } else { vec![0, 1000, 5000] });
        idle.sort_unstable();
        idle.dedup();
        if idle.len() < 2 {
            bail!("--idle: memory for each connection is a difference: name two numbers at least, such as 0,1000");
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

    /// All that is to be measured, on these data planes, at these round trips.
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
