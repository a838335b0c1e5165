//! `sidelab cp`. As `kubectl cp`, it runs programs in the container (`sidelab exec`), so that no path leads out of the pod.

use std::{
    ffi::OsString,
    fs, io,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
};

use anyhow::{Context, Result, bail};

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
        // A half is removed on Ctrl-C, which ends the programs, too.
        interrupt::interruptible()?;
        Ok(Self { exec, name })
    }

    fn command(&self, command: &[&str]) -> Command {
        let mut exec = Command::new(&self.exec[0]);
        exec.args(&self.exec[1..]).args(command).current_dir("/").stdin(Stdio::null());
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
        let what = || format!("can't copy {} to {to} in {}", from.display(), self.name);
        if found.is_dir() {
            self.run(&["mkdir", "-p", "--", &to], Stdio::null()).with_context(what)?;
            let mut packed = tar(from, &["-cf", "-", "."], Stdio::null(), Stdio::piped())?;
            let packing = packed.stdout.take().context("a pipe is read once")?;
            let unpacked = self.run(&["tar", "-C", &to, "--no-same-owner", "-xmf", "-"], packing.into());
            return unpacked.and(ended(packed)).with_context(what);
        }
        let file = fs::File::open(from).with_context(|| format!("can't read {}", from.display()))?;
        // Written aside, so that a program that reads it sees all or nothing.
        let write = "cat > \"$1.part\" && chmod \"$2\" \"$1.part\" && mv -- \"$1.part\" \"$1\" || { rm -f -- \"$1.part\"; exit 1; }";
        let mode = format!("{:o}", found.permissions().mode() & 0o777);
        self.run(&["sh", "-c", write, "sh", &to, &mode], file.into()).with_context(what)
    }

    fn download(&self, from: &str, to: &Path) -> Result<()> {
        let what = || format!("can't copy {from} of {} to {}", self.name, to.display());
        if self.is_folder(from)? {
            fs::create_dir_all(to).with_context(what)?;
            let follow = ["--dereference", "--hard-dereference"];
            let pack = ["tar", "-C", from, follow[0], follow[1], "-cf", "-", "."];
            let mut packed = self.command(&pack).stdout(Stdio::piped()).spawn().with_context(what)?;
            let packing = packed.stdout.take().context("a pipe is read once")?;
            let options = ["--no-same-owner", "--no-same-permissions", "-xf", "-"];
            let unpacked = ended(tar(to, &options, packing.into(), Stdio::inherit())?);
            return ended(packed).and(unpacked).with_context(what);
        }
        let name = Path::new(from).file_name().with_context(|| format!("{from} names no file"))?;
        let to: PathBuf = if to.is_dir() { to.join(name) } else { to.to_owned() };
        let mut read = self.command(&["cat", "--", from]).stdout(Stdio::piped()).spawn().with_context(what)?;
        let mut content = read.stdout.take().context("a pipe is read once")?;
        output::write_with(&to, |file| {
            io::copy(&mut content, file)?;
            ended(read).map_err(io::Error::other)
        })?;
        Ok(())
    }

    fn run(&self, command: &[&str], stdin: Stdio) -> Result<()> {
        ended(self.command(command).stdin(stdin).spawn().context("can't run sidelab exec")?)
    }
}

/// Starts tar on this host.
fn tar(folder: &Path, args: &[&str], stdin: Stdio, stdout: Stdio) -> Result<Child> {
    let mut tar = Command::new("tar");
    tar.arg("-C").arg(folder).args(args).stdin(stdin).stdout(stdout);
    tar.spawn().context("can't run tar")
}

/// # Errors
/// If the program fails; it has printed why.
fn ended(mut child: Child) -> Result<()> {
    let status = child.wait().context("can't wait for a program")?;
    if !status.success() {
        bail!("{status}");
    }
    Ok(())
}
