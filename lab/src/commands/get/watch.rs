//! `get -w`: objects that come, change and go.

use std::{collections::BTreeMap, time::Duration};

use anyhow::Result;
use mesh::Key;

use super::found::{Asked, Found, find, titles};
use crate::{
    cli::{GetArgs, GetOutput},
    commands::{OK, opened::Opened},
    interrupt,
    look::columns::{KUBECTL, columns},
    terminal::print_bytes,
};

/// How often the lab is looked at.
const EVERY: Duration = Duration::from_millis(100);

/// Prints each object that differs from what `there` shows of it, until Ctrl-C or the end of the lab; one that is gone for a last time.
pub(super) fn watch(opened: &mut Opened, asked: &Asked, there: &[Found], args: &GetArgs) -> Result<u8> {
    interrupt::interruptible()?;
    let titles = titles(asked.kind, args);
    let widths = Some(titles.clone()).filter(|_| !args.no_headers);
    let mut shown: BTreeMap<Key, Vec<String>> =
        there.iter().map(|found| (found.key.clone(), found.row(args, false))).collect();
    loop {
        interrupt::pause(EVERY);
        if interrupt::is_asked() || !opened.lab.dir().is_dir() {
            return Ok(OK);
        }
        // Fails if the lab is being removed.
        let Ok(found) = opened.read_again().and_then(|_| find(opened, asked, args)) else { continue };
        let above: Vec<&Vec<String>> = widths.iter().chain(shown.values()).collect();
        let mut now: BTreeMap<Key, Vec<String>> = BTreeMap::new();
        for one in found {
            let row = one.row(args, false);
            if shown.get(&one.key).is_none_or(|before| differ(&titles, before, &row))
                && !print(&one, &row, &above, args)?
            {
                return Ok(OK);
            }
            now.insert(one.key.clone(), row);
        }
        for (_, row) in shown.iter().filter(|(key, _)| !now.contains_key(key)) {
            if !print_row(row, &above)? {
                return Ok(OK);
            }
        }
        shown = now;
    }
}

/// Whether two rows differ in more than the age.
fn differ(titles: &[String], before: &[String], now: &[String]) -> bool {
    titles.iter().zip(before.iter().zip(now)).any(|(title, (before, now))| title != "AGE" && before != now)
}

/// Prints an object. Returns whether there is still a reader.
fn print(one: &Found, row: &[String], above: &[&Vec<String>], args: &GetArgs) -> Result<bool> {
    let text = match &args.output {
        Some(GetOutput::Json) => format!("{}\n", serde_json::to_string_pretty(&one.object)?),
        Some(GetOutput::Yaml) => format!("---\n{}", serde_saphyr::to_string(&one.object)?),
        Some(GetOutput::Name) => format!("{}\n", one.key),
        Some(GetOutput::JsonPath(template)) => template.render(&one.object),
        None | Some(GetOutput::Wide) => return print_row(row, above),
    };
    Ok(print_bytes(text.as_bytes())?)
}

/// Prints a row, with cells as wide as those of the rows above.
fn print_row(row: &[String], above: &[&Vec<String>]) -> Result<bool> {
    let rows: Vec<&[String]> = above.iter().map(|row| row.as_slice()).chain([row]).collect();
    let text = columns(&rows, KUBECTL);
    let last = text.lines().last().unwrap_or_default();
    Ok(print_bytes(format!("{last}\n").as_bytes())?)
}
