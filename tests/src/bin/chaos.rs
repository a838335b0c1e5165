//! `scripts/chaos`: both data planes under load and disturbances.

use std::{
    fs,
    io::Write as _,
    path::PathBuf,
    process::ExitCode,
    thread,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use anyhow::{Context, Result, anyhow};
use clap::{Parser, ValueEnum};
use demo_apps::duration;
use lab::interrupt;
use tests::chaos::{self, Options, Report};

/// Load both data planes while their labs are disturbed, and report what was lost.
///
/// HTTP/1, HTTP/2 and TCP with random bytes that are echoed, half-closed connections and slow readers, through sidecars with two workers.
/// Every 10 s all certificates are replaced; in between STRICT is toggled, clusters, listeners and filter chains are swapped, the disk is
/// full, links are cut, sidecars run out of descriptors, stop, and are killed. Which connections have to live through what is in
/// tests/src/chaos/judge.rs. Exit codes: 0 nothing was lost or altered without an explanation, 1 something was, 2 it could not run,
/// 130 a signal ended it early.
#[derive(Parser)]
#[command(
    name = "chaos",
    after_help = "Examples:\n  scripts/chaos --for 5m\n  scripts/chaos --for 1h --write docs/results/chaos.md\n  \
                       scripts/chaos --for 2m --data-plane native --seed 42      as another run was disturbed"
)]
struct Args {
    /// How long
    #[arg(long = "for", value_name = "TIME", default_value = "5m", value_parser = duration::parse_limit)]
    length: Duration,
    /// What is disturbed when, and the bytes that are sent, follow from this number [default: another one each time]
    #[arg(long)]
    seed: Option<u64>,
    /// The data plane; both run side by side
    #[arg(long, value_enum, default_value_t)]
    data_plane: Planes,
    /// The largest request
    #[arg(long, value_name = "BYTES", default_value_t = 10_000_000)]
    largest: usize,
    /// Write the tables to this file, too
    #[arg(long, value_name = "FILE")]
    write: Option<PathBuf>,
}

#[derive(Clone, Copy, Debug, Default, ValueEnum)]
enum Planes {
    Native,
    Envoy,
    #[default]
    Both,
}

fn main() -> ExitCode {
    match run(&Args::parse()) {
        Ok(_) if interrupt::is_asked() => ExitCode::from(130),
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::from(1),
        Err(error) => {
            let _ = writeln!(std::io::stderr(), "chaos: {error:#}");
            ExitCode::from(2)
        }
    }
}

fn run(args: &Args) -> Result<bool> {
    interrupt::interruptible()?;
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let seed = args.seed.unwrap_or(now.as_secs() % 1_000_000);
    let planes: &[&str] = match args.data_plane {
        Planes::Native => &["native"],
        Planes::Envoy => &["envoy"],
        Planes::Both => &["native", "envoy"],
    };
    let begin = |plane: &&str| {
        let options = Options {
            length: args.length,
            seed,
            data_plane: (*plane).to_owned(),
            largest: args.largest,
            progress: |line| drop(writeln!(std::io::stderr(), "{line}")),
        };
        thread::spawn(move || chaos::run(&options).with_context(|| options.data_plane.clone()))
    };
    let running: Vec<_> = planes.iter().map(begin).collect();
    let ended: Vec<Result<Report>> =
        running.into_iter().map(|plane| plane.join().map_err(|_| anyhow!("a thread panicked"))?).collect();
    let (reports, errors): (Vec<_>, Vec<_>) = ended.into_iter().partition(Result::is_ok);
    let reports: Vec<Report> = reports.into_iter().flatten().collect();
    let tables = chaos::table(&reports);
    std::io::stdout().write_all(tables.as_bytes())?;
    if let Some(Err(error)) = errors.into_iter().next() {
        return Err(error);
    }
    if let Some(path) = &args.write {
        let text = format!("# {}\n\nWritten by `scripts/chaos`; see `scripts/chaos --help`.\n\n{tables}", "Chaos");
        let draft = path.with_extension("draft");
        fs::write(&draft, text).and_then(|()| fs::rename(&draft, path)).with_context(|| path.display().to_string())?;
    }
    Ok(reports.iter().all(Report::is_good))
}
