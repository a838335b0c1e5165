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
    container, control_plane,
    data_plane::DataPlane,
    deploy::{self, Deployment, Tamper},
    manifests,
    observe_call::{self, MadeCall, Observations, Seen},
    output, outside, predict,
    run_report::{LabFigures, ProbeReport, RunReport},
    scenario::{Probe, Scenario},
    stand_ins::{self, Images},
    tools::Tools,
    tuning::Tuning,
    verdict::Verdict,
};

mod counting;
mod webhook;

use self::counting::Before;

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
    /// How the labs' programs run.
    pub tuning: Tuning,
    /// Breaks the plans, to show that verdicts notice.
    pub tamper: Option<Tamper>,
    /// Progress, one step per lab.
    pub progress: ProgressBar,
    /// Set to end the run early.
    pub interrupted: &'static AtomicBool,
}

/// The work for one lab.
struct Unit<'a> {
    scenario: &'a Scenario,
    mesh: &'a Mesh,
    data_plane: DataPlane,
}

/// What one lab found, for each probe in order.
struct UnitResult {
    ready_after: Duration,
    resident: Vec<u64>,
    seen: Vec<Seen>,
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
    let meshes = meshes(scenarios, options)?;
    let units: Vec<Unit<'_>> = meshes
        .iter()
        .flat_map(|(scenario, mesh)| {
            options.data_planes.iter().map(|data_plane| Unit { scenario, mesh, data_plane: *data_plane })
        })
        .collect();
    let results = side_by_side(&units, options)?;
    let mut probes = Vec::new();
    let mut not_run = Vec::new();
    let mut labs: BTreeMap<DataPlane, LabFigures> = BTreeMap::new();
    let planes = options.data_planes.len();
    for ((scenario, mesh), results) in meshes.iter().zip(chunks(results, planes)) {
        let mut by_probe: Vec<BTreeMap<DataPlane, Seen>> = scenario.probes.iter().map(|_| BTreeMap::new()).collect();
        for (data_plane, result) in options.data_planes.iter().zip(results) {
            let Some(result) = result else {
                not_run.push(lab_name(scenario, mesh, *data_plane));
                continue;
            };
            let figures = labs.entry(*data_plane).or_default();
            figures.ready_seconds.push(result.ready_after.as_secs_f64());
            figures.resident_bytes.extend(result.resident);
            for (seen, of_probe) in result.seen.into_iter().zip(&mut by_probe) {
                of_probe.insert(*data_plane, seen);
            }
        }
        for (number, (probe, seen)) in scenario.probes.iter().zip(by_probe).enumerate() {
            if !seen.is_empty() {
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
    report.labs = labs;
    report.not_run = not_run;
    Ok(report)
}

/// The mesh of a scenario, with pods for the external hosts that its calls name, and with stand-ins for images.
fn resolve(scenario: &Scenario, images: &Images) -> Result<(Vec<SourceFile>, Arc<Resolved>)> {
    let mut files = manifests::read(&[scenario.manifests()])?;
    let (mut resolved, warnings) = manifests::resolve(&files)?;
    manifests::print_warnings(&warnings);
    let calls = scenario.probes.iter().filter_map(|probe| {
        let from = resolved.pod(&probe.from, manifests::DEFAULT_NAMESPACE)?;
        Some((from, probe.host.as_str(), probe.port))
    });
    if let Some(hosts) = outside::hosts(&resolved, &calls.collect::<Vec<_>>()) {
        files.push(hosts);
        (resolved, _) = manifests::resolve(&files)?;
    }
    let vacancies = images.apply(&mut resolved)?;
    stand_ins::print(&resolved, &vacancies, &format!("{}: ", scenario.name));
    Ok((files, resolved))
}

fn meshes<'a>(scenarios: &'a [Scenario], options: &Options) -> Result<Vec<(&'a Scenario, Mesh)>> {
    let resolved = scenarios.iter().map(|scenario| resolve(scenario, &options.images)).collect::<Result<Vec<_>>>()?;
    let (mut of, mut meshes) = (Vec::new(), Vec::new());
    for (scenario, (files, resolved)) in scenarios.iter().zip(&resolved) {
        for mesh in manifests::meshes(resolved, &options.meshes) {
            of.push(scenario);
            meshes.push((mesh, &files[..]));
        }
    }
    Ok(of.into_iter().zip(control_plane::apply(options.control_plane, meshes)?).collect())
}

fn chunks<T>(results: Vec<T>, size: usize) -> impl Iterator<Item = Vec<T>> {
    let mut results = results.into_iter();
    std::iter::from_fn(move || Some(results.by_ref().take(size).collect::<Vec<_>>()).filter(|chunk| !chunk.is_empty()))
}

fn judge(scenario: &Scenario, probe: &Probe, mesh: &Mesh, seen: BTreeMap<DataPlane, Seen>) -> Result<ProbeReport> {
    let expected = probe.expected(mesh.flavor).clone();
    let ways = predict::probe(mesh, probe)
        .with_context(|| format!("{}: probe {:?} can't be predicted", scenario.name, probe.name))?;
    let (predicted, verdict) = Verdict::compare(&expected, &probe.counts, &ways, &seen);
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
fn agrees(unit: &Unit<'_>, result: &mut UnitResult) -> Result<bool> {
    let mut agrees = true;
    for (probe, seen) in unit.scenario.probes.iter().zip(std::mem::take(&mut result.seen)) {
        let report = judge(unit.scenario, probe, unit.mesh, BTreeMap::from([(unit.data_plane, seen)]))?;
        agrees &= report.verdict.agrees;
        result.seen.extend(report.seen.into_values());
    }
    Ok(agrees)
}

/// Runs the units on a few threads, and returns their results in order: `None` for a unit that was not started because a call
/// had failed. The first error ends the run.
fn side_by_side(units: &[Unit<'_>], options: &Options) -> Result<Vec<Option<UnitResult>>> {
    let next = AtomicUsize::new(0);
    let ended = AtomicBool::new(false);
    let results: Mutex<Vec<Option<Result<UnitResult>>>> = Mutex::new(units.iter().map(|_| None).collect());
    options.progress.set_length(units.len().try_into().unwrap_or(u64::MAX));
    thread::scope(|scope| {
        for _ in 0..options.jobs.clamp(1, units.len().max(1)) {
            scope.spawn(|| {
                while !ended.load(Ordering::Relaxed) && !options.interrupted.load(Ordering::Relaxed) {
                    let index = next.fetch_add(1, Ordering::Relaxed);
                    let Some(unit) = units.get(index) else { break };
                    let mut result = run_unit(unit, options);
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

fn lab_name(scenario: &Scenario, mesh: &Mesh, data_plane: DataPlane) -> String {
    format!("{}-{}-{data_plane}", scenario.name, mesh.flavor)
}

/// The run was ended early.
#[derive(Debug, thiserror::Error)]
#[error("interrupted; nothing was left behind")]
pub struct Interrupted;

fn run_unit(unit: &Unit<'_>, options: &Options) -> Result<UnitResult> {
    let Unit { scenario, mesh, data_plane } = unit;
    let name = lab_name(scenario, mesh, *data_plane);
    options.progress.set_message(name.clone());
    let callers = scenario.probes.iter().map(|probe| caller(mesh, probe)).collect::<Result<Vec<_>>>()?;
    let deployment = Deployment::new(
        mesh,
        &deploy::Options {
            data_plane: *data_plane,
            callers: callers.clone(),
            tools: options.tools.clone(),
            privilege: options.privilege,
            capture: true,
            stays_up: false,
            name: name.clone(),
            tuning: options.tuning.clone(),
            tamper: options.tamper.clone(),
        },
    )
    .with_context(|| format!("scenario {name}"))?;
    let (ready_after, resident) = (deployment.ready_after, deployment.resident.clone());
    let mut calls = Vec::new();
    for (number, (probe, from)) in scenario.probes.iter().zip(callers).enumerate() {
        if options.interrupted.load(Ordering::Relaxed) {
            bail!(Interrupted);
        }
        let before = Before::read(&probe.counts, &deployment, mesh)?;
        let mut call = match &probe.webhook {
            Some(name) => webhook::call(&deployment, unit, probe, name, from, number, &options.tools)?,
            None => make_calls(&deployment, unit, probe, from, number, options)?,
        };
        call.counts = before.gained(&deployment)?;
        calls.push(call);
    }
    let capture = options.captures.as_ref().map(|folder| folder.join(format!("{name}.pcapng")));
    let seen: Observations = deployment.finish(mesh, capture)?;
    let calls = scenario.probes.iter().zip(&calls);
    let seen = calls.map(|(probe, call)| observe_call::account(mesh, probe, call, &seen)).collect();
    Ok(UnitResult { ready_after, resident, seen })
}

fn caller(mesh: &Mesh, probe: &Probe) -> Result<usize> {
    manifests::find_pod(mesh, &probe.from, manifests::DEFAULT_NAMESPACE)
        .with_context(|| format!("probe {:?}: `from`", probe.name))
}

/// Makes the calls of a probe, one after the other. Returns the first that ended differently from the one before it, else the last: an
/// expectation is of each of them.
fn make_calls(
    deployment: &Deployment,
    unit: &Unit<'_>,
    probe: &Probe,
    from: usize,
    number: usize,
    options: &Options,
) -> Result<MadeCall> {
    let pod = &unit.mesh.pods[from];
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
    let container = pod.containers.first().with_context(|| format!("{} has no container to call from", pod.name))?;
    let name = if turn == 0 { format!("call-{number}") } else { format!("call-{number}.{turn}") };
    let program = container::program(pod, container, host, name, tools.own("demo-client")?, args);
    let began_ns = now_ns();
    let output = host.run_to_end(&program, CALL_TIMEOUT + Duration::from_secs(5))?;
    let ended_ns = now_ns();
    let report: ClientReport = serde_json::from_slice(&output.stdout).with_context(|| {
        let stderr = String::from_utf8_lossy(&output.stderr);
        format!("probe {:?}: the client in {} printed no report: {stderr}", probe.name, pod.name)
    })?;
    let (admission, admission_message) = (None, None);
    Ok(MadeCall { from, report, admission, admission_message, marker, began_ns, ended_ns, counts: vec![] })
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
