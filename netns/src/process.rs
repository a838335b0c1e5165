//! Processes in pods: starting them, waiting for them, ending them.

use std::{
    fs,
    io::{self, Read, Seek, SeekFrom},
    os::{
        fd::{AsFd, OwnedFd},
        unix::net::UnixDatagram,
    },
    path::{Path, PathBuf},
    process::{Child, ChildStderr, ChildStdout, ExitStatus, Output, Stdio},
    sync::{
        Arc, Mutex, MutexGuard, OnceLock, PoisonError,
        atomic::{AtomicU32, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use nix::{sys::signal::Signal, unistd::Pid};

use crate::{
    Bind, OWN_FOLDER, Pod, Program, Ready, Sink, Start,
    error::{Doing, Error, Result},
    files, interrupt,
    namespace::join,
    processes,
    program::Launch,
    shared::Shared,
    state::{self, Entry, ProcessRecord},
    sys,
};

/// How much of a program's stderr errors quote, in bytes.
const TAIL: u64 = 2048;

impl Pod {
    /// Starts a program that keeps running, and waits until it is ready.
    ///
    /// The program sees the pod's network, `/etc/hosts` and `/etc/resolv.conf`, and a file system as [`Program`] describes it.
    ///
    /// # Errors
    ///
    /// [`Error::ProgramNotFound`]; [`Error::Start`] with the step that failed; [`Error::EndedBeforeReady`] and [`Error::NotReady`]
    /// with the end of its stderr. No process is left behind.
    pub fn start(&self, program: &Program, how: &Start) -> Result<Process> {
        let notify = match how.ready {
            Ready::Immediately => None,
            Ready::Notify { timeout } => Some((NotifySocket::bind(&self.shared)?, timeout)),
        };
        let mut program = program.clone();
        if let Some((socket, _)) = &notify {
            let target = Path::new(OWN_FOLDER).join("notify");
            program.env.push(("NOTIFY_SOCKET".into(), target.clone().into()));
            program.binds.push(Bind { source: socket.path.clone(), target });
        }
        let program = &program;
        let mut launch = Launch::prepare(self, program)?;
        let stdout = how.stdout.path(self, program, "stdout");
        let stderr = how.stderr.path(self, program, "stderr");
        launch
            .command
            .stdin(Stdio::null())
            .stdout(how.stdout.open(stdout.as_deref(), program.user())?)
            .stderr(how.stderr.open(stderr.as_deref(), program.user())?);
        let mut process = self.spawn(launch, program)?;
        process.stdout_path = stdout;
        process.stderr_path = stderr;
        if let Some((socket, timeout)) = notify {
            process.wait_until_ready(&socket, timeout)?;
        }
        Ok(process)
    }

    /// Runs a program until it exits, and returns its status and output. Its stdin is empty.
    ///
    /// # Errors
    ///
    /// As [`start`](Self::start), and [`Error::TimedOut`] after the program was killed. A non-zero status is not an error here.
    pub fn run_to_end(&self, program: &Program, timeout: Duration) -> Result<Output> {
        let deadline = Instant::now() + timeout;
        let pipes = Start { stdout: Sink::Pipe, stderr: Sink::Pipe, ready: Ready::Immediately };
        let process = self.start(program, &pipes)?;
        let (stdout, stderr) = (process.take_stdout(), process.take_stderr());
        thread::scope(|scope| {
            let stdout = scope.spawn(|| read_all(stdout));
            let stderr = scope.spawn(|| read_all(stderr));
            let end = process.await_end(deadline)?;
            if !matches!(end, End::Own(_)) {
                process.kill()?;
            }
            let (stdout, stderr) = (join(stdout), join(stderr));
            match end {
                End::Own(status) => Ok(Output { status, stdout, stderr }),
                End::Interrupted => Err(process.interrupted()),
                End::TooLate => Err(Error::TimedOut {
                    program: program.name.clone(),
                    pod: self.name().to_owned(),
                    timeout,
                    stderr: last(&stderr),
                }),
            }
        })
    }

    /// Replaces this process by the program, which keeps its terminal, pid and parent.
    ///
    /// Nothing of this process is cleaned up, so it is meant for labs that were [opened](crate::Lab::open).
    /// Returns only if it failed.
    pub fn exec(&self, program: &Program) -> Error {
        match Launch::prepare_exec(self, program) {
            Ok(launch) => launch.exec(self, program),
            Err(error) => error,
        }
    }

    fn spawn(&self, launch: Launch, program: &Program) -> Result<Process> {
        let (pod, name) = (self.name().to_owned(), program.name.clone());
        self.shared.journal.record(&Entry::Program { pod: pod.clone(), name: name.clone() })?;
        let child = launch.spawn(self, program)?;
        let pid = child.id();
        let pidfd = sys::pidfd_open(Pid::from_raw(pid.cast_signed())).doing(|| format!("watch process {pid}"))?;
        let process = Process {
            name: name.clone(),
            pod: pod.clone(),
            pid,
            pidfd,
            child: Mutex::new(child),
            status: OnceLock::new(),
            is_first: !self.spec().unconfined,
            stdout_path: None,
            stderr_path: None,
            shared: Arc::clone(&self.shared),
        };
        if let Some(start_time) = state::start_time(pid) {
            self.shared.journal.record(&Entry::Process(ProcessRecord { pod, name, pid, start_time }))?;
        }
        Ok(process)
    }
}

/// A process in a pod. Dropping it kills the process, unless its lab was [left up](crate::Lab::leave_up).
#[derive(Debug)]
pub struct Process {
    name: String,
    pod: String,
    pid: u32,
    pidfd: OwnedFd,
    child: Mutex<Child>,
    status: OnceLock<ExitStatus>,
    /// Whether it is process 1 of a PID namespace.
    is_first: bool,
    stdout_path: Option<PathBuf>,
    stderr_path: Option<PathBuf>,
    shared: Arc<Shared>,
}

impl Process {
    /// The name of its [`Program`](crate::Program).
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The name of its pod.
    pub fn pod(&self) -> &str {
        &self.pod
    }

    /// Its pid, which is also the id of its session and process group.
    pub fn pid(&self) -> u32 {
        self.pid
    }

    /// The file that its stdout is written to, if any.
    pub fn stdout_path(&self) -> Option<&Path> {
        self.stdout_path.as_deref()
    }

    /// The file that its stderr is written to, if any.
    pub fn stderr_path(&self) -> Option<&Path> {
        self.stderr_path.as_deref()
    }

    /// The reading end of its stdout, once, if that is a [`Sink::Pipe`].
    pub fn take_stdout(&self) -> Option<ChildStdout> {
        self.lock_child().stdout.take()
    }

    /// The reading end of its stderr, once, if that is a [`Sink::Pipe`].
    pub fn take_stderr(&self) -> Option<ChildStderr> {
        self.lock_child().stderr.take()
    }

    /// Waits until it exits, or returns `None` after `timeout`. Anything left of its session, such as a child in the background, is
    /// killed.
    ///
    /// # Errors
    ///
    /// If waiting for it fails.
    pub fn wait(&self, timeout: Duration) -> Result<Option<ExitStatus>> {
        self.wait_by(Instant::now() + timeout)
    }

    /// Whether it ends within a time.
    ///
    /// # Errors
    ///
    /// [`Error::Interrupted`] when this process is interrupted first.
    pub fn ends_within(&self, time: Duration) -> Result<bool> {
        match self.await_end(Instant::now() + time)? {
            End::Own(_) => Ok(true),
            End::TooLate => Ok(false),
            End::Interrupted => Err(self.interrupted()),
        }
    }

    /// Sends it a signal. Does nothing if it has exited.
    ///
    /// # Errors
    ///
    /// If this process may not send it that signal.
    pub fn signal(&self, signal: Signal) -> Result<()> {
        match sys::pidfd_send_signal(&self.pidfd, signal) {
            Err(error) if !processes::has_ended(&error) => {
                Err(error).doing(|| format!("send {signal} to {}", self.label()))
            }
            _ => Ok(()),
        }
    }

    /// Sends SIGTERM, and SIGKILL if it still runs after `grace`, or at once if SIGTERM would have no effect. Returns its status.
    ///
    /// # Errors
    ///
    /// As [`signal`](Self::signal) and [`wait`](Self::wait).
    pub fn terminate(&self, grace: Duration) -> Result<ExitStatus> {
        // Process 1 of a PID namespace gets no signal that it does not handle (pid_namespaces(7)).
        if self.is_first && processes::leaves_to_default(self.pid, Signal::SIGTERM) {
            return self.kill();
        }
        self.signal(Signal::SIGTERM)?;
        processes::resume(self.pid);
        match self.wait(grace)? {
            Some(status) => Ok(status),
            None => self.kill(),
        }
    }

    /// Sends SIGKILL. Returns its status.
    ///
    /// # Errors
    ///
    /// As [`signal`](Self::signal) and [`wait`](Self::wait).
    pub fn kill(&self) -> Result<ExitStatus> {
        self.signal(Signal::SIGKILL)?;
        self.reap()
    }

    fn wait_by(&self, deadline: Instant) -> Result<Option<ExitStatus>> {
        if processes::ended_by(&self.pidfd, deadline) { self.reap().map(Some) } else { Ok(None) }
    }

    /// Waits until it exits by itself, or this process is interrupted.
    fn await_end(&self, deadline: Instant) -> Result<End> {
        let watched: Vec<_> = [self.pidfd.as_fd()].into_iter().chain(interrupt::interrupted()).collect();
        Ok(match &processes::readable_by(&watched, deadline)[..] {
            [true, ..] => End::Own(self.reap()?),
            [false, true] => End::Interrupted,
            _ => End::TooLate,
        })
    }

    fn interrupted(&self) -> Error {
        Error::Interrupted { program: self.name.clone(), pod: self.pod.clone() }
    }

    /// Collects the status of the process, which has exited or is about to, and kills what is left of its session.
    fn reap(&self) -> Result<ExitStatus> {
        let mut child = self.lock_child();
        if let Some(status) = self.status.get() {
            return Ok(*status);
        }
        // Its process group id cannot be reused until it has been reaped. ESRCH if the group is empty.
        let group = Pid::from_raw(self.pid.cast_signed());
        let _ = nix::sys::signal::killpg(group, Signal::SIGKILL);
        let status = child.wait().doing(|| format!("wait for {}", self.label()))?;
        Ok(*self.status.get_or_init(|| status))
    }

    fn wait_until_ready(&self, socket: &NotifySocket, timeout: Duration) -> Result<()> {
        let deadline = Instant::now() + timeout;
        loop {
            let watched = [socket.socket.as_fd(), self.pidfd.as_fd()];
            let watched: Vec<_> = watched.into_iter().chain(interrupt::interrupted()).collect();
            let readable = processes::readable_by(&watched, deadline);
            if readable[0] && socket.says_ready()? {
                return Ok(());
            }
            // Both may be readable: a message sent before the exit still counts, and is read first.
            if readable[1] && !readable[0] {
                let status = self.kill()?;
                return Err(Error::EndedBeforeReady {
                    program: self.name.clone(),
                    pod: self.pod.clone(),
                    status,
                    stderr: self.stderr_tail(),
                });
            }
            if readable.get(2) == Some(&true) {
                self.kill()?;
                return Err(self.interrupted());
            }
            if !readable.contains(&true) {
                self.kill()?;
                return Err(Error::NotReady {
                    program: self.name.clone(),
                    pod: self.pod.clone(),
                    timeout,
                    stderr: self.stderr_tail(),
                });
            }
        }
    }

    fn stderr_tail(&self) -> String {
        let tail = |path: &PathBuf| -> io::Result<Vec<u8>> {
            let mut file = fs::File::open(path)?;
            let length = file.metadata()?.len();
            file.seek(SeekFrom::Start(length.saturating_sub(TAIL)))?;
            let mut bytes = Vec::new();
            file.read_to_end(&mut bytes)?;
            Ok(bytes)
        };
        let bytes = self.stderr_path.as_ref().map(tail);
        last(&bytes.and_then(Result::ok).unwrap_or_default())
    }

    fn label(&self) -> String {
        format!("`{}` in {}", self.name, self.pod)
    }

    fn lock_child(&self) -> MutexGuard<'_, Child> {
        self.child.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if self.shared.left_up.load(Ordering::Relaxed) {
            return;
        }
        if let Err(error) = self.kill() {
            tracing::error!("{error}");
        }
    }
}

/// The result of waiting for a process's exit.
enum End {
    /// It exited by itself.
    Own(ExitStatus),
    Interrupted,
    TooLate,
}

/// The socket on which a program reports that it is ready. Its file is removed on drop.
struct NotifySocket {
    socket: UnixDatagram,
    path: PathBuf,
}

impl NotifySocket {
    fn bind(shared: &Shared) -> Result<Self> {
        // A socket's path has at most 107 bytes: too few for the names of pod and program.
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let name = format!("{}-{number}", std::process::id());
        let path = shared.dir.join("notify").join(name);
        let socket = UnixDatagram::bind(&path).doing_to("bind a socket at", &path)?;
        let bound = Self { socket, path };
        bound.socket.set_nonblocking(true).doing_to("set up", &bound.path)?;
        files::set_mode(&bound.path, 0o666)?;
        Ok(bound)
    }

    /// Reads one message. Returns whether it contains `READY=1`.
    fn says_ready(&self) -> Result<bool> {
        let mut message = [0; 4096];
        match self.socket.recv(&mut message) {
            Ok(length) => Ok(message[..length].split(|byte| *byte == b'\n').any(|line| line == b"READY=1")),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(false),
            Err(error) => Err(error).doing_to("read from", &self.path),
        }
    }
}

impl Drop for NotifySocket {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.path);
    }
}

fn read_all(stream: Option<impl Read>) -> Vec<u8> {
    let mut bytes = Vec::new();
    if let Some(mut stream) = stream {
        // Keep what was read before an error.
        let _ = stream.read_to_end(&mut bytes);
    }
    bytes
}

fn last(bytes: &[u8]) -> String {
    let start = bytes.len().saturating_sub(TAIL as usize);
    String::from_utf8_lossy(&bytes[start..]).trim().to_owned()
}
