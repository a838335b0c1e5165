//! Standard output and standard error: what the program says goes through here, and nothing else of it prints; and how wide they are.
//!
//! The usual macros panic when they can't write. Here a failed write to standard output is an error like any other, and one to
//! standard error, after which nothing more could be said, is passed over.

use std::{
    fmt,
    io::{self, Write},
};

use terminal_size::{Width, terminal_size_of};
use thiserror::Error;

/// What the narrowest table needs. A terminal that is narrower breaks lines by itself.
pub(crate) const NARROWEST: usize = 80;

/// Columns of the terminal that standard output is; elsewhere what `COLUMNS` says, and else `otherwise`. [`NARROWEST`] at least.
pub(crate) fn columns(otherwise: usize) -> usize {
    let terminal = terminal_size_of(io::stdout()).map(|(Width(columns), _)| columns.into());
    let said = || std::env::var("COLUMNS").ok()?.parse().ok();
    terminal.or_else(said).unwrap_or(otherwise).clamp(NARROWEST, 1000)
}

/// Standard output takes nothing: the disk behind it is full, say.
#[derive(Debug, Error)]
#[error("can't write to standard output: {0}")]
pub(crate) struct NotPrinted(#[from] io::Error);

/// Prints text, styled where that is a terminal. A reader that has seen enough (`| head`) is no error.
pub(crate) fn print(text: fmt::Arguments<'_>) -> Result<(), NotPrinted> {
    let mut stdout = anstream::stdout().lock();
    passed_on(stdout.write_fmt(text).and_then(|()| stdout.flush()))
}

/// Prints bytes as they are, such as those of a log. Whether there is still a reader.
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

/// As `print!`, but gives back an error in place of a panic.
macro_rules! out {
    ($($text:tt)*) => { $crate::terminal::print(format_args!($($text)*)) };
}

/// As `println!`, but gives back an error in place of a panic.
macro_rules! outln {
    ($($text:tt)*) => { $crate::terminal::print(format_args!("{}\n", format_args!($($text)*))) };
}

/// As `eprintln!`, but never panics.
macro_rules! noteln {
    ($($text:tt)*) => { $crate::terminal::note(format_args!("{}\n", format_args!($($text)*))) };
}

pub(crate) use {noteln, out, outln};
