//! `sidelab get`, `exec` and `logs`: a lab that is up, looked into.

use std::{fs, io::Write};

use anyhow::{Context, Result, bail};
use mesh::model::{Container, Mesh, Pod};
use netns::{Lab, LabState};
use serde_json::{Value, json};

use super::{OK, labs, labs::Note, listing::table, print_json};
use crate::{
    cli::{ExecArgs, GetArgs, LabArgs, LogsArgs, Output, What},
    container, manifests,
    sidecar::Folders,
};

pub(super) fn get(args: &GetArgs) -> Result<u8> {
    let (header, rows): (&[&str], Vec<Vec<Value>>) = match args.what {
        What::Labs => (&["LAB", "NAME", "STATE", "PODS", "PROCESSES"], lab_rows()?),
        What::Pods => (&["POD", "IPV4", "IPV6", "SIDECAR", "PEER AUTHENTICATION"], pod_rows(&resolved(args)?)),
        What::Services => (&["SERVICE", "ADDRESSES", "PORTS", "ENDPOINTS"], service_rows(&resolved(args)?)),
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
            for column in table.column_iter_mut() {
                column.set_padding((0, 2));
            }
            for row in rows {
                table.add_row(row.iter().map(cell));
            }
            anstream::println!("{}", table.trim_fmt());
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

fn resolved(args: &GetArgs) -> Result<Mesh> {
    let lab = Lab::open(&labs::meant(args.lab.lab.as_deref())?)?;
    Note::read(&lab)?.resolve()
}

fn lab_rows() -> Result<Vec<Vec<Value>>> {
    let row = |lab: netns::LabSummary| {
        let state = match lab.state {
            LabState::InUse => "in use",
            LabState::LeftUp => "up",
            LabState::Stale => "stale: its process was killed; `sidelab down --all` removes it",
        };
        vec![json!(lab.id), json!(lab.name), json!(state), json!(lab.pods.len()), json!(lab.processes.len())]
    };
    Ok(netns::labs()?.into_iter().map(row).collect())
}

fn pod_rows(mesh: &Mesh) -> Vec<Vec<Value>> {
    let row = |pod: &Pod| {
        let mode = &pod.peer_authentication.workload;
        vec![
            json!(pod.name.to_string()),
            json!(pod.ips.v4),
            json!(pod.ips.v6),
            json!(pod.sidecar.is_some()),
            if pod.sidecar.is_some() { json!(mode.mode) } else { json!("-") },
        ]
    };
    mesh.pods.iter().map(row).collect()
}

fn service_rows(mesh: &Mesh) -> Vec<Vec<Value>> {
    let row = |service: &mesh::model::Service| {
        let ports: Vec<String> = service
            .ports
            .iter()
            .map(|port| {
                let protocol = serde_json::to_value(port.protocol).unwrap_or_default();
                format!("{}/{}", port.port, protocol.as_str().unwrap_or_default())
            })
            .collect();
        let endpoints: Vec<String> = service.ports.first().map_or_else(Vec::new, |port| {
            port.endpoints.iter().map(|endpoint| mesh.pods[endpoint.pod].name.to_string()).collect()
        });
        vec![json!(service.name.to_string()), json!(service.vips), json!(ports), json!(endpoints)]
    };
    mesh.services.iter().map(row).collect()
}

pub(super) fn exec(args: &ExecArgs) -> Result<u8> {
    let (_, host, pod) = meant(&args.lab, &args.pod, &args.namespace)?;
    let Some((file, arguments)) = args.command.split_first() else { bail!("no command") };
    let container = container_of(&pod, args.container.as_deref())?;
    let mut program = container::program(&pod, container, &host, "exec", file, arguments);
    // A terminal's programs want to know which.
    program.env.extend(std::env::vars_os().filter(|(name, _)| name == "TERM" || name == "HOME" || name == "LANG"));
    Err(host.exec(&program).into())
}

pub(super) fn logs(args: &LogsArgs) -> Result<u8> {
    let (lab, host, pod) = meant(&args.lab, &args.pod, &args.namespace)?;
    let path = if args.container.as_deref() == Some("istio-proxy") {
        Folders::of(&host).access_log()
    } else {
        let container = container_of(&pod, args.container.as_deref())?;
        lab.dir().join("logs").join(host.name()).join(format!("{}.stdout", container.name))
    };
    let text = fs::read(&path).with_context(|| format!("{} has no such log ({})", pod.name, path.display()))?;
    std::io::stdout().write_all(&text)?;
    Ok(OK)
}

/// The pod of a name, `POD` or `POD.NAMESPACE`, in the lab that is meant; a Deployment's name stands for its first pod.
fn meant(lab: &LabArgs, name: &str, namespace: &str) -> Result<(Lab, netns::Pod, Pod)> {
    let lab = Lab::open(&labs::meant(lab.lab.as_deref())?)?;
    let mut mesh = Note::read(&lab)?.resolve()?;
    let index = manifests::find_pod(&mesh, name, namespace)?;
    let pod = mesh.pods.swap_remove(index);
    let host = lab.pod(&pod.name.to_string())?;
    Ok((lab, host, pod))
}

/// The container of a name, else the first.
fn container_of<'a>(pod: &'a Pod, name: Option<&str>) -> Result<&'a Container> {
    let mut containers = pod.containers.iter();
    match name {
        None => containers.next().with_context(|| format!("{} has no container", pod.name)),
        Some(name) => containers.find(|container| container.name == name).with_context(|| {
            let there: Vec<&str> = pod.containers.iter().map(|container| container.name.as_str()).collect();
            format!("{} has no container {name}, but {}", pod.name, there.join(", "))
        }),
    }
}
