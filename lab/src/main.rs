//! sidelab: a TLS lab for service-mesh sidecars, on one Linux machine.

#![warn(clippy::print_stdout, clippy::print_stderr)]

use std::process::ExitCode;

use clap::Parser;
use demo_apps::program::raise_file_limit;
use lab::{cli::Cli, commands};

fn main() -> ExitCode {
    // Each pod, program and capture is some open files, and many shells allow 1,024.
    let _ = raise_file_limit();
    match Cli::try_parse() {
        Ok(cli) => commands::dispatch(cli),
        Err(answer) => commands::print_usage(&answer),
    }
}
