//! A client app: one call, or load. See `demo-client --help`.

use std::io::Write as _;
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use demo_apps::client::CallArgs;
use demo_apps::load::LoadArgs;
use demo_apps::{UsageError, client, exit, load};
use serde::Serialize;

const EXAMPLES: &str = "\
Examples:
  demo-client http://server:8080/                                  one request, as one line of JSON
  demo-client --marker p1 tcp://server:9000                        raw bytes that must come back
  demo-client --ca ca.pem https://server:8443/                     one-way TLS
  demo-client --ca ca.pem --cert c.pem --key c.key tls://10.0.0.2:9443 --sni server.default.svc
  demo-client load http://server:8080/bytes/1024 --connections 8 --duration 5
  demo-client load tcp://server:9000 --rate 1000 --requests 5000 --new-connection-per-request

Exit code: 0 the call went through (load: at least one request did), 1 it failed, 2 wrong use.
$SSLKEYLOGFILE gets the TLS keys.";

/// Makes one call and prints one line of JSON that says how it went.
#[derive(Parser)]
#[command(version, after_help = EXAMPLES, args_conflicts_with_subcommands = true)]
struct Cli {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    call: Option<CallArgs>,
}

#[derive(Subcommand)]
enum Command {
    /// Makes many calls and prints one line of JSON that says how fast they were
    Load(LoadArgs),
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    let result = match (cli.command, cli.call) {
        (Some(Command::Load(args)), _) => load::run(&args).map(|report| (report.requests > 0, line(&report))),
        (None, Some(args)) => call(&args),
        (None, None) => Err(UsageError("no URL given; see --help".into())),
    };
    match result {
        Ok((ok, line)) => {
            // A reader that is gone has missed the line; the exit code still tells.
            let _ = writeln!(std::io::stdout(), "{line}");
            ExitCode::from(if ok { exit::OK } else { exit::FAILED })
        }
        Err(error) => {
            let _ = writeln!(std::io::stderr(), "demo-client: {error}");
            ExitCode::from(exit::USAGE)
        }
    }
}

fn call(args: &CallArgs) -> Result<(bool, String), UsageError> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| UsageError(format!("cannot start: {error}")))?;
    let report = runtime.block_on(client::call(args))?;
    Ok((report.ok, line(&report)))
}

fn line(report: &impl Serialize) -> String {
    // Our reports are maps with string keys: they always serialise.
    serde_json::to_string(report).unwrap_or_else(|error| format!("{{\"unprintable\":\"{error}\"}}"))
}
