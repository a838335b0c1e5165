//! What runs in a pod, and how it is started there.

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

use nix::{fcntl::OFlag, sched::CpuSet, unistd::Pid};

use crate::{
    Pod, Privilege,
    error::{Doing, Error, Result},
    files,
    rules::is_executable,
    sys::{self, Step},
};

mod mounts;

/// A program to run in a pod.
///
/// Its environment is [`env`](Self::env), `PATH` and nothing else: what the host's shell has set, such as a proxy, is not the pod's.
#[derive(Debug, Clone, Default)]
pub struct Program {
    /// Its name in the lab: in errors, and of its log files. Unique in the pod.
    pub name: String,
    /// The file to run; one without a slash is looked for on this process's `PATH`.
    pub file: PathBuf,
    /// Arguments, without the program's own name.
    pub args: Vec<OsString>,
    /// Environment variables.
    pub env: Vec<(OsString, OsString)>,
    /// The user that it runs as. `None` is the user of this process, and so is any other in a [user namespace](Privilege::UserNamespace).
    pub user: Option<User>,
    /// Files and folders of the host that it sees at other paths.
    pub binds: Vec<Bind>,
    /// The CPUs that it may run on, counted from 0; where none is named, those of this process.
    pub cpus: Vec<usize>,
}

/// A user by numbers. Neither needs an entry in `/etc/passwd`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct User {
    /// User id.
    pub uid: u32,
    /// Group id. There are no supplementary groups.
    pub gid: u32,
}

/// A file or folder that a program sees at another path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bind {
    /// The path on the host.
    pub source: PathBuf,
    /// The path that the program sees it at. What the host has there, a file or a folder as `source` is, is hidden. Where it
    /// has nothing, the nearest folder above is shown with the path in it, and cannot be written to.
    pub target: PathBuf,
}

/// How a program that keeps running is started.
#[derive(Debug, Clone, Default)]
pub struct Start {
    /// Where its standard output goes.
    pub stdout: Sink,
    /// Where its standard error goes.
    pub stderr: Sink,
    /// When it counts as started.
    pub ready: Ready,
}

/// Where a program's output goes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Sink {
    /// Appended to a file of the lab, `logs/POD/NAME.stdout` or `.stderr` below its folder.
    #[default]
    Log,
    /// Appended to this file.
    File(PathBuf),
    /// To the same place as this process's own.
    Inherit,
    /// To whoever takes it from the [`Process`](crate::Process).
    Pipe,
    /// Nowhere.
    Null,
}

/// When a program counts as started.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Ready {
    /// As soon as the kernel runs it.
    #[default]
    Immediately,
    /// When it has sent `READY=1` to the datagram socket that `NOTIFY_SOCKET` names, as `sd_notify(3)` does.
    Notify {
        /// How long to wait for that.
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
    /// [`Error::BadSpec`] when its name would lead its logs out of the pod's folder.
    fn check(&self) -> Result<()> {
        if self.name.is_empty() || self.name.starts_with('.') || self.name.contains(['/', '\0']) {
            let why = "a program's name has no `/` in it, and no `.` first".to_owned();
            return Err(Error::BadSpec { what: format!("program {:?}", self.name), why });
        }
        Ok(())
    }

    /// The user that it is to become, where there are others than oneself.
    pub(crate) fn user(&self) -> Option<User> {
        self.user.filter(|_| Privilege::current() == Some(Privilege::Root))
    }

    /// The file that is run.
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

/// A program made ready to be run in a pod.
pub(crate) struct Launch {
    pub(crate) command: Command,
    steps: Vec<Step>,
}

impl Launch {
    /// Finds the program, and prepares what the new process does before it.
    pub(crate) fn prepare(pod: &Pod, program: &Program) -> Result<Self> {
        program.check()?;
        let file = program.find()?;
        let mut steps = vec![Step::JoinNetwork(pod.open_namespace()?.into()), Step::OwnMounts];
        steps.extend(mounts::overlays(pod, program)?);
        for (source, target) in pod.etc_files() {
            steps.push(bind(&source, target)?);
        }
        for Bind { source, target } in &program.binds {
            steps.push(bind(source, target)?);
        }
        steps.extend(pin(&program.cpus)?);
        let mut command = if let Some(User { uid, gid }) = program.user() {
            let shown = show_to_all(pod, &file)?;
            steps.push(bind(&file, &shown)?);
            steps.push(Step::Become { uid, gid });
            let mut command = Command::new(shown);
            command.arg0(&file);
            command
        } else {
            Command::new(file)
        };
        command
            .args(&program.args)
            .env_clear()
            .env("PATH", env::var_os("PATH").unwrap_or_default())
            .envs(program.env.iter().map(|(name, value)| (name, value)))
            .current_dir("/");
        Ok(Self { command, steps })
    }

    /// Starts it in a session of its own.
    pub(crate) fn spawn(mut self, pod: &Pod, program: &Program) -> Result<Child> {
        self.steps.insert(0, Step::OwnSession);
        if !pod.shared.stays_up {
            // Last, because becoming another user resets it.
            self.steps.push(Step::DieWith { parent: Pid::this() });
        }
        self.run(pod, program, |mut command| pod.shared.spawner.run(move || command.spawn()))
    }

    /// Becomes the program, in the place of this process. Comes back only with an error.
    pub(crate) fn exec(self, pod: &Pod, program: &Program) -> Error {
        let never: Result<()> = self.run(pod, program, |mut command| Err(command.exec()));
        match never {
            Err(error) => error,
            Ok(()) => unreachable!("exec only returns to say that it failed"),
        }
    }

    fn run<T>(self, pod: &Pod, program: &Program, start: impl FnOnce(Command) -> io::Result<T>) -> Result<T> {
        let Self { mut command, steps } = self;
        let mut descriptions: Vec<String> = steps.iter().map(Step::describe).collect();
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
    /// The file that it is, where it is one.
    pub(crate) fn path(&self, pod: &Pod, program: &Program, stream: &str) -> Option<PathBuf> {
        match self {
            Self::Log => Some(pod.log_dir().join(format!("{}.{stream}", program.name))),
            Self::File(path) => Some(path.clone()),
            Self::Inherit | Self::Pipe | Self::Null => None,
        }
    }

    /// Opens it for a process that runs as `user`. `path` is what [`path`](Self::path) gave.
    pub(crate) fn open(&self, path: Option<&Path>, user: Option<User>) -> Result<Stdio> {
        Ok(match self {
            Self::Inherit => Stdio::inherit(),
            Self::Pipe => Stdio::piped(),
            Self::Null => Stdio::null(),
            Self::Log | Self::File(_) => log_file(path.unwrap_or(Path::new("/dev/null")), user)?.into(),
        })
    }
}

/// Opens a file that `user` owns, and nobody else reads: a program may open `/dev/stdout` anew, which asks for permission again.
fn log_file(path: &Path, user: Option<User>) -> Result<File> {
    let file = OpenOptions::new().create(true).append(true).mode(0o600).open(path).doing_to("open", path)?;
    if let Some(User { uid, gid }) = user {
        fchown(&file, Some(uid), Some(gid)).doing_to("change the owner of", path)?;
    }
    Ok(file)
}

/// A path below the lab's folder that any user can reach, for a file that may lie where only its owner can.
///
/// An empty file: each process mounts its program on it, in a mount table of its own.
fn show_to_all(pod: &Pod, file: &Path) -> Result<PathBuf> {
    let name = file.file_name().unwrap_or(OsStr::new("program"));
    let shown = pod.shared.dir.join("bin").join(name);
    if !shown.exists() {
        files::write_file(&shown, "")?;
    }
    Ok(shown)
}

fn bind(source: &Path, target: &Path) -> Result<Step> {
    // A relative path would be taken from another folder in the new process.
    let source = std::path::absolute(source).doing_to("find", source)?;
    Ok(Step::Bind { source: text(&source)?, target: text(target)? })
}

/// Nothing for a program that may run anywhere.
fn pin(cpus: &[usize]) -> Result<Option<Step>> {
    let mut set = CpuSet::new();
    for cpu in cpus {
        set.set(*cpu).map_err(io::Error::from).doing(|| format!("name CPU {cpu} to the kernel"))?;
    }
    Ok((!cpus.is_empty()).then_some(Step::Pin(set)))
}

/// A path as the kernel takes it.
fn text(path: &Path) -> Result<CString> {
    CString::new(path.as_os_str().as_bytes()).map_err(io::Error::from).doing_to("mount", path)
}
