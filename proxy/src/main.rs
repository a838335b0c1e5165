//! `sidecar-proxy`: the native data plane, with the required subset of Envoy's command line.

use std::{path::PathBuf, process::ExitCode, time::Duration};

use clap::{Parser, ValueEnum};
use proxy::{
    logging,
    runtime::{self, Options},
};
use tracing_subscriber::filter::LevelFilter;

/// A sidecar proxy that is configured by Envoy v3 files.
#[derive(Debug, Parser)]
#[command(name = "sidecar-proxy", version)]
struct Args {
    /// Bootstrap configuration, as JSON
    #[arg(short = 'c', long, value_name = "FILE")]
    config_path: PathBuf,
    /// Number of worker threads [default: one per core]
    #[arg(long, value_name = "N")]
    concurrency: Option<usize>,
    /// Log level for standard error
    #[arg(short = 'l', long, value_enum, default_value_t = Level::Info)]
    log_level: Level,
    /// Serve, or validate every file and exit
    #[arg(long, value_enum, default_value_t = Mode::Serve)]
    mode: Mode,
    /// How long connections may stay open when their filter chain is replaced [default: 600] or the proxy is stopped
    /// [default: 0]
    #[arg(long, value_name = "SECONDS")]
    drain_time_s: Option<u64>,
    /// For compatibility with Envoy; logs are written immediately
    #[arg(long, value_name = "MSEC", hide = true)]
    file_flush_interval_msec: Option<u64>,
    /// For compatibility with Envoy; there is no hot restart
    #[arg(long, hide = true)]
    disable_hot_restart: bool,
    /// For compatibility with Envoy; unknown fields are always refused
    #[arg(long, hide = true)]
    reject_unknown_dynamic_fields: bool,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Mode {
    Serve,
    Validate,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Level {
    Trace,
    Debug,
    Info,
    #[value(alias = "warn")]
    Warning,
    Error,
    #[value(alias = "critical")]
    Off,
}

fn main() -> ExitCode {
    let args = Args::parse();
    let level = match args.log_level {
        Level::Trace => LevelFilter::TRACE,
        Level::Debug => LevelFilter::DEBUG,
        Level::Info => LevelFilter::INFO,
        Level::Warning => LevelFilter::WARN,
        Level::Error => LevelFilter::ERROR,
        Level::Off => LevelFilter::OFF,
    };
    logging::start(level);
    let options = Options {
        config_path: args.config_path,
        concurrency: args.concurrency,
        drain_time: args.drain_time_s.map(Duration::from_secs),
    };
    let result = match args.mode {
        Mode::Serve => runtime::serve(&options),
        Mode::Validate => runtime::validate(&options),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            logging::print_error(format_args!("sidecar-proxy: {error}"));
            ExitCode::from(2)
        }
    }
}
