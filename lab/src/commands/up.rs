//! `sidelab up` and `sidelab down`.

use std::sync::atomic::Ordering;

use anyhow::{Result, bail};
use netns::Privilege;
use serde_json::json;

use super::{OK, labs, labs::Note, print_json, run};
use crate::{
    cli::{DownArgs, Output, UpArgs},
    deploy::{self, Deployment},
    last_run, manifests,
    run::Interrupted,
    tools::Tools,
    tuning::Tuning,
    verdict::DataPlane,
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
    let (mesh, warnings) = manifests::resolve(&files, args.mesh.into())?;
    manifests::tell(&warnings);
    if mesh.pods.is_empty() {
        bail!("these manifests have no pod");
    }
    let data_plane: DataPlane = args.data_plane.into();
    let interrupted = run::interruptible()?;
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
    let seconds = deployment.ready_after.as_secs_f64();
    let namespaces: Vec<String> = deployment.pods.iter().map(|pod| pod.namespace().to_owned()).collect();
    let id = deployment.leave_up()?;
    progress.finish_and_clear();
    if args.output.output == Output::Json {
        let pods: Vec<_> = mesh
            .pods
            .iter()
            .zip(&namespaces)
            .map(|(pod, namespace)| {
                json!({"pod": pod.name.to_string(), "ips": pod.ips.both(), "sidecar": pod.sidecar.is_some(),
                       "network_namespace": namespace})
            })
            .collect();
        print_json(&json!({"schema": "sidelab.up/v1", "lab": id, "mesh": mesh.flavor, "data_plane": data_plane,
                           "seconds": seconds, "pods": pods}))?;
        return Ok(OK);
    }
    anstream::println!("lab {id} is up ({} pods, {data_plane}, ready after {seconds:.2} s)\n", mesh.pods.len());
    for (pod, namespace) in mesh.pods.iter().zip(&namespaces) {
        let sidecar = if pod.sidecar.is_some() { "sidecar" } else { "no sidecar" };
        anstream::println!(
            "  {:<24} {:<14} {sidecar:<11} ip netns exec {namespace} ...",
            pod.name.to_string(),
            pod.ips.v4
        );
    }
    anstream::println!("\n  sidelab exec POD -- COMMAND\n  sidelab get services\n  sidelab down");
    Ok(OK)
}

pub(super) fn down(args: &DownArgs) -> Result<u8> {
    let removed = if args.all {
        let removed = netns::sweep_all()?;
        last_run::forget();
        removed
    } else {
        let id = labs::meant(args.lab.as_deref())?;
        netns::sweep(&id)?;
        vec![id]
    };
    for id in &removed {
        anstream::println!("removed {id}");
    }
    if removed.is_empty() {
        anstream::println!("there was no lab");
    }
    Ok(OK)
}
