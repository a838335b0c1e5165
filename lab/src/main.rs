//! sidelab: a TLS lab for service-mesh sidecars, on one Linux machine.

#![warn(clippy::print_stdout, clippy::print_stderr)]

use std::process::ExitCode;

use clap::Parser;
use lab::{cli::Cli, commands};

fn main() -> ExitCode {
    match Cli::try_parse() {
        Ok(cli) => commands::dispatch(cli),
        Err(answer) => commands::print_usage(&answer),
    }
}
