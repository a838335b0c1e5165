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

use super::{FAILED, INTERRUPTED, OK, print_json};
use crate::{
    cli::{Output, RunArgs},
    report::{junit, table},
    run::{self, Options},
    scenario,
    tools::Tools,
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
    })
    .context("can't handle Ctrl-C")?;
    Ok(&INTERRUPT)
}

pub(super) fn run(args: &RunArgs) -> Result<u8> {
    let privilege = netns::Privilege::acquire()?;
    let scenarios = scenario::find(&args.root.folder(), &args.names)?;
    for path in args.json.iter().chain(&args.junit) {
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
            tamper: None,
            progress: progress(),
            interrupted: interruptible()?,
        },
    )?;
    if let Some(path) = &args.json {
        write(path, &serde_json::to_string_pretty(&report)?)?;
    }
    if let Some(path) = &args.junit {
        write(path, &junit::render(&report)?)?;
    }
    match args.output.output {
        Output::Json => print_json(&report)?,
        Output::Table => anstream::print!("{}", table::render(&report)),
    }
    Ok(if report.agrees { OK } else { FAILED })
}

fn write(path: &Path, text: &str) -> Result<()> {
    fs::write(path, text).with_context(|| format!("can't write {}", path.display()))
}

/// Progress on standard error, if that is a terminal.
pub(super) fn progress() -> ProgressBar {
    if !std::io::stderr().is_terminal() {
        return ProgressBar::with_draw_target(None, ProgressDrawTarget::hidden());
    }
    let bar = ProgressBar::no_length();
    if let Ok(style) = ProgressStyle::with_template("{spinner} {pos}/{len} labs  {elapsed}  {msg}") {
        bar.set_style(style);
    }
    bar.enable_steady_tick(Duration::from_millis(100));
    bar
}
