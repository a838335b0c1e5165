//! `sidelab cp`. As `kubectl cp`, it runs programs in the container (`sidelab exec`), so that no path leads out of the pod.

use std::{
    ffi::OsString,
    fs, io,
    os::unix::{fs::PermissionsExt, process::CommandExt},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    thread,
    time::Duration,
};

use anyhow::{Context, Result, anyhow, bail};
use nix::{
    sys::signal::{Signal, killpg},
    unistd::Pid,
};

use super::{OK, opened::Opened};
use crate::{
    cli::{CpArgs, FileSpec},
    interrupt, output,
    run::Interrupted,
};

pub(super) fn cp(args: &CpArgs) -> Result<u8> {
    copy(args).map_err(|error| if interrupt::is_asked() { Interrupted.into() } else { error })?;
    Ok(OK)
}

fn copy(args: &CpArgs) -> Result<()> {
    match (&args.source, &args.destination) {
        (FileSpec::Here(from), FileSpec::InPod { namespace, pod, path }) => {
            InPod::new(args, namespace.as_ref(), pod)?.upload(from, path)
        }
        (FileSpec::InPod { namespace, pod, path }, FileSpec::Here(to)) => {
            InPod::new(args, namespace.as_ref(), pod)?.download(path, to)
        }
        (FileSpec::Here(_), FileSpec::Here(_)) => bail!("one of the two has to be of a pod: [NAMESPACE/]POD:PATH"),
        (FileSpec::InPod { .. }, FileSpec::InPod { .. }) => {
            bail!("one of the two has to be a path here: copy from pod to pod in two steps")
        }
    }
}

/// A container in which programs are run.
struct InPod {
    /// `sidelab exec` with its arguments, up to the command.
    exec: Vec<OsString>,
    name: String,
}

impl InPod {
    fn new(args: &CpArgs, namespace: Option<&String>, pod: &str) -> Result<Self> {
        let opened = Opened::new(&args.lab)?;
        let (host, _) = opened.pod(pod, namespace.unwrap_or(&args.namespace))?;
        let name = host.name().to_owned();
        let program = std::env::current_exe().context("can't find sidelab itself")?;
        let mut exec = vec![program.into(), "exec".into(), name.clone().into()];
        exec.extend(["--lab".into(), opened.lab.id().into()]);
        exec.extend(args.container.iter().flat_map(|container| ["-c".into(), container.into()]));
        exec.push("--".into());
        interrupt::interruptible()?;
        Ok(Self { exec, name })
    }

    /// A command in the container, out of reach of a terminal's Ctrl-C: [`ended`] ends it.
    fn command(&self, command: &[&str]) -> Command {
        let mut exec = Command::new(&self.exec[0]);
        exec.args(&self.exec[1..]).args(command).current_dir("/").stdin(Stdio::null()).process_group(0);
        exec
    }

    fn is_folder(&self, path: &str) -> Result<bool> {
        Ok(self.command(&["test", "-d", path]).status().context("can't look into the pod")?.success())
    }

    fn upload(&self, from: &Path, to: &str) -> Result<()> {
        let found = fs::metadata(from).with_context(|| format!("can't read {}", from.display()))?;
        let to = match (self.is_folder(to)?, from.canonicalize()?.file_name()) {
            (true, Some(name)) => format!("{}/{}", to.trim_end_matches('/'), name.to_string_lossy()),
            _ => to.to_owned(),
        };
        // Written aside, so that who reads there sees all or nothing.
        let (folder, name) = to.rsplit_once('/').map_or((".", &*to), |(folder, name)| (folder, name));
        let draft = format!("{folder}/.{name}.{}.part", std::process::id());
        let uploaded = match found.is_dir() {
            true => self.upload_folder(from, &draft, &to),
            false => self.upload_file(from, found.permissions().mode(), &draft, &to),
        };
        if uploaded.is_err() {
            // Also after a signal.
            let _ = self.command(&["rm", "-rf", "--", &draft]).status();
        }
        uploaded.with_context(|| format!("can't copy {} to {to} in {}", from.display(), self.name))
    }

    fn upload_file(&self, from: &Path, mode: u32, draft: &str, to: &str) -> Result<()> {
        let file = fs::File::open(from).with_context(|| format!("can't read {}", from.display()))?;
        self.run(&["sh", "-c", "cat > \"$1\"", "sh", draft], file.into())?;
        let mode = format!("{:o}", mode & 0o777);
        self.run(&["sh", "-c", "chmod \"$3\" \"$1\" && mv -- \"$1\" \"$2\"", "sh", draft, to, &mode], Stdio::null())
    }

    fn upload_folder(&self, from: &Path, draft: &str, to: &str) -> Result<()> {
        self.run(&["mkdir", "-p", "--", draft], Stdio::null())?;
        let mut packed = tar(from, &["-cf", "-", "."], Stdio::null(), Stdio::piped())?;
        let packing = packed.stdout.take().context("a pipe is read once")?;
        let unpacked = self.run(&["tar", "-C", draft, "--no-same-owner", "-xmf", "-"], packing.into());
        unpacked.and(ended(packed))?;
        // Into a folder that is there, file by file, each at once.
        let merge = "if [ -e \"$2\" ]; then cp -a --remove-destination -- \"$1/.\" \"$2\" && rm -rf -- \"$1\"; else mv -- \"$1\" \"$2\"; fi";
        self.run(&["sh", "-c", merge, "sh", draft, to], Stdio::null())
    }

    fn download(&self, from: &str, to: &Path) -> Result<()> {
        let what = || format!("can't copy {from} of {} to {}", self.name, to.display());
        if self.is_folder(from)? {
            return self.download_folder(from, to).with_context(what);
        }
        let name = Path::new(from).file_name().with_context(|| format!("{from} names no file"))?;
        let to: PathBuf = if to.is_dir() { to.join(name) } else { to.to_owned() };
        let mut read = self.command(&["cat", "--", from]).stdout(Stdio::piped()).spawn().with_context(what)?;
        let mut content = read.stdout.take().context("a pipe is read once")?;
        output::write_with(&to, |file| {
            // Ended by a signal, it is at its end for who reads it.
            let reading = thread::spawn(|| ended(read));
            let copied = io::copy(&mut content, file);
            // Without a reader it ends.
            drop(content);
            let read = reading.join().unwrap_or_else(|_| Err(anyhow!("the thread that waits for it panicked")));
            copied.and(read.map_err(io::Error::other))
        })?;
        Ok(())
    }

    /// Unpacks beside the folder, and moves what is complete.
    fn download_folder(&self, from: &str, to: &Path) -> Result<()> {
        let beside = to.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let draft = tempfile::Builder::new().prefix(".sidelab-").suffix(".part").tempdir_in(beside)?;
        let follow = ["--dereference", "--hard-dereference"];
        let pack = ["tar", "-C", from, follow[0], follow[1], "-cf", "-", "."];
        let mut packed = self.command(&pack).stdout(Stdio::piped()).spawn().context("can't run sidelab exec")?;
        let packing = packed.stdout.take().context("a pipe is read once")?;
        let options = ["--no-same-owner", "--no-same-permissions", "-xf", "-"];
        let unpacked = ended(tar(draft.path(), &options, packing.into(), Stdio::inherit())?);
        ended(packed).and(unpacked)?;
        move_into(draft.path(), to)
    }

    fn run(&self, command: &[&str], stdin: Stdio) -> Result<()> {
        ended(self.command(command).stdin(stdin).spawn().context("can't run sidelab exec")?)
    }
}

/// How long a signal may wait for being noticed.
const LOOK: Duration = Duration::from_millis(20);

/// Moves what is in a folder into another, which is made if it is not there; files that are there are replaced.
fn move_into(from: &Path, to: &Path) -> Result<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        if entry.file_type()?.is_dir() && !target.is_symlink() {
            move_into(&entry.path(), &target)?;
        } else {
            fs::rename(entry.path(), &target).with_context(|| format!("can't write {}", target.display()))?;
        }
    }
    Ok(())
}

/// Starts tar on this host.
fn tar(folder: &Path, args: &[&str], stdin: Stdio, stdout: Stdio) -> Result<Child> {
    let mut tar = Command::new("tar");
    tar.arg("-C").arg(folder).args(args).stdin(stdin).stdout(stdout).process_group(0);
    tar.spawn().context("can't run tar")
}

/// Waits for a program, and ends it on a signal.
///
/// # Errors
/// If the program fails; it has printed why.
fn ended(mut child: Child) -> Result<()> {
    loop {
        if let Some(status) = child.try_wait().context("can't wait for a program")? {
            return if status.success() { Ok(()) } else { Err(anyhow!("{status}")) };
        }
        if interrupt::is_asked() {
            end(child.id());
        }
        interrupt::pause(LOOK);
    }
}

/// Ends a program with all that it has started.
fn end(program: u32) {
    if let Ok(group) = i32::try_from(program) {
        // It may have ended by itself.
        let _ = killpg(Pid::from_raw(group), Signal::SIGTERM);
    }
}
