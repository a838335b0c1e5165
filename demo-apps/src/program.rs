//! What the programs have in common.

use std::error::Error;
use std::io::{self, Write as _};
use std::process::ExitCode;
use std::sync::Arc;

use nix::sys::resource::{Resource, getrlimit, setrlimit};
use tokio::signal::unix::{SignalKind, signal};

use crate::exit;
use crate::report::Event;
use crate::server::{Server, StartError};

/// Lets this process open as many files as it may: each connection is one.
///
/// # Errors
///
/// When the operating system does not say or does not let it.
pub fn raise_file_limit() -> io::Result<u64> {
    let (_, most) = getrlimit(Resource::RLIMIT_NOFILE)?;
    setrlimit(Resource::RLIMIT_NOFILE, most, most)?;
    Ok(most)
}

/// Is done when the process is told to stop, with SIGTERM or SIGINT.
///
/// # Errors
///
/// When signals cannot be waited for. The default, death, stays in place then.
pub fn told_to_stop() -> io::Result<impl Future<Output = ()>> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    Ok(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
    })
}

/// Sends `READY=1` to whoever waits for it at `$NOTIFY_SOCKET`. Does nothing where nobody does.
///
/// # Errors
///
/// When the socket that is named there does not take it.
pub fn say_ready() -> io::Result<()> {
    sd_notify::notify(&[sd_notify::NotifyState::Ready])
}

/// The exit code of a server that has run, or could not; what kept it is said on standard error.
pub fn exit_code(program: &str, ran: Result<(), Box<dyn Error>>) -> ExitCode {
    let Err(error) = ran else { return ExitCode::from(exit::OK) };
    let _ = writeln!(io::stderr(), "{program}: {error}");
    ExitCode::from(match error.downcast_ref() {
        Some(StartError::Usage(_)) => exit::USAGE,
        _ => exit::FAILED,
    })
}

/// Serves until the process is told to stop, with the log on stdout, one event a line; says `READY=1` first.
///
/// # Errors
///
/// When signals cannot be waited for.
pub async fn serve(program: &str, server: Server) -> io::Result<()> {
    let stop = told_to_stop()?;
    // Nobody to tell, or nobody who listens: the ports are bound all the same.
    if let Err(error) = say_ready() {
        let _ = writeln!(io::stderr(), "{program}: cannot tell that it is ready: {error}");
    }
    server.run(stop, Arc::new(print)).await;
    Ok(())
}

/// One line, whole, whoever else writes at the same time. A reader that is gone is no reason to stop serving.
fn print(event: &Event) {
    if let Ok(mut line) = serde_json::to_vec(event) {
        line.push(b'\n');
        let _ = io::stdout().lock().write_all(&line);
    }
}
