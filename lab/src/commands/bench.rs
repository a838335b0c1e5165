//! `sidelab bench`.

use std::time::Duration;

use anyhow::{Context, Result, bail};
use netns::Privilege;

use super::{FAILED, INTERRUPTED, OK, print_json, run};
use crate::{
    bench::{
        self, Options,
        compare::{self, Change},
        export,
        figures::Better,
        html, read,
        report::BenchReport,
        table,
    },
    cli::{BenchArgs, BenchOutput, CompareArgs, CompareOutput, KeptCommand, ShowArgs},
    interrupt::interruptible,
    output,
    report::{
        github::{Annotation, Level},
        words::{counted, did_you_mean},
    },
    scenario::Scenario,
    terminal::{columns, noteln, out, outln},
    tools::Tools,
};

/// The default delay: roughly a round trip within a continent.
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
    if args.fail_on.is_some() && comparison.figures.is_empty() {
        bail!("--fail-on: the two benches have no figure in common to compare");
    }
    let failing = args.fail_on.map(|on| comparison.failing(on)).unwrap_or_default();
    match args.output {
        CompareOutput::Json => print_json(&comparison)?,
        CompareOutput::Table | CompareOutput::Github => {
            let files = [&args.first, &args.second].map(|path| path.display().to_string());
            let files = files.each_ref().map(String::as_str);
            out!("{}", compare::table::render(&comparison, files, columns(table::WIDTH)))?;
        }
    }
    if args.output == CompareOutput::Github {
        for compared in comparison.changed().filter(|compared| compared.change == Change::Worse) {
            let level = if failing.contains(&compared) { Level::Error } else { Level::Warning };
            let title = "worse than before".to_owned();
            outln!("{}", Annotation { level, place: None, title, message: compared.summary() })?;
        }
    }
    match args.fail_on.filter(|_| !failing.is_empty()) {
        None => Ok(OK),
        Some(on) => {
            noteln!("--fail-on: {}: {on}", counted(failing.len(), "figure"));
            Ok(FAILED)
        }
    }
}

fn show(args: &ShowArgs) -> Result<u8> {
    let report = read::read(&args.file)?;
    if let Some(path) = &args.html {
        output::write(path, html::render(&report))?;
    }
    print(&report, args.output)?;
    Ok(OK)
}

fn print(report: &BenchReport, output: BenchOutput) -> Result<()> {
    match output {
        BenchOutput::Json => print_json(report)?,
        BenchOutput::Csv => out!("{}", export::csv(report)?)?,
        BenchOutput::SmallerIsBetter => print_json(&export::entries(report, Better::Less))?,
        BenchOutput::BiggerIsBetter => print_json(&export::entries(report, Better::More))?,
        BenchOutput::Table => out!("{}", table::render(report, columns(table::WIDTH)))?,
    }
    Ok(())
}

fn measure(args: &BenchArgs) -> Result<u8> {
    let privilege = Privilege::acquire()?;
    let scenario = layerings(args)?;
    let rtts = rtts(args)?;
    if args.far().is_empty() && !rtts.contains(&Duration::ZERO) {
        bail!(
            "--rtt: nothing to measure: memory is measured only at a round trip of 0; add 0, or name another measure"
        );
    }
    // Before the work, not after it.
    output::check([&args.json, &args.html].into_iter().flatten())?;
    let interrupted = interruptible()?;
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
        output::write(path, &serde_json::to_string_pretty(&report)?)?;
    }
    if let Some(path) = &args.html {
        output::write(path, html::render(&report))?;
    }
    print(&report, args.output)?;
    if interrupted.load(std::sync::atomic::Ordering::SeqCst) {
        return Ok(INTERRUPTED);
    }
    Ok(if report.refuted.is_empty() && report.failed.is_empty() { OK } else { FAILED })
}

/// The requested round trips; else the default ones that this host can produce.
///
/// # Errors
/// If this host cannot produce a requested one.
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
        Err(error) if args.settings.rtt.is_some() => {
            Err(error).context("--rtt: `sidelab doctor` shows what is missing")
        }
        Err(error) => {
            tracing::warn!("nothing is measured at a round trip of {FAR:?}: {error}; `sidelab doctor` shows more");
            Ok(near)
        }
    }
}

fn layerings(args: &BenchArgs) -> Result<Scenario> {
    let scenario = Scenario::read(&args.root.layerings())?;
    let names: Vec<&str> = scenario.probes.iter().map(|probe| probe.name.as_str()).collect();
    if let Some(unknown) = args.layering.iter().find(|name| !names.contains(&name.as_str())) {
        let meant = did_you_mean(unknown, names.iter().copied());
        bail!("--layering {unknown}: no such layering{meant}; there are {}", names.join(", "));
    }
    Ok(scenario)
}
