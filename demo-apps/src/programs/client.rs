//! A client app: one call, a load, or idle connections. See `demo-client --help`.

use std::io::Write as _;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::client::{CallArgs, ConnectArgs};
use crate::hold::HoldArgs;
use crate::load::LoadArgs;
use crate::report::HoldReport;
use crate::{UsageError, client, exit, hold, load, program};
use clap::{Parser, Subcommand};
use serde::Serialize;

const EXAMPLES: &str = "\
Examples:
  demo-client http://server:8080/                                  one request, as one line of JSON
  demo-client --marker p1 tcp://server:9000                        raw bytes, echoed
  demo-client --ca ca.pem https://server:8443/                     one-way TLS
  demo-client --ca ca.pem --cert c.pem --key c.key tls://10.0.0.2:9443 --sni server.default.svc
  demo-client grpc://server:8080                                   gRPC: /sidelab.Echo/Unary
  demo-client grpc://server:8080 --messages 5                      streaming: /sidelab.Echo/Stream
  demo-client grpc://server:8080/sidelab.Echo/Fail --data \"14 not today\"
  demo-client ws://server:8080/ws --messages 3                     frames, echoed
  demo-client load http://server:8080/bytes/1024 --connections 8 --duration 5s
  demo-client load tcp://server:9000 --rate 1000 --requests 5000 --new-connection-per-request
  demo-client hold http://server:8080/ --connections 1000          idle connections until SIGTERM

Exit code: 0 the call succeeded (load: at least one request did; hold: all connections stayed open to
the end), 1 it failed, 2 incorrect use. hold sends READY=1 to $NOTIFY_SOCKET once each connection is
open or has failed. TLS keys are logged to $SSLKEYLOGFILE.";

/// Make one call and print its report as one line of JSON.
#[derive(Parser)]
#[command(name = "demo-client", version, after_help = EXAMPLES, args_conflicts_with_subcommands = true)]
struct Cli {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    call: Option<CallArgs>,
}

#[derive(Subcommand)]
enum Command {
    /// Make many calls, and print their latencies as one line of JSON
    Load(LoadArgs),
    /// Open connections, make one call on each and keep them idle; print one line of JSON once each is open or has failed, and one at the end
    Hold(HoldArgs),
}

impl Cli {
    fn connect(&mut self) -> Option<&mut ConnectArgs> {
        match (&mut self.command, &mut self.call) {
            (Some(Command::Load(load)), _) => Some(&mut load.connect),
            (Some(Command::Hold(hold)), _) => Some(&mut hold.connect),
            (None, call) => call.as_mut().map(|call| &mut call.connect),
        }
    }
}

/// Runs the program with this process's arguments.
pub fn main() -> ExitCode {
    let mut cli = Cli::parse();
    if let Some(connect) = cli.connect() {
        connect.trust_environment();
    }
    let result = match (cli.command, cli.call) {
        (Some(Command::Load(args)), _) => load(&args),
        (Some(Command::Hold(args)), _) => hold(&args),
        (None, Some(args)) => call(&args),
        (None, None) => Err(UsageError("no URL given; see --help".into())),
    };
    match result {
        Ok((ok, line)) => {
            print(&line);
            ExitCode::from(if ok { exit::OK } else { exit::FAILED })
        }
        Err(error) => {
            let _ = writeln!(std::io::stderr(), "demo-client: {error}");
            ExitCode::from(exit::USAGE)
        }
    }
}

fn call(args: &CallArgs) -> Result<(bool, String), UsageError> {
    let report = runtime()?.block_on(client::call(args))?;
    Ok((report.ok, line(&report)))
}

/// Runs a load until its end, or a signal.
fn load(args: &LoadArgs) -> Result<(bool, String), UsageError> {
    let runtime = runtime()?;
    let stop = Arc::new(AtomicBool::new(false));
    let signal = {
        let _inside = runtime.enter();
        program::stop_signal().map_err(|error| cannot_start(&error))?
    };
    let stopped = Arc::clone(&stop);
    // It ends with the process.
    std::thread::spawn(move || {
        runtime.block_on(signal);
        stopped.store(true, Ordering::Relaxed);
    });
    let report = load::run(args, &stop, |request| print(&line(request)))?;
    Ok((report.requests > 0, line(&report)))
}

fn hold(args: &HoldArgs) -> Result<(bool, String), UsageError> {
    let files = program::raise_file_limit().map_err(|error| cannot_start(&error))?;
    // Other open files: standard streams, the runtime's own.
    let needed = u64::from(args.connections) + 32;
    if files < needed {
        let text = format!("{} connections need {needed} open files; the limit is {files}", args.connections);
        return Err(UsageError(format!("{text}: hold fewer, or raise the limit (ulimit -Hn)")));
    }
    runtime()?.block_on(async {
        let stop = program::stop_signal().map_err(|error| cannot_start(&error))?;
        let report = hold::run(args, stop, |standing| {
            print(&line(standing));
            if let Err(error) = program::notify_ready() {
                let _ = writeln!(std::io::stderr(), "demo-client: cannot notify readiness: {error}");
            }
        });
        let report: HoldReport = report.await?;
        Ok((report.standing == args.connections, line(&report)))
    })
}

fn runtime() -> Result<tokio::runtime::Runtime, UsageError> {
    tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(|error| cannot_start(&error))
}

fn cannot_start(error: &std::io::Error) -> UsageError {
    UsageError(format!("cannot start: {error}"))
}

/// If stdout is closed, the exit code still says how it went.
fn print(line: &str) {
    let _ = writeln!(std::io::stdout(), "{line}");
}

fn line(report: &impl Serialize) -> String {
    // Reports are maps with string keys, which can always be serialized.
    serde_json::to_string(report).unwrap_or_else(|error| format!("{{\"unprintable\":\"{error}\"}}"))
}
