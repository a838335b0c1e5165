//! A name server for a lab's pods. See `demo-dns --help`.

use std::{io::Write as _, net::SocketAddr, path::PathBuf, process::ExitCode};

use crate::{
    dns::{BadRecord, Book, Server},
    exit, program,
};
use clap::Parser;

const EXAMPLES: &str = "\
Examples:
  demo-dns --listen 10.96.0.2:53 --listen [fd00:96::2]:53 --records records
  demo-dns --listen 127.0.0.1:5353 --records /etc/hosts
  dig @127.0.0.1 -p 5353 shop.example.com       queries it

Exit code: 0 stopped by a signal, 1 a port cannot be bound, 2 incorrect use. READY=1 is sent to
$NOTIFY_SOCKET once every port is bound.";

/// Answer A and AAAA queries over UDP and TCP, from a file in the format of /etc/hosts. Other names do not exist.
#[derive(Parser)]
#[command(name = "demo-dns", version, after_help = EXAMPLES)]
struct Cli {
    /// Address to listen on, over UDP and TCP; may be repeated
    #[arg(long, value_name = "IP:PORT", required = true)]
    listen: Vec<SocketAddr>,
    /// File with an address and its full names on each line; one that is moved into its place counts at once
    #[arg(long, value_name = "FILE")]
    records: PathBuf,
}

/// Runs the program with this process's arguments.
pub fn main() -> ExitCode {
    match serve(&Cli::parse()) {
        Ok(()) => ExitCode::from(exit::OK),
        Err(error) => {
            let _ = writeln!(std::io::stderr(), "demo-dns: {error}");
            ExitCode::from(if error.is::<BadRecord>() { exit::USAGE } else { exit::FAILED })
        }
    }
}

fn serve(cli: &Cli) -> Result<(), Box<dyn std::error::Error>> {
    let records = Book::open(&cli.records)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let server = Server::bind(records, &cli.listen).await?;
        let stop = program::stop_signal()?;
        // The ports are bound even if the notification fails.
        if let Err(error) = program::notify_ready() {
            let _ = writeln!(std::io::stderr(), "demo-dns: cannot notify readiness: {error}");
        }
        server.run(stop).await;
        Ok(())
    })
}
