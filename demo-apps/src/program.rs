//! Helpers of the programs.

use std::error::Error;
use std::io::{self, Write as _};
use std::process::ExitCode;
use std::sync::Arc;

use nix::sys::resource::{Resource, getrlimit, setrlimit};
use tokio::signal::unix::{SignalKind, signal};

use crate::exit;
use crate::report::Event;
use crate::server::{Server, StartError};

/// Raises this process's soft limit for open files to the hard limit, and returns it: each connection is a file.
///
/// # Errors
///
/// If the operating system refuses.
pub fn raise_file_limit() -> io::Result<u64> {
    let (_, most) = getrlimit(Resource::RLIMIT_NOFILE)?;
    setrlimit(Resource::RLIMIT_NOFILE, most, most)?;
    Ok(most)
}

/// Completes when the process receives SIGTERM or SIGINT.
///
/// # Errors
///
/// If signal handlers cannot be installed. The signals' default action, to terminate, then stays in place.
pub fn stop_signal() -> io::Result<impl Future<Output = ()>> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    Ok(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
    })
}

/// Sends `READY=1` to the socket in `$NOTIFY_SOCKET`, if that is set.
///
/// # Errors
///
/// If the message cannot be sent.
pub fn notify_ready() -> io::Result<()> {
    sd_notify::notify(&[sd_notify::NotifyState::Ready])
}

/// The exit code for a server's result. An error is printed on stderr.
pub fn exit_code(program: &str, ran: Result<(), Box<dyn Error>>) -> ExitCode {
    let Err(error) = ran else { return ExitCode::from(exit::OK) };
    let _ = writeln!(io::stderr(), "{program}: {error}");
    ExitCode::from(match error.downcast_ref() {
        Some(StartError::Usage(_)) => exit::USAGE,
        _ => exit::FAILED,
    })
}

/// Serves until the process receives a stop signal, with one event per line on stdout. Notifies readiness first.
///
/// # Errors
///
/// If signal handlers cannot be installed.
pub async fn serve(program: &str, server: Server) -> io::Result<()> {
    let stop = stop_signal()?;
    // The ports are bound even if the notification fails.
    if let Err(error) = notify_ready() {
        let _ = writeln!(io::stderr(), "{program}: cannot notify readiness: {error}");
    }
    server.run(stop, Arc::new(print)).await;
    Ok(())
}

/// Prints one whole line, even if several threads print. A closed stdout is no reason to stop serving.
fn print(event: &Event) {
    if let Ok(mut line) = serde_json::to_vec(event) {
        line.push(b'\n');
        let _ = io::stdout().lock().write_all(&line);
    }
}
