//! `sidelab diff`: the compiler's files next to those of the real control plane.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
};

use anyhow::{Context, Result, bail};
use mesh::{
    SourceFile,
    differences::Judged,
    model::{Flavor, Mesh},
};
use serde::Serialize;
use serde_json::Value;

use super::{FAILED, OK, print_json};
use crate::{
    cli::{DiffArgs, Output},
    istiod::{self, Answer, Istiod, PodDifferences, Request, verdicts::disagreements},
    manifests::{self, DEFAULT_NAMESPACE},
    terminal::{noteln, outln},
};

/// The differences of one pod, as JSON.
#[derive(Serialize)]
struct PodRow {
    pod: String,
    explained: usize,
    unexplained: usize,
    differences: Vec<Row>,
}

#[derive(Serialize)]
struct Row {
    path: Vec<String>,
    istiod: Option<Value>,
    here: Option<Value>,
    /// The row of the table of known differences.
    known: Option<&'static str>,
    why: Option<&'static str>,
}

pub(super) fn diff(args: &DiffArgs) -> Result<u8> {
    let files = manifests::read(&args.manifests.files)?;
    let (resolved, warnings) = manifests::resolve(&files).inspect_err(|_| verdicts_on_refused(&files))?;
    let mesh = Mesh::new(resolved, Flavor::Istio);
    manifests::print_warnings(&warnings);
    let answer = answer(args, &files, &mesh)?;
    let disagreements = disagreements(&files, &answer);
    for disagreement in &disagreements {
        noteln!("{disagreement}");
    }
    let mut pods = istiod::differences(&mesh, &answer)?;
    if let Some(name) = &args.pod {
        let named = named(&mesh, name, args.namespace.as_deref())?;
        pods.retain(|of| named.contains(&of.pod));
        if pods.is_empty() {
            bail!("{} has no sidecar, so there is nothing to compare", named.join(", "));
        }
    }
    if pods.is_empty() {
        bail!("no pod has a sidecar, so there is nothing to compare");
    }
    let unexplained = pods.iter().flat_map(|of| &of.judged).filter(|judged| judged.known.is_none()).count();
    match args.output.output {
        Output::Json => print_json(&pods.into_iter().map(row).collect::<Vec<_>>())?,
        Output::Table => pods.iter().try_for_each(|of| table(args, &of.pod, &of.judged))?,
    }
    Ok(if unexplained == 0 && disagreements.is_empty() { OK } else { FAILED })
}

/// The pods that a name stands for. Without a namespace it is the one in `default`, else all of this name.
fn named(mesh: &Mesh, name: &str, namespace: Option<&str>) -> Result<Vec<String>> {
    let found = match (manifests::find_pod(mesh, name, namespace.unwrap_or(DEFAULT_NAMESPACE)), namespace) {
        (Ok(pod), _) => vec![pod],
        (Err(missing), Some(_)) => return Err(missing.into()),
        (Err(missing), None) => {
            let namespaces: BTreeSet<&str> = mesh.pods.iter().map(|pod| pod.name.namespace.as_str()).collect();
            let found: Vec<_> = namespaces.into_iter().filter_map(|namespace| mesh.pod(name, namespace)).collect();
            if found.is_empty() {
                return Err(missing.into());
            }
            found
        }
    };
    Ok(found.into_iter().map(|pod| mesh.pods[pod].name.to_string()).collect())
}

/// istiod may accept manifests that are rejected here: verdicts that differ are printed.
fn verdicts_on_refused(files: &[SourceFile]) {
    let answer = Istiod::find().map_err(Into::into).and_then(|istiod| istiod.ask_one(Request::new(files, None)));
    for disagreement in answer.iter().flat_map(|answer| disagreements(files, answer)) {
        noteln!("{disagreement}");
    }
}

/// istiod's answer; if it is not built, the stored answer for a scenario's manifests.
fn answer(args: &DiffArgs, files: &[SourceFile], mesh: &Mesh) -> Result<Answer> {
    let missing = match Istiod::find() {
        Ok(istiod) => return istiod.ask_one(Request::new(files, Some(mesh))),
        Err(missing) => missing,
    };
    if let ([path], [file]) = (&args.manifests.files[..], files) {
        let folder = path.parent().unwrap_or(Path::new("."));
        if let Some(answer) = istiod::golden(folder, &file.text)? {
            noteln!(
                "istiod is not built here (scripts/istiod builds it): comparing with the stored answer for this scenario"
            );
            return Ok(answer);
        }
    }
    Err(missing).context("there is nothing to compare with")
}

fn row(PodDifferences { pod, judged }: PodDifferences) -> PodRow {
    let explained = judged.iter().filter(|judged| judged.known.is_some()).count();
    PodRow {
        pod,
        explained,
        unexplained: judged.len() - explained,
        differences: judged
            .into_iter()
            .map(|Judged { difference, known }| Row {
                path: difference.path,
                istiod: difference.istio,
                here: difference.here,
                known: known.map(|known| known.id),
                why: known.map(|known| known.why),
            })
            .collect(),
    }
}

fn table(args: &DiffArgs, pod: &str, judged: &[Judged]) -> Result<()> {
    let mut known: BTreeMap<&str, Vec<&Judged>> = BTreeMap::new();
    let mut unknown = vec![];
    for each in judged {
        match each.known {
            Some(row) => known.entry(row.id).or_default().push(each),
            None => unknown.push(each),
        }
    }
    outln!("{pod}: {} differences with a reason, {} without", judged.len() - unknown.len(), unknown.len())?;
    if !args.unexplained {
        for (id, judged) in known {
            let row = judged[0].known.map_or(("", ""), |known| (known.istio, known.here));
            outln!("\n  {id} ({} fields)\n    istiod: {}\n    here:   {}", judged.len(), row.0, row.1)?;
        }
    }
    for each in unknown {
        outln!("\n  WITHOUT A REASON: {}", each.difference.to_string().replace('\n', "\n  "))?;
    }
    outln!("")?;
    Ok(())
}
