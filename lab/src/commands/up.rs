//! `sidelab up` and `sidelab down`.

use std::sync::atomic::Ordering;

use anyhow::{Context, Result, bail};
use mesh::model::Mesh;
use netns::{Foreign, LabSummary, Privilege, Swept};
use serde_json::json;

use super::{OK, USAGE, labs, labs::Note, print_json, run};
use crate::{
    cli::{DownArgs, Output, UpArgs},
    data_plane::DataPlane,
    deploy::{self, Deployment},
    interrupt::interruptible,
    manifests,
    run::Interrupted,
    terminal::{noteln, outln},
    tools::Tools,
    tuning::Tuning,
};

/// A lab that stays needs namespaces that outlive the process which made them.
#[derive(Debug, thiserror::Error)]
#[error(
    "`sidelab up` needs root: a lab that an ordinary user makes lives in a user namespace, which ends with the process; \
     `sidelab run` works without root"
)]
pub(super) struct NeedsRoot;

pub(super) fn up(args: &UpArgs) -> Result<u8> {
    let privilege = Privilege::acquire()?;
    if privilege == Privilege::UserNamespace {
        // The lab's namespaces would vanish with this process.
        bail!(NeedsRoot);
    }
    let files = manifests::read(&args.manifests.files)?;
    let (resolved, warnings) = manifests::resolve(&files)?;
    let mesh = Mesh::new(resolved, args.mesh.into());
    manifests::tell(&warnings);
    if mesh.pods.is_empty() {
        bail!("these manifests have no pod");
    }
    let data_plane: DataPlane = args.data_plane.into();
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
            name: args.manifests.files.first().map_or_else(String::new, |file| file.display().to_string()),
            tuning: Tuning::default(),
            tamper: None,
        },
    );
    if interrupted.load(Ordering::SeqCst) {
        bail!(Interrupted);
    }
    let deployment = deployment?;
    Note::new(mesh.flavor, data_plane, &files).write(deployment.lab.dir())?;
    let up = Up {
        mesh: &mesh,
        data_plane,
        seconds: deployment.ready_after.as_secs_f64(),
        namespaces: deployment.pods.iter().map(|pod| pod.namespace().to_owned()).collect(),
        id: deployment.leave_up()?,
    };
    progress.finish_and_clear();
    up.print(args.output.output).or_else(|error| {
        // Nobody would know of it.
        netns::sweep(&up.id)?;
        Err(error).context(format!("lab {} was removed again", up.id))
    })?;
    Ok(OK)
}

/// A lab that is up.
struct Up<'a> {
    id: String,
    mesh: &'a Mesh,
    data_plane: DataPlane,
    /// How long it took until all was ready.
    seconds: f64,
    /// The pods' network namespaces, in the order of the pods.
    namespaces: Vec<String>,
}

impl Up<'_> {
    fn print(&self, output: Output) -> Result<()> {
        let Self { id, mesh, data_plane, seconds, namespaces } = self;
        if output == Output::Json {
            let pods: Vec<_> = mesh
                .pods
                .iter()
                .zip(namespaces)
                .map(|(pod, namespace)| {
                    json!({"pod": pod.name.to_string(), "ips": pod.ips.both(), "sidecar": pod.sidecar.is_some(),
                           "network_namespace": namespace})
                })
                .collect();
            return print_json(&json!({"schema": "sidelab.up/v1", "lab": id, "mesh": mesh.flavor,
                                      "data_plane": data_plane, "seconds": seconds, "pods": pods}));
        }
        let pods = mesh.pods.len();
        let noun = if pods == 1 { "pod" } else { "pods" };
        outln!("lab {id} is up ({pods} {noun}, {data_plane}, ready after {seconds:.2} s)\n")?;
        for (pod, namespace) in mesh.pods.iter().zip(namespaces) {
            let sidecar = if pod.sidecar.is_some() { "sidecar" } else { "no sidecar" };
            let (name, ip) = (pod.name.to_string(), pod.ips.v4);
            outln!("  {name:<24} {ip:<14} {sidecar:<11} ip netns exec {namespace} ...")?;
        }
        outln!("\n  sidelab exec POD -- COMMAND\n  sidelab get services\n  sidelab down")?;
        Ok(())
    }
}

pub(super) fn down(args: &DownArgs) -> Result<u8> {
    if !args.all {
        let id = labs::meant(args.lab.as_deref())?;
        netns::sweep(&id)?;
        outln!("removed {id}")?;
        return Ok(OK);
    }
    let Swept { removed, in_use, foreign, .. } = netns::sweep_all(args.force)?;
    for id in &removed {
        outln!("removed {id}")?;
    }
    if removed.is_empty() && in_use.is_empty() {
        outln!("there was no lab")?;
    }
    left_alone(&foreign);
    for lab in &in_use {
        noteln!("{}", in_use_by(lab));
    }
    Ok(if in_use.is_empty() { OK } else { USAGE })
}

/// Names what lies among the labs and is none.
pub(super) fn left_alone(foreign: &[Foreign]) {
    for Foreign { path, why } in foreign {
        noteln!("{} is no lab, and was left alone: {why}", path.display());
    }
}

fn in_use_by(lab: &LabSummary) -> String {
    let user = lab.creator.map_or_else(String::new, |pid| format!(" (pid {pid})"));
    format!(
        "lab {} was left alone: another process{user} is using it; `sidelab down --all --force` removes it, too, and what \
         that process does in it fails",
        lab.id
    )
}
