//! sidelab: a sidecar TLS lab on one Linux box.

#![warn(clippy::print_stdout, clippy::print_stderr)]

use std::process::ExitCode;

use clap::Parser;
use lab::{cli::Cli, commands};

fn main() -> ExitCode {
    match Cli::try_parse() {
        Ok(cli) => commands::dispatch(cli),
        Err(told) => commands::usage(&told),
    }
}
