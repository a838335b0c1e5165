//! Where the sidecars' files come from: the compiler, or the real istiod.

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

/// istiod was requested for the textbook mesh.
#[derive(Clone, Copy, Debug, Error)]
#[error("--control-plane istiod supports only the istio mesh; leave --mesh out, or write --mesh istio")]
pub struct NoTextbook;

/// istiod and sidelab disagree on what the manifests contain.
#[derive(Debug, Error)]
pub enum Disagrees {
    /// istiod's webhook rejects an object that sidelab accepts.
    #[error(
        "{}: document {}: istiod rejects {} {}/{}, which sidelab accepts: {}", .0.file, .0.document, .0.kind, .0.namespace, .0.name,
        .0.message.trim()
    )]
    Refuses(Object),
    /// istiod's injector and sidelab disagree on whether a pod gets a sidecar.
    #[error("{pod}: istiod's injector gives it {} sidecar, and sidelab {}{reason}", article(*.istiod), article(!.istiod))]
    Injection {
        /// `POD.NAMESPACE`.
        pod: String,
        /// Whether istiod's injector adds a sidecar.
        istiod: bool,
        /// istiod's reason, with a separator; empty if it gives none.
        reason: String,
    },
}

fn article(sidecar: bool) -> &'static str {
    if sidecar { "a" } else { "no" }
}

/// The meshes to run for a control plane: those that were requested, else its defaults.
///
/// # Errors
/// [`NoTextbook`].
pub fn flavors(control_plane: ControlPlane, asked: Option<Vec<Flavor>>, otherwise: &[Flavor]) -> Result<Vec<Flavor>> {
    match (control_plane, asked) {
        (ControlPlane::Istiod, None) => Ok(vec![Flavor::Istio]),
        (ControlPlane::Istiod, Some(asked)) if asked.contains(&Flavor::Textbook) => bail!(NoTextbook),
        (_, Some(asked)) => Ok(asked),
        (_, None) => Ok(otherwise.to_vec()),
    }
}

/// Replaces the sidecars' files of each mesh by istiod's, if that is the control plane. Each mesh comes with its manifests.
///
/// # Errors
/// If istiod is not built, or disagrees with sidelab on an object or an injection.
pub fn apply(control_plane: ControlPlane, meshes: Vec<(Mesh, &[SourceFile])>) -> Result<Vec<Mesh>> {
    if control_plane != ControlPlane::Istiod {
        return Ok(meshes.into_iter().map(|(mesh, _)| mesh).collect());
    }
    let requests: Vec<Request> = meshes.iter().map(|(mesh, files)| Request::new(files, Some(mesh)).for_lab()).collect();
    let answers = Istiod::find()?.ask(&requests)?;
    meshes.into_iter().zip(answers).map(|((mesh, files), answer)| pushed(mesh, files, answer)).collect()
}

/// [`apply`] for one mesh.
///
/// # Errors
/// As [`apply`].
pub fn apply_to(control_plane: ControlPlane, mesh: Mesh, files: &[SourceFile]) -> Result<Mesh> {
    apply(control_plane, vec![(mesh, files)])?.pop().context("one mesh gives one mesh")
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
    Ok(mesh.pushed_by(ControlPlane::Istiod, pushed))
}

/// Prints once which of Istio's filters were removed for stock Envoy.
pub fn tell_stock_envoy() {
    noteln!("stock Envoy lacks some filters that istiod generates; these were removed:");
    for Absent { name, without, .. } in &ABSENT {
        noteln!("  {name}: {without}");
    }
}
