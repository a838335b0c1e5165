//! `sidelab edit`.

use std::{env, fs, process::Command};

use anyhow::{Context, Result, bail};
use mesh::{Key, SourceFile, kind_of_word};

use super::{OK, change, opened::Opened};
use crate::{
    cli::EditArgs,
    terminal::{noteln, outln},
};

/// The editors that are asked for, first to last, as kubectl does.
const VARIABLES: [&str; 2] = ["KUBE_EDITOR", "EDITOR"];

pub(super) fn edit(args: &EditArgs) -> Result<u8> {
    let (kind, name) = named(&args.what)?;
    let opened = Opened::new(&args.how.lab)?;
    let is_it = |key: &Key| {
        key.kind == kind && key.name == name && (key.namespace == args.namespace || !mesh::is_namespaced(kind))
    };
    let object = opened.record.objects.iter().find(|(key, _)| is_it(key)).map(|(_, object)| object);
    let object = object.with_context(|| format!("{kind} {name:?} not found in namespace {}", args.namespace))?;
    let before = serde_saphyr::to_string(object)?;
    let file = tempfile::Builder::new().prefix("sidelab-edit-").suffix(".yaml").tempfile()?;
    fs::write(file.path(), &before).with_context(|| format!("can't write {}", file.path().display()))?;
    let editor = VARIABLES.iter().find_map(|name| env::var(name).ok().filter(|editor| !editor.is_empty()));
    let editor = editor.unwrap_or_else(|| "vi".to_owned());
    // A shell, since editors have arguments: EDITOR="code --wait".
    let edited = Command::new("sh").args(["-c", "eval \"$0 \\\"\\$1\\\"\"", &editor]).arg(file.path()).status();
    if !edited.with_context(|| format!("can't run {editor}"))?.success() {
        bail!("{editor} failed: nothing was changed");
    }
    let text = fs::read_to_string(file.path()).with_context(|| format!("can't read {}", file.path().display()))?;
    if text == before {
        outln!("Edit cancelled, no changes made.")?;
        return Ok(OK);
    }
    let files = vec![SourceFile { name: file.path().display().to_string(), text }];
    drop(opened);
    change::apply_files(&files, &args.namespace, &args.how).inspect_err(|_| {
        if let Ok((_, path)) = file.keep() {
            noteln!("a copy of your changes is in {}", path.display());
        }
    })
}

/// The object that words name: `KIND NAME` or `KIND/NAME`.
fn named(words: &[String]) -> Result<(&'static str, &str)> {
    let (kind, name) = match words {
        [word] => word.split_once('/').with_context(|| format!("{word:?}: write KIND/NAME, or KIND NAME"))?,
        [kind, name] => (kind.as_str(), name.as_str()),
        _ => bail!("name one object, such as `sidelab edit pa default`"),
    };
    let kind = kind_of_word(kind).with_context(|| format!("{kind:?} is no kind of object that is read here"))?;
    Ok((kind, name))
}
