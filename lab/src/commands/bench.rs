//! `sidelab bench`.

use std::time::Duration;

use anyhow::{Context, Result, bail};
use netns::Privilege;

use super::{FAILED, INTERRUPTED, OK, print_json, run};
use crate::{
    bench::{self, Options, compare, html, read, report::BenchReport, table},
    cli::{BenchArgs, CompareArgs, KeptCommand, Output, ShowArgs},
    scenario::Scenario,
    tools::Tools,
};

/// A round trip within a continent, roughly.
const FAR: Duration = Duration::from_millis(10);

pub(super) fn bench(args: &BenchArgs) -> Result<u8> {
    match &args.kept {
        Some(KeptCommand::Compare(args)) => compare(args),
        Some(KeptCommand::Show(args)) => show(args),
        None => measure(args),
    }
}

fn compare(args: &CompareArgs) -> Result<u8> {
    let comparison = compare::compare(&read::read(&args.first)?, &read::read(&args.second)?);
    match args.output.output {
        Output::Json => print_json(&comparison)?,
        Output::Table => {
            let files = [&args.first, &args.second].map(|path| path.display().to_string());
            anstream::print!("{}", compare::table::render(&comparison, files.each_ref().map(String::as_str)));
        }
    }
    Ok(OK)
}

fn show(args: &ShowArgs) -> Result<u8> {
    let report = read::read(&args.file)?;
    if let Some(path) = &args.html {
        run::write(path, &html::render(&report))?;
    }
    print(&report, args.output.output)?;
    Ok(OK)
}

fn print(report: &BenchReport, output: Output) -> Result<()> {
    match output {
        Output::Json => print_json(report)?,
        Output::Table => anstream::print!("{}", table::render(report)),
    }
    Ok(())
}

fn measure(args: &BenchArgs) -> Result<u8> {
    let privilege = Privilege::acquire()?;
    let scenario = layerings(args)?;
    let rtts = rtts(args)?;
    if args.far().is_empty() && !rtts.contains(&Duration::ZERO) {
        bail!(
            "--rtt: nothing to measure: memory is measured at a round trip of 0 alone; add 0, or name another measure"
        );
    }
    for path in [&args.json, &args.html].into_iter().flatten() {
        // Found out before the work, not after.
        run::write(path, "")?;
    }
    let interrupted = run::interruptible()?;
    let progress = run::progress("{spinner} {bar:20} {msg}");
    let report = bench::run(
        &scenario,
        &Options {
            setups: args.settings.setups(&args.planes(), &rtts),
            settings: args.settings.settings(args.quick)?,
            layerings: args.layering.clone(),
            measures: args.measures(),
            far: args.far(),
            pace: args.pace(),
            tools: Tools::find(),
            privilege,
            progress: progress.clone(),
            interrupted,
        },
    )?;
    progress.finish_and_clear();
    if let Some(path) = &args.json {
        run::write(path, &serde_json::to_string_pretty(&report)?)?;
    }
    if let Some(path) = &args.html {
        run::write(path, &html::render(&report))?;
    }
    print(&report, args.output.output)?;
    if interrupted.load(std::sync::atomic::Ordering::SeqCst) {
        return Ok(INTERRUPTED);
    }
    Ok(if report.refuted.is_empty() && report.failed.is_empty() { OK } else { FAILED })
}

/// The round trips that are asked for; else what this host can do.
///
/// # Errors
/// When this host can't do what is asked for.
fn rtts(args: &BenchArgs) -> Result<Vec<Duration>> {
    let near = vec![Duration::ZERO];
    let rtts = match &args.settings.rtt {
        Some(rtts) => rtts.clone(),
        None if args.far().is_empty() => near.clone(),
        None => vec![Duration::ZERO, FAR],
    };
    if rtts == near {
        return Ok(rtts);
    }
    match netns::can_delay() {
        Ok(()) => Ok(rtts),
        Err(error) if args.settings.rtt.is_some() => Err(error).context("--rtt: `sidelab doctor` says what is missing"),
        Err(error) => {
            tracing::warn!("nothing is measured at a round trip of {FAR:?}: {error}; `sidelab doctor` says more");
            Ok(near)
        }
    }
}

fn layerings(args: &BenchArgs) -> Result<Scenario> {
    let root = args.root.folder();
    let scenario = Scenario::read(&root.join("../benches/layerings"))?;
    let names: Vec<&str> = scenario.probes.iter().map(|probe| probe.name.as_str()).collect();
    if let Some(unknown) = args.layering.iter().find(|name| !names.contains(&name.as_str())) {
        bail!("--layering {unknown}: no such layering; there are {}", names.join(", "));
    }
    Ok(scenario)
}
