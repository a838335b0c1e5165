//! The cluster's DNS server: a separate pod, at the addresses in every pod's `/etc/resolv.conf`.

use std::{path::PathBuf, time::Duration};

use anyhow::{Context, Result};
use mesh::model::{CLUSTER_DNS, Mesh};
use netns::{Bind, Lab, Pod, PodSpec, Process, Program, Ready, Start};

use crate::{output, tools::Tools};

/// The pod's name. It has the addresses of Kubernetes' Service of this name, without other pods behind them.
pub(crate) const POD: &str = "kube-dns.kube-system";

/// How long it can take to answer.
const READY_WITHIN: Duration = Duration::from_secs(60);

/// Starts the DNS server, and returns once it answers.
///
/// # Errors
/// If it can't be started.
pub(crate) fn start(mesh: &Mesh, lab: &Lab, tools: &Tools) -> Result<Process> {
    let pod = lab.add_pod(PodSpec::new(POD, CLUSTER_DNS.v4, CLUSTER_DNS.v6))?;
    let records = write_records(mesh, &pod)?;
    let [v4, v6] = CLUSTER_DNS.both().map(|ip| std::net::SocketAddr::new(ip, 53).to_string());
    let records = records.display().to_string();
    let args = ["--listen", &v4, "--listen", &v6, "--records", &records];
    let mut program = Program::new("demo-dns", tools.own("demo-dns")?, args);
    // The file is replaced when the lab changes.
    program.binds.push(Bind { source: pod.dir(), target: pod.dir() });
    let start = Start { ready: Ready::Notify { timeout: READY_WITHIN }, ..Start::default() };
    pod.start(&program, &start).context("the cluster's DNS server did not start")
}

/// Replaces the records of a lab that is up; they count from the next query on.
///
/// # Errors
/// If they can't be written.
pub(crate) fn update(mesh: &Mesh, lab: &Lab) -> Result<()> {
    write_records(mesh, &lab.pod(POD)?).map(drop)
}

fn write_records(mesh: &Mesh, pod: &Pod) -> Result<PathBuf> {
    let records = pod.dir().join("records");
    output::write(&records, mesh.dns_records())?;
    Ok(records)
}
