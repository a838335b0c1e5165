//! What the programs have in common.

use std::io;

use nix::sys::resource::{Resource, getrlimit, setrlimit};
use tokio::signal::unix::{SignalKind, signal};

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
