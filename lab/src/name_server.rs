//! The cluster's DNS server: a separate pod, at the addresses in every pod's `/etc/resolv.conf`.

use std::{fs, time::Duration};

use anyhow::{Context, Result};
use mesh::model::{CLUSTER_DNS, Mesh};
use netns::{Lab, PodSpec, Process, Program, Ready, Start};

use crate::tools::Tools;

/// The pod's name. It has the addresses of Kubernetes' Service of this name, without other pods behind them.
pub(crate) const POD: &str = "kube-dns.kube-system";

/// How long it can take to answer.
const READY_WITHIN: Duration = Duration::from_secs(10);

/// Starts the DNS server, and returns once it answers.
///
/// # Errors
/// If it can't be started.
pub(crate) fn start(mesh: &Mesh, lab: &Lab, tools: &Tools) -> Result<Process> {
    let pod = lab.add_pod(PodSpec::new(POD, CLUSTER_DNS.v4, CLUSTER_DNS.v6))?;
    let records = pod.dir().join("records");
    fs::write(&records, mesh.dns_records()).with_context(|| format!("can't write {}", records.display()))?;
    let [v4, v6] = CLUSTER_DNS.both().map(|ip| std::net::SocketAddr::new(ip, 53).to_string());
    let records = records.display().to_string();
    let args = ["--listen", &v4, "--listen", &v6, "--records", &records];
    let program = Program::new("demo-dns", tools.own("demo-dns")?, args);
    let start = Start { ready: Ready::Notify { timeout: READY_WITHIN }, ..Start::default() };
    pod.start(&program, &start).context("the cluster's DNS server did not start")
}
