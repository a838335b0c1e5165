//! `sidelab get`.

use std::fs;

use anyhow::{Context, Result, bail};
use mesh::{
    Key, is_namespaced, kind_of_word,
    model::{Mesh, Pod},
};
use netns::{Lab, LabState};
use serde_json::{Value, json};

use super::{FAILED, OK, labs, print_json, up::left_alone};
use crate::{
    cli::{GetArgs, GetOutput, LabArgs, SidecarsArgs},
    interrupt,
    live::record::Record,
    look::{
        columns::{KUBECTL, columns},
        objects, pods,
        status::{Clock, PodStatus},
    },
    manifests, name_server,
    report::words::did_you_mean,
    terminal::{noteln, out, outln},
};

/// How often the state of a pod is read again while the end of a program has been noticed, and its exit code not yet.
const READS: usize = 100;

/// An object that was found.
struct Found {
    key: Key,
    cells: Vec<String>,
    object: Value,
}

/// What is asked for of one kind.
#[derive(Debug, PartialEq, Eq)]
struct Asked {
    /// `Pod`.
    kind: &'static str,
    /// All if empty.
    names: Vec<String>,
}

pub(super) fn get(args: &GetArgs) -> Result<u8> {
    if let [what] = &args.what[..]
        && (what == "labs" || what == "lab")
    {
        return print_labs(args);
    }
    let asked = asked(&args.what)?;
    let opened = Opened::new(&args.lab)?;
    let wide = args.output == Some(GetOutput::Wide);
    let mut found = Vec::new();
    let mut code = OK;
    for one in &asked {
        let all = opened.find(one.kind, wide)?;
        let there: Vec<Found> = all.into_iter().filter(|found| is_chosen(&found.key, one, args)).collect();
        for name in one.names.iter().filter(|name| !there.iter().any(|found| is_named(&found.key, name))) {
            let group = there.first().map_or("", |found| found.key.group.as_str());
            let names: Vec<String> = opened.find(one.kind, false)?.into_iter().map(|found| found.key.name).collect();
            let meant = did_you_mean(name, names.iter().map(String::as_str));
            noteln!(
                "error: {} {name:?} not found in namespace {}{meant}",
                objects::plural(one.kind, group),
                args.namespace
            );
            code = FAILED;
        }
        found.push((one, there));
    }
    let is_one = asked.len() == 1 && asked[0].names.len() == 1;
    let all = || found.iter().flat_map(|(_, there)| there);
    match args.output {
        Some(GetOutput::Json) if code == OK => {
            print_json(&objects::document(all().map(|found| found.object.clone()).collect(), is_one))?;
        }
        Some(GetOutput::Yaml) if code == OK => {
            let document = objects::document(all().map(|found| found.object.clone()).collect(), is_one);
            out!("{}", serde_saphyr::to_string(&document)?)?;
        }
        Some(GetOutput::Json | GetOutput::Yaml) => {}
        Some(GetOutput::Name) => all().try_for_each(|found| outln!("{}", found.key))?,
        None | Some(GetOutput::Wide) => {
            if all().next().is_none() && code == OK {
                let place =
                    if args.all_namespaces { String::new() } else { format!(" in {} namespace", args.namespace) };
                noteln!("No resources found{place}.");
                return Ok(OK);
            }
            let several = found.iter().filter(|(_, there)| !there.is_empty()).count() > 1;
            let mut is_first = true;
            for (asked, there) in found.iter().filter(|(_, there)| !there.is_empty()) {
                if !is_first {
                    outln!("")?;
                }
                is_first = false;
                print_table(asked.kind, there, args, several)?;
            }
        }
    }
    Ok(code)
}

/// The kinds and names that words ask for: `KIND[,KIND]`, `KIND NAME...` or `KIND/NAME...`.
fn asked(words: &[String]) -> Result<Vec<Asked>> {
    let kind = |word: &str| {
        kind_of_word(word).with_context(|| {
            format!("the lab has no kind {word:?}; write one as kubectl does, such as pods, svc, pa or dr")
        })
    };
    let Some((first, names)) = words.split_first() else { bail!("name a kind, such as pods") };
    if !first.contains('/') {
        let kinds = first.split(',').map(|word| Ok(Asked { kind: kind(word)?, names: names.to_vec() }));
        return kinds.collect();
    }
    let mut asked: Vec<Asked> = Vec::new();
    for word in words {
        let (of, name) = word.split_once('/').with_context(|| format!("{word:?}: write KIND/NAME for each"))?;
        let kind = kind(of)?;
        match asked.iter_mut().find(|one| one.kind == kind) {
            Some(one) => one.names.push(name.to_owned()),
            None => asked.push(Asked { kind, names: vec![name.to_owned()] }),
        }
    }
    Ok(asked)
}

fn is_chosen(key: &Key, asked: &Asked, args: &GetArgs) -> bool {
    let full = |name: &String| *name == format!("{}.{}", key.name, key.namespace);
    let in_namespace = args.all_namespaces || !is_namespaced(&key.kind) || key.namespace == args.namespace;
    (asked.names.is_empty() && in_namespace)
        || asked.names.iter().any(|name| full(name) || (in_namespace && *name == key.name))
}

/// Whether an object has a name, `NAME` or `NAME.NAMESPACE`.
fn is_named(key: &Key, name: &str) -> bool {
    name == key.name || name == format!("{}.{}", key.name, key.namespace)
}

fn print_table(kind: &str, found: &[Found], args: &GetArgs, with_kind: bool) -> Result<()> {
    let wide = args.output == Some(GetOutput::Wide);
    let with_namespace = args.all_namespaces && is_namespaced(kind);
    let titles = if kind == "Pod" { pods::titles(wide) } else { objects::titles(kind, wide) };
    let title = ["NAMESPACE"].into_iter().filter(|_| with_namespace).chain(titles).map(str::to_owned).collect();
    let rows = found.iter().map(|Found { key, cells, .. }| {
        let mut cells = cells.clone();
        if with_kind {
            cells[0] = key.to_string();
        }
        Some(key.namespace.clone()).filter(|_| with_namespace).into_iter().chain(cells).collect()
    });
    let rows: Vec<Vec<String>> = Some(title).filter(|_| !args.no_headers).into_iter().chain(rows).collect();
    out!("{}", columns(&rows, KUBECTL))?;
    Ok(())
}

/// A lab that is read.
pub(super) struct Opened {
    pub(super) lab: Lab,
    pub(super) record: Record,
    pub(super) mesh: Mesh,
}

impl Opened {
    pub(super) fn new(lab: &LabArgs) -> Result<Self> {
        let lab = Lab::open(&labs::select(lab.lab.as_deref())?)?;
        let record = Record::read(&lab)?;
        let mesh = record.resolve()?;
        Ok(Self { lab, record, mesh })
    }

    /// The pod that is named, else all with a sidecar.
    pub(super) fn sidecars(&self, args: &SidecarsArgs) -> Result<Vec<&Pod>> {
        Ok(match &args.pod {
            Some(name) => vec![&self.mesh.pods[manifests::find_pod(&self.mesh, name, &args.namespace)?]],
            None => self.mesh.pods.iter().filter(|pod| pod.sidecar.is_some()).collect(),
        })
    }

    /// The state of each pod, in the mesh's order.
    pub(super) fn statuses(&self) -> Result<(Vec<PodStatus>, Clock)> {
        for read in 1.. {
            let (started, exits, clock) = (self.lab.processes()?, self.lab.exits()?, clock()?);
            let status = |pod| PodStatus::new(pod, &started, &exits, clock);
            let statuses: Vec<PodStatus> = self.mesh.pods.iter().map(status).collect();
            if read == READS || !statuses.iter().any(PodStatus::has_unknown_end) {
                return Ok((statuses, clock));
            }
            // The lab's keeper is about to record how it ended.
            interrupt::pause(std::time::Duration::from_millis(2));
        }
        unreachable!("the last read returns")
    }

    fn find(&self, kind: &str, wide: bool) -> Result<Vec<Found>> {
        if kind == "Pod" {
            let (statuses, clock) = self.statuses()?;
            let found = self.mesh.pods.iter().zip(&statuses).map(|(pod, status)| Found {
                key: Key {
                    group: String::new(),
                    kind: kind.to_owned(),
                    namespace: pod.name.namespace.clone(),
                    name: pod.name.name.clone(),
                },
                cells: pods::cells(pod, status, clock, wide),
                object: pods::object(pod, status),
            });
            return Ok(found.collect());
        }
        let now = clock()?.now;
        let mut found: Vec<Found> = Vec::new();
        for (key, applied) in self.record.objects.iter().filter(|(key, _)| key.kind == kind) {
            let created = self.record.created(&key);
            let object = objects::object(&key, applied, created, is_namespaced(kind), &self.mesh);
            found.push(Found { cells: objects::cells(&key, &object, created, now, wide), object, key });
        }
        found.sort_by(|a, b| a.key.cmp(&b.key));
        Ok(found)
    }
}

/// The current time, and the time since the kernel booted (proc_uptime(5)).
fn clock() -> Result<Clock> {
    let uptime = fs::read_to_string("/proc/uptime").context("can't read /proc/uptime")?;
    let seconds = uptime.split(['.', ' ']).next().and_then(|seconds| seconds.parse().ok());
    Ok(Clock { now: jiff::Timestamp::now().as_second(), since_boot: seconds.context("can't read /proc/uptime")? })
}

fn print_labs(args: &GetArgs) -> Result<u8> {
    let titles = ["LAB", "NAME", "STATE", "PODS", "PROCESSES"];
    let listing = netns::labs()?;
    left_alone(&listing.foreign);
    let row = |lab: &netns::LabSummary| {
        let state = match lab.state {
            LabState::InUse => "in use",
            LabState::LeftUp => "up",
            LabState::Stale => "stale: its process was killed; `sidelab down --all` removes it",
        };
        // The manifests' own, as `up` counts them.
        let pods = lab.pods.iter().filter(|pod| *pod != name_server::POD).count();
        [json!(lab.id), json!(lab.name), json!(state), json!(pods), json!(lab.processes.len())]
    };
    let rows = listing.labs.iter().map(row);
    match args.output {
        Some(GetOutput::Json | GetOutput::Yaml) => {
            let keys = titles.map(str::to_lowercase);
            let objects = rows.map(|row| keys.iter().cloned().zip(row).collect::<serde_json::Map<_, _>>());
            let objects: Vec<_> = objects.collect();
            match args.output {
                Some(GetOutput::Yaml) => out!("{}", serde_saphyr::to_string(&objects)?)?,
                _ => print_json(&objects)?,
            }
        }
        Some(GetOutput::Name) => listing.labs.iter().try_for_each(|lab| outln!("{}", lab.id))?,
        None | Some(GetOutput::Wide) => {
            let cell = |value: Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
            let rows = rows.map(|row| row.map(cell).to_vec());
            let titles = Some(titles.map(str::to_owned).to_vec()).filter(|_| !args.no_headers);
            let rows: Vec<Vec<String>> = titles.into_iter().chain(rows).collect();
            out!("{}", columns(&rows, KUBECTL))?;
        }
    }
    Ok(OK)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(text: &str) -> Result<Vec<Asked>> {
        asked(&text.split(' ').map(str::to_owned).collect::<Vec<_>>())
    }

    #[test]
    fn kinds_and_names_are_read_as_kubectl_reads_them() {
        let one = |kind, names: &[&str]| Asked { kind, names: names.iter().map(|name| (*name).to_owned()).collect() };
        assert_eq!(words("po").unwrap(), [one("Pod", &[])]);
        assert_eq!(words("pod a b").unwrap(), [one("Pod", &["a", "b"])]);
        assert_eq!(words("svc,pa").unwrap(), [one("Service", &[]), one("PeerAuthentication", &[])]);
        assert_eq!(words("svc/a po/b svc/c").unwrap(), [one("Service", &["a", "c"]), one("Pod", &["b"])]);
    }

    #[test]
    fn what_is_no_kind_is_refused() {
        assert!(words("gizmos").unwrap_err().to_string().contains("no kind \"gizmos\""));
        assert!(words("svc/a b").unwrap_err().to_string().contains("KIND/NAME"));
    }
}
