//! Runs scenarios, each in a separate lab, and checks what was seen.
//!
//! A lab is one scenario in one mesh on one data plane, so that its addresses and files are those that `sidelab explain`,
//! `config` and `up` show for the same manifests. Its calls are made one by one; then the sidecars are stopped, so that
//! every log is written; only then is the capture decrypted. Labs run concurrently.

use std::{
    collections::BTreeMap,
    path::PathBuf,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    thread,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use anyhow::{Context, Result, bail};
use demo_apps::report::ClientReport;
use indicatif::ProgressBar;
use mesh::{
    SourceFile,
    account::{AppProtocol, AppSpeaks},
    model::{ControlPlane, Family, Flavor, Mesh, Pod, Resolved},
};
use netns::Privilege;

use crate::{
    api_server::ApiServer,
    container, control_plane,
    data_plane::DataPlane,
    deploy::{Deployment, Tamper},
    manifests,
    observe_call::{MadeCall, Seen},
    output, outside, predict,
    run_report::{LabFigures, ProbeReport, RunReport},
    scenario::{Probe, Scenario},
    stand_ins::{self, Images},
    tools::Tools,
    tuning::Tuning,
    verdict::{Beside, Verdict},
};

mod changes;
mod counting;
mod load;
mod traced;
mod unit;
mod webhook;

/// The time limit of a call. A call that hangs is a result.
const CALL_TIMEOUT: Duration = Duration::from_secs(5);

/// How long to wait for a greeting: only the timeout shows that none comes.
const GREETING_TIMEOUT: Duration = Duration::from_secs(2);

#[derive(Clone)]
pub struct Options {
    /// The data planes, one after the other.
    pub data_planes: Vec<DataPlane>,
    /// The meshes, in parallel.
    pub meshes: Vec<Flavor>,
    pub images: Images,
    /// The source of the sidecars' files.
    pub control_plane: ControlPlane,
    /// The API server that calls webhooks.
    pub api_server: ApiServer,
    /// Where the programs are.
    pub tools: Tools,
    /// The privilege with which labs are made.
    pub privilege: Privilege,
    /// A folder for the captures, `SCENARIO-MESH-DATAPLANE.pcapng`.
    pub captures: Option<PathBuf>,
    /// How many labs run concurrently.
    pub jobs: usize,
    /// Whether to start no further lab after a failed call.
    pub fail_fast: bool,
    /// Whether changes are repeated as often as scenarios say for a longer run.
    pub soak: bool,
    /// How the labs' programs run.
    pub tuning: Tuning,
    /// Breaks the plans, to show that verdicts notice.
    pub tamper: Option<Tamper>,
    /// Progress, one step per lab.
    pub progress: ProgressBar,
    /// Set to end the run early.
    pub interrupted: &'static AtomicBool,
}

/// Runs scenarios.
///
/// # Errors
/// If manifests are invalid, or a lab can't be made. A failed verdict is not an error.
pub fn run(scenarios: &[Scenario], options: &Options) -> Result<RunReport> {
    let started = jiff::Timestamp::now();
    let begun = Instant::now();
    if let Some(folder) = &options.captures {
        output::check_secret_folder(folder)?;
    }
    let resolved = scenarios.iter().map(|scenario| resolve(scenario, &options.images)).collect::<Result<Vec<_>>>()?;
    let meshes = meshes(scenarios, &resolved, options)?;
    let units: Vec<unit::Unit<'_>> = meshes
        .iter()
        .flat_map(|(scenario, files, mesh)| {
            options.data_planes.iter().map(|data_plane| unit::Unit { scenario, mesh, files, data_plane: *data_plane })
        })
        .collect();
    let results = side_by_side(&units, options)?;
    let mut probes = Vec::new();
    let mut not_run = Vec::new();
    let mut labs: BTreeMap<DataPlane, LabFigures> = BTreeMap::new();
    let planes = options.data_planes.len();
    for (units, results) in units.chunks(planes).zip(chunks(results, planes)) {
        let unit::Unit { scenario, mesh, .. } = units[0];
        let mut by_probe: Vec<BTreeMap<DataPlane, Seen>> = scenario.probes.iter().map(|_| BTreeMap::new()).collect();
        // Of the last data plane: the changes are the same on each.
        let mut at_probe = Vec::new();
        for (unit, result) in units.iter().zip(results) {
            let Some(result) = result else {
                not_run.push(unit.name());
                continue;
            };
            at_probe = result.meshes;
            let figures = labs.entry(unit.data_plane).or_default();
            figures.ready_seconds.push(result.ready_after.as_secs_f64());
            figures.resident_bytes.extend(result.resident);
            for (seen, of_probe) in result.seen.into_iter().zip(&mut by_probe) {
                of_probe.insert(unit.data_plane, seen);
            }
        }
        for (number, (probe, seen)) in scenario.probes.iter().zip(by_probe).enumerate() {
            if !seen.is_empty() {
                let mesh = at_probe.get(number).unwrap_or(mesh);
                probes.push((number, judge(scenario, probe, mesh, seen)?));
            }
        }
    }
    // The two meshes concurrently.
    let position = |name: &str| scenarios.iter().position(|scenario| scenario.name == name);
    probes.sort_by_key(|(number, report)| (position(&report.scenario), *number, report.mesh));
    let probes = probes.into_iter().map(|(_, report)| report).collect();
    let mut report = RunReport::new(started, begun.elapsed(), probes);
    report.control_plane = options.control_plane;
    report.api_server = options.api_server;
    report.labs = labs;
    report.not_run = not_run;
    Ok(report)
}

/// The mesh of a scenario, with pods for the external hosts that its calls name, and with stand-ins for images.
fn resolve(scenario: &Scenario, images: &Images) -> Result<(Vec<SourceFile>, Arc<Resolved>)> {
    let mut files = manifests::read(&[scenario.manifests()])?;
    let (mut resolved, warnings) = manifests::resolve(&files)?;
    manifests::print_warnings(&warnings);
    if let Some(hosts) = outside::hosts(&resolved, &scenario.calls(&resolved)) {
        files.push(hosts);
        (resolved, _) = manifests::resolve(&files)?;
    }
    let vacancies = images.apply(&mut resolved)?;
    stand_ins::print(&resolved, &vacancies, &format!("{}: ", scenario.name));
    Ok((files, resolved))
}

/// Each scenario in each mesh, with the files that it was resolved from.
fn meshes<'a>(
    scenarios: &'a [Scenario],
    resolved: &'a [(Vec<SourceFile>, Arc<Resolved>)],
    options: &Options,
) -> Result<Vec<(&'a Scenario, &'a [SourceFile], Mesh)>> {
    let (mut of, mut meshes) = (Vec::new(), Vec::new());
    for (scenario, (files, resolved)) in scenarios.iter().zip(resolved) {
        for mesh in manifests::meshes(resolved, &options.meshes) {
            of.push((scenario, &files[..]));
            meshes.push((mesh, &files[..]));
        }
    }
    let meshes = of.into_iter().zip(control_plane::apply(options.control_plane, meshes)?);
    Ok(meshes.map(|((scenario, files), mesh)| (scenario, files, mesh)).collect())
}

fn chunks<T>(results: Vec<T>, size: usize) -> impl Iterator<Item = Vec<T>> {
    let mut results = results.into_iter();
    std::iter::from_fn(move || Some(results.by_ref().take(size).collect::<Vec<_>>()).filter(|chunk| !chunk.is_empty()))
}

fn judge(scenario: &Scenario, probe: &Probe, mesh: &Mesh, seen: BTreeMap<DataPlane, Seen>) -> Result<ProbeReport> {
    let expected = probe.expected(mesh.flavor).clone();
    let ways = match probe.has_faults {
        true => Vec::new(),
        false => predict::probe(mesh, probe)
            .with_context(|| format!("{}: probe {:?} can't be predicted", scenario.name, probe.name))?,
    };
    let beside = Beside { counts: &probe.counts, loads: &probe.loads, traces: probe.traces.as_ref() };
    let (predicted, verdict) = Verdict::compare(&expected, beside, &ways, &seen);
    Ok(ProbeReport {
        scenario: scenario.name.clone(),
        title: scenario.title.clone(),
        probe: probe.name.clone(),
        mesh: mesh.flavor,
        cell: scenario.grid.clone().zip(probe.cell.clone()),
        claims: probe.claims.clone(),
        signatures: scenario.signatures.clone(),
        url: probe.url(),
        family: probe.family,
        expected,
        predicted,
        seen,
        verdict,
    })
}

/// Whether all calls of a lab went as expected.
fn agrees(unit: &unit::Unit<'_>, result: &mut unit::UnitResult) -> Result<bool> {
    let mut agrees = true;
    for (number, seen) in std::mem::take(&mut result.seen).into_iter().enumerate() {
        let (probe, mesh) = (&unit.scenario.probes[number], unit.mesh_of(result, number));
        let report = judge(unit.scenario, probe, mesh, BTreeMap::from([(unit.data_plane, seen)]))?;
        agrees &= report.verdict.agrees;
        result.seen.extend(report.seen.into_values());
    }
    Ok(agrees)
}

/// Runs the units on a few threads, and returns their results in order: `None` for a unit that was not started because a call
/// had failed. The first error ends the run.
fn side_by_side(units: &[unit::Unit<'_>], options: &Options) -> Result<Vec<Option<unit::UnitResult>>> {
    let next = AtomicUsize::new(0);
    let ended = AtomicBool::new(false);
    let results: Mutex<Vec<Option<Result<unit::UnitResult>>>> = Mutex::new(units.iter().map(|_| None).collect());
    options.progress.set_length(units.len().try_into().unwrap_or(u64::MAX));
    thread::scope(|scope| {
        for _ in 0..options.jobs.clamp(1, units.len().max(1)) {
            scope.spawn(|| {
                while !ended.load(Ordering::Relaxed) && !options.interrupted.load(Ordering::Relaxed) {
                    let index = next.fetch_add(1, Ordering::Relaxed);
                    let Some(unit) = units.get(index) else { break };
                    let mut result = unit::run(unit, options);
                    if let (true, Ok(found)) = (options.fail_fast, &mut result) {
                        match agrees(unit, found) {
                            Ok(agrees) => _ = ended.fetch_or(!agrees, Ordering::Relaxed),
                            Err(error) => result = Err(error),
                        }
                    }
                    ended.fetch_or(result.is_err(), Ordering::Relaxed);
                    results.lock().unwrap_or_else(PoisonError::into_inner)[index] = Some(result);
                    options.progress.inc(1);
                }
            });
        }
    });
    let results = results.into_inner().unwrap_or_else(PoisonError::into_inner);
    if options.interrupted.load(Ordering::Relaxed) {
        bail!(Interrupted);
    }
    results.into_iter().map(Option::transpose).collect()
}

/// The run was ended early.
#[derive(Debug, thiserror::Error)]
#[error("interrupted; nothing was left behind")]
pub struct Interrupted;

fn caller(mesh: &Mesh, probe: &Probe) -> Result<usize> {
    manifests::find_pod(mesh, &probe.from, manifests::DEFAULT_NAMESPACE)
        .with_context(|| format!("probe {:?}: `from`", probe.name))
}

/// Makes the calls of a probe, one after the other. Returns the first that ended differently from the one before it, else the last: an
/// expectation is of each of them.
fn make_calls(
    deployment: &Deployment,
    mesh: &Mesh,
    probe: &Probe,
    from: usize,
    number: usize,
    options: &Options,
) -> Result<MadeCall> {
    let pod = &mesh.pods[from];
    let mut last: Option<MadeCall> = None;
    for turn in 0..probe.times {
        if options.interrupted.load(Ordering::Relaxed) {
            bail!(Interrupted);
        }
        let made = make_call(deployment, pod, probe, from, (number, turn), &options.tools)?;
        let ended = |call: &MadeCall| (call.report.ok, call.report.status());
        let differs = last.as_ref().is_some_and(|earlier| ended(earlier) != ended(&made));
        if differs {
            return Ok(made);
        }
        last = Some(made);
    }
    last.with_context(|| format!("probe {:?}: times: 0 calls show nothing", probe.name))
}

/// Makes a call with the demo client, in the first container of the calling pod. `number` is the probe's, and the call's among its calls.
fn make_call(
    deployment: &Deployment,
    pod: &Pod,
    probe: &Probe,
    from: usize,
    (number, turn): (usize, u32),
    tools: &Tools,
) -> Result<MadeCall> {
    let marker = match turn {
        0 => format!("probe-{number}-{}", deployment.lab.id()),
        turn => format!("probe-{number}.{turn}-{}", deployment.lab.id()),
    };
    let timeout = match probe.speaks {
        Some(AppSpeaks::Greeting) => GREETING_TIMEOUT,
        _ => CALL_TIMEOUT,
    };
    let timeout = timeout.as_secs().to_string();
    let args = client_args(probe, &marker, &timeout);
    let host = &deployment.pods[from];
    let container = container::of_calls(pod)?;
    let name = if turn == 0 { format!("call-{number}") } else { format!("call-{number}.{turn}") };
    let program = container::program(pod, container, host, name, tools.own("demo-client")?, args);
    let began_ns = now_ns();
    let output = host.run_to_end(&program, CALL_TIMEOUT + Duration::from_secs(5))?;
    let ended_ns = now_ns();
    let report: ClientReport = serde_json::from_slice(&output.stdout).with_context(|| {
        let stderr = String::from_utf8_lossy(&output.stderr);
        format!("probe {:?}: the client in {} printed no report: {stderr}", probe.name, pod.name)
    })?;
    Ok(MadeCall::new(from, report, marker, began_ns, ended_ns))
}

/// The demo client's arguments for a probe.
fn client_args(probe: &Probe, marker: &str, timeout: &str) -> Vec<String> {
    let mut url = probe.url();
    if probe.app != AppProtocol::Tcp {
        url.push_str(&probe.path(marker));
    }
    let family = match probe.family {
        Family::Ipv4 => "-4",
        Family::Ipv6 => "-6",
    };
    let mut args = vec![url, "--marker".into(), marker.into(), family.into(), "--timeout".into(), timeout.into()];
    let flag = match probe.speaks {
        None if probe.app == AppProtocol::H2 => Some("--http2"),
        Some(AppSpeaks::H2) => Some("--http2"),
        Some(AppSpeaks::Greeting) => Some("--server-first"),
        Some(AppSpeaks::Http10) => Some("--http1.0"),
        Some(AppSpeaks::Connect) => Some("--method=CONNECT"),
        None | Some(AppSpeaks::Grpc | AppSpeaks::Websocket) => None,
    };
    args.extend(flag.map(str::to_owned));
    args.extend((!probe.verify).then(|| "--insecure".to_owned()));
    let mut option = |name: &str, value: &str| args.extend([name.to_owned(), value.to_owned()]);
    let asked = &probe.asked;
    if let Some(authority) = probe.authority() {
        option("--header", &format!("host:{authority}"));
    }
    for (name, value) in &asked.headers {
        option("--header", &format!("{name}:{}", String::from_utf8_lossy(value.as_bytes())));
    }
    if let Some(method) =
        asked.method.as_ref().filter(|_| !matches!(probe.speaks, Some(AppSpeaks::Grpc | AppSpeaks::Websocket)))
    {
        option("--method", method.as_str());
    }
    if let Some(sni) = &probe.sni {
        option("--sni", sni);
    }
    if let Some(files) = &probe.certificate {
        option("--cert", &files.cert);
        option("--key", &files.key);
    }
    args
}

fn now_ns() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    since.as_nanos().try_into().unwrap_or(u64::MAX)
}
