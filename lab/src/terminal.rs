//! Standard output and standard error: all printing goes through here. Also the terminal's width.
//!
//! The standard macros panic if they can't write. Here a failed write to standard output is an ordinary error, and one to standard
//! error, which could not be reported, is ignored.

use std::{
    fmt,
    io::{self, Write},
};

use terminal_size::{Width, terminal_size_of};
use thiserror::Error;

/// The minimum width of a table, in columns. A narrower terminal wraps lines.
pub(crate) const NARROWEST: usize = 80;

/// The width of the terminal on standard output, else `COLUMNS`, else `otherwise`; at least [`NARROWEST`].
pub(crate) fn columns(otherwise: usize) -> usize {
    let terminal = terminal_size_of(io::stdout()).map(|(Width(columns), _)| columns.into());
    let columns = || std::env::var("COLUMNS").ok()?.parse().ok();
    terminal.or_else(columns).unwrap_or(otherwise).clamp(NARROWEST, 1000)
}

/// Standard output could not be written, for example because a disk is full.
#[derive(Debug, Error)]
#[error("can't write to standard output: {0}")]
pub(crate) struct NotPrinted(#[from] io::Error);

/// Prints text, styled on a terminal. A reader that closes early (`| head`) is not an error.
pub(crate) fn print(text: fmt::Arguments<'_>) -> Result<(), NotPrinted> {
    let mut stdout = anstream::stdout().lock();
    passed_on(stdout.write_fmt(text).and_then(|()| stdout.flush()))
}

/// Prints raw bytes, such as those of a log. Returns whether there is still a reader.
pub(crate) fn print_bytes(bytes: &[u8]) -> Result<bool, NotPrinted> {
    let mut stdout = io::stdout().lock();
    match stdout.write_all(bytes).and_then(|()| stdout.flush()) {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(false),
        written => passed_on(written).map(|()| true),
    }
}

/// Prints to standard error.
pub(crate) fn note(text: fmt::Arguments<'_>) {
    let _ = anstream::stderr().lock().write_fmt(text);
}

fn passed_on(written: io::Result<()>) -> Result<(), NotPrinted> {
    match written {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(NotPrinted(error)),
        _ => Ok(()),
    }
}

/// Like `print!`, but returns an error instead of panicking.
macro_rules! out {
    ($($text:tt)*) => { $crate::terminal::print(format_args!($($text)*)) };
}

/// Like `println!`, but returns an error instead of panicking.
macro_rules! outln {
    ($($text:tt)*) => { $crate::terminal::print(format_args!("{}\n", format_args!($($text)*))) };
}

/// Like `eprintln!`, but never panics.
macro_rules! noteln {
    ($($text:tt)*) => { $crate::terminal::note(format_args!("{}\n", format_args!($($text)*))) };
}

pub(crate) use {noteln, out, outln};
