//! `sidelab run`.

use std::{
    fs,
    io::{IsTerminal, Write},
    path::Path,
    time::Duration,
};

use anyhow::{Context, Result};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use mesh::model::{ControlPlane, Flavor};
use netns::Privilege;

use super::{FAILED, OK, print_json};
use crate::{
    api_server::{ApiServer, KubeApiserver},
    claims,
    cli::{MeshChoice, RunArgs, RunOutput},
    control_plane,
    data_plane::DataPlane,
    interrupt::interruptible,
    last_run, output,
    report::{
        differences, github,
        html::{self, ScenarioText},
        junit, markdown, table,
    },
    run::{self, Options},
    run_report::RunReport,
    scenario::{self, Scenario},
    select::{Selection, select},
    stand_ins::Images,
    terminal::{NARROWEST, columns, out},
    tools::Tools,
    tuning::Tuning,
};

pub(super) fn run(args: &RunArgs) -> Result<u8> {
    let privilege = Privilege::acquire()?;
    let found = scenario::find(&args.root.folder(), &args.names)?;
    let scenarios = select(found, Selection { claims: &args.claim, probes: &args.probe, shard: args.shard })?;
    if scenarios.is_empty() {
        tracing::warn!("--shard: there are fewer scenarios than shards: this shard is empty");
    }
    let control_plane = (&args.control_plane).into();
    if args.api_server == ApiServer::Real {
        // Before the work, not after it.
        KubeApiserver::find()?;
    }
    let both = [Flavor::Textbook, Flavor::Istio];
    let meshes = control_plane::flavors(control_plane, args.mesh.map(MeshChoice::flavors), &both)?;
    let data_planes = args.data_plane.planes();
    if control_plane == ControlPlane::Istiod && data_planes.iter().any(|plane| *plane != DataPlane::Native) {
        control_plane::tell_stock_envoy();
    }
    let files = [&args.json, &args.junit, &args.html, &args.summary, &args.differences];
    output::check(files.into_iter().flatten())?;
    let report = run::run(
        &scenarios,
        &Options {
            data_planes,
            meshes,
            images: Images::from_args(&args.stand_ins)?,
            control_plane,
            api_server: args.api_server,
            tools: Tools::find(),
            privilege,
            captures: args.pcap.clone(),
            jobs: args.jobs.into(),
            fail_fast: args.fail_fast,
            soak: args.soak,
            tuning: Tuning { unconfined: args.confinement.unconfined, ..Tuning::default() },
            tamper: None,
            progress: progress(LABS),
            interrupted: interruptible()?,
        },
    )?;
    if let Err(error) = last_run::keep(&report) {
        tracing::warn!("the results are not stored for `sidelab claims`: {error:#}");
    }
    if let Some(path) = &args.json {
        output::write(path, &serde_json::to_string_pretty(&report)?)?;
    }
    if let Some(path) = &args.junit {
        output::write(path, &junit::render(&report, &scenarios)?)?;
    }
    if let Some(path) = &args.html {
        output::write(path, &page(args, &scenarios, &report, privilege)?)?;
    }
    if let Some(path) = &args.summary {
        write_summary(path, &markdown::render(&report, &scenarios))?;
    }
    if let Some(path) = &args.differences {
        output::write(path, differences::render(&report))?;
    }
    match args.output {
        RunOutput::Json => print_json(&report)?,
        RunOutput::Table => out!("{}", table::render(&report, columns(NARROWEST)))?,
        RunOutput::Github => {
            out!("{}", table::render(&report, columns(NARROWEST)))?;
            out!("{}", github::render(&report, &scenarios))?;
        }
    }
    Ok(if report.agrees { OK } else { FAILED })
}

fn page(args: &RunArgs, scenarios: &[Scenario], report: &RunReport, privilege: Privilege) -> Result<String> {
    let texts = scenarios.iter().map(ScenarioText::read).collect::<Result<Vec<_>>>()?;
    // Other folders of scenarios need not have claims: the page then has no index of them.
    let claims = claims::read(&args.root.folder()).unwrap_or_default();
    let with_envoy = report.planes().iter().any(|plane| *plane != DataPlane::Native);
    let host = html::Host::probe(privilege, &Tools::find(), with_envoy);
    Ok(html::render(&html::Page { run: report, scenarios: &texts, claims: &claims, host: &host }))
}

/// Writes a summary; appends if the file is that of a GitHub Actions step, which earlier commands may have written to.
fn write_summary(path: &Path, text: &str) -> Result<()> {
    if std::env::var_os("GITHUB_STEP_SUMMARY").is_none_or(|file| file != path.as_os_str()) {
        return Ok(output::write(path, text)?);
    }
    let file = fs::OpenOptions::new().create(true).append(true).open(path);
    file.and_then(|mut file| file.write_all(text.as_bytes())).with_context(|| format!("can't write {}", path.display()))
}

/// The style of a progress bar that counts labs.
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
