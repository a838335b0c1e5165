//! What can go wrong: each variant says what was being done, where, and what mends it.

use std::{
    io,
    path::{Path, PathBuf},
    process::ExitStatus,
    time::Duration,
};

/// A step of making, using or removing a lab that failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A name that no lab can have.
    #[error(
        "{id:?} is no lab's id; an id is sl- and four hexadecimal digits, such as sl-3f9a, and `sidelab get labs` lists those \
         that there are"
    )]
    BadLabId {
        /// The name that was given.
        id: String,
    },

    /// A specification cannot be carried out as written; nothing was made.
    #[error("{what}: {why}")]
    BadSpec {
        /// The part of the specification, such as ``pod `client.default` ``.
        what: String,
        /// What is wrong with it, and what was expected.
        why: String,
    },

    /// A program ended before it said that it was ready.
    #[error("`{program}` in {pod} ended before it was ready ({status}){}", tail(stderr))]
    EndedBeforeReady {
        /// The program's name in the lab.
        program: String,
        /// The pod that it ran in.
        pod: String,
        /// How it ended.
        status: ExitStatus,
        /// The end of what it wrote to stderr, where that went to a file.
        stderr: String,
    },

    /// This process was [interrupted](crate::interrupt) while it waited for a program, which has been killed.
    #[error("interrupted while `{program}` ran in {pod}")]
    Interrupted {
        /// The program's name in the lab.
        program: String,
        /// The pod that it ran in.
        pod: String,
    },

    /// A system call failed in this process, outside any pod.
    #[error("cannot {doing}: {source}{}", mend(source))]
    Io {
        /// What was being done, to what.
        doing: String,
        /// The kernel's reason.
        source: io::Error,
    },

    /// Something that is no lab has a lab's name. It was left alone.
    #[error("{} is no lab, and was left alone: {why}", path.display())]
    NotALab {
        /// Where it is.
        path: PathBuf,
        /// What a lab has that it lacks.
        why: &'static str,
    },

    /// The state file of a lab cannot be understood.
    #[error(
        "{}:{line}: not an entry of a lab's state file: {source}; \
         remove the lab with `sidelab down ID`",
        path.display()
    )]
    BadState {
        /// The state file.
        path: PathBuf,
        /// Line, counted from 1.
        line: usize,
        /// What the parser expected.
        source: serde_json::Error,
    },

    /// The kernel refused a netlink request.
    #[error("cannot {doing} in namespace {namespace}: {source}{}", mend(source))]
    Netlink {
        /// What was being done, to which interface or address.
        doing: String,
        /// The namespace it was done in.
        namespace: String,
        /// The kernel's reason.
        source: io::Error,
    },

    /// No lab of that id is on this host.
    #[error("no lab `{id}` in {}; `sidelab get labs` lists those that there are", base.display())]
    NoLab {
        /// The id that was asked for.
        id: String,
        /// The folder that holds the labs.
        base: PathBuf,
    },

    /// The lab holds no pod of that name.
    #[error("no pod `{pod}` in lab {lab}; it has: {}", names.join(", "))]
    NoPod {
        /// The name that was asked for.
        pod: String,
        /// The lab's id.
        lab: String,
        /// The pods that there are.
        names: Vec<String>,
    },

    /// This process is an ordinary user's, and the host does not let it have a user namespace.
    #[error("cannot make a user namespace: {source}; {mend}")]
    NoUserNamespace {
        /// The kernel's reason.
        source: io::Error,
        /// What would allow it.
        mend: String,
    },

    /// A program did not say that it was ready in time. It has been killed.
    #[error(
        "`{program}` in {pod} was not ready within {timeout:?}{}: does it send READY=1 to NOTIFY_SOCKET?",
        tail(stderr)
    )]
    NotReady {
        /// The program's name in the lab.
        program: String,
        /// The pod that it ran in.
        pod: String,
        /// How long was waited.
        timeout: Duration,
        /// The end of what it wrote to stderr, where that went to a file.
        stderr: String,
    },

    /// A program to run in a pod was not found, or is no file that can be executed.
    #[error("program `{program}` not found{}, or not executable; give its full path or install it", looked_in(path))]
    ProgramNotFound {
        /// The program as asked for.
        program: String,
        /// The search path, where it was searched for.
        path: Option<String>,
    },

    /// `iptables-restore` or `ip6tables-restore` refused the rules. None of them is in force.
    #[error("{tool} refused line {line} of the rules of {namespace}: `{rule}`: {message}")]
    RuleRefused {
        /// The tool that refused them.
        tool: &'static str,
        /// The namespace that they were for.
        namespace: String,
        /// The line, counted from 1; 0 where the tool named none.
        line: usize,
        /// The text of that line.
        rule: String,
        /// What the tool said.
        message: String,
    },

    /// A step in the new process, before its program ran, failed.
    #[error("cannot {doing} for `{program}` in {pod}: {source}{}", mend(source))]
    Start {
        /// The step.
        doing: String,
        /// The program's name in the lab.
        program: String,
        /// The pod that it was to run in.
        pod: String,
        /// The kernel's reason.
        source: io::Error,
    },

    /// A program that was to run to its end did not end in time. It has been killed.
    #[error("`{program}` in {pod} did not end within {timeout:?}{}", tail(stderr))]
    TimedOut {
        /// The program's name in the lab.
        program: String,
        /// The pod that it ran in.
        pod: String,
        /// How long was waited.
        timeout: Duration,
        /// The end of what it wrote to stderr.
        stderr: String,
    },

    /// A tool that this crate runs is not on this host.
    #[error("`{tool}` is not on this host; {mend}")]
    ToolMissing {
        /// The tool.
        tool: &'static str,
        /// How to get it.
        mend: &'static str,
    },

    /// The folder of the labs can't be used as it is.
    #[error("labs can't be kept in {}: {why}; name another folder in SIDELAB_RUN_DIR, or correct that", path.display())]
    UnsafeFolder {
        /// The folder.
        path: PathBuf,
        /// What is wrong with it.
        why: String,
    },

    /// Some of a lab could not be removed. What is left is named; the rest is gone.
    #[error("lab {lab} is not wholly removed: {}", left.join("; "))]
    NotRemoved {
        /// The lab's id.
        lab: String,
        /// What is left, each with its reason.
        left: Vec<String>,
    },
}

/// The crate's result.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Adds what was being done to an [`io::Result`].
pub(crate) trait Doing<T> {
    /// `doing` completes the sentence "cannot ...".
    fn doing(self, doing: impl FnOnce() -> String) -> Result<T>;

    /// Like [`doing`](Doing::doing), for a verb and the path that it was done to.
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

fn mend(error: &io::Error) -> &'static str {
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
