//! `sidelab up` and `sidelab down`.

use std::{collections::BTreeMap, net::IpAddr, process::Command, sync::atomic::Ordering};

use anyhow::{Context, Result, bail};
use jiff::Timestamp;
use mesh::{
    Addresses, Objects, SourceFile,
    dump::DumpedMesh,
    model::{ControlPlane, Flavor, Mesh},
};
use netns::{Foreign, LabState, LabSummary, Privilege, Swept};
use schemars::JsonSchema;
use serde::Serialize;

use super::{OK, USAGE, labs, print_json, run};
use crate::{
    cli::{DownArgs, Output, UpArgs},
    control_plane,
    data_plane::DataPlane,
    deploy::{self, Deployment},
    dumps,
    faults::Faults,
    injection,
    interrupt::interruptible,
    keeper::{self, Side},
    live::record::Record,
    manifests::{self, BadManifests},
    outside,
    report::words::counted,
    run::Interrupted,
    stand_ins::{self, Images},
    terminal::{noteln, outln},
    tools::Tools,
    tuning::Tuning,
};

pub(super) fn up(args: &UpArgs) -> Result<u8> {
    let privilege = Privilege::acquire()?;
    control_plane::flavors((&args.control_plane).into(), Some(vec![args.mesh.into()]), &[])?;
    args.name.as_deref().map(check_name).transpose()?;
    // Before the split: only the front can read a terminal.
    let input = Input::read(args)?;
    match keeper::split()? {
        Side::Front(code) => Ok(code),
        Side::Back(keeper) => {
            let lab = bring_up(args, input, privilege)?;
            keeper.stay(&lab, args.time)?;
            Ok(OK)
        }
    }
}

/// What a lab is made from.
struct Input {
    files: Vec<SourceFile>,
    /// What dumped sidecars run; the manifests are then derived from it.
    dumped: Option<DumpedMesh>,
}

impl Input {
    fn read(args: &UpArgs) -> Result<Self> {
        if args.config_dump.is_empty() {
            return Ok(Self { files: manifests::read(&args.files)?, dumped: None });
        }
        let dumps = args.config_dump.iter().map(|path| dumps::read_runnable(path)).collect::<Result<Vec<_>>>()?;
        let dumped = DumpedMesh::new(dumps).context("--config-dump")?;
        Ok(Self { files: vec![dumped.manifests(DUMPED)], dumped: Some(dumped) })
    }
}

/// The name of the file with the objects around dumped sidecars.
const DUMPED: &str = "<dumped>";

fn first_file(args: &UpArgs) -> String {
    args.files.iter().chain(&args.config_dump).next().map_or_else(String::new, |file| file.display().to_string())
}

/// # Errors
/// If another lab has the name.
fn check_name(name: &str) -> Result<()> {
    match netns::labs()?.labs.iter().find(|lab| lab.name.as_deref() == Some(name)) {
        Some(lab) => bail!("lab {} is named {name} already; choose another name, or `sidelab down {name}`", lab.id),
        None => Ok(()),
    }
}

/// Brings the lab up, prints it, and returns its id.
fn bring_up(args: &UpArgs, input: Input, privilege: Privilege) -> Result<String> {
    let Input { mut files, dumped } = input;
    let (mut resolved, warnings) = manifests::resolve(&files)?;
    if let Some(hosts) = outside::hosts(&resolved, &[]) {
        files.push(hosts);
        (resolved, _) = manifests::resolve(&files)?;
    }
    let images = Images::from_args(&args.stand_ins)?;
    let vacancies = images.apply(&mut resolved)?;
    // Objects that were derived from dumps are of no concern to the user.
    manifests::print_warnings(warnings.iter().filter(|_| dumped.is_none()));
    let mesh = Mesh::new(resolved, args.mesh.into());
    let (mesh, pushed, left_out) = match &dumped {
        Some(dumped) => {
            let (pushed, left_out) = dumped.pushed(&mesh);
            (mesh.pushed_by(ControlPlane::Dumps, pushed.clone()), pushed, left_out)
        }
        None => {
            let mesh = control_plane::apply_to((&args.control_plane).into(), mesh, &files)?;
            (mesh, BTreeMap::new(), Vec::new())
        }
    };
    let control_plane = mesh.control_plane();
    dumps::print_left_out(&left_out);
    stand_ins::print(&mesh, &vacancies, "");
    injection::print_hint(&mesh);
    if mesh.pods.is_empty() {
        bail!("these manifests contain no pod: add a Pod, or something that makes pods, such as a Deployment");
    }
    let data_plane: DataPlane = args.data_plane.into();
    if control_plane != ControlPlane::Compiler && data_plane == DataPlane::Envoy {
        control_plane::tell_stock_envoy();
    }
    let interrupted = interruptible()?;
    let progress = run::progress(run::LABS);
    progress.set_message(format!("bringing {} pods up", mesh.pods.len()));
    let deployment = Deployment::new(
        &mesh,
        &deploy::Options {
            data_plane,
            callers: Vec::new(),
            tools: Tools::find(),
            privilege,
            capture: false,
            stays_up: true,
            name: args.name.clone().unwrap_or_else(|| first_file(args)),
            tuning: Tuning {
                concurrency: args.concurrency,
                unconfined: args.confinement.unconfined,
                ..Tuning::default()
            },
            tamper: None,
        },
    );
    if interrupted.load(Ordering::SeqCst) {
        bail!(Interrupted);
    }
    let deployment = deployment?;
    let mut record = Record {
        mesh: mesh.flavor,
        data_plane,
        control_plane,
        dumped: pushed,
        objects: Objects::read(&files).map_err(|faults| BadManifests { faults })?,
        addresses: Addresses::of(&mesh),
        images,
        concurrency: args.concurrency,
        unconfined: args.confinement.unconfined,
        created: BTreeMap::new(),
        faults: Faults::default(),
    };
    record.stamp(Timestamp::now().as_second());
    record.write(deployment.lab.dir())?;
    let namespaces = deployment.pods.iter().map(|pod| pod.namespace().to_owned());
    let pods = mesh.pods.iter().zip(namespaces).map(|(pod, network_namespace)| PodUp {
        pod: pod.name.to_string(),
        ips: pod.ips.both(),
        sidecar: pod.sidecar.is_some(),
        is_gateway: pod.is_gateway(),
        network_namespace,
    });
    let report = UpReport {
        schema: SCHEMA,
        mesh: mesh.flavor,
        control_plane,
        data_plane,
        seconds: deployment.ready_after.as_secs_f64(),
        pods: pods.collect(),
        left_out,
        lab: deployment.leave_up()?,
    };
    progress.finish_and_clear();
    print(&report, args.output.output).or_else(|error| {
        // The user would not learn that the lab exists.
        netns::sweep(&report.lab)?;
        Err(error).context(format!("lab {} was removed again", report.lab))
    })?;
    Ok(report.lab)
}

/// The version of [`UpReport`].
pub(crate) const SCHEMA: &str = "sidelab.up/v1";

#[derive(Serialize, JsonSchema)]
pub(crate) struct UpReport {
    schema: &'static str,
    lab: String,
    mesh: Flavor,
    control_plane: ControlPlane,
    data_plane: DataPlane,
    /// Until everything was ready.
    seconds: f64,
    pods: Vec<PodUp>,
    /// What `--config-dump` could not bring up, and the consequences.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    left_out: Vec<String>,
}

#[derive(Serialize, JsonSchema)]
struct PodUp {
    /// POD.NAMESPACE
    pod: String,
    /// IPv4 first.
    ips: [IpAddr; 2],
    sidecar: bool,
    #[serde(skip)]
    is_gateway: bool,
    /// The name for `ip netns exec`.
    network_namespace: String,
}

fn print(report: &UpReport, output: Output) -> Result<()> {
    if output == Output::Json {
        return print_json(report);
    }
    let UpReport { lab, control_plane, data_plane, seconds, pods, .. } = report;
    let by = match control_plane {
        ControlPlane::Compiler => "",
        ControlPlane::Istiod => ", files by istiod",
        ControlPlane::Dumps => ", files by dumps",
    };
    outln!("lab {lab} is up ({}, {data_plane}{by}, ready after {seconds:.2} s)\n", counted(pods.len(), "pod"))?;
    let width = pods.iter().map(|up| up.pod.len()).max().unwrap_or_default();
    for PodUp { pod, ips: [ip, _], sidecar, is_gateway, network_namespace } in pods {
        let proxy = match (sidecar, is_gateway) {
            (_, true) => "gateway",
            (true, false) => "sidecar",
            (false, false) => "no sidecar",
        };
        // Only root's namespaces have names that others can find.
        let entered = match Privilege::current() {
            Some(Privilege::Root) => format!(" ip netns exec {network_namespace} ..."),
            _ => String::new(),
        };
        outln!("  {pod:<width$} {ip:<14} {proxy:<11}{entered}")?;
    }
    outln!("\n  sidelab exec POD -- COMMAND\n  sidelab get services\n  sidelab down")?;
    Ok(())
}

pub(super) fn down(args: &DownArgs) -> Result<u8> {
    if !args.all {
        let id = labs::select(args.lab.as_deref())?;
        netns::sweep(&id)?;
        outln!("removed {id}")?;
        return Ok(OK);
    }
    remove_own()?;
    let Swept { removed, in_use, foreign, .. } = netns::sweep_all(args.force)?;
    for id in &removed {
        outln!("removed {id}")?;
    }
    if removed.is_empty() && in_use.is_empty() {
        outln!("no lab to remove")?;
    }
    left_alone(&foreign);
    for lab in &in_use {
        noteln!("{}", in_use_by(lab));
    }
    Ok(if in_use.is_empty() { OK } else { USAGE })
}

/// Removes an ordinary user's labs that are up, each in a process that enters it: a process can enter only one.
fn remove_own() -> Result<()> {
    if Privilege::current().is_some() {
        return Ok(());
    }
    let up = netns::labs()?.labs.into_iter().filter(|lab| lab.state == LabState::LeftUp);
    for lab in up {
        let program = std::env::current_exe().context("can't find this program")?;
        let status = Command::new(program).args(["down", &lab.id]).status().context("can't remove a lab")?;
        if !status.success() {
            bail!("lab {} was not removed", lab.id);
        }
    }
    Ok(())
}

/// Lists entries of the lab folder that are not labs.
pub(super) fn left_alone(foreign: &[Foreign]) {
    for Foreign { path, why } in foreign {
        noteln!("{} is not a lab, and was left alone: {why}", path.display());
    }
}

fn in_use_by(lab: &LabSummary) -> String {
    let user = lab.creator.map_or_else(String::new, |pid| format!(" (pid {pid})"));
    format!(
        "lab {} was left alone: another process{user} is using it; `sidelab down --all --force` removes it as well, and breaks \
         what that process is doing",
        lab.id
    )
}
