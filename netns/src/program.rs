//! Programs to run in a pod, and how they are started.

use std::{
    env,
    ffi::{CString, OsStr, OsString},
    fs::{File, OpenOptions},
    io,
    os::{
        fd::AsFd,
        unix::{
            ffi::OsStrExt,
            fs::{OpenOptionsExt, fchown},
            process::CommandExt,
        },
    },
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::Duration,
};

use nix::{fcntl::OFlag, sched::CpuSet};

use crate::{
    Pod, Privilege,
    error::{Doing, Error, Result},
    rules::is_executable,
    spawner,
    sys::{self, Capabilities, Step},
};

mod root;

/// The folder, in a program's file system, for files that the lab gives it.
pub const OWN_FOLDER: &str = "/.sidelab";

/// A program to run in a pod.
///
/// Its environment is [`env`](Self::env) and `PATH` only: the variables of the host's shell, such as a proxy, are not inherited.
///
/// Unless its pod is [`unconfined`](crate::PodSpec::unconfined), it is confined as in a container. It has a PID namespace, in which it is process 1, and the capabilities that Kubernetes' runtimes
/// give by default, except `CAP_MKNOD`. It sees the host's files, but can change only what is [bound](Self::binds) for it; `/tmp`, `/run`
/// and `/var/tmp`, devices, and the folder of all labs are its own and empty.
#[derive(Debug, Clone, Default)]
pub struct Program {
    /// Used in errors and for the names of its log files. Unique in the pod.
    pub name: String,
    /// The file to run. Without a slash it is searched for on this process's `PATH`.
    pub file: PathBuf,
    /// Arguments, without `argv[0]`.
    pub args: Vec<OsString>,
    /// Environment variables, by name.
    pub env: Vec<(OsString, OsString)>,
    /// The user that it runs as. `None` is the user of this process. Ignored in a [user namespace](Privilege::UserNamespace).
    pub user: Option<User>,
    /// Files and folders that it sees at other paths than on the host.
    pub binds: Vec<Bind>,
    /// The CPUs that it may run on, counted from 0. If empty, those of this process.
    pub cpus: Vec<usize>,
    /// Whether it may administer its pod's network: `CAP_NET_ADMIN`, also for socket marks.
    pub network_admin: bool,
}

/// A user, by numeric ids, which need no entry in `/etc/passwd`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct User {
    /// User id, inside the lab's user namespace if there is one.
    pub uid: u32,
    /// There are no supplementary groups.
    pub gid: u32,
}

/// A file or folder that a program sees at another path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bind {
    /// Path on the host.
    pub source: PathBuf,
    /// The path in the program's file system. Hides the host's file or folder there, which must be of the same type as `source`. If
    /// there is none, it is added.
    pub target: PathBuf,
}

/// How to start a program that keeps running.
#[derive(Debug, Clone, Default)]
pub struct Start {
    /// Destination of its standard output.
    pub stdout: Sink,
    /// Destination of its standard error.
    pub stderr: Sink,
    /// When [`Pod::start`] returns.
    pub ready: Ready,
}

/// Where a program's output goes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Sink {
    /// Appended to `logs/POD/NAME.stdout` or `.stderr` in the lab's folder.
    #[default]
    Log,
    /// Appended to this file.
    File(PathBuf),
    /// Inherited from this process.
    Inherit,
    /// A pipe whose reading end the [`Process`](crate::Process) has.
    Pipe,
    /// `/dev/null`.
    Null,
}

/// When a program counts as started.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Ready {
    /// As soon as it was executed.
    #[default]
    Immediately,
    /// When it has sent `READY=1` to the datagram socket in `NOTIFY_SOCKET`, as with `sd_notify(3)`.
    Notify {
        /// How long to wait for the message.
        timeout: Duration,
    },
}

impl Program {
    /// A program that runs as this process's user.
    pub fn new<A: Into<OsString>>(
        name: impl Into<String>,
        file: impl Into<PathBuf>,
        args: impl IntoIterator<Item = A>,
    ) -> Self {
        Self {
            name: name.into(),
            file: file.into(),
            args: args.into_iter().map(Into::into).collect(),
            ..Self::default()
        }
    }

    /// # Errors
    ///
    /// [`Error::BadSpec`] if its name would place its logs outside the pod's folder.
    fn check(&self) -> Result<()> {
        if self.name.is_empty() || self.name.starts_with('.') || self.name.contains(['/', '\0']) {
            let why = "a program's name must not contain `/` or start with `.`".to_owned();
            return Err(Error::BadSpec { what: format!("program {:?}", self.name), why });
        }
        Ok(())
    }

    /// The user to switch to; `None` in a user namespace, which has only one.
    pub(crate) fn user(&self) -> Option<User> {
        self.user.filter(|_| Privilege::current() == Some(Privilege::Root))
    }

    fn find(&self) -> Result<PathBuf> {
        let not_found = |path: Option<&OsStr>| Error::ProgramNotFound {
            program: self.file.display().to_string(),
            path: path.map(|path| path.to_string_lossy().into_owned()),
        };
        if self.file.as_os_str().as_bytes().contains(&b'/') {
            let file = std::path::absolute(&self.file).doing_to("find", &self.file)?;
            return Some(file).filter(|file| is_executable(file)).ok_or_else(|| not_found(None));
        }
        let path = env::var_os("PATH").unwrap_or_default();
        env::split_paths(&path)
            .map(|folder| folder.join(&self.file))
            .find(|file| is_executable(file))
            .ok_or_else(|| not_found(Some(&path)))
    }
}

/// A program that is ready to be executed in a pod.
pub(crate) struct Launch {
    pub(crate) command: Command,
    steps: Vec<Step>,
    processes: root::Processes,
}

impl Launch {
    /// Resolves a program that keeps running, and prepares the steps between `fork` and `exec`.
    pub(crate) fn prepare(pod: &Pod, program: &Program) -> Result<Self> {
        let processes = if pod.spec().unconfined { root::Processes::Hosts } else { root::Processes::Own };
        Self::with(pod, program, processes)
    }

    /// Resolves a program that replaces this process, which cannot change its PID namespace.
    pub(crate) fn prepare_exec(pod: &Pod, program: &Program) -> Result<Self> {
        Self::with(pod, program, root::Processes::Hosts)
    }

    fn with(pod: &Pod, program: &Program, processes: root::Processes) -> Result<Self> {
        program.check()?;
        let file = program.find()?;
        let mut steps = vec![Step::JoinNetwork(pod.open_namespace()?.into()), Step::OwnMounts];
        let (root, shown) = root::enter(pod, program, &file, processes)?;
        steps.extend(root);
        if !pod.spec().unconfined {
            let network = program.network_admin.then_some(Capabilities::NETWORK);
            steps.push(Step::Keep(network.into_iter().fold(Capabilities::CONTAINER, Capabilities::and)));
        }
        steps.extend(pin(&program.cpus)?);
        steps.extend(program.user().map(|User { uid, gid }| Step::Become { uid, gid }));
        let mut command = Command::new(shown);
        command
            .arg0(&file)
            .args(&program.args)
            .env_clear()
            .env("PATH", env::var_os("PATH").unwrap_or_default())
            .envs(program.env.iter().map(|(name, value)| (name, value)))
            .current_dir("/");
        Ok(Self { command, steps, processes })
    }

    /// Starts it in a new session.
    pub(crate) fn spawn(mut self, pod: &Pod, program: &Program) -> Result<Child> {
        self.steps.insert(0, Step::OwnSession);
        if !pod.shared.stays_up {
            // Last, because changing user resets it.
            self.steps.push(Step::DieWithParent);
        }
        let in_new_namespace = self.processes == root::Processes::Own;
        self.run(pod, program, |mut command| {
            if in_new_namespace {
                spawner::run_apart(move || command.spawn())
            } else {
                pod.shared.spawner.run(move || command.spawn())
            }
        })
    }

    /// Replaces this process by the program. Returns only on failure.
    pub(crate) fn exec(self, pod: &Pod, program: &Program) -> Error {
        let never: Result<()> = self.run(pod, program, |mut command| Err(command.exec()));
        match never {
            Err(error) => error,
            Ok(()) => unreachable!("exec returns only on failure"),
        }
    }

    fn run<T>(self, pod: &Pod, program: &Program, start: impl FnOnce(Command) -> io::Result<T>) -> Result<T> {
        let Self { mut command, steps, .. } = self;
        // As the program would see the paths.
        let root = format!("{}/", root::folder(pod).display());
        let mut descriptions: Vec<String> = steps.iter().map(|step| step.describe().replace(&root, "/")).collect();
        let (failed, report) =
            nix::unistd::pipe2(OFlag::O_CLOEXEC | OFlag::O_NONBLOCK).doing(|| "make a pipe".to_owned())?;
        sys::before_exec(&mut command, steps, report);
        start(command).map_err(|source| {
            let mut index = [0];
            let doing = match nix::unistd::read(failed.as_fd(), &mut index) {
                Ok(1) => descriptions.swap_remove(usize::from(index[0])),
                _ => format!("run {}", program.file.display()),
            };
            Error::Start { doing, program: program.name.clone(), pod: pod.name().to_owned(), source }
        })
    }
}

impl Sink {
    /// The file that it writes to, if any.
    pub(crate) fn path(&self, pod: &Pod, program: &Program, stream: &str) -> Option<PathBuf> {
        match self {
            Self::Log => Some(pod.log_dir().join(format!("{}.{stream}", program.name))),
            Self::File(path) => Some(path.clone()),
            Self::Inherit | Self::Pipe | Self::Null => None,
        }
    }

    /// Opens it for a process that runs as `user`. `path` is the result of [`path`](Self::path).
    pub(crate) fn open(&self, path: Option<&Path>, user: Option<User>) -> Result<Stdio> {
        Ok(match self {
            Self::Inherit => Stdio::inherit(),
            Self::Pipe => Stdio::piped(),
            Self::Null => Stdio::null(),
            Self::Log | Self::File(_) => log_file(path.unwrap_or(Path::new("/dev/null")), user)?.into(),
        })
    }
}

/// Opens a file that only `user` may read: a program that opens `/dev/stdout` again needs permission for it.
fn log_file(path: &Path, user: Option<User>) -> Result<File> {
    let file = OpenOptions::new().create(true).append(true).mode(0o600).open(path).doing_to("open", path)?;
    if let Some(User { uid, gid }) = user {
        fchown(&file, Some(uid), Some(gid)).doing_to("change the owner of", path)?;
    }
    Ok(file)
}

/// No step if the program may run anywhere.
fn pin(cpus: &[usize]) -> Result<Option<Step>> {
    let mut set = CpuSet::new();
    for cpu in cpus {
        set.set(*cpu).map_err(io::Error::from).doing(|| format!("select CPU {cpu}"))?;
    }
    Ok((!cpus.is_empty()).then_some(Step::Pin(set)))
}

/// A path as a C string.
fn text(path: &Path) -> Result<CString> {
    CString::new(path.as_os_str().as_bytes()).map_err(io::Error::from).doing_to("mount", path)
}
