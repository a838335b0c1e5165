//! sidelab: a sidecar TLS lab on one Linux box.

use std::{io::IsTerminal, process::ExitCode};

use clap::Parser;
use lab::{cli::Cli, commands};

fn main() -> ExitCode {
    let filter = tracing_subscriber::EnvFilter::try_from_env("SIDELAB_LOG").unwrap_or_else(|_| "warn".into());
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .without_time()
        .with_target(false)
        .with_ansi(std::io::stderr().is_terminal())
        .with_writer(std::io::stderr)
        .init();
    commands::dispatch(Cli::parse())
}
