//! A bench as a table of at most 100 columns.

use comfy_table::{CellAlignment, Table, presets};

use super::{
    answers,
    measure::{Group, Measure},
    report::BenchReport,
    rtt,
    sample::Sample,
    setup::Setup,
    stats::Estimate,
};

/// Draws a bench.
pub fn render(report: &BenchReport) -> String {
    let mut text = String::new();
    for measure in Measure::ALL {
        for setup in report.setups() {
            text.push_str(&section(report, measure, setup));
        }
    }
    for refuted in &report.refuted {
        text.push_str(&format!("{} ({}) was not measured: ", refuted.name, refuted.data_plane));
        text.push_str(&refuted.seen.join("; "));
        text.push('\n');
    }
    for failed in &report.failed {
        text.push_str(&format!(
            "{} of {} ({}) ended early: {}\n",
            failed.measure, failed.layering, failed.setup, failed.why
        ));
    }
    for answer in &report.answers {
        text.push_str(&format!("{} ({}): {}\n", answer.claim, answer.setup, answer.words));
    }
    text.push_str(&rtt::told(&report.rtts));
    let machine = &report.machine;
    text.push_str(&format!(
        "{} CPUs {}, kernel {}; {:.0} s\n",
        machine.cpus, machine.cpu, machine.kernel, report.seconds
    ));
    text
}

/// A column: its title, what it shows of a sample, and with how many decimals.
type Column = (&'static str, fn(&Sample) -> f64, usize);

fn columns(measure: Measure) -> &'static [Column] {
    let latency: &[Column] = &[
        ("p50 µs", Sample::p50, 0),
        ("p99 µs", Sample::p99, 0),
        ("CPU µs, all", Sample::total, 0),
        ("CPU µs, sidecars", Sample::sidecars, 0),
    ];
    match measure.group() {
        Group::Handshake | Group::Latency => latency,
        Group::Throughput => &[
            ("GB/s", |s| s.rate() / 1e9, 2),
            ("CPU s/GiB, all", Sample::total, 2),
            ("CPU s/GiB, sidecars", Sample::sidecars, 2),
        ],
        Group::Memory => &[("KiB, all", |s| s.total() / 1024.0, 1), ("KiB, sidecars", |s| s.sidecars() / 1024.0, 1)],
    }
}

fn section(report: &BenchReport, measure: Measure, setup: Setup) -> String {
    let samples = report.samples(measure);
    let columns = columns(measure);
    let mut table = Table::new();
    table.load_style(presets::NOTHING);
    let titles = columns.iter().map(|(title, ..)| (*title).to_owned());
    table.set_header([format!("{measure}, {setup}")].into_iter().chain(titles));
    for layering in &report.layerings {
        let Some(samples) = samples.get(&(layering.name.as_str(), setup)) else { continue };
        let cells = columns.iter().map(|(_, figure, decimals)| {
            let values: Vec<f64> = samples.iter().map(figure).collect();
            Estimate::of(&[&values], |medians| medians[0]).map_or_else(|| "-".to_owned(), |e| told(&e, *decimals))
        });
        table.add_row([layering.name.clone()].into_iter().chain(cells));
    }
    if table.row_count() == 0 {
        return String::new();
    }
    for column in table.column_iter_mut().skip(1) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    let parts = parts(report, measure, setup);
    format!("{}\n{parts}\n", table.trim_fmt())
}

/// What the median new connection is made of.
fn parts(report: &BenchReport, measure: Measure, setup: Setup) -> String {
    if measure != Measure::Connect {
        return String::new();
    }
    let parts = answers::parts(report, setup, measure, Sample::p50);
    let told: Vec<String> = parts.iter().map(|part| format!("{} {}", part.name, told(&part.cost, 0))).collect();
    if told.is_empty() { String::new() } else { format!("µs of p50: {}\n", told.join(", ")) }
}

/// `12 ±1`: a figure, and half of its interval.
fn told(estimate: &Estimate, decimals: usize) -> String {
    format!("{:.decimals$} ±{:.decimals$}", estimate.value, (estimate.high - estimate.low) / 2.0)
}
