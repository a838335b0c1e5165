//! Whose files the sidecars of a lab or a prediction have: the compiler's, or those that the real istiod writes.

use std::collections::BTreeMap;

use anyhow::{Context, Result, bail};
use mesh::{
    SourceFile,
    control_plane::{ABSENT, Absent},
    model::{ControlPlane, Flavor, Mesh, Pushed},
};
use thiserror::Error;

use crate::{
    istiod::{Answer, Istiod, Object, Pod, Request},
    terminal::noteln,
};

/// istiod is asked for a mesh that it does not make.
#[derive(Clone, Copy, Debug, Error)]
#[error(
    "--control-plane istiod makes the istio mesh alone: no istiod writes the textbook's; leave --mesh out, or write --mesh istio"
)]
pub struct NoTextbook;

/// istiod makes something else of the manifests than what the lab is built by.
#[derive(Debug, Error)]
pub enum Disagrees {
    /// Its webhook refuses an object.
    #[error(
        "{}: document {}: istiod refuses {} {}/{}, which sidelab takes: {}", .0.file, .0.document, .0.kind, .0.namespace, .0.name,
        .0.message.trim()
    )]
    Refuses(Object),
    /// Its injector gives a pod a sidecar, or none, and the lab's rules say otherwise.
    #[error("{pod}: istiod's injector gives it {} sidecar, and sidelab {}{reason}", some(*.istiod), some(!.istiod))]
    Injection {
        /// `POD.NAMESPACE`.
        pod: String,
        /// Whether istiod gives it one.
        istiod: bool,
        /// Why not, where it says.
        reason: String,
    },
}

fn some(sidecar: bool) -> &'static str {
    if sidecar { "a" } else { "no" }
}

/// The meshes to make where a control plane is named and perhaps meshes.
///
/// # Errors
/// [`NoTextbook`].
pub fn flavors(control_plane: ControlPlane, asked: Option<Vec<Flavor>>, otherwise: &[Flavor]) -> Result<Vec<Flavor>> {
    match (control_plane, asked) {
        (ControlPlane::Istiod, None) => Ok(vec![Flavor::Istio]),
        (ControlPlane::Istiod, Some(asked)) if asked.contains(&Flavor::Textbook) => bail!(NoTextbook),
        (_, Some(asked)) => Ok(asked),
        (ControlPlane::Compiler, None) => Ok(otherwise.to_vec()),
    }
}

/// Has istiod write the files of meshes, each with the manifests that it was made of, where it is the control plane.
///
/// # Errors
/// When it is not built, or disagrees with sidelab on what runs at all.
pub fn apply(control_plane: ControlPlane, meshes: Vec<(Mesh, &[SourceFile])>) -> Result<Vec<Mesh>> {
    if control_plane == ControlPlane::Compiler {
        return Ok(meshes.into_iter().map(|(mesh, _)| mesh).collect());
    }
    let requests: Vec<Request> = meshes.iter().map(|(mesh, files)| Request::new(files, Some(mesh)).of_lab()).collect();
    let answers = Istiod::find()?.ask(&requests)?;
    meshes.into_iter().zip(answers).map(|((mesh, files), answer)| pushed(mesh, files, answer)).collect()
}

/// The same of one mesh.
///
/// # Errors
/// As [`apply`].
pub fn apply_to(control_plane: ControlPlane, mesh: Mesh, files: &[SourceFile]) -> Result<Mesh> {
    apply(control_plane, vec![(mesh, files)])?.pop().context("a mesh of a mesh")
}

fn pushed(mesh: Mesh, files: &[SourceFile], answer: Answer) -> Result<Mesh> {
    let named = || files.iter().map(|file| file.name.as_str()).collect::<Vec<_>>().join(", ");
    if !answer.error.is_empty() {
        bail!("{}: istiod: {}", named(), answer.error);
    }
    if let Some(refused) = answer.objects.iter().find(|object| !object.allowed) {
        bail!(Disagrees::Refuses(refused.clone()));
    }
    for pod in mesh.pods.iter().filter(|pod| !pod.is_external()) {
        let name = pod.name.to_string();
        let theirs = answer.pod(&name).with_context(named)?;
        if theirs.sidecar != pod.sidecar.is_some() {
            let reason = &theirs.injection_error;
            let reason = if reason.is_empty() { String::new() } else { format!(": {reason}") };
            bail!(Disagrees::Injection { pod: name, istiod: theirs.sidecar, reason });
        }
    }
    let of_pod = |pod: Pod| {
        let name = pod.full_name();
        let Pod { listeners, routes, clusters, endpoints, .. } = pod;
        (name, Pushed { listeners, routes, clusters, endpoints })
    };
    let pushed: BTreeMap<_, _> = answer.pods.into_iter().filter(|pod| pod.sidecar).map(of_pod).collect();
    Ok(mesh.pushed_to(pushed))
}

/// Says once which of Istio's filters stock Envoy runs without.
pub fn tell_stock_envoy() {
    noteln!("stock Envoy does not have all filters that istiod writes; taken out for it:");
    for Absent { name, without, .. } in &ABSENT {
        noteln!("  {name}: {without}");
    }
}
