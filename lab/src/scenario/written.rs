//! `scenario.yaml`, as written.

use std::{collections::BTreeMap, path::Path, time::Duration};

use http::Method;
use mesh::{
    account::{AppProtocol, AppSpeaks},
    model::{Family, Flavor},
};
use schemars::JsonSchema;
use serde::Deserialize;

use crate::{
    counters::ExpectedCount,
    expect::Expectation,
    loads::{Connections, ExpectedLoad, Load},
    request::{self, Asked},
    traces::ExpectedTraces,
};

use super::{
    Cell, CertificateFiles, Grid, Probe, Scenario,
    changes::{self, Change, Cleared},
    fits,
};

/// The most calls that a probe makes.
const MOST_CALLS: u32 = 1000;

/// Reads the text of `scenario.yaml`.
///
/// # Errors
/// The fault, with its place.
pub(super) fn parse(name: &str, directory: &Path, text: &str) -> Result<Scenario, String> {
    let value: serde_json::Value = serde_saphyr::from_str(text).map_err(|e| e.to_string())?;
    let file: File = serde_path_to_error::deserialize(value).map_err(|e| e.to_string())?;
    if file.probes.is_empty() {
        return Err("probes: a scenario without probes shows nothing; add at least one".into());
    }
    let mut loads: Vec<Load> = Vec::with_capacity(file.loads.len());
    for (i, load) in file.loads.into_iter().enumerate() {
        let load = load.into_load().map_err(|message| format!("loads[{i}].{message}"))?;
        if loads.iter().any(|earlier| earlier.name == load.name) {
            return Err(format!("loads[{i}].name: {:?} is the name of an earlier load", load.name));
        }
        loads.push(load);
    }
    let mut probes = Vec::with_capacity(file.probes.len());
    let mut has_faults = false;
    for (i, probe) in file.probes.into_iter().enumerate() {
        let probe_name = probe.name.clone();
        let mut probe =
            probe.into_probe(&file.claims).map_err(|message| format!("probes[{i}] ({probe_name}): {message}"))?;
        has_faults = probe.changes.iter().fold(has_faults, |has_faults, change| match change {
            Change::Fault(_) => true,
            Change::Clear(Cleared::All) => false,
            _ => has_faults,
        });
        if has_faults && [&probe.textbook, &probe.istio].into_iter().any(Expectation::is_empty) {
            return Err(format!(
                "probes[{i}] ({probe_name}): a fault lasts during this call, and faults are not predicted; add `expect`"
            ));
        }
        probe.has_faults = has_faults;
        if let Some(message) = probe.changes.iter().find_map(|change| change.check(directory).err()) {
            return Err(format!("probes[{i}] ({probe_name}): changes: {message}"));
        }
        if let Some((name, _)) = probe.loads.iter().find(|(name, _)| loads.iter().all(|load| load.name != *name)) {
            return Err(format!(
                "probes[{i}] ({probe_name}): loads: {name} is not among the scenario's `loads`; add it there"
            ));
        }
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
    Ok(Scenario {
        name: name.into(),
        directory: directory.into(),
        title: file.title,
        shows: file.shows,
        claims: file.claims,
        signatures: file.signatures,
        grid: file.grid,
        loads,
        probes,
    })
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
    #[serde(default)]
    loads: Vec<WrittenLoad>,
    probes: Vec<WrittenProbe>,
}

/// Requests that run beside the probes' calls: while the calling pod exists, from before the first call until after the last one.
#[derive(Debug, JsonSchema, Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenLoad {
    name: String,
    from: String,
    to: String,
    app: AppProtocol,
    connections: Connections,
    /// The limit of each request, such as `500ms`; 5 s by default.
    #[serde(default = "five_seconds", deserialize_with = "changes::time")]
    #[schemars(with = "String")]
    timeout: Duration,
}

impl WrittenLoad {
    fn into_load(self) -> Result<Load, String> {
        let is_word = |c: char| c.is_ascii_alphanumeric() || c == '-';
        if self.name.is_empty() || !self.name.chars().all(is_word) {
            return Err(format!("name: {:?} is not a word of letters, digits and hyphens", self.name));
        }
        let (_, port) = self.to.rsplit_once(':').ok_or_else(|| format!("to: {:?} is not HOST:PORT", self.to))?;
        port.parse::<u16>().map_err(|_| format!("to: {port:?} is not a port (1-65535)"))?;
        if self.timeout.is_zero() {
            return Err("timeout: a request takes time; write 500ms or more".into());
        }
        let scheme = match self.app {
            AppProtocol::Https => "https",
            AppProtocol::Http | AppProtocol::H2 => "http",
            AppProtocol::Tcp => "tcp",
        };
        let url = format!("{scheme}://{}", self.to);
        let Self { name, from, app, connections, timeout, .. } = self;
        Ok(Load { name, from, url, app, connections, timeout })
    }
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
    /// How often it is called; once by default.
    #[serde(default = "once")]
    #[schemars(range(min = 1, max = 1000))]
    times: u32,
    #[serde(default)]
    counts: Vec<ExpectedCount>,
    /// The traces that its calls leave at a collector.
    #[serde(default)]
    traces: Option<ExpectedTraces>,
    /// Made before the call, one after the other. They stay in force for later calls.
    #[serde(default)]
    changes: Vec<Change>,
    /// What is expected of the scenario's loads, by name, from the first change to the end of the call, in both meshes.
    #[serde(default)]
    loads: BTreeMap<String, ExpectedLoad>,
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
        if !(1..=MOST_CALLS).contains(&self.times) {
            return Err(format!("times: {} is not a number from 1 to {MOST_CALLS}", self.times));
        }
        if self.webhook.is_some() && self.times > 1 {
            return Err("times: a webhook is called once".into());
        }
        for (i, count) in self.counts.iter().enumerate() {
            count.check().map_err(|message| format!("counts[{i}].{message}"))?;
        }
        let traces = self.traces.map(|traces| traces.of_calls(self.times));
        if let Some(traces) = &traces {
            traces.check().map_err(|message| format!("traces.{message}"))?;
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
            changes: self.changes,
            has_faults: false,
            loads: self.loads.into_iter().collect(),
            times: self.times,
            counts: self.counts,
            traces,
            claims,
            textbook,
            istio,
        })
    }
}

fn yes() -> bool {
    true
}

fn five_seconds() -> Duration {
    Duration::from_secs(5)
}

fn once() -> u32 {
    1
}

fn ipv4() -> Family {
    Family::Ipv4
}
