//! `sidelab describe`.

use anyhow::{Result, bail};
use mesh::{kind_of_word, policy::Policy};

use super::{OK, opened::Opened};
use crate::{
    admin,
    cli::DescribeArgs,
    look::{
        describe::{Described, SidecarFacts},
        dump::Dump,
        secrets::SecretItem,
    },
    manifests,
    terminal::{out, outln},
};

pub(super) fn describe(args: &DescribeArgs) -> Result<u8> {
    let names = names(&args.what)?;
    let opened = Opened::new(&args.lab)?;
    opened.note_faults();
    let (statuses, clock) = opened.statuses()?;
    let all: Vec<usize> = match &names[..] {
        [] => {
            let in_namespace =
                |(index, pod): (usize, &mesh::model::Pod)| (pod.name.namespace == args.namespace).then_some(index);
            opened.mesh.pods.iter().enumerate().filter_map(in_namespace).collect()
        }
        names => {
            let find = |name: &&str| manifests::find_pod(&opened.mesh, name, &args.namespace);
            names.iter().map(find).collect::<Result<_, _>>()?
        }
    };
    for (number, index) in all.into_iter().enumerate() {
        if number > 0 {
            outln!("\n")?;
        }
        let pod = &opened.mesh.pods[index];
        let host = opened.lab.pod(&pod.name.to_string())?;
        let facts = || -> Result<SidecarFacts> {
            let dump = Dump::new(admin::get_json(pod, &host, Dump::PATH)?);
            Ok(SidecarFacts { secrets: SecretItem::of_dump(&dump, clock.now), dump })
        };
        let sidecar = pod.sidecar.as_ref().map(|_| facts().map_err(|error| error.to_string()));
        let policy = Policy::for_pod(&opened.mesh, index);
        out!("{}", Described { pod, status: &statuses[index], policy: &policy, sidecar }.render())?;
    }
    Ok(OK)
}

/// The pods that words name: `pod NAME...` or `pod/NAME...`; all if empty.
fn names(words: &[String]) -> Result<Vec<&str>> {
    let check = |word: &str| match kind_of_word(word) {
        Some("Pod") => Ok(()),
        Some(kind) => bail!("only pods are described; `sidelab get {word} -o yaml` shows a {kind}"),
        None => bail!("the lab has no kind {word:?}; write `sidelab describe pod NAME`"),
    };
    let Some((first, names)) = words.split_first() else { return Ok(Vec::new()) };
    if first.contains('/') {
        let each = words.iter().map(|word| match word.split_once('/') {
            Some((kind, name)) => check(kind).map(|()| name),
            None => bail!("{word:?}: write pod/NAME for each"),
        });
        return each.collect();
    }
    check(first)?;
    Ok(names.iter().map(String::as_str).collect())
}
