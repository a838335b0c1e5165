//! The lab that is disturbed: on a file system of its own, which can be filled.

use std::{
    fs,
    io::Write as _,
    path::{Path, PathBuf},
    process::{Child, Command, Output, Stdio},
};

use anyhow::{Context, Result, bail};
use netns::ProcessRecord;
use tempfile::TempDir;

use crate::{sidelab_command, text};

/// The pods, and the policies that are put in place of each other.
pub(super) const MANIFESTS: &str = include_str!("lab/manifests.yaml");

/// Room for logs, each of which is cut at 16 MiB.
const ROOM: &str = "size=512m,mode=755";

/// The programs of sidecars.
const SIDECARS: [&str; 2] = ["sidecar-proxy", "envoy"];

/// How many lines of a log an error message has.
const LAST: usize = 4;

pub(super) struct ChaosLab {
    folder: TempDir,
    id: String,
}

impl ChaosLab {
    /// Brings it up, with two workers in each sidecar.
    pub(super) fn up(data_plane: &str) -> Result<Self> {
        let folder = tempfile::Builder::new().prefix("chaos-").tempdir()?;
        let mounted = Command::new("mount").args(["-t", "tmpfs", "-o", ROOM, "chaos"]).arg(folder.path()).status()?;
        if !mounted.success() {
            bail!("{}: no file system can be mounted there; chaos needs root", folder.path().display());
        }
        let mut lab = Self { folder, id: String::new() };
        let file = lab.file("manifests.yaml", MANIFESTS)?;
        let printed = lab.done(&["up", "-o", "json", "--concurrency", "2", "--data-plane", data_plane, "-f", &file])?;
        let up: serde_json::Value = serde_json::from_str(&printed)?;
        up["lab"].as_str().context("`up -o json` names the lab")?.clone_into(&mut lab.id);
        Ok(lab)
    }

    /// Removes it.
    pub(super) fn down(self) -> Result<()> {
        self.done(&["down"]).map(drop)
    }

    /// Runs `sidelab` on it, and returns what it printed.
    ///
    /// # Errors
    /// If it fails.
    pub(super) fn done(&self, args: &[&str]) -> Result<String> {
        let output: Output = self.command(args).output()?;
        if !output.status.success() {
            bail!("sidelab {}: {}", args.join(" "), text(&output));
        }
        Ok(String::from_utf8(output.stdout)?)
    }

    fn command(&self, args: &[&str]) -> Command {
        let mut command = sidelab_command(args);
        command.env("SIDELAB_RUN_DIR", self.run());
        command
    }

    /// Starts a program in a pod; its output is read by the caller.
    pub(super) fn start(&self, pod: &str, program: &Path, args: &[String]) -> Result<Child> {
        let mut command = self.command(&["exec", pod, "--"]);
        command.arg(program).args(args).stdin(Stdio::null()).stdout(Stdio::piped());
        Ok(command.spawn()?)
    }

    /// Puts a file beside the labs, and returns its path.
    pub(super) fn file(&self, name: &str, text: &str) -> Result<String> {
        let path = self.folder.path().join(name);
        fs::write(&path, text)?;
        Ok(path.display().to_string())
    }

    /// Fills the file system, until the file that is returned is removed.
    pub(super) fn fill(&self) -> Result<PathBuf> {
        let path = self.folder.path().join("filler");
        let mut file = fs::File::create(&path)?;
        let piece = vec![0; 1 << 20];
        while file.write_all(&piece).is_ok() {}
        // The rest that is smaller than a piece.
        while file.write_all(&piece[..4096]).is_ok() {}
        Ok(path)
    }

    /// The process of a pod's sidecar that was started last.
    pub(super) fn sidecar(&self, pod: &str) -> Result<ProcessRecord> {
        let state = fs::read_to_string(self.run().join(&self.id).join("state.jsonl"))?;
        let entries = state.lines().filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok());
        let mut processes = entries.filter_map(|entry| serde_json::from_value(entry["process"].clone()).ok());
        let is_wanted = |process: &ProcessRecord| {
            process.pod == format!("{pod}.default") && SIDECARS.contains(&process.name.as_str())
        };
        processes.rfind(is_wanted).with_context(|| format!("{pod} has no sidecar"))
    }

    /// The last lines that the sidecars have written to standard error, for an error message.
    pub(super) fn last_words(&self) -> String {
        let mut words = String::new();
        for (pod, file) in ["client", "server", "changing"].iter().flat_map(|pod| SIDECARS.map(|file| (pod, file))) {
            let path = self.run().join(&self.id).join(format!("logs/{pod}.default/{file}.stderr"));
            let Ok(text) = fs::read(path) else { continue };
            let text = String::from_utf8_lossy(&text).into_owned();
            // A trace of addresses says nothing to a reader.
            let lines: Vec<&str> = text.lines().filter(|line| !line.contains(": [0x")).collect();
            for line in &lines[lines.len().saturating_sub(LAST)..] {
                words.push_str(&format!("\n{pod}: {line}"));
            }
        }
        words
    }

    fn run(&self) -> PathBuf {
        self.folder.path().join("run")
    }
}

impl Drop for ChaosLab {
    fn drop(&mut self) {
        // What can't be removed is reported by the folder's own removal.
        let _ = fs::remove_file(self.folder.path().join("filler"));
        if self.run().exists() {
            let _ = self.command(&["down", "--all", "--force"]).output();
        }
        let _ = Command::new("umount").arg("-l").arg(self.folder.path()).status();
    }
}
