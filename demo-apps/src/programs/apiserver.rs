//! An API server, as its admission webhooks see it. See `demo-apiserver --help`.

use std::io::Write as _;
use std::process::ExitCode;

use crate::apiserver::{self, ApiserverArgs};
use crate::report::AdmissionReport;
use crate::{UsageError, exit};
use clap::Parser;

const EXAMPLES: &str = "\
Examples:
  demo-apiserver --webhooks manifests.yaml                        create a Pod
  demo-apiserver deployment.yaml --webhooks manifests.yaml -n shop
  demo-apiserver --webhooks manifests.yaml --only pods.policy.example.com
  demo-apiserver --webhooks manifests.yaml --connect-to 127.0.0.1:9443

Exit code: 0 the object is created, 1 a webhook denied it or failed, 2 incorrect use. TLS keys
are logged to $SSLKEYLOGFILE.";

/// Call admission webhooks for an object like kube-apiserver, and print the result as one line of JSON.
#[derive(Parser)]
#[command(name = "demo-apiserver", version, after_help = EXAMPLES)]
struct Cli {
    #[command(flatten)]
    args: ApiserverArgs,
}

/// Runs the program with this process's arguments.
pub fn main() -> ExitCode {
    let args = Cli::parse().args;
    match create(&args) {
        Ok(report) => {
            // Reports are maps with string keys, which can always be serialized.
            let line =
                serde_json::to_string(&report).unwrap_or_else(|error| format!("{{\"unprintable\":\"{error}\"}}"));
            // If stdout is closed, the exit code still says how it went.
            let _ = writeln!(std::io::stdout(), "{line}");
            ExitCode::from(if report.created() { exit::OK } else { exit::FAILED })
        }
        Err(error) => {
            let _ = writeln!(std::io::stderr(), "demo-apiserver: {error}");
            ExitCode::from(exit::USAGE)
        }
    }
}

fn create(args: &ApiserverArgs) -> Result<AdmissionReport, UsageError> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| UsageError(format!("cannot start: {error}")))?;
    runtime.block_on(apiserver::create(args))
}
