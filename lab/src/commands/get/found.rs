//! The objects of a lab that `get` is asked for.

use anyhow::{Context, Result, bail};
use mesh::{Key, is_namespaced, kind_of_word};
use serde_json::Value;

use crate::{
    cli::{GetArgs, GetOutput},
    commands::opened::{Opened, clock},
    look::{objects, pods},
};

/// An object that was found.
pub(super) struct Found {
    pub(super) key: Key,
    pub(super) cells: Vec<String>,
    pub(super) object: Value,
}

impl Found {
    /// Its row in a table. With its kind if other kinds are printed, too.
    pub(super) fn row(&self, args: &GetArgs, with_kind: bool) -> Vec<String> {
        let mut cells = self.cells.clone();
        if with_kind {
            cells[0] = self.key.to_string();
        }
        let namespace = shows_namespace(&self.key.kind, args).then(|| self.key.namespace.clone());
        namespace.into_iter().chain(cells).collect()
    }
}

/// The titles of rows.
pub(super) fn titles(kind: &str, args: &GetArgs) -> Vec<String> {
    let wide = args.output == Some(GetOutput::Wide);
    let titles = if kind == "Pod" { pods::titles(wide) } else { objects::titles(kind, wide) };
    let namespace = shows_namespace(kind, args).then_some("NAMESPACE");
    namespace.into_iter().chain(titles).map(str::to_owned).collect()
}

fn shows_namespace(kind: &str, args: &GetArgs) -> bool {
    args.all_namespaces && is_namespaced(kind)
}

/// What is asked for of one kind.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Asked {
    /// `Pod`.
    pub(super) kind: &'static str,
    /// All if empty.
    pub(super) names: Vec<String>,
}

/// The objects of a kind that are asked for.
///
/// # Errors
/// If the lab's state can't be read.
pub(super) fn find(opened: &Opened, asked: &Asked, args: &GetArgs) -> Result<Vec<Found>> {
    let wide = args.output == Some(GetOutput::Wide);
    let mut found = of_kind(opened, asked.kind, wide)?;
    found.retain(|one| {
        let labels = &one.object["metadata"]["labels"];
        is_chosen(&one.key, asked, args) && args.selector.as_ref().is_none_or(|selector| selector.matches(labels))
    });
    Ok(found)
}

/// All objects of a kind.
///
/// # Errors
/// If the lab's state can't be read.
pub(super) fn of_kind(opened: &Opened, kind: &str, wide: bool) -> Result<Vec<Found>> {
    if kind == "Pod" {
        let (statuses, clock) = opened.statuses()?;
        let found = opened.mesh.pods.iter().zip(&statuses).map(|(pod, status)| Found {
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
    for (key, applied) in opened.record.objects.iter().filter(|(key, _)| key.kind == kind) {
        let created = opened.record.created(&key);
        let object = objects::object(&key, applied, created, is_namespaced(kind), &opened.mesh);
        found.push(Found { cells: objects::cells(&key, &object, created, now, wide), object, key });
    }
    found.sort_by(|a, b| a.key.cmp(&b.key));
    Ok(found)
}

/// The kinds and names that words ask for: `KIND[,KIND]`, `KIND NAME...` or `KIND/NAME...`.
pub(super) fn asked(words: &[String]) -> Result<Vec<Asked>> {
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
pub(super) fn is_named(key: &Key, name: &str) -> bool {
    name == key.name || name == format!("{}.{}", key.name, key.namespace)
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
