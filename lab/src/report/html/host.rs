//! The host of a run.

use std::{fs, process::Command};

use crate::tools::Tools;

/// The host of a run.
#[derive(Clone, Debug, Default)]
pub struct Host {
    /// The kernel's release.
    pub kernel: Option<String>,
    pub processor: Option<String>,
    /// How many threads it runs at once.
    pub cores: usize,
    /// The privilege with which labs were made, such as `root`.
    pub privilege: String,
    /// The real Envoy's version, if it ran.
    pub envoy: Option<String>,
}

impl Host {
    /// Reads the properties of this host; unknown ones are left out.
    pub fn probe(privilege: netns::Privilege, tools: &Tools, with_envoy: bool) -> Self {
        let kernel = fs::read_to_string("/proc/sys/kernel/osrelease").ok().map(|release| release.trim().to_owned());
        let cpus = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
        let model = cpus.lines().find_map(|line| line.strip_prefix("model name")?.split_once(": "));
        let privilege = match privilege {
            netns::Privilege::Root => "root",
            netns::Privilege::UserNamespace => "a user namespace",
        };
        Self {
            kernel,
            processor: model.map(|(_, name)| name.trim().to_owned()),
            cores: std::thread::available_parallelism().map_or(1, std::num::NonZero::get),
            privilege: privilege.into(),
            envoy: with_envoy.then(|| envoy_version(tools)).flatten(),
        }
    }
}

/// Out of `envoy  version: COMMIT/1.40.0/Clean/RELEASE/BoringSSL`.
fn envoy_version(tools: &Tools) -> Option<String> {
    let output = Command::new(tools.envoy().ok()?).arg("--version").output().ok()?;
    let output_text = String::from_utf8_lossy(&output.stdout).into_owned();
    output_text.split_once("version:")?.1.split('/').nth(1).map(str::to_owned)
}
