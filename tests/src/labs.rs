//! Labs that are invisible to other tests, and the check that they leave nothing behind.

use std::{
    fs::{self, File, Metadata},
    io,
    os::unix::fs::{MetadataExt, PermissionsExt},
    path::{Path, PathBuf},
    process::{Command, Output},
    sync::Arc,
};

use tempfile::TempDir;

use crate::{sidelab_command, text};

/// A separate folder of labs, which `sidelab` finds by `SIDELAB_RUN_DIR`. Dropping it removes the labs.
pub struct OwnLabs {
    folder: TempDir,
}

/// A network namespace. It is held open: the kernel would give its number to another test's once it is gone.
#[derive(Clone, Debug)]
pub struct Namespace {
    number: Number,
    _open: Arc<File>,
}

/// Identifies a network namespace as long as it exists: device and inode of its file in `/proc`.
type Number = (u64, u64);

impl Namespace {
    fn open(path: &Path) -> io::Result<Self> {
        let open = File::open(path)?;
        Ok(Self { number: number(&open.metadata()?), _open: Arc::new(open) })
    }
}

impl PartialEq for Namespace {
    fn eq(&self, other: &Self) -> bool {
        self.number == other.number
    }
}

impl OwnLabs {
    /// A folder that sidecars, which run as another user, can traverse.
    pub fn new() -> Self {
        let folder = tempfile::Builder::new().prefix("labs-").tempdir().expect("a temporary folder");
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).expect("the folder is ours");
        Self { folder }
    }

    /// The folder of the labs, which is removed with the last lab.
    pub fn path(&self) -> PathBuf {
        self.folder.path().join("run")
    }

    /// A `sidelab` command on these labs.
    pub fn command(&self, args: &[&str]) -> Command {
        let mut command = sidelab_command(args);
        command.env("SIDELAB_RUN_DIR", self.path());
        command
    }

    /// Runs `sidelab` on these labs.
    pub fn sidelab(&self, args: &[&str]) -> Output {
        self.command(args).output().expect("sidelab runs")
    }

    /// Runs `sidelab` on these labs, asserts success, and returns its standard output.
    pub fn done(&self, args: &[&str]) -> String {
        let output = self.sidelab(args);
        assert!(output.status.success(), "sidelab {args:?}: {}", text(&output));
        String::from_utf8(output.stdout).expect("sidelab prints text")
    }

    /// The HTTP status that curl gets in a pod; `000` if it gets none.
    pub fn status(&self, from: &str, url: &str) -> String {
        String::from_utf8(self.sidelab(&curl_status(&[from], url)).stdout).expect("curl prints a number")
    }

    /// Brings manifests up, and returns the lab's id.
    pub fn up(&self, args: &[&str]) -> String {
        let up: serde_json::Value = serde_json::from_str(&self.done(&[&["up", "-o", "json"], args].concat()))
            .expect("`up -o json` prints JSON");
        up["lab"].as_str().expect("it names the lab").to_owned()
    }

    /// The network namespaces of these labs.
    pub fn namespaces(&self) -> Vec<Namespace> {
        let labs = fs::read_dir(self.path()).into_iter().flatten().flatten();
        let files = labs.flat_map(|lab| fs::read_dir(lab.path().join("ns")).into_iter().flatten().flatten());
        files.filter_map(|file| Namespace::open(&file.path()).ok()).collect()
    }

    /// Lists what is left of these labs: files, mounts, names that `ip netns` lists, and processes in `namespaces`.
    pub fn left_behind(&self, namespaces: &[Namespace]) -> Vec<String> {
        let mut left = Vec::new();
        if self.path().exists() {
            let mut files = entries(&self.path());
            // The record of the last run is kept on purpose.
            files.retain(|path| !path.ends_with(lab::last_run::FILE));
            left.extend(files.iter().map(|path| format!("file {}", path.display())));
        }
        let ours = self.path().display().to_string();
        let mounts = fs::read_to_string("/proc/self/mountinfo").expect("mounts can be read");
        left.extend(mounts.lines().filter(|line| line.contains(&ours)).map(|line| format!("mount {line}")));
        for link in entries(Path::new("/run/netns")) {
            if fs::read_link(&link).is_ok_and(|target| target.starts_with(self.path())) {
                left.push(format!("namespace {}", link.display()));
            }
        }
        for process in entries(Path::new("/proc")) {
            let of_process = fs::metadata(process.join("ns/net")).map(|namespace| number(&namespace)).ok();
            let inside = namespaces.iter().any(|namespace| Some(namespace.number) == of_process);
            let command = fs::read_to_string(process.join("cmdline")).unwrap_or_default().replace('\0', " ");
            if inside || command.contains(&ours) {
                left.push(format!("process {}: {command}", process.display()));
            }
        }
        left
    }

    /// Asserts that nothing is left.
    pub fn assert_gone(&self, namespaces: &[Namespace]) {
        assert_eq!(self.left_behind(namespaces), Vec::<String>::new());
    }
}

/// The arguments of `sidelab` with which curl, in the pod that `exec` names, prints the HTTP status that it gets within 5 s.
pub fn curl_status<'a>(exec: &[&'a str], url: &'a str) -> Vec<&'a str> {
    [&["exec"], exec, &["--", "curl", "-s", "-m", "5", "-o", "/dev/null", "-w", "%{http_code}", url]].concat()
}

impl Default for OwnLabs {
    fn default() -> Self {
        Self::new()
    }
}

impl Drop for OwnLabs {
    fn drop(&mut self) {
        if self.path().exists() {
            self.sidelab(&["down", "--all", "--force"]);
        }
    }
}

fn entries(folder: &Path) -> Vec<PathBuf> {
    fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path()).collect()
}

fn number(namespace: &Metadata) -> Number {
    (namespace.dev(), namespace.ino())
}
