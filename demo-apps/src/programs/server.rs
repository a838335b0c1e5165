//! A server app on several ports. See `demo-server --help`.

use std::process::ExitCode;

use crate::program;
use crate::server::{Server, ServerArgs};
use clap::Parser;

const EXAMPLES: &str = "\
HTTP paths:
  /bytes/N   N bytes           /status/N  that status       /slow/TIME  after so long: 200ms, 2s
  /echo      the body back     /trailers  with trailers     /ws         a websocket that echoes
  anything else: JSON that says what the server saw

gRPC methods of /sidelab.Echo/, with messages of any kind:
  Unary         the message back
  ClientStream  the messages back as one
  ServerStream  the message back as often as the metadata x-sidelab-messages says
  Stream        each message back at once
  Seen          JSON that says what the server saw
  Fail          the status of the metadata x-sidelab-grpc-status and x-sidelab-grpc-message, or of
                the message \"CODE TEXT\"

Examples:
  demo-server --http 8080 --tcp 9000
  demo-server --http 127.0.0.1:8080 --https 8443 --self-signed server.svc --write-cert ca.pem
  demo-server --http2 50051                     as most servers of gRPC: HTTP/1.1 gets no answer
  demo-server --mtls 9443 --cert server.pem --key server.key --client-ca ca.pem

Exit code: 0 told to stop, 1 a port cannot be bound, 2 wrong use. READY=1 goes to $NOTIFY_SOCKET
once every port is bound; $SSLKEYLOGFILE gets the TLS keys.";

/// Listens on several ports at once and says what it saw: in its answers, and as lines of JSON on stdout.
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
    // Where it cannot be raised, what cannot be accepted is logged.
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
