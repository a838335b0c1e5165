//! The loads, and what became of their requests.

use std::{
    io::{BufRead as _, BufReader},
    process::{Child, ChildStdout},
    thread::{self, JoinHandle},
    time::Duration,
};

use anyhow::{Context, Result, anyhow};
use demo_apps::report::{LoadReport, RequestReport};
use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};

use super::{
    judge::{Path, Use},
    lab::ChaosLab,
    options::Options,
};
use crate::tools;

/// A load, and how it is judged.
pub(super) struct Load {
    pub(super) name: &'static str,
    from: &'static str,
    args: &'static str,
    pub(super) path: Path,
    pub(super) used: Use,
}

const fn load(name: &'static str, from: &'static str, args: &'static str, path: Path, used: Use) -> Load {
    Load { name, from, args, path, used }
}

/// All loads. `SIZES` are those of the requests.
const LOADS: [Load; 9] = [
    load("HTTP/1, kept", "client", "http://server:8080/echo SIZES -c 2", Path::Steady, Use::Http),
    load(
        "HTTP/1, new",
        "client",
        "http://server:8080/echo SIZES --new-connection-per-request",
        Path::Steady,
        Use::Http,
    ),
    load("HTTP/2", "client", "http://server:8081/echo --http2 SIZES -c 2", Path::Steady, Use::Http),
    load("TCP, kept", "client", "tcp://server:9000 SIZES -c 2", Path::Steady, Use::Kept),
    load("TCP, half-closed", "client", "tcp://server:9000 --half-close SIZES -c 2", Path::Steady, Use::New),
    load("TCP, slow reader", "client", "tcp://server:9000 --read-rate 2000000 SIZES -c 2", Path::Steady, Use::Kept),
    load("HTTP/1, changing", "client", "http://changing:8080/echo SIZES -c 2", Path::Changing, Use::Http),
    load("TCP, changing", "client", "tcp://changing:9000 SIZES -c 2", Path::Changing, Use::Kept),
    load("HTTP/1, outside", "outsider", "http://server:8080/echo SIZES --rate 20", Path::Outside, Use::Http),
];

/// How long a request can take. The longest is that of a slow reader.
const PATIENCE: &str = "60s";

/// A load at its end.
pub(super) struct Done {
    pub(super) load: &'static Load,
    pub(super) report: LoadReport,
    pub(super) failed: Vec<RequestReport>,
}

pub(super) struct Traffic {
    running: Vec<(&'static Load, Child, Reader)>,
}

/// Reads a load's requests, and returns its report and those that failed.
type Reader = JoinHandle<Option<(LoadReport, Vec<RequestReport>)>>;

impl Traffic {
    pub(super) fn start(lab: &ChaosLab, options: &Options) -> Result<Self> {
        let program = tools().own.join("demo-client");
        let mut traffic = Self { running: Vec::new() };
        for (number, load) in LOADS.iter().enumerate() {
            let seed = options.seed.wrapping_mul(1000).wrapping_add(number as u64);
            let sizes = format!("--random 1-{} --seed {seed}", options.largest);
            let args = load.args.replace("SIZES", &sizes);
            // It is ended earlier.
            let longest = options.length * 2 + Duration::from_mins(10);
            let args = format!("load -4 {args} --each --timeout {PATIENCE} --duration {}s", longest.as_secs());
            let args: Vec<String> = args.split(' ').map(str::to_owned).collect();
            let mut child = lab.start(load.from, &program, &args)?;
            let output = child.stdout.take().context("its output is read once")?;
            traffic.running.push((load, child, thread::spawn(move || read(output))));
        }
        Ok(traffic)
    }

    /// Lets each load complete what it has begun.
    ///
    /// # Errors
    /// If a load did not run to its end.
    pub(super) fn end(mut self) -> Result<Vec<Done>> {
        for (_, child, _) in &self.running {
            kill(Pid::from_raw(child.id().try_into()?), Signal::SIGTERM)?;
        }
        let ended = std::mem::take(&mut self.running).into_iter().map(|(load, mut child, reader)| {
            let read = reader.join().map_err(|_| anyhow!("the reader of load {} panicked", load.name))?;
            let status = child.wait()?;
            let (report, failed) = read.with_context(|| format!("load {} printed no report: {status}", load.name))?;
            Ok(Done { load, report, failed })
        });
        ended.collect()
    }
}

impl Drop for Traffic {
    fn drop(&mut self) {
        for (_, child, _) in &mut self.running {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

fn read(output: ChildStdout) -> Option<(LoadReport, Vec<RequestReport>)> {
    let (mut report, mut failed) = (None, Vec::new());
    for line in BufReader::new(output).lines().map_while(Result::ok) {
        if let Ok(request) = serde_json::from_str::<RequestReport>(&line) {
            if request.failed() {
                failed.push(request);
            }
        } else if let Ok(load) = serde_json::from_str(&line) {
            report = Some(load);
        }
    }
    report.map(|report| (report, failed))
}
