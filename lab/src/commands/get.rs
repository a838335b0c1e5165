//! `sidelab get`.

use anyhow::{Result, bail};
use netns::LabState;
use serde_json::{Value, json};

use self::found::{Asked, Found};
use super::{FAILED, OK, opened::Opened, print_json, up::left_alone};
use crate::{
    cli::{GetArgs, GetOutput},
    look::{
        columns::{KUBECTL, columns},
        objects,
    },
    name_server,
    report::words::did_you_mean,
    terminal::{noteln, out, outln},
};

mod found;
mod watch;

pub(super) fn get(args: &GetArgs) -> Result<u8> {
    if let [what] = &args.what[..]
        && (what == "labs" || what == "lab")
    {
        return print_labs(args);
    }
    let asked = found::asked(&args.what)?;
    check(&asked, args)?;
    let mut opened = Opened::new(&args.lab)?;
    let mut found = Vec::new();
    let mut code = OK;
    for one in &asked {
        let there = found::find(&opened, one, args)?;
        for name in one.names.iter().filter(|name| !there.iter().any(|found| found::is_named(&found.key, name))) {
            let group = there.first().map_or("", |found| found.key.group.as_str());
            let all = found::of_kind(&opened, one.kind, false)?;
            let meant = did_you_mean(name, all.iter().map(|found| found.key.name.as_str()));
            noteln!(
                "error: {} {name:?} not found in namespace {}{meant}",
                objects::plural(one.kind, group),
                args.namespace
            );
            code = FAILED;
        }
        found.push((one, there));
    }
    print(&found, args, code)?;
    match &found[..] {
        [(asked, there)] if args.watch && code == OK => watch::watch(&mut opened, asked, there, args),
        _ => Ok(code),
    }
}

/// # Errors
/// If options do not go together, as in kubectl.
fn check(asked: &[Asked], args: &GetArgs) -> Result<()> {
    if args.selector.is_some() && asked.iter().any(|one| !one.names.is_empty()) {
        bail!("name cannot be provided when a selector is specified");
    }
    if args.watch && asked.len() > 1 {
        bail!("-w: you may only specify a single resource type");
    }
    Ok(())
}

/// Prints what was found of each kind.
fn print(found: &[(&Asked, Vec<Found>)], args: &GetArgs, code: u8) -> Result<()> {
    let is_one = matches!(found, [(one, _)] if one.names.len() == 1);
    let all = || found.iter().flat_map(|(_, there)| there);
    let document = || objects::document(all().map(|found| found.object.clone()).collect(), is_one);
    match &args.output {
        Some(GetOutput::Json | GetOutput::Yaml | GetOutput::JsonPath(_)) if code != OK => {}
        Some(GetOutput::Json) => print_json(&document())?,
        Some(GetOutput::Yaml) => out!("{}", serde_saphyr::to_string(&document())?)?,
        Some(GetOutput::JsonPath(template)) => out!("{}", template.render(&document()))?,
        Some(GetOutput::Name) => all().try_for_each(|found| outln!("{}", found.key))?,
        None | Some(GetOutput::Wide) => {
            if all().next().is_none() && code == OK {
                let place =
                    if args.all_namespaces { String::new() } else { format!(" in {} namespace", args.namespace) };
                noteln!("No resources found{place}.");
                return Ok(());
            }
            let several = found.iter().filter(|(_, there)| !there.is_empty()).count() > 1;
            let mut is_first = true;
            for (asked, there) in found.iter().filter(|(_, there)| !there.is_empty()) {
                if !is_first {
                    outln!("")?;
                }
                is_first = false;
                let rows = there.iter().map(|found| found.row(args, several));
                let title = Some(found::titles(asked.kind, args)).filter(|_| !args.no_headers);
                let rows: Vec<Vec<String>> = title.into_iter().chain(rows).collect();
                out!("{}", columns(&rows, KUBECTL))?;
            }
        }
    }
    Ok(())
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
    let objects = |rows: &mut dyn Iterator<Item = [Value; 5]>| {
        let keys = titles.map(str::to_lowercase);
        let objects = rows.map(|row| keys.iter().cloned().zip(row).collect::<serde_json::Map<_, _>>());
        json!(objects.collect::<Vec<_>>())
    };
    let mut rows = listing.labs.iter().map(row);
    match &args.output {
        Some(GetOutput::Json) => print_json(&objects(&mut rows))?,
        Some(GetOutput::Yaml) => out!("{}", serde_saphyr::to_string(&objects(&mut rows))?)?,
        Some(GetOutput::JsonPath(template)) => out!("{}", template.render(&objects(&mut rows)))?,
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
