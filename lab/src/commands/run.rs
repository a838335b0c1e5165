//! `sidelab run`.

use std::{
    fs,
    io::IsTerminal,
    path::Path,
    sync::atomic::{AtomicBool, Ordering},
    time::Duration,
};

use anyhow::{Context, Result};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use netns::Privilege;

use super::{FAILED, INTERRUPTED, OK, print_json};
use crate::{
    claims,
    cli::{Output, RunArgs},
    last_run,
    report::{
        differences,
        html::{self, ScenarioText},
        junit, table,
    },
    run::{self, Options},
    scenario::{self, Scenario},
    tools::Tools,
    tuning::Tuning,
    verdict::{DataPlane, RunReport},
};

/// Set by Ctrl-C. The labs are removed by whoever made them, at the next step.
static INTERRUPT: AtomicBool = AtomicBool::new(false);

/// From now on Ctrl-C (SIGINT, SIGTERM, SIGHUP) ends the work early and in order; a second one at once, and then the
/// next `sidelab down --all` removes what is left.
pub(super) fn interruptible() -> Result<&'static AtomicBool> {
    ctrlc::set_handler(|| {
        if INTERRUPT.swap(true, Ordering::SeqCst) {
            std::process::exit(i32::from(INTERRUPTED));
        }
        netns::interrupt();
    })
    .context("can't handle Ctrl-C")?;
    Ok(&INTERRUPT)
}

pub(super) fn run(args: &RunArgs) -> Result<u8> {
    let privilege = Privilege::acquire()?;
    let scenarios = scenario::find(&args.root.folder(), &args.names)?;
    for path in args.json.iter().chain(&args.junit).chain(&args.html).chain(&args.differences) {
        // Found out before the work, not after.
        write(path, "")?;
    }
    let report = run::run(
        &scenarios,
        &Options {
            data_planes: args.data_plane.planes(),
            meshes: args.mesh.flavors(),
            tools: Tools::find(),
            privilege,
            captures: args.pcap.clone(),
            jobs: args.jobs.into(),
            tuning: Tuning::default(),
            tamper: None,
            progress: progress(LABS),
            interrupted: interruptible()?,
        },
    )?;
    if let Err(error) = last_run::keep(&report) {
        tracing::warn!("what was seen is not kept for `sidelab claims`: {error:#}");
    }
    if let Some(path) = &args.json {
        write(path, &serde_json::to_string_pretty(&report)?)?;
    }
    if let Some(path) = &args.junit {
        write(path, &junit::render(&report)?)?;
    }
    if let Some(path) = &args.html {
        write(path, &page(args, &scenarios, &report, privilege)?)?;
    }
    if let Some(path) = &args.differences {
        write(path, &differences::render(&report))?;
    }
    match args.output.output {
        Output::Json => print_json(&report)?,
        Output::Table => anstream::print!("{}", table::render(&report)),
    }
    Ok(if report.agrees { OK } else { FAILED })
}

fn page(args: &RunArgs, scenarios: &[Scenario], report: &RunReport, privilege: Privilege) -> Result<String> {
    let texts = scenarios.iter().map(ScenarioText::read).collect::<Result<Vec<_>>>()?;
    // Scenarios of one's own need not have claims: the page then has no index of them.
    let claims = claims::read(&args.root.folder()).unwrap_or_default();
    let with_envoy = report.planes().iter().any(|plane| *plane != DataPlane::Native);
    let host = html::Host::probe(privilege, &Tools::find(), with_envoy);
    Ok(html::render(&html::Page { run: report, scenarios: &texts, claims: &claims, host: &host }))
}

pub(super) fn write(path: &Path, text: &str) -> Result<()> {
    fs::write(path, text).with_context(|| format!("can't write {}", path.display()))
}

/// Progress by labs.
pub(super) const LABS: &str = "{spinner} {pos}/{len} labs  {elapsed}  {msg}";

/// Progress on standard error, if that is a terminal.
pub(super) fn progress(template: &str) -> ProgressBar {
    if !std::io::stderr().is_terminal() {
        return ProgressBar::with_draw_target(None, ProgressDrawTarget::hidden());
    }
    let bar = ProgressBar::no_length();
    if let Ok(style) = ProgressStyle::with_template(template) {
        bar.set_style(style);
    }
    bar.enable_steady_tick(Duration::from_millis(100));
    bar
}
