//! Errors: each says what was attempted, where, and how to fix it.

use std::{
    io,
    path::{Path, PathBuf},
    process::ExitStatus,
    time::Duration,
};

/// A failure to create, use or remove a lab.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
#[expect(missing_docs, reason = "the messages explain fields such as `id`, `pod` and `source`")]
pub enum Error {
    /// The name is not a lab id.
    #[error(
        "{id:?} is not a lab id; an id is sl- and four hexadecimal digits, such as sl-3f9a, and `sidelab get labs` lists those of \
         this host"
    )]
    BadLabId { id: String },

    /// The specification is invalid. Nothing was created.
    #[error("{what}: {why}")]
    BadSpec {
        /// The part of the specification, such as ``pod `client.default` ``.
        what: String,
        /// What is wrong with it, and what is expected instead.
        why: String,
    },

    /// A program exited before it reported that it was ready.
    #[error("`{program}` in {pod} ended before it was ready ({status}){}", tail(stderr))]
    EndedBeforeReady {
        program: String,
        pod: String,
        /// Exit status or signal.
        status: ExitStatus,
        /// The end of its stderr, if that goes to a file.
        stderr: String,
    },

    /// This process was [interrupted](crate::interrupt) while it waited for a program. The program was killed.
    #[error("interrupted while `{program}` ran in {pod}")]
    Interrupted { program: String, pod: String },

    /// A system call failed in this process, outside any pod.
    #[error("cannot {doing}: {source}{}", hint(source))]
    Io {
        /// Completes the sentence "cannot ...".
        doing: String,
        source: io::Error,
    },

    /// A file or folder that has a lab's name is not a lab. It was left alone.
    #[error("{} is not a lab, and was left alone: {why}", path.display())]
    NotALab {
        path: PathBuf,
        /// What is missing or wrong.
        why: &'static str,
    },

    /// A line of a lab's state file is malformed.
    #[error(
        "{}:{line}: not an entry of a lab's state file: {source}; \
         remove the lab with `sidelab down ID`",
        path.display()
    )]
    BadState {
        path: PathBuf,
        /// Line number, counted from 1.
        line: usize,
        source: serde_json::Error,
    },

    /// The kernel refused a netlink request.
    #[error("cannot {doing} in namespace {namespace}: {source}{}", hint(source))]
    Netlink {
        /// Completes the sentence "cannot ...".
        doing: String,
        /// Name of the namespace, as `ip netns` shows it.
        namespace: String,
        source: io::Error,
    },

    /// No lab on this host has that id.
    #[error("no lab `{id}` in {}; `sidelab get labs` lists the labs of this host", base.display())]
    NoLab {
        id: String,
        /// The folder that holds the labs.
        base: PathBuf,
    },

    /// No pod of the lab has that name.
    #[error("no pod `{pod}` in lab {lab}; it has: {}", names.join(", "))]
    NoPod {
        pod: String,
        lab: String,
        /// Names of the lab's pods.
        names: Vec<String>,
    },

    /// The host does not let an ordinary user create a user namespace.
    #[error("cannot make a user namespace: {source}; {fix}")]
    NoUserNamespace {
        source: io::Error,
        /// What would allow it.
        fix: String,
    },

    /// A program did not report in time that it was ready. It was killed.
    #[error(
        "`{program}` in {pod} was not ready within {timeout:?}{}: does it send READY=1 to NOTIFY_SOCKET?",
        tail(stderr)
    )]
    NotReady {
        program: String,
        pod: String,
        /// How long it was waited for.
        timeout: Duration,
        /// The end of its stderr, if that goes to a file.
        stderr: String,
    },

    /// The program was not found, or is not executable.
    #[error("program `{program}` not found{}, or not executable; give its full path or install it", looked_in(path))]
    ProgramNotFound {
        /// The name or path that was given.
        program: String,
        /// The `PATH` that was searched; `None` if a path was given.
        path: Option<String>,
    },

    /// `iptables-restore` or `ip6tables-restore` refused the rules. None of them is in effect.
    #[error("{tool} refused line {line} of the rules of {namespace}: `{rule}`: {message}")]
    RuleRefused {
        tool: &'static str,
        namespace: String,
        /// Line number, counted from 1; 0 if the tool named none.
        line: usize,
        rule: String,
        /// The tool's own message.
        message: String,
    },

    /// A step between `fork` and `exec` failed.
    #[error("cannot {doing} for `{program}` in {pod}: {source}{}", hint(source))]
    Start {
        /// Completes the sentence "cannot ...".
        doing: String,
        program: String,
        pod: String,
        source: io::Error,
    },

    /// A program did not exit in time. It was killed.
    #[error("`{program}` in {pod} did not end within {timeout:?}{}", tail(stderr))]
    TimedOut {
        program: String,
        pod: String,
        /// How long it was waited for.
        timeout: Duration,
        /// The end of its stderr.
        stderr: String,
    },

    /// A tool that this crate runs is not installed.
    #[error("`{tool}` is not on this host; {fix}")]
    ToolMissing {
        tool: &'static str,
        /// How to install it.
        fix: &'static str,
    },

    /// The folder for labs cannot be used.
    #[error("labs cannot be kept in {}: {why}; name another folder in SIDELAB_RUN_DIR, or correct that", path.display())]
    UnsafeFolder {
        path: PathBuf,
        /// What is wrong with it.
        why: String,
    },

    /// Parts of a lab could not be removed.
    #[error("lab {lab} was not removed completely: {}", left.join("; "))]
    NotRemoved {
        lab: String,
        /// What is left, each with the reason.
        left: Vec<String>,
    },
}

/// Result with this crate's [`enum@Error`].
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Adds context to an [`io::Result`].
pub(crate) trait Doing<T> {
    /// `doing` completes the sentence "cannot ...".
    fn doing(self, doing: impl FnOnce() -> String) -> Result<T>;

    /// Like [`doing`](Doing::doing), with a verb and a path.
    fn doing_to(self, verb: &str, path: &Path) -> Result<T>
    where
        Self: Sized,
    {
        self.doing(|| format!("{verb} {}", path.display()))
    }
}

impl<T, E: Into<io::Error>> Doing<T> for std::result::Result<T, E> {
    fn doing(self, doing: impl FnOnce() -> String) -> Result<T> {
        self.map_err(|error| Error::Io { doing: doing(), source: error.into() })
    }
}

fn hint(error: &io::Error) -> &'static str {
    match error.kind() {
        io::ErrorKind::PermissionDenied => "; run as root, or see `sidelab doctor`",
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
            "; make room there, or name another folder in SIDELAB_RUN_DIR"
        }
        _ => "",
    }
}

fn tail(stderr: &str) -> String {
    match stderr.trim_end() {
        "" => String::new(),
        text => format!("; its stderr ends: {text}"),
    }
}

fn looked_in(path: &Option<String>) -> String {
    match path {
        Some(path) => format!(" in {path}"),
        None => String::new(),
    }
}
