//! Finds the programs that a lab runs.

use std::{env, path::PathBuf};

use thiserror::Error;

use crate::data;

/// Where the programs are that a lab runs.
#[derive(Clone, Debug)]
pub struct Tools {
    /// The folder of this project's programs: `SIDELAB_BIN`, else that of the running program.
    pub own: PathBuf,
    /// The real Envoy's binary, if it is installed.
    pub envoy: Option<PathBuf>,
}

/// A program that was not found.
#[derive(Debug, Error)]
#[error("{program} is missing: {fix}")]
pub struct MissingTool {
    /// The program's file name.
    pub program: String,
    /// How to install it.
    pub fix: String,
}

impl Tools {
    /// Looks for this project's programs next to the running one (or in `SIDELAB_BIN`), and for Envoy in `SIDELAB_ENVOY`, else
    /// where `scripts/envoy` installed it, else on `PATH`.
    pub fn find() -> Self {
        let own = env::var_os("SIDELAB_BIN").map(PathBuf::from).or_else(|| {
            let program = env::current_exe().ok()?;
            Some(program.parent()?.to_path_buf())
        });
        let own = own.unwrap_or_default();
        let envoy = match env::var_os("SIDELAB_ENVOY") {
            Some(path) => Some(PathBuf::from(path)).filter(|path| path.is_file()),
            None => data::envoy(&own).or_else(|| on_path("envoy")),
        };
        Self { own, envoy }
    }

    /// The path of one of this project's programs.
    ///
    /// # Errors
    /// If it has not been built.
    pub fn own(&self, program: &str) -> Result<PathBuf, MissingTool> {
        let path = self.own.join(program);
        if path.is_file() {
            return Ok(path);
        }
        let package = if program == "sidecar-proxy" { "proxy" } else { "demo-apps" };
        let fix = format!(
            "looked in {}; in a checkout, `cargo build --release --bins` builds it next to sidelab, and `cargo install --path {package}` \
             installs it where cargo installed sidelab; SIDELAB_BIN names another folder",
            self.own.display()
        );
        Err(MissingTool { program: program.into(), fix })
    }

    /// The path of the real Envoy.
    ///
    /// # Errors
    /// If it is not installed.
    pub fn envoy(&self) -> Result<PathBuf, MissingTool> {
        self.envoy.clone().ok_or_else(|| MissingTool {
            program: "envoy".into(),
            fix: "`scripts/envoy` installs it (in a release, `share/sidelab/scripts/envoy`); SIDELAB_ENVOY names another binary"
                .into(),
        })
    }
}

fn on_path(program: &str) -> Option<PathBuf> {
    let path = env::var_os("PATH")?;
    env::split_paths(&path).map(|folder| folder.join(program)).find(|file| file.is_file())
}
