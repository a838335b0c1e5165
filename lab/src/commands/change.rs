//! `sidelab apply` and `sidelab delete`: changing a lab that is up.

use std::{
    collections::BTreeSet,
    sync::atomic::{AtomicBool, Ordering},
    time::Duration,
};

use anyhow::{Context, Result, bail};
use mesh::{Key, Objects, SourceFile, What, kind_of_word, model::ControlPlane, rollout::Change};
use netns::Lab;
use schemars::JsonSchema;
use serde::Serialize;

use super::{FAILED, INTERRUPTED, OK, labs, print_json};
use crate::{
    cli::{ApplyArgs, ChangeArgs, DeleteArgs, DryRun, Output},
    deploy::StartedPod,
    interrupt,
    keeper::{self, Side},
    live::{
        Turn,
        change::{self, Follower, Planned, PodChange, PodWhat, Wanted},
        record::Record,
        roll::Taken,
    },
    manifests::{self, BadManifests, NoManifests},
    report::words::{counted, listed},
    run::Interrupted,
    terminal::{noteln, outln},
};

/// The version of [`ChangeReport`].
pub(crate) const SCHEMA: &str = "sidelab.change/v1";

/// The namespaces that every cluster with Istio has.
const EVERY_CLUSTERS: [&str; 5] = ["default", "istio-system", "kube-node-lease", "kube-public", "kube-system"];

/// What `apply` or `delete` did.
#[derive(Serialize, JsonSchema)]
pub(crate) struct ChangeReport {
    schema: &'static str,
    lab: String,
    dry_run: bool,
    objects: Vec<ObjectReport>,
    /// The pods that changed.
    pods: Vec<PodReport>,
}

#[derive(Serialize, JsonSchema)]
struct ObjectReport {
    /// Such as `peerauthentication.security.istio.io/default`.
    object: String,
    namespace: String,
    /// `created`, `configured`, `unchanged` or `deleted`.
    what: String,
}

#[derive(Serialize, JsonSchema)]
pub(super) struct PodReport {
    /// `POD.NAMESPACE`.
    pod: String,
    what: PodChanged,
    /// Why it is made again.
    #[serde(skip_serializing_if = "Option::is_none")]
    why: Option<String>,
    /// Of its sidecar's configuration.
    changes: Vec<Change>,
    /// The containers whose mounted files changed.
    mounts: Vec<String>,
    /// How long its sidecar took; left out if it did not take its files, or got none.
    #[serde(skip_serializing_if = "Option::is_none")]
    seconds: Option<f64>,
    /// Why its sidecar did not take its files.
    #[serde(skip_serializing_if = "Option::is_none")]
    problem: Option<String>,
}

#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
enum PodChanged {
    Created,
    Deleted,
    /// Made again, with the same addresses.
    Replaced,
    Changed,
}

pub(super) fn apply(args: &ApplyArgs) -> Result<u8> {
    apply_files(&manifests::read(&args.manifests.files)?, &args.namespace, &args.how)
}

/// Applies manifests that were read; objects without a namespace are put in this one.
///
/// # Errors
/// If they are invalid: then nothing has changed.
pub(super) fn apply_files(files: &[SourceFile], namespace: &str, how: &ChangeArgs) -> Result<u8> {
    let new = objects_of(files, namespace)?;
    // Before the lab's objects are involved: a fault in these files is theirs.
    let mut faults = new.load().faults;
    if faults.iter().any(mesh::Fault::is_error) {
        mesh::locate(files, &mut faults);
        bail!(BadManifests { faults });
    }
    in_two(how, || {
        let lab = Lab::open(&labs::select(how.lab.lab.as_deref())?)?;
        let _turn = Turn::take(&lab)?;
        let record = Record::read(&lab)?;
        check_namespaces(&new, &record, lab.id())?;
        let mut objects = record.objects.clone();
        let done = objects.apply(new);
        carry_out(lab, &record, objects, files, &done, how)
    })
}

/// # Errors
/// If an object is put in a namespace that neither the lab nor the new objects have, as the API server refuses it.
fn check_namespaces(new: &Objects, record: &Record, lab: &str) -> Result<()> {
    let namespaces = new.keys().chain(record.objects.keys()).filter(|key| key.kind == "Namespace").map(|key| key.name);
    let used = record.objects.keys().map(|key| key.namespace);
    let known: BTreeSet<String> = EVERY_CLUSTERS.map(String::from).into_iter().chain(namespaces).chain(used).collect();
    let mut keys = new.keys();
    let Some(key) = keys.find(|key| !key.namespace.is_empty() && !known.contains(&key.namespace)) else {
        return Ok(());
    };
    let other = labs::with_namespace(&key.namespace, lab)?;
    let hint = other
        .map_or_else(|| "apply a Namespace, too".to_owned(), |other| format!("lab {other} has it (--lab {other})"));
    bail!("{key}: namespaces {:?} not found: {hint}", key.namespace)
}

pub(super) fn delete(args: &DeleteArgs) -> Result<u8> {
    let files = manifests::read(&args.files)?;
    let named = match &files[..] {
        [] => keys(&args.what, &args.namespace)?,
        files => objects_of(files, &args.namespace)?.keys().collect(),
    };
    in_two(&args.how, || {
        let lab = Lab::open(&labs::select(args.how.lab.lab.as_deref())?)?;
        let _turn = Turn::take(&lab)?;
        let record = Record::read(&lab)?;
        let mut objects = record.objects.clone();
        let named: Vec<Key> = named.into_iter().map(|key| of_lab(key, &objects)).collect();
        let gone = objects.delete(&named);
        let missing: Vec<&Key> = named.iter().filter(|key| !gone.contains(key)).collect();
        for key in missing.iter().filter(|_| !args.ignore_not_found) {
            noteln!("{key} in namespace {} is not there{}", key.namespace, owner(key, &record));
        }
        let done: Vec<(Key, What)> = gone.into_iter().map(|key| (key, What::Deleted)).collect();
        let mut changed = carry_out(lab, &record, objects, &[], &done, &args.how)?;
        if !missing.is_empty() && !args.ignore_not_found {
            changed.code = FAILED.max(changed.code);
        }
        Ok(changed)
    })
}

/// A change that was carried out.
pub(super) struct Changed {
    pub(super) code: u8,
    /// The lab, if programs were started in it.
    pub(super) started_in: Option<Lab>,
}

/// Does the work as [`kept`] does, unless nothing is to change.
fn in_two(how: &ChangeArgs, work: impl FnOnce() -> Result<Changed>) -> Result<u8> {
    if how.dry_run != DryRun::None {
        return work().map(|changed| changed.code);
    }
    kept(work)
}

/// Splits this process: the back does the work, and stays as the parent of the programs that it started.
pub(super) fn kept(work: impl FnOnce() -> Result<Changed>) -> Result<u8> {
    match keeper::split()? {
        Side::Front(code) => Ok(code),
        Side::Back(keeper) => {
            let Changed { code, started_in } = work()?;
            if let Some(lab) = started_in {
                keeper.stay_with_programs(&lab, code)?;
            }
            Ok(code)
        }
    }
}

fn objects_of(files: &[SourceFile], namespace: &str) -> Result<Objects> {
    let mut objects = Objects::read(files).map_err(|mut faults| {
        mesh::locate(files, &mut faults);
        BadManifests { faults }
    })?;
    if objects.keys().next().is_none() {
        bail!(NoManifests::in_files(files));
    }
    objects.put_in(namespace);
    Ok(objects)
}

/// The objects that words name: `KIND NAME...` or `KIND/NAME...`. Their groups are not known yet.
fn keys(words: &[String], namespace: &str) -> Result<Vec<Key>> {
    let kind = |word: &str| {
        kind_of_word(word)
            .map(str::to_owned)
            .with_context(|| format!("{word:?} is no kind of object that is read here"))
    };
    let key = |kind: String, name: &str| Key {
        group: String::new(),
        kind,
        namespace: namespace.to_owned(),
        name: name.to_owned(),
    };
    if words.iter().all(|word| word.contains('/')) {
        let parts = words.iter().filter_map(|word| word.split_once('/'));
        return parts.map(|(word, name)| Ok(key(kind(word)?, name))).collect();
    }
    let Some((first, names)) = words.split_first().filter(|(_, names)| !names.is_empty()) else {
        bail!("name an object after {}, such as `sidelab delete pa default`", listed(words));
    };
    let kind = kind(first)?;
    Ok(names.iter().map(|name| key(kind.clone(), name)).collect())
}

/// The object of the lab that a key without group means: cluster-scoped ones are in no namespace.
fn of_lab(key: Key, objects: &Objects) -> Key {
    let same = |other: &Key| other.kind == key.kind && other.name == key.name;
    let mut fitting = objects.keys().filter(|other| same(other) && other.namespace == key.namespace);
    fitting.next().unwrap_or(key)
}

/// What makes a pod that is no object itself.
fn owner(key: &Key, record: &Record) -> String {
    let Some(mesh) = record.resolve().ok().filter(|_| key.kind == "Pod") else { return String::new() };
    let of_name = |pod: &&mesh::model::Pod| pod.name.name == key.name && pod.name.namespace == key.namespace;
    match mesh.pods.iter().find(of_name) {
        Some(pod) => format!(": the pod belongs to {}, which would make it again; delete that", pod.document),
        None => String::new(),
    }
}

fn carry_out(
    lab: Lab,
    record: &Record,
    objects: Objects,
    files: &[SourceFile],
    done: &[(Key, What)],
    how: &ChangeArgs,
) -> Result<Changed> {
    if record.control_plane == ControlPlane::Dumps {
        bail!(
            "this lab runs dumped configurations, which objects do not change; dump the sidecars again, or use manifests"
        );
    }
    let dry_run = how.dry_run != DryRun::None;
    let options = record.options(lab.id().to_owned());
    let planned = change::plan(&lab, record, Wanted { objects, files, options, calls: &|_| vec![] })?;
    let pods = if dry_run { planned.changes() } else { carried_out(&planned, &lab, how.timeout)? };
    let starts = pods.iter().any(|pod| matches!(pod.what, PodWhat::Created | PodWhat::Replaced(_))) && !dry_run;
    let objects = done.iter().map(|(key, what)| ObjectReport {
        object: key.to_string(),
        namespace: key.namespace.clone(),
        what: what.to_string(),
    });
    let reached = || pods.iter().filter_map(|pod| pod.taken.as_ref());
    let taken: Vec<Duration> = reached().filter_map(Taken::time).collect();
    let sidecars = reached().count();
    let refused = reached().any(|taken| matches!(taken, Taken::Refused { .. }));
    let report = ChangeReport {
        schema: SCHEMA,
        lab: lab.id().to_owned(),
        dry_run,
        objects: objects.collect(),
        pods: pods.into_iter().map(pod_report).collect(),
    };
    match how.output.output {
        Output::Json => print_json(&report)?,
        Output::Table => print(&report)?,
    }
    for PodReport { pod, problem, .. } in &report.pods {
        if let Some(problem) = problem {
            noteln!("{pod}: {problem}");
        }
    }
    if how.wait && how.output.output == Output::Table && !dry_run {
        match taken.iter().max() {
            Some(last) => {
                let of = if taken.len() == sidecars { String::new() } else { format!(" of {sidecars}") };
                outln!("taken by {}{of}, the last after {:.3} s", counted(taken.len(), "sidecar"), last.as_secs_f64())?;
            }
            None if sidecars == 0 => outln!("no sidecar gets other files")?,
            None => {}
        }
    }
    let code = match () {
        () if refused || (how.wait && taken.len() < sidecars) => FAILED,
        () if how.wait && interrupt::is_asked() => INTERRUPTED,
        () => OK,
    };
    Ok(Changed { code, started_in: starts.then_some(lab) })
}

/// Carries out a change of a lab that outlives this process. Ctrl-C ends it as long as it has no effect.
///
/// # Errors
/// As [`Planned::carry_out`], and [`Interrupted`].
pub(super) fn carried_out(planned: &Planned, lab: &Lab, patience: Duration) -> Result<Vec<PodChange>> {
    let mut follower = ByHand { interrupted: interrupt::interruptible()?, is_committed: false };
    planned.carry_out(lab, patience, &mut follower).map_err(|error| match follower.is_committed {
        false if interrupt::is_asked() => Interrupted.into(),
        _ => error,
    })
}

struct ByHand {
    interrupted: &'static AtomicBool,
    is_committed: bool,
}

impl Follower for ByHand {
    fn commit(&mut self) -> Result<()> {
        if self.interrupted.load(Ordering::SeqCst) {
            bail!(Interrupted);
        }
        interrupt::hold();
        self.is_committed = true;
        Ok(())
    }

    fn created(&mut self, _pods: &[netns::Pod]) -> Result<()> {
        Ok(())
    }

    fn started(&mut self, _pods: Vec<StartedPod>) {}

    fn end(&mut self, lab: &Lab, pods: &[String]) -> Result<()> {
        change::end_programs(lab, pods)
    }
}

pub(super) fn pod_report(change: PodChange) -> PodReport {
    let seconds = change.taken.as_ref().and_then(Taken::time).map(|time| time.as_secs_f64());
    let problem = match change.taken {
        Some(Taken::Refused { counter, output }) => {
            Some(format!("its sidecar refused its files ({counter}): {output}"))
        }
        Some(Taken::NotYet(missing)) => Some(format!("its sidecar has not taken its files yet ({})", listed(&missing))),
        Some(Taken::DoesNotRun) => Some("its sidecar does not answer, and has not taken its files".to_owned()),
        Some(Taken::HeldBack(fault)) => {
            Some(format!("its sidecar gets its files once istiod is back (`sidelab fault clear {fault}`)"))
        }
        Some(Taken::After(_)) | None => None,
    };
    let (what, why, changes, mounts) = match change.what {
        PodWhat::Created => (PodChanged::Created, None, Vec::new(), Vec::new()),
        PodWhat::Deleted => (PodChanged::Deleted, None, Vec::new(), Vec::new()),
        PodWhat::Replaced(why) => (PodChanged::Replaced, Some(why), Vec::new(), Vec::new()),
        PodWhat::Changed { sidecar, mounts } => (PodChanged::Changed, None, sidecar, mounts),
    };
    PodReport { pod: change.pod, what, why, changes, mounts, seconds, problem }
}

fn print(report: &ChangeReport) -> Result<()> {
    let dry_run = if report.dry_run { " (dry run)" } else { "" };
    for ObjectReport { object, what, .. } in &report.objects {
        outln!("{object} {what}{dry_run}")?;
    }
    print_pods(&report.pods)
}

pub(super) fn print_pods(pods: &[PodReport]) -> Result<()> {
    for PodReport { pod, what, why, changes, mounts, .. } in pods {
        match (what, why) {
            (PodChanged::Created, _) => outln!("{pod}: created")?,
            (PodChanged::Deleted, _) => outln!("{pod}: deleted")?,
            (PodChanged::Replaced, why) => outln!("{pod}: replaced: {}", why.as_deref().unwrap_or_default())?,
            (PodChanged::Changed, _) => {
                for change in changes {
                    outln!("{pod}: {change}")?;
                }
                for container in mounts {
                    outln!("{pod}: mounted files of container {container} changed")?;
                }
            }
        }
    }
    Ok(())
}
