//! An admission webhook. See `demo-webhook --help`.

use std::process::ExitCode;

use crate::program;
use crate::server::{Server, WebhookArgs};
use clap::Parser;

const EXAMPLES: &str = "\
Paths, for AdmissionReview v1:
  /validate    denies objects that are labelled deny: \"true\"
  /deny        denies every object
  /mutate      adds the label mutated: \"true\", as a JSON patch
  /hang        never answers
  /garbage     answers with something that is not JSON
  /wrong-kind  answers with JSON that is not an AdmissionReview
  /wrong-uid   allows, but with another uid than the request's
  anything else is answered like by demo-server

Examples:
  demo-webhook --https 9443 --cert tls.crt --key tls.key
  demo-webhook --https 127.0.0.1:9443 --cert tls.crt --key tls.key

Exit code: 0 stopped by a signal, 1 a port cannot be bound, 2 incorrect use. READY=1 is sent to
$NOTIFY_SOCKET once every port is bound; TLS keys are logged to $SSLKEYLOGFILE.";

/// Answer an API server's AdmissionReviews over one-way HTTPS, and log lines of JSON on stdout.
#[derive(Parser)]
#[command(name = "demo-webhook", version, after_help = EXAMPLES)]
struct Cli {
    #[command(flatten)]
    args: WebhookArgs,
}

/// Runs the program with this process's arguments.
pub fn main() -> ExitCode {
    program::exit_code("demo-webhook", serve(&Cli::parse().args))
}

fn serve(args: &WebhookArgs) -> Result<(), Box<dyn std::error::Error>> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let server = Server::bind_webhook(args)?;
        program::serve("demo-webhook", server).await?;
        Ok(())
    })
}
