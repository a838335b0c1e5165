//! The programs that a lab runs: where they are.

use std::{env, path::PathBuf};

use thiserror::Error;

use crate::data;

/// The programs that a lab runs.
#[derive(Clone, Debug)]
pub struct Tools {
    /// The folder of this project's own programs: that of the running one.
    pub own: PathBuf,
    /// The real Envoy, where it is installed.
    pub envoy: Option<PathBuf>,
}

/// A program is not there.
#[derive(Debug, Error)]
#[error("{program} is not there: {mend}")]
pub struct MissingTool {
    /// Which.
    pub program: String,
    /// What brings it.
    pub mend: String,
}

impl Tools {
    /// Finds them: this project's beside the running program (or in `SIDELAB_BIN`), Envoy by `SIDELAB_ENVOY`, else where
    /// `scripts/envoy` installed it, else on `PATH`.
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

    /// One of this project's own programs.
    ///
    /// # Errors
    /// When it has not been built.
    pub fn own(&self, program: &str) -> Result<PathBuf, MissingTool> {
        let path = self.own.join(program);
        if path.is_file() {
            return Ok(path);
        }
        let of = if program == "sidecar-proxy" { "proxy" } else { "demo-apps" };
        let mend = format!(
            "looked in {}; in a checkout, `cargo build --release --bins` builds it beside sidelab, and `cargo install --path {of}` \
             installs it where cargo installed sidelab; SIDELAB_BIN names a folder elsewhere",
            self.own.display()
        );
        Err(MissingTool { program: program.into(), mend })
    }

    /// The real Envoy.
    ///
    /// # Errors
    /// When it is not installed.
    pub fn envoy(&self) -> Result<PathBuf, MissingTool> {
        self.envoy.clone().ok_or_else(|| MissingTool {
            program: "envoy".into(),
            mend: "`scripts/envoy` installs it (in a release, `share/sidelab/scripts/envoy`); SIDELAB_ENVOY names one elsewhere"
                .into(),
        })
    }
}

fn on_path(program: &str) -> Option<PathBuf> {
    let path = env::var_os("PATH")?;
    env::split_paths(&path).map(|folder| folder.join(program)).find(|file| file.is_file())
}
