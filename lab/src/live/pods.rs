//! Which pods of a mesh come, go, are replaced, or stay when its manifests change.

use mesh::model::{Container, Mesh, Pod, Source};
use netns::PodSpec;

#[cfg(test)]
mod tests;

/// What happens to a pod.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Fate {
    Comes,
    /// It is made again, for a reason: a clause.
    IsReplaced(String),
    /// It stays; files that are mounted into these containers change, by their index.
    Stays(Vec<usize>),
}

/// A pod that runs.
pub(super) struct Running<'a> {
    pub(super) pod: &'a Pod,
    pub(super) spec: &'a PodSpec,
}

/// What happens to a pod that runs and will be in the mesh.
pub(super) fn fate(running: &Running<'_>, new: &Pod, new_spec: &PodSpec) -> Fate {
    if let Some(why) = why_replaced(running.pod, new).or_else(|| why_rebuilt(running.spec, new_spec)) {
        return Fate::IsReplaced(why);
    }
    let files = running.pod.containers.iter().zip(&new.containers).enumerate();
    Fate::Stays(files.filter(|(_, (old, new))| old.mounts != new.mounts).map(|(index, _)| index).collect())
}

/// Why a pod's network has to be made again.
fn why_rebuilt(old: &PodSpec, new: &PodSpec) -> Option<String> {
    let parts = [
        ("its addresses", (old.v4, old.v6) != (new.v4, new.v6)),
        ("its redirects", (&old.iptables, &old.ip6tables) != (&new.iptables, &new.ip6tables)),
        ("its /etc/hosts", old.hosts != new.hosts),
        ("its /etc/resolv.conf", old.resolv_conf != new.resolv_conf),
    ];
    let (part, _) = parts.into_iter().find(|(_, differs)| *differs)?;
    Some(format!("{part} changed"))
}

/// Why a pod's programs have to be started again: what a cluster, too, changes only by making another pod.
fn why_replaced(old: &Pod, new: &Pod) -> Option<String> {
    match (&old.sidecar, &new.sidecar) {
        (None, Some(_)) => return Some("it gets a sidecar".to_owned()),
        (Some(_), None) => return Some("it loses its sidecar".to_owned()),
        (Some(old), Some(new)) if old.spiffe_id != new.spiffe_id => {
            return Some(format!("its identity becomes {}", new.spiffe_id));
        }
        (Some(old), Some(new)) if old.svid != new.svid => {
            return Some("the kind of its certificate changed".to_owned());
        }
        (Some(old), Some(new)) if old.mounts != new.mounts => return Some("its sidecar's mounts changed".to_owned()),
        _ => {}
    }
    if old.labels != new.labels {
        return Some("its labels changed".to_owned());
    }
    let names = |pod: &Pod| pod.containers.iter().map(|one| one.name.clone()).collect::<Vec<_>>();
    if names(old) != names(new) {
        return Some("its containers changed".to_owned());
    }
    old.containers.iter().zip(&new.containers).find_map(|(old, new)| {
        let field = changed_field(old, new)?;
        Some(format!("{field} of container {} changed", new.name))
    })
}

/// The first part of a container that differs, apart from the contents of its mounts and its place in the manifests.
fn changed_field(old: &Container, new: &Container) -> Option<&'static str> {
    let mounts = |one: &Container| one.mounts.iter().map(|mount| mount.path.clone()).collect::<Vec<_>>();
    let fields = [
        ("the image", old.image != new.image),
        ("the command", old.command != new.command),
        ("the args", old.args != new.args),
        ("the environment", old.env != new.env),
        ("the ports", old.ports != new.ports),
        ("the mounts", mounts(old) != mounts(new)),
        ("the user", old.run_as_user != new.run_as_user),
        ("a probe", (&old.startup, &old.readiness, &old.liveness) != (&new.startup, &new.readiness, &new.liveness)),
        ("the stand-in", old.stand_in != new.stand_in),
    ];
    let other = || {
        let place = Source::default_of("");
        let bare = |one: &Container| Container { mounts: Vec::new(), source: place.clone(), ..one.clone() };
        (bare(old) != bare(new)).then_some("the definition")
    };
    fields.into_iter().find(|(_, differs)| *differs).map(|(field, _)| field).or_else(other)
}

/// The running pods that the new mesh does not have.
pub(super) fn leaving<'a>(running: impl Iterator<Item = &'a str>, new: &Mesh) -> Vec<&'a str> {
    running.filter(|name| !new.pods.iter().any(|pod| pod.name.to_string() == *name)).collect()
}
