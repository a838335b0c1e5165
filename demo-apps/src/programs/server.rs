//! A server app with several ports. See `demo-server --help`.

use std::process::ExitCode;

use crate::program;
use crate::server::{Server, ServerArgs};
use clap::Parser;

const EXAMPLES: &str = "\
HTTP paths:
  /bytes/N   N bytes           /status/N  that status       /slow/TIME  after a delay: 200ms, 2s
  /echo      the body         /trailers  with trailers     /ws         a websocket that echoes
  /forward/HOST:PORT/PATH  calls on, with the headers of tracing, then answers
  /v1/traces and gRPC's TraceService/Export: takes spans (OTLP), and logs them
  anything else: JSON that says what the server saw

gRPC methods of /sidelab.Echo/, with messages of any kind:
  Unary         echoes the message
  ClientStream  echoes all messages as one
  ServerStream  echoes the message as often as the metadata x-sidelab-messages says
  Stream        echoes each message at once
  Seen          JSON that says what the server saw
  Fail          the status in the metadata x-sidelab-grpc-status and x-sidelab-grpc-message, or of
                the message \"CODE TEXT\"

Examples:
  demo-server --http 8080 --tcp 9000
  demo-server --http 127.0.0.1:8080 --https 8443 --self-signed server.svc --write-cert ca.pem
  demo-server --http2 50051                     like most gRPC servers: HTTP/1.1 is not answered
  demo-server --mtls 9443 --cert server.pem --key server.key --client-ca ca.pem

Exit code: 0 stopped by a signal, 1 a port cannot be bound, 2 incorrect use. READY=1 is sent to
$NOTIFY_SOCKET once every port is bound; TLS keys are logged to $SSLKEYLOGFILE.";

/// Listen on several ports at once and report what is received, in responses and as lines of JSON on stdout.
#[derive(Parser)]
#[command(name = "demo-server", version, after_help = EXAMPLES)]
struct Cli {
    #[command(flatten)]
    args: ServerArgs,
}

/// Runs the program with this process's arguments.
pub fn main() -> ExitCode {
    program::exit_code("demo-server", serve(&Cli::parse().args))
}

fn serve(args: &ServerArgs) -> Result<(), Box<dyn std::error::Error>> {
    // If this fails, connections that cannot be accepted are logged.
    let _ = program::raise_file_limit();
    let mut builder = match args.threads {
        1 => tokio::runtime::Builder::new_current_thread(),
        _ => tokio::runtime::Builder::new_multi_thread(),
    };
    let runtime = builder.worker_threads(args.threads.into()).enable_all().build()?;
    runtime.block_on(async {
        let server = Server::bind(args)?;
        program::serve("demo-server", server).await?;
        Ok(())
    })
}
