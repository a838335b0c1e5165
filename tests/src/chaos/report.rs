//! What became of the requests, as a table.

use std::{collections::BTreeMap, fmt::Write as _, time::Duration};

use super::{
    judge::{self, Use, Verdict, Window},
    memory::{Drift, Memory},
    options::Options,
    traffic::Done,
};

/// The shortest run whose memory is judged: before, it grows to its size.
const JUDGED_FROM: Duration = Duration::from_mins(30);

/// The most growth of a sidecar's memory, in percent.
const DRIFT: f64 = 1.0;

const NOT_ON_ENVOY: &str = "Clusters are not swapped here, and descriptors not exhausted: Envoy 1.40 ends with a segmentation fault when a certificate \
    is replaced after a cluster that has connections, and if it can't make a socket.";

/// How many failures without an explanation are shown.
const SHOWN: usize = 5;

/// A run on one data plane.
#[derive(Clone, Debug)]
pub struct Report {
    pub data_plane: String,
    pub length: Duration,
    pub seed: u64,
    loads: Vec<LoadRow>,
    /// How often each kind of disturbance was carried out, and how many failures it explains.
    disturbances: BTreeMap<&'static str, (u64, u64)>,
    drifts: Vec<Drift>,
    unexplained: Vec<String>,
}

#[derive(Clone, Debug, Default)]
struct LoadRow {
    name: &'static str,
    requests: u64,
    bytes: u64,
    explained: u64,
    lost: u64,
    altered: u64,
    /// Half-closed connections that got all their bytes, and no end.
    endless: u64,
    /// Connections that were opened although none had failed.
    reopened: u64,
}

impl Report {
    pub(super) fn new(
        options: &Options,
        length: Duration,
        loads: &[Done],
        windows: &[Window],
        memory: &Memory,
    ) -> Self {
        let mut report = Self {
            data_plane: options.data_plane.clone(),
            length,
            seed: options.seed,
            loads: Vec::new(),
            disturbances: BTreeMap::new(),
            drifts: memory.drifts(),
            unexplained: Vec::new(),
        };
        for window in windows {
            report.disturbances.entry(window.disturbance.kind()).or_default().0 += 1;
        }
        let begun = windows.first().map_or(0, |window| window.began_ns);
        for done in loads {
            let row = report.row(done, windows, begun);
            report.loads.push(row);
        }
        report
    }

    fn row(&mut self, done: &Done, windows: &[Window], begun: u64) -> LoadRow {
        let load = &done.report;
        let mut row = LoadRow {
            name: done.load.name,
            requests: load.requests + load.failures,
            bytes: load.bytes_sent + load.bytes_received,
            ..LoadRow::default()
        };
        for request in &done.failed {
            let verdict = judge::judge(request, done.load.path, done.load.used, windows);
            // Envoy loses the end of about one in a thousand.
            let verdict = match verdict {
                Verdict::Endless if self.data_plane != "envoy" => Verdict::Lost,
                other => other,
            };
            match verdict {
                Verdict::Altered => row.altered += 1,
                Verdict::Lost => row.lost += 1,
                Verdict::Endless => row.endless += 1,
                Verdict::Explained(by) => {
                    row.explained += 1;
                    self.disturbances.entry(by.kind()).or_default().1 += 1;
                }
            }
            if matches!(verdict, Verdict::Lost | Verdict::Altered) && self.unexplained.len() < SHOWN {
                let at = |ns: u64| Duration::from_nanos(ns.saturating_sub(begun)).as_secs_f64();
                let why = request.error.as_ref().map(ToString::to_string);
                let why = why.or(request.status.map(|status| format!("status {status}"))).unwrap_or_default();
                self.unexplained.push(format!(
                    "{}: from {:.3} s to {:.3} s, {} bytes sent, {} received: {why}",
                    done.load.name,
                    at(request.began_ns),
                    at(request.ended_ns),
                    request.sent,
                    request.received
                ));
            }
        }
        if done.load.used == Use::Kept {
            let needed = u64::from(load.connections) + done.failed.len() as u64;
            row.reopened = load.connects.saturating_sub(needed);
        }
        row
    }

    /// Whether nothing was lost, altered or refused without an explanation.
    #[must_use]
    pub fn is_good(&self) -> bool {
        let rows = self.loads.iter().all(|row| row.requests > 0 && row.lost + row.altered + row.reopened == 0);
        rows && (self.length < JUDGED_FROM || self.drifts.iter().all(|drift| drift.percent() < DRIFT))
    }

    /// Requests of all loads.
    #[must_use]
    pub fn requests(&self) -> u64 {
        self.loads.iter().map(|row| row.requests).sum()
    }
}

/// Reports as Markdown.
#[must_use]
pub fn table(reports: &[Report]) -> String {
    let mut out = String::new();
    for report in reports {
        // Writing to a string can't fail.
        let _ = write_one(&mut out, report);
    }
    out
}

fn write_one(out: &mut String, report: &Report) -> std::fmt::Result {
    let Report { data_plane, length, seed, .. } = report;
    let bytes: u64 = report.loads.iter().map(|row| row.bytes).sum();
    writeln!(out, "## {data_plane}: {length:.0?}, seed {seed}\n")?;
    writeln!(out, "{} requests, {}\n", report.requests(), gigabytes(bytes))?;
    writeln!(out, "| load | requests | data | refused, explained | lost | altered | connections lost |")?;
    writeln!(out, "|---|---:|---:|---:|---:|---:|---:|")?;
    for row in &report.loads {
        let LoadRow { name, requests, bytes, explained, lost, altered, reopened, .. } = row;
        let data = gigabytes(*bytes);
        writeln!(out, "| {name} | {requests} | {data} | {explained} | {lost} | {altered} | {reopened} |")?;
    }
    writeln!(out, "\n| disturbance | times | failures it explains |\n|---|---:|---:|")?;
    for (kind, (times, explained)) in &report.disturbances {
        writeln!(out, "| {kind} | {times} | {explained} |")?;
    }
    writeln!(
        out,
        "\n| memory of the sidecar of | second third, MiB | last third, MiB | drift |\n|---|---:|---:|---:|"
    )?;
    for drift in &report.drifts {
        let mib = |kib: u64| kib as f64 / 1024.0;
        let (before, after, percent) = (mib(drift.before), mib(drift.after), drift.percent());
        writeln!(out, "| {} | {before:.1} | {after:.1} | {percent:+.2} % |", drift.sidecar)?;
    }
    for row in report.loads.iter().filter(|row| row.endless > 0) {
        writeln!(
            out,
            "\n{}: {} connections got all their bytes, and no end: Envoy kept the FIN.",
            row.name, row.endless
        )?;
    }
    if data_plane == "envoy" {
        writeln!(out, "\n{NOT_ON_ENVOY}")?;
    }
    if *length < JUDGED_FROM {
        writeln!(out, "\nMemory is judged in runs of {JUDGED_FROM:?} or more.")?;
    }
    for one in &report.unexplained {
        writeln!(out, "\n- without an explanation: {one}")?;
    }
    writeln!(out, "\n{}\n", if report.is_good() { "Nothing lost, nothing altered." } else { "**Not good.**" })
}

fn gigabytes(bytes: u64) -> String {
    format!("{:.2} GB", bytes as f64 / 1e9)
}
