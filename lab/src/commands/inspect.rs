//! `sidelab get` and `exec`: looking into a running lab.

use anyhow::{Context, Result, bail};
use mesh::model::{Container, Mesh, Pod};
use netns::{Lab, LabState, ProcessRecord};
use serde_json::{Value, json};

use super::{
    OK, labs,
    listing::{names_whole, table},
    print_json,
    up::left_alone,
};
use crate::{
    cli::{ExecArgs, GetArgs, LabArgs, Output, What},
    container,
    live::record::Record,
    manifests, name_server, sidecar,
    terminal::outln,
};

pub(super) fn get(args: &GetArgs) -> Result<u8> {
    let (header, rows): (&[&str], Vec<Vec<Value>>) = match args.what {
        What::Labs => (&["LAB", "NAME", "STATE", "PODS", "PROCESSES"], lab_rows()?),
        What::Pods => {
            let (lab, mesh) = resolved(args)?;
            (
                &["POD", "READY", "STATUS", "IPV4", "IPV6", "SIDECAR", "PEER AUTHENTICATION"],
                pod_rows(&mesh, &lab.processes()?),
            )
        }
        What::Services => (&["SERVICE", "ADDRESSES", "PORTS", "ENDPOINTS"], service_rows(&resolved(args)?.1)),
    };
    match args.output.output {
        Output::Json => {
            let keys = header.iter().map(|name| name.to_lowercase().replace(' ', "_"));
            let keys: Vec<String> = keys.collect();
            let objects = rows.into_iter().map(|row| keys.iter().cloned().zip(row).collect::<serde_json::Map<_, _>>());
            print_json(&objects.collect::<Vec<_>>())?;
        }
        Output::Table => {
            let mut table = table::<0>([]);
            table.set_header(header);
            names_whole(&mut table);
            for row in rows {
                table.add_row(row.iter().map(cell));
            }
            outln!("{}", table.trim_fmt())?;
        }
    }
    Ok(OK)
}

fn cell(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Bool(true) => "yes".into(),
        Value::Bool(false) => "no".into(),
        Value::Array(values) => values.iter().map(cell).collect::<Vec<_>>().join(" "),
        other => other.to_string(),
    }
}

fn resolved(args: &GetArgs) -> Result<(Lab, Mesh)> {
    let lab = Lab::open(&labs::select(args.lab.lab.as_deref())?)?;
    let mesh = Record::read(&lab)?.resolve()?;
    Ok((lab, mesh))
}

fn lab_rows() -> Result<Vec<Vec<Value>>> {
    let row = |lab: netns::LabSummary| {
        let state = match lab.state {
            LabState::InUse => "in use",
            LabState::LeftUp => "up",
            LabState::Stale => "stale: its process was killed; `sidelab down --all` removes it",
        };
        // The manifests' own, as `up` counts them.
        let pods = lab.pods.iter().filter(|pod| *pod != name_server::POD).count();
        vec![json!(lab.id), json!(lab.name), json!(state), json!(pods), json!(lab.processes.len())]
    };
    let listing = netns::labs()?;
    left_alone(&listing.foreign);
    Ok(listing.labs.into_iter().map(row).collect())
}

fn pod_rows(mesh: &Mesh, started: &[ProcessRecord]) -> Vec<Vec<Value>> {
    let row = |pod: &Pod| {
        let mode = &pod.peer_authentication.workload;
        let name = pod.name.to_string();
        let of_pod: Vec<&ProcessRecord> = started.iter().filter(|process| process.pod == name).collect();
        let Health { ready, status } = Health::new(pod, &of_pod);
        vec![
            json!(name),
            json!(ready),
            json!(status),
            json!(pod.ips.v4),
            json!(pod.ips.v6),
            json!(pod.sidecar.is_some()),
            if pod.sidecar.is_some() { json!(mode.mode) } else { json!("-") },
        ]
    };
    mesh.pods.iter().map(row).collect()
}

/// Which of a pod's programs are running, in kubectl's terms.
struct Health {
    /// Such as `1/2`.
    ready: String,
    /// `Running`, or which ended; only their parent could know the exit code.
    status: String,
}

impl Health {
    fn new(pod: &Pod, started: &[&ProcessRecord]) -> Self {
        let runs = |names: &[&str]| started.iter().any(|one| names.contains(&one.name.as_str()) && one.is_running());
        let containers = pod.containers.iter().map(|one| (one.name.as_str(), runs(&[&one.name])));
        let sidecar = pod.sidecar.as_ref().map(|_| (sidecar::CONTAINER, runs(&sidecar::PROGRAMS)));
        let all: Vec<(&str, bool)> = containers.chain(sidecar).collect();
        let ended: Vec<&str> = all.iter().filter(|(_, runs)| !runs).map(|(name, _)| *name).collect();
        let ready = format!("{}/{}", all.len() - ended.len(), all.len());
        let status = if ended.is_empty() { "Running".into() } else { format!("NotReady: {} ended", ended.join(", ")) };
        Self { ready, status }
    }
}

fn service_rows(mesh: &Mesh) -> Vec<Vec<Value>> {
    let row = |service: &mesh::model::Service| {
        let ports: Vec<String> = service.ports.iter().map(|port| format!("{}/{}", port.port, port.protocol)).collect();
        let endpoints: Vec<String> = service.ports.first().map_or_else(Vec::new, |port| {
            port.endpoints.iter().map(|endpoint| mesh.pods[endpoint.pod].name.to_string()).collect()
        });
        vec![json!(service.name.to_string()), json!(service.vips), json!(ports), json!(endpoints)]
    };
    mesh.services.iter().map(row).collect()
}

pub(super) fn exec(args: &ExecArgs) -> Result<u8> {
    let (_, host, pod) = open_pod(&args.lab, &args.pod, &args.namespace)?;
    let Some((file, arguments)) = args.command.split_first() else { bail!("no command") };
    let container = container_of(&pod, args.container.as_deref())?;
    let mut program = container::program(&pod, container, &host, "exec", file, arguments);
    // Programs on a terminal need its type.
    program.env.extend(std::env::vars_os().filter(|(name, _)| name == "TERM" || name == "HOME" || name == "LANG"));
    Err(host.exec(&program).into())
}

/// The pod of a name, `POD` or `POD.NAMESPACE`, in the selected lab. The name of a Deployment means its first pod.
pub(super) fn open_pod(lab: &LabArgs, name: &str, namespace: &str) -> Result<(Lab, netns::Pod, Pod)> {
    let lab = Lab::open(&labs::select(lab.lab.as_deref())?)?;
    let mesh = Record::read(&lab)?.resolve()?;
    let index = manifests::find_pod(&mesh, name, namespace)?;
    let pod = mesh.pods[index].clone();
    let host = lab.pod(&pod.name.to_string())?;
    Ok((lab, host, pod))
}

/// The container of a name, else the first.
pub(super) fn container_of<'a>(pod: &'a Pod, name: Option<&str>) -> Result<&'a Container> {
    let mut containers = pod.containers.iter();
    match name {
        None => containers.next().with_context(|| format!("{} has no container", pod.name)),
        Some(name) => containers.find(|container| container.name == name).with_context(|| {
            let there: Vec<&str> = pod.containers.iter().map(|container| container.name.as_str()).collect();
            format!("{} has no container {name}, but {}", pod.name, there.join(", "))
        }),
    }
}
