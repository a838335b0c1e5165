//! Scenarios: manifests, the calls to make, and what a person expects of each in each mesh.
//!
//! A scenario is a folder with `manifests.yaml`, which `kubectl apply` also accepts, and `scenario.yaml`. Expectations
//! are written by hand; nothing generates them. What is seen of a probe without any is compared with the prediction alone.

use std::{
    collections::BTreeMap,
    fs, io,
    path::{Path, PathBuf},
};

use http::Method;
use mesh::{
    account::{AppProtocol, AppSpeaks},
    model::{Family, Flavor},
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::{
    claims,
    expect::Expectation,
    report::words::did_you_mean,
    request::{self, Asked},
};

#[cfg(test)]
mod tests;

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
        Self::parse(&name, directory, &text).map_err(|message| ScenarioError::Invalid { path, message })
    }

    pub fn manifests(&self) -> PathBuf {
        self.directory.join("manifests.yaml")
    }

    fn parse(name: &str, directory: &Path, text: &str) -> Result<Self, String> {
        let value: serde_json::Value = serde_saphyr::from_str(text).map_err(|e| e.to_string())?;
        let file: File = serde_path_to_error::deserialize(value).map_err(|e| e.to_string())?;
        if file.probes.is_empty() {
            return Err("probes: a scenario without probes shows nothing; add at least one".into());
        }
        let mut probes = Vec::with_capacity(file.probes.len());
        for (i, probe) in file.probes.into_iter().enumerate() {
            let probe_name = probe.name.clone();
            let probe =
                probe.into_probe(&file.claims).map_err(|message| format!("probes[{i}] ({probe_name}): {message}"))?;
            if file.grid.is_some() != probe.cell.is_some() {
                return Err(format!(
                    "probes[{i}].cell: a scenario with `grid` has a `cell` for every probe, one without has none"
                ));
            }
            if probes.iter().any(|earlier: &Probe| earlier.name == probe.name) {
                return Err(format!("probes[{i}].name: {probe_name:?} is the name of an earlier probe"));
            }
            probes.push(probe);
        }
        if let Some(claim) = file.claims.iter().find(|claim| !probes.iter().any(|probe| probe.claims.contains(claim))) {
            return Err(format!("claims: no probe tests {claim}; name it in the `claims` of one"));
        }
        Ok(Self {
            name: name.into(),
            directory: directory.into(),
            title: file.title,
            shows: file.shows,
            claims: file.claims,
            signatures: file.signatures,
            grid: file.grid,
            probes,
        })
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

/// `scenario.yaml`, as written.
#[derive(Debug, JsonSchema, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct File {
    title: String,
    shows: String,
    claims: Vec<String>,
    #[serde(default)]
    signatures: Vec<String>,
    #[serde(default)]
    grid: Option<Grid>,
    /// Holds YAML anchors that several probes use; otherwise ignored.
    #[schemars(with = "Option<serde_json::Value>")]
    #[serde(default, rename = "cases")]
    _cases: serde::de::IgnoredAny,
    probes: Vec<WrittenProbe>,
}

/// A probe, as written: `expect` applies to both meshes, `textbook` and `istio` extend or override it. Without the three, what is
/// seen is compared with the prediction alone.
#[derive(Debug, JsonSchema, Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenProbe {
    name: String,
    from: String,
    to: String,
    #[serde(default = "ipv4")]
    family: Family,
    app: AppProtocol,
    #[serde(default)]
    speaks: Option<AppSpeaks>,
    /// `Host` or `:authority`.
    #[serde(default)]
    host: Option<String>,
    #[serde(default)]
    method: Option<String>,
    /// Path and query.
    #[serde(default)]
    path: Option<String>,
    #[serde(default)]
    headers: BTreeMap<String, String>,
    #[serde(default)]
    sni: Option<String>,
    #[serde(default = "yes")]
    verify: bool,
    #[serde(default)]
    certificate: Option<CertificateFiles>,
    #[serde(default)]
    webhook: Option<String>,
    #[serde(default)]
    cell: Option<Cell>,
    #[serde(default)]
    claims: Option<Vec<String>>,
    #[serde(default)]
    expect: Expectation,
    #[serde(default)]
    textbook: Expectation,
    #[serde(default)]
    istio: Expectation,
}

impl WrittenProbe {
    fn asked(&self) -> Result<Asked, String> {
        let method = self.method.as_ref().map(|text| {
            text.parse::<Method>().map_err(|_| format!("method: {text:?} is not a method of HTTP, such as GET"))
        });
        let path = self.path.as_deref().map(request::path_and_query).transpose();
        let path = path.map_err(|message| format!("path: {message}"))?;
        let headers = self.headers.iter().map(|(name, value)| request::header(name, value));
        let headers: Vec<_> = headers.collect::<Result<_, _>>().map_err(|message| format!("headers: {message}"))?;
        Asked::new(method.transpose()?, path, self.host.clone(), headers, self.app, self.speaks)
    }

    fn into_probe(self, of_scenario: &[String]) -> Result<Probe, String> {
        let (host, port) = self.to.rsplit_once(':').ok_or_else(|| format!("to: {:?} is not HOST:PORT", self.to))?;
        let port = port.parse().map_err(|_| format!("to: {port:?} is not a port (1-65535)"))?;
        let host = host.trim_start_matches('[').trim_end_matches(']').to_owned();
        fits(self.app, self.speaks).map_err(|message| format!("speaks: {message}"))?;
        let of_tls =
            [("sni", self.sni.is_some()), ("verify", !self.verify), ("certificate", self.certificate.is_some())];
        if let Some((field, _)) = of_tls.iter().find(|(_, set)| *set && self.app != AppProtocol::Https) {
            return Err(format!("{field}: only the TLS of `app: https` has one"));
        }
        let asked = self.asked()?;
        if self.webhook.is_some() && (self.app, self.speaks) != (AppProtocol::Https, None) {
            return Err("webhook: an API server calls webhooks with `app: https`, and speaks nothing else".into());
        }
        let is_expected = ![&self.expect, &self.textbook, &self.istio].into_iter().all(Expectation::is_empty);
        let claims = match self.claims {
            Some(claims) if !is_expected && !claims.is_empty() => {
                return Err("claims: a probe without an expectation tests no claim; add `expect`".into());
            }
            Some(claims) => claims,
            None if is_expected => of_scenario.to_vec(),
            None => vec![],
        };
        if let Some(claim) = claims.iter().find(|claim| !of_scenario.contains(claim)) {
            return Err(format!("claims: {claim} is not among the scenario's `claims`; add it there"));
        }
        let textbook = self.expect.clone().merged_with(self.textbook);
        let istio = self.expect.merged_with(self.istio);
        for (mesh, expectation) in
            [(Flavor::Textbook, &textbook), (Flavor::Istio, &istio)].into_iter().filter(|_| is_expected)
        {
            expectation.check().map_err(|missing| {
                format!("{missing} has no expectation in the {mesh} mesh; add it to `expect` or `{mesh}`")
            })?;
        }
        Ok(Probe {
            name: self.name,
            from: self.from,
            host,
            port,
            family: self.family,
            app: self.app,
            speaks: self.speaks,
            asked,
            sni: self.sni,
            verify: self.verify,
            certificate: self.certificate,
            webhook: self.webhook,
            cell: self.cell,
            claims,
            textbook,
            istio,
        })
    }
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

fn yes() -> bool {
    true
}

fn ipv4() -> Family {
    Family::Ipv4
}
