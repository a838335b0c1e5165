//! Webhook calls, made by kube-apiserver, or as it makes them.

use std::{
    fs,
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::{Context, Result, bail};
use demo_apps::report::{AdmissionReport, Decision};
use mesh::{
    account::Admission,
    model::{Family, Mesh},
};
use netns::{Bind, OWN_FOLDER};

use super::{Options, now_ns};
use crate::{
    api_server::{ApiServer, KubeApiserver},
    container,
    deploy::Deployment,
    observe_call::MadeCall,
    scenario::Probe,
};

/// How much longer than the webhook's timeout `demo-apiserver` can take.
const SLACK: Duration = Duration::from_secs(10);

/// How long kube-apiserver can take to start.
const START: Duration = Duration::from_secs(180);

/// A program that creates an object, and calls one webhook for it.
struct Caller {
    program: PathBuf,
    args: Vec<String>,
    /// How much longer than the webhook's timeout it can take.
    slack: Duration,
}

impl Caller {
    /// `manifests` is a path that the program can read.
    fn new(
        options: &Options,
        mesh: &Mesh,
        family: Family,
        manifests: &str,
        webhook: &str,
        object: &str,
    ) -> Result<Self> {
        let args = |args: &[&str]| args.iter().map(|arg| (*arg).to_owned()).collect::<Vec<_>>();
        Ok(match options.api_server {
            ApiServer::Demo => {
                let family = match family {
                    Family::Ipv4 => "-4",
                    Family::Ipv6 => "-6",
                };
                let args = args(&["--webhooks", manifests, "--only", webhook, "--name", object, family]);
                Self { program: options.tools.own("demo-apiserver")?, args, slack: SLACK }
            }
            ApiServer::Real => {
                let mut args = args(&["create", "--manifests", manifests, "--only", webhook, "--name", object]);
                args.extend((family == Family::Ipv6).then(|| "--ipv6".to_owned()));
                // It resolves no names: it calls a service at the address that it has assigned.
                for service in mesh.services.iter().filter(|service| !service.vips.is_empty()) {
                    let vips: Vec<_> = service.vips.iter().map(ToString::to_string).collect();
                    args.push("--service".to_owned());
                    args.push(format!("{}/{}={}", service.name.namespace, service.name.name, vips.join(",")));
                }
                Self { program: KubeApiserver::find()?.program, args, slack: START }
            }
        })
    }
}

/// Lets the calling pod create an object, for which only this webhook is called.
pub(super) fn call(
    deployment: &Deployment,
    unit: &super::unit::Unit<'_>,
    probe: &Probe,
    name: &str,
    from: usize,
    number: usize,
    options: &Options,
) -> Result<MadeCall> {
    let super::unit::Unit { scenario, mesh, .. } = unit;
    let webhook = mesh.webhook(name).with_context(|| format!("probe {:?}: no webhook {name}", probe.name))?;
    let marker = format!("probe-{number}-{}", deployment.lab.id());
    let manifests = scenario.manifests();
    let manifests =
        fs::canonicalize(&manifests).with_context(|| format!("can't find {} again", manifests.display()))?;
    // Where the program can read them, wherever the scenario is.
    let shown = Path::new(OWN_FOLDER).join("manifests.yaml");
    // The object's name is the mark: it is in the request, and nowhere else.
    let Caller { program, args, slack } =
        Caller::new(options, mesh, probe.family, &shown.to_string_lossy(), name, &marker)?;
    let (pod, host) = (&mesh.pods[from], &deployment.pods[from]);
    let container = container::of_calls(pod)?;
    let mut program = container::program(pod, container, host, format!("call-{number}"), program, args);
    program.binds.push(Bind { source: manifests, target: shown.clone() });
    let began_ns = now_ns();
    let output = host.run_to_end(&program, Duration::from_secs(webhook.timeout_seconds.into()) + slack)?;
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
