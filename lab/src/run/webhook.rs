//! Webhook calls, made as kube-apiserver makes them.

use std::{fs, path::Path, time::Duration};

use anyhow::{Context, Result, bail};
use demo_apps::report::{AdmissionReport, Decision};
use mesh::{account::Admission, model::Family};
use netns::{Bind, OWN_FOLDER};

use super::now_ns;
use crate::{container, deploy::Deployment, observe_call::MadeCall, scenario::Probe, tools::Tools};

/// How much longer than the webhook's timeout the program can take.
const SLACK: Duration = Duration::from_secs(10);

/// Lets the calling pod create an object, for which only this webhook is called.
pub(super) fn call(
    deployment: &Deployment,
    unit: &super::unit::Unit<'_>,
    probe: &Probe,
    name: &str,
    from: usize,
    number: usize,
    tools: &Tools,
) -> Result<MadeCall> {
    let super::unit::Unit { scenario, mesh, .. } = unit;
    let webhook = mesh.webhook(name).with_context(|| format!("probe {:?}: no webhook {name}", probe.name))?;
    let marker = format!("probe-{number}-{}", deployment.lab.id());
    let manifests = scenario.manifests();
    let manifests =
        fs::canonicalize(&manifests).with_context(|| format!("can't find {} again", manifests.display()))?;
    // Where the program can read them, wherever the scenario is.
    let shown = Path::new(OWN_FOLDER).join("manifests.yaml");
    let family = match probe.family {
        Family::Ipv4 => "-4",
        Family::Ipv6 => "-6",
    };
    // The object's name is the mark: it is in the request, and nowhere else.
    let webhooks = shown.to_string_lossy();
    let args = ["--webhooks", &webhooks, "--only", name, "--name", &marker, family];
    let (pod, host) = (&mesh.pods[from], &deployment.pods[from]);
    let container = container::of_calls(pod)?;
    let program = tools.own("demo-apiserver")?;
    let mut program = container::program(pod, container, host, format!("call-{number}"), program, args);
    program.binds.push(Bind { source: manifests, target: shown.clone() });
    let began_ns = now_ns();
    let output = host.run_to_end(&program, Duration::from_secs(webhook.timeout_seconds.into()) + SLACK)?;
    let ended_ns = now_ns();
    let no_report = || {
        let stderr = String::from_utf8_lossy(&output.stderr);
        format!("probe {:?}: the API server in {} printed no report: {stderr}", probe.name, pod.name)
    };
    let report: AdmissionReport = serde_json::from_slice(&output.stdout).with_context(no_report)?;
    let asked = report.webhooks.into_iter().find(|webhook| webhook.name == name).with_context(no_report)?;
    let Some(report) = asked.call else {
        let why = asked.skipped.or(asked.message).unwrap_or_default();
        bail!("probe {:?}: webhook {name} was not called: {why}", probe.name);
    };
    let made = MadeCall::new(from, report, marker, began_ns, ended_ns);
    Ok(MadeCall { admission: asked.decision.map(admission), admission_message: asked.message, ..made })
}

fn admission(decision: Decision) -> Admission {
    match decision {
        Decision::Allowed => Admission::Allowed,
        Decision::Patched => Admission::Patched,
        Decision::Denied => Admission::Denied,
        Decision::LetThrough => Admission::LetThrough,
        Decision::Rejected => Admission::Rejected,
    }
}
