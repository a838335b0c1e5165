//! `sidelab metrics`: the metrics of a pod's sidecar.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context, Result, bail};
use comfy_table::ContentArrangement;
use serde::Serialize;

use super::{
    OK, inspect,
    listing::{names_whole, table},
    print_json,
};
use crate::{
    cli::{MetricsArgs, Output},
    counters, sidecar,
    terminal::outln,
};

#[cfg(test)]
mod tests;

/// What Istio's metrics begin with.
const ISTIO: &str = "istio_";

/// The labels that the table of requests and connections shows, each in a column.
const COLUMNS: [(&str, &str); 8] = [
    ("REPORTER", "reporter"),
    ("FROM", "source_principal"),
    ("TO", "destination_service"),
    ("PRINCIPAL", "destination_principal"),
    ("PROTOCOL", "request_protocol"),
    ("STATUS", "response_code"),
    ("FLAGS", "response_flags"),
    ("SECURITY", "connection_security_policy"),
];

/// One metric with its labels.
#[derive(Debug, PartialEq, Serialize)]
struct Metric {
    name: String,
    labels: BTreeMap<String, String>,
    value: f64,
}

pub(super) fn metrics(args: &MetricsArgs) -> Result<u8> {
    let (host, pod) = inspect::open_pod(&args.lab, &args.pod, &args.namespace)?;
    if pod.sidecar.is_none() {
        bail!("{} has no sidecar, and thus no metrics", pod.name);
    }
    let text = host.enter(|| sidecar::get("/stats/prometheus"))?;
    let text = text.with_context(|| format!("the sidecar of {} does not answer; has it ended?", pod.name))?;
    let all = parse(&text);
    let shown: Vec<&Metric> = all.iter().filter(|metric| args.all || metric.name.starts_with(ISTIO)).collect();
    match args.output.output {
        Output::Json => print_json(&shown)?,
        Output::Table if shown.is_empty() => {
            let is_envoy = text.contains("envoy_server_hot_restart_epoch");
            let why = match is_envoy {
                true => "stock Envoy has no istio_* metrics: the filter that counts them is in Istio's build alone",
                false => "nothing has been counted yet",
            };
            outln!("{why}; --all shows the proxy's own metrics")?;
        }
        Output::Table => print(&shown, args.all)?,
    }
    Ok(OK)
}

/// The metrics in Prometheus' text format.
fn parse(text: &str) -> Vec<Metric> {
    let metric = |line: &str| {
        let (series, value) = line.rsplit_once(' ')?;
        let (name, labels) = counters::metric(series)?;
        Some(Metric { name: name.to_owned(), labels, value: value.trim().parse().ok()? })
    };
    text.lines().filter(|line| !line.starts_with('#')).filter_map(metric).collect()
}

/// A table for each name. Of a histogram it has the number and the mean.
fn print(metrics: &[&Metric], all: bool) -> Result<()> {
    let names: BTreeSet<&str> = metrics.iter().map(|metric| metric.name.as_str()).collect();
    for name in names.into_iter().filter(|name| !name.ends_with("_bucket") && !name.ends_with("_sum")) {
        let of_name = metrics.iter().filter(|metric| metric.name == name);
        outln!("{name}")?;
        let mut table = table::<0>([]);
        names_whole(&mut table);
        // Identities are for copying and for grep.
        table.set_content_arrangement(ContentArrangement::Disabled);
        for metric in of_name {
            let sum = name.strip_suffix("_count").and_then(|family| sum_of(metrics, family, &metric.labels));
            let value = match sum {
                Some(sum) if metric.value > 0.0 => format!("{} (mean {:.1})", metric.value, sum / metric.value),
                _ => metric.value.to_string(),
            };
            table.add_row(row(metric, all && !name.starts_with(ISTIO)).into_iter().chain([value]));
        }
        if name.starts_with(ISTIO) {
            table.set_header(COLUMNS.iter().map(|(title, _)| *title).chain(["VALUE"]));
        }
        outln!("{}\n", table.trim_fmt())?;
    }
    Ok(())
}

fn row(metric: &Metric, in_full: bool) -> Vec<String> {
    if in_full {
        return vec![
            metric.labels.iter().map(|(label, value)| format!("{label}={value}")).collect::<Vec<_>>().join(" "),
        ];
    }
    let cell = |(_, label): &(&str, &str)| metric.labels.get(*label).cloned().unwrap_or_else(|| "-".into());
    COLUMNS.iter().map(cell).collect()
}

fn sum_of(metrics: &[&Metric], family: &str, labels: &BTreeMap<String, String>) -> Option<f64> {
    let is_sum = |metric: &&&Metric| metric.name.strip_suffix("_sum") == Some(family) && metric.labels == *labels;
    metrics.iter().find(is_sum).map(|metric| metric.value)
}
