//! Scenarios: manifests, the calls to make, and what a person expects of each in each mesh.
//!
//! A scenario is a folder with `manifests.yaml`, which `kubectl apply` also accepts, and `scenario.yaml`. Expectations
//! are written by hand; nothing generates them. What is seen of a probe without any is compared with the prediction alone.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use mesh::{
    account::{AppProtocol, AppSpeaks},
    model::{Family, Flavor, Resolved},
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::{
    claims,
    counters::ExpectedCount,
    expect::Expectation,
    loads::{ExpectedLoad, Load},
    manifests::DEFAULT_NAMESPACE,
    report::words::did_you_mean,
    request::Asked,
    traces::ExpectedTraces,
};

mod changes;
pub(crate) mod written;

#[cfg(test)]
mod tests;

pub(crate) use changes::key;
pub use changes::{Change, Cleared, Rotated, Rotation, Soak};

/// A scenario, as read from its folder.
#[derive(Clone, Debug)]
pub struct Scenario {
    pub name: String,
    pub directory: PathBuf,
    /// The title, in one line.
    pub title: String,
    /// What it demonstrates, in a few sentences.
    pub shows: String,
    /// The claims that it tests, such as `C4`: those of all its probes.
    pub claims: Vec<String>,
    /// The failure signatures that it reproduces, such as `F1`.
    pub signatures: Vec<String>,
    /// The axes, if the calls are drawn as a grid.
    pub grid: Option<Grid>,
    /// The loads that run beside the calls.
    pub loads: Vec<Load>,
    /// The calls, made in this order.
    pub probes: Vec<Probe>,
}

/// One call, and what is expected of it.
#[derive(Clone, Debug)]
pub struct Probe {
    /// Its name, unique in the scenario.
    pub name: String,
    /// The calling pod, `POD` or `POD.NAMESPACE`.
    pub from: String,
    /// The host as the app dials it: a name that the calling pod resolves, or an address.
    pub host: String,
    /// The port that the app dials.
    pub port: u16,
    /// The address family, if the host has both; IPv4 by default.
    pub family: Family,
    /// The outermost protocol that the app sends.
    pub app: AppProtocol,
    /// The protocol within `app`, if it is not the usual one.
    pub speaks: Option<AppSpeaks>,
    /// What its request asks for.
    pub asked: Asked,
    /// The name that the app's TLS asks for and verifies, if it is not the host.
    pub sni: Option<String>,
    /// Whether the app's TLS verifies the server's certificate.
    pub verify: bool,
    /// The client certificate of the app's TLS.
    pub certificate: Option<CertificateFiles>,
    /// The webhook of the manifests that is called, as kube-apiserver calls it.
    pub webhook: Option<String>,
    /// Its cell, if the scenario's calls are drawn as a grid.
    pub cell: Option<Cell>,
    /// What changes before it, one after the other. It stays changed for later calls.
    pub changes: Vec<Change>,
    /// Whether a fault lasts during its call. Faults are not predicted.
    pub has_faults: bool,
    /// What is expected of loads, by their names, from the first change to the end of the call.
    pub loads: Vec<(String, ExpectedLoad)>,
    /// How often it is called: the expectation is of each call.
    pub times: u32,
    /// What all its calls together add to counters of sidecars, in both meshes.
    pub counts: Vec<ExpectedCount>,
    /// The traces that all its calls together leave at a collector, in both meshes.
    pub traces: Option<ExpectedTraces>,
    /// The claims that this call tests: by default all of the scenario's, or none without an expectation.
    pub claims: Vec<String>,
    /// The expectation in the textbook mesh; empty if the probe has none.
    pub textbook: Expectation,
    /// The expectation in the istio mesh; empty if the probe has none.
    pub istio: Expectation,
}

impl Probe {
    pub fn expected(&self, mesh: Flavor) -> &Expectation {
        match mesh {
            Flavor::Textbook => &self.textbook,
            Flavor::Istio => &self.istio,
        }
    }

    /// The call's URL, as the demo client accepts it.
    pub fn url(&self) -> String {
        let scheme = match self.app {
            AppProtocol::Https if self.speaks == Some(AppSpeaks::Grpc) => "grpcs",
            AppProtocol::Https if self.speaks == Some(AppSpeaks::Websocket) => "wss",
            AppProtocol::Https => "https",
            _ if self.speaks == Some(AppSpeaks::Grpc) => "grpc",
            _ if self.speaks == Some(AppSpeaks::Websocket) => "ws",
            AppProtocol::Http | AppProtocol::H2 => "http",
            AppProtocol::Tcp => "tcp",
        };
        let host = if self.host.contains(':') { format!("[{}]", self.host) } else { self.host.clone() };
        format!("{scheme}://{host}:{}", self.port)
    }

    /// The `Host` header or `:authority`, where it is not the URL's: without the port that the scheme has by default, as curl writes it.
    pub fn authority(&self) -> Option<String> {
        let own_port = match (self.app, self.speaks) {
            (_, Some(AppSpeaks::Connect)) | (AppProtocol::Tcp, _) => None,
            (AppProtocol::Https, _) => Some(443),
            (AppProtocol::Http | AppProtocol::H2, _) => Some(80),
        };
        let host = || if self.host.contains(':') { format!("[{}]", self.host) } else { self.host.clone() };
        self.asked.authority.clone().or_else(|| (own_port == Some(self.port)).then(host))
    }

    /// The path and query of its request. `mark` is the last part of it where the probe says nothing.
    pub fn path(&self, mark: &str) -> String {
        match (&self.asked.path, self.speaks) {
            (Some(path), _) => path.clone(),
            (None, Some(AppSpeaks::Grpc)) => "/sidelab.Echo/Stream".into(),
            (None, Some(AppSpeaks::Websocket)) => "/ws".into(),
            (None, _) => format!("/{mark}"),
        }
    }
}

/// A client certificate: files of the calling pod's first container.
#[derive(Clone, Debug, PartialEq, Eq, JsonSchema, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CertificateFiles {
    /// The chain, PEM.
    pub cert: String,
    /// Its private key, PEM.
    pub key: String,
}

/// The axes of a grid of calls.
#[derive(Clone, Debug, PartialEq, Eq, JsonSchema, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Grid {
    /// Such as `DestinationRule`.
    pub rows: String,
    /// Such as `PeerAuthentication`.
    pub columns: String,
}

/// A place in a grid of calls, written `[ROW, COLUMN]`. Several calls can share one.
#[derive(Clone, Debug, PartialEq, Eq, JsonSchema, Deserialize, Serialize)]
pub struct Cell(pub String, pub String);

/// Why a folder is not a scenario.
#[derive(Debug, Error)]
pub enum ScenarioError {
    /// The folder of scenarios does not exist.
    #[error(
        "{}: no such folder of scenarios; a checkout and a release contain one: run sidelab from there, or name it with \
         --scenarios or SIDELAB_SCENARIOS", .0.display()
    )]
    NoFolder(PathBuf),
    /// A file can't be read.
    #[error("{}: {error}; a scenario is a folder with manifests.yaml and scenario.yaml", path.display())]
    Read { path: PathBuf, error: io::Error },
    /// Neither a folder nor the name of a scenario.
    #[error(
        "no scenario {name:?}, neither as a folder nor in {}{}; `sidelab scenarios` lists them",
        root.display(),
        did_you_mean(name, names.iter().map(String::as_str))
    )]
    Unknown {
        /// As given.
        name: String,
        /// The folder of scenarios.
        root: PathBuf,
        names: Vec<String>,
    },
    /// `scenario.yaml` is invalid.
    #[error("{}: {message}", path.display())]
    Invalid {
        path: PathBuf,
        /// The fault, with its place.
        message: String,
    },
}

impl Scenario {
    /// Reads a scenario from its folder.
    ///
    /// # Errors
    /// If `scenario.yaml` is missing, has an unknown or ill-typed field, or a probe whose expectation is incomplete.
    pub fn read(directory: &Path) -> Result<Self, ScenarioError> {
        let path = directory.join("scenario.yaml");
        let text = fs::read_to_string(&path).map_err(|error| ScenarioError::Read { path: path.clone(), error })?;
        let manifests = directory.join("manifests.yaml");
        if let Err(error) = fs::metadata(&manifests) {
            return Err(ScenarioError::Read { path: manifests, error });
        }
        let name = directory.file_name().unwrap_or(directory.as_os_str()).to_string_lossy().into_owned();
        written::parse(&name, directory, &text).map_err(|message| ScenarioError::Invalid { path, message })
    }

    pub fn manifests(&self) -> PathBuf {
        self.directory.join("manifests.yaml")
    }

    /// Its calls that pods of the mesh make, each with the host and port as the app dials them.
    pub fn calls<'a>(&'a self, mesh: &Resolved) -> Vec<(usize, &'a str, u16)> {
        let call = |probe: &'a Probe| {
            let from = mesh.pod(&probe.from, DEFAULT_NAMESPACE)?;
            Some((from, probe.host.as_str(), probe.port))
        };
        self.probes.iter().filter_map(call).collect()
    }

    /// The pods of the mesh that call.
    pub fn callers(&self, mesh: &Resolved) -> Vec<usize> {
        let names = self.probes.iter().map(|probe| &probe.from).chain(self.loads.iter().map(|load| &load.from));
        names.filter_map(|name| mesh.pod(name, DEFAULT_NAMESPACE)).collect()
    }

    /// Whether its lab changes between calls, which then depend on earlier ones.
    pub fn has_steps(&self) -> bool {
        self.probes.iter().any(|probe| !probe.changes.is_empty())
    }
}

/// Finds scenarios: each path is a scenario's folder, a folder of scenarios, or the name of one in `root`.
///
/// # Errors
/// If a path is none of these, a scenario in it is invalid, or it names a claim that is not in `root`.
pub fn find(root: &Path, paths: &[String]) -> Result<Vec<Scenario>, ScenarioError> {
    let needs_root = paths.is_empty() || paths.iter().any(|path| !Path::new(path).is_dir());
    if needs_root && !root.is_dir() {
        return Err(ScenarioError::NoFolder(root.into()));
    }
    let found = if paths.is_empty() { read_all(root)? } else { named(root, paths)? };
    // Other folders need not define their claims.
    if let Ok(known) = claims::read(root) {
        for scenario in &found {
            let unknown = |claim: &&String| claims::number(claim).is_none_or(|number| !known.contains_key(&number));
            if let Some(claim) = scenario.claims.iter().find(unknown) {
                let message = format!("claims: {claim} is not in {}", root.join(claims::FILE).display());
                return Err(ScenarioError::Invalid { path: scenario.directory.join("scenario.yaml"), message });
            }
        }
    }
    Ok(found)
}

fn named(root: &Path, paths: &[String]) -> Result<Vec<Scenario>, ScenarioError> {
    let mut found = Vec::new();
    for path in paths {
        let direct = PathBuf::from(path);
        let directory = if direct.is_dir() { direct } else { root.join(path) };
        if !directory.is_dir() {
            return Err(ScenarioError::Unknown { name: path.clone(), root: root.into(), names: names_in(root) });
        }
        if directory.join("scenario.yaml").exists() {
            found.push(Scenario::read(&directory)?);
        } else {
            found.extend(read_all(&directory)?);
        }
    }
    Ok(found)
}

/// The folders of scenarios in `root`, by name.
fn names_in(root: &Path) -> Vec<String> {
    let folders = fs::read_dir(root).into_iter().flatten().flatten();
    let scenarios = folders.filter(|entry| entry.path().join("scenario.yaml").exists());
    scenarios.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect()
}

fn read_all(root: &Path) -> Result<Vec<Scenario>, ScenarioError> {
    let unreadable = |error| ScenarioError::Read { path: root.into(), error };
    let mut directories = Vec::new();
    for entry in fs::read_dir(root).map_err(unreadable)? {
        let path = entry.map_err(unreadable)?.path();
        if path.join("scenario.yaml").exists() {
            directories.push(path);
        }
    }
    if directories.is_empty() {
        let error = io::Error::new(io::ErrorKind::NotFound, "no scenario in this folder");
        return Err(ScenarioError::Read { path: root.into(), error });
    }
    directories.sort();
    directories.iter().map(|directory| Scenario::read(directory)).collect()
}

/// Checks that `speaks` can be spoken within `app`.
///
/// # Errors
/// The values of `app` within which it can be spoken.
pub fn fits(app: AppProtocol, speaks: Option<AppSpeaks>) -> Result<(), String> {
    let Some(speaks) = speaks.filter(|speaks| !speaks.on().contains(&app)) else { return Ok(()) };
    let on: Vec<_> = speaks.on().iter().map(|app| format!("`app: {app}`")).collect();
    Err(format!("{speaks} needs {}", on.join(" or ")))
}
