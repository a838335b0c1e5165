//! `sidelab config`.

use anyhow::{Result, bail};
use mesh::{
    ca::KeyType,
    compile::PodConfig,
    control_plane::configure,
    model::{Family, Mesh},
    policy::{Policy, PolicyTracing},
    redirect::{ProxyIdentity, Rules},
    sidecar,
};
use serde_json::Value;

use super::{OK, print_json};
use crate::{
    authorities::Authorities,
    cli::{ConfigArgs, FamilyChoice, Output},
    control_plane,
    istiod::placement,
    manifests,
    terminal::{out, outln},
};

pub(super) fn config(args: &ConfigArgs) -> Result<u8> {
    let control_plane = (&args.control_plane).into();
    control_plane::flavors(control_plane, Some(vec![args.mesh.into()]), &[])?;
    let files = manifests::read(&args.manifests.files)?;
    let (resolved, warnings) = manifests::resolve(&files)?;
    manifests::print_warnings(&warnings);
    let mesh = control_plane::apply_to(control_plane, Mesh::new(resolved, args.mesh.into()), &files)?;
    let index = manifests::find_pod(&mesh, &args.pod, &args.namespace)?;
    if args.policy {
        return policy(args, &mesh, index);
    }
    let pod = &mesh.pods[index];
    let Some(sidecar) = &pod.sidecar else {
        bail!(
            "{} has no sidecar, so nothing is compiled for it; inject one with the label `sidecar.istio.io/inject: \
             \"true\"` on the pod, or `istio-injection: enabled` on its namespace",
            pod.name
        );
    };
    let identity = if args.rootless { ProxyIdentity::Mark(sidecar::UID) } else { ProxyIdentity::ISTIO };
    if args.iptables {
        let families: &[Family] = match args.family {
            None => &[Family::Ipv4, Family::Ipv6],
            Some(FamilyChoice::Ipv4) => &[Family::Ipv4],
            Some(FamilyChoice::Ipv6) => &[Family::Ipv6],
        };
        for family in families {
            if args.family.is_none() {
                outln!("# {}", if *family == Family::Ipv4 { "iptables" } else { "ip6tables" })?;
            }
            out!("{}", Rules::new(&sidecar.capture, identity, *family))?;
        }
        return Ok(OK);
    }
    let config = configure(&mesh, index, &placement(identity))?;
    // Certificates are issued on each call: a lab has different ones.
    let secrets = Authorities::new(&mesh.config.trust_domain, KeyType::default())?.secrets(sidecar)?;
    let json = part(args, config.to_json(&secrets));
    match args.output.output {
        Output::Json => print_json(&json)?,
        Output::Table => table(args, &config)?,
    }
    Ok(OK)
}

/// The requested part, or everything.
fn part(args: &ConfigArgs, json: Value) -> Value {
    let part = [
        (args.listeners, "listeners"),
        (args.routes, "routes"),
        (args.clusters, "clusters"),
        (args.endpoints, "endpoints"),
        (args.secrets, "secrets"),
    ]
    .into_iter()
    .find_map(|(asked, name)| asked.then_some(name));
    match part {
        None => json,
        Some(name) => serde_json::json!({ name: json.get(name).cloned().unwrap_or_default() }),
    }
}

/// The names of the resources, and why each exists.
fn table(args: &ConfigArgs, config: &PodConfig) -> Result<()> {
    let parts = [
        (args.listeners, "LISTENERS", config.listeners.iter().map(|l| l.name.clone()).collect::<Vec<_>>()),
        (args.routes, "ROUTES", config.routes.iter().map(|r| r.name.clone()).collect()),
        (args.clusters, "CLUSTERS", config.clusters.iter().map(|c| c.name.clone()).collect()),
        (args.endpoints, "ENDPOINTS", config.endpoints.iter().map(|e| e.cluster_name.clone()).collect()),
        (args.secrets, "SECRETS", config.secret_names.clone()),
    ];
    let all = !parts.iter().any(|(asked, ..)| *asked);
    for (asked, title, names) in parts {
        if asked || all {
            outln!("{title}")?;
            for name in names {
                outln!("  {name}")?;
            }
        }
    }
    outln!("\n-o json prints them as Envoy reads them.")?;
    Ok(())
}

fn policy(args: &ConfigArgs, mesh: &Mesh, index: usize) -> Result<u8> {
    let policy = Policy::for_pod(mesh, index);
    match args.output.output {
        Output::Json => print_json(&policy)?,
        Output::Table => {
            outln!(
                "{}: {}, by {} ({})",
                policy.pod,
                policy.workload.mode,
                policy.workload.decided_by,
                policy.workload.source
            )?;
            for (port, decided) in &policy.ports {
                outln!("  port {port}: {}, by {} ({})", decided.mode, decided.decided_by, decided.source)?;
            }
            for of in &policy.authorization {
                let dry_run = if of.dry_run { ", a dry run" } else { "" };
                outln!(
                    "  {}{dry_run}: AuthorizationPolicy {}, for the {} ({})",
                    of.action,
                    of.policy,
                    of.scope,
                    of.source
                )?;
            }
            for of in &policy.tracing {
                let PolicyTracing { calls, percent, provider, collector, source } = of;
                outln!("  tracing of calls {calls}: {percent} %, told to {provider} at {collector} ({source})")?;
            }
            if !policy.sidecar {
                outln!("  nothing enforces this: the pod has no sidecar")?;
            }
            if mesh.pods[index].is_gateway() {
                outln!("  the mode is not enforced: at a gateway the servers of its Gateways decide about TLS")?;
            }
        }
    }
    Ok(OK)
}
