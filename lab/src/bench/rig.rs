//! A lab with every layering in it, and one load at a time on one of them.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail};
use demo_apps::report::{HoldReport, LoadReport};
use mesh::model::{Flavor, Mesh, Pod};
use netns::{Privilege, Process, Program, Ready, Sink, Start};
use serde::{Deserialize, Serialize};

use super::{layering::Layering, setup::Settings};
use crate::{
    container,
    deploy::{self, Deployment},
    tools::Tools,
    usage,
    verdict::DataPlane,
};

/// The longest that one load may take: far longer than any does.
const PATIENCE: Duration = Duration::from_secs(120);

/// Who spends CPU and memory on a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// The calling app.
    ClientApp,
    /// Its sidecar.
    ClientSidecar,
    /// The called app's sidecar.
    ServerSidecar,
    /// The called app.
    ServerApp,
}

impl Role {
    /// Whether it is a sidecar.
    pub fn is_sidecar(self) -> bool {
        matches!(self, Self::ClientSidecar | Self::ServerSidecar)
    }
}

/// What is asked of a layering.
#[derive(Clone, Copy, Debug)]
pub struct Load {
    /// Connections side by side.
    pub connections: u32,
    /// Whether each request has a connection of its own.
    pub new_connections: bool,
    /// How many requests.
    pub requests: u64,
    /// How many bytes each request has.
    pub upload: u64,
    /// How many bytes each answer has.
    pub download: u64,
}

impl Load {
    /// As the client takes it.
    fn args(&self, url: &str) -> Vec<String> {
        let mut args = vec!["load".to_owned(), url.to_owned()];
        let mut option = |name: &str, value: String| args.extend([name.to_owned(), value]);
        option("--connections", self.connections.to_string());
        option("--requests", self.requests.to_string());
        option("--upload", self.upload.to_string());
        option("--download", self.download.to_string());
        if self.new_connections {
            args.push("--new-connection-per-request".to_owned());
        }
        args
    }
}

/// What a load cost.
#[derive(Debug)]
pub struct Round {
    /// The client's own report.
    pub report: LoadReport,
    /// CPU by process.
    pub cpu: BTreeMap<Role, Duration>,
    /// CPU that others on this machine spent meanwhile, a second.
    pub foreign: f64,
}

/// A lab with every layering, on one data plane.
pub struct Rig {
    /// Its sidecars.
    pub data_plane: DataPlane,
    /// How they are configured.
    pub settings: Settings,
    mesh: Mesh,
    deployment: Deployment,
    tools: Tools,
    privilege: Privilege,
}

impl Rig {
    /// Brings it up.
    ///
    /// # Errors
    /// As [`Deployment::new`].
    pub fn new(
        mesh: Mesh,
        data_plane: DataPlane,
        settings: &Settings,
        tools: &Tools,
        privilege: Privilege,
    ) -> Result<Self> {
        let options = deploy::Options {
            data_plane,
            callers: Vec::new(),
            tools: tools.clone(),
            privilege,
            capture: false,
            stays_up: false,
            name: format!("bench-{}-{data_plane}", Flavor::Istio),
            tamper: None,
        };
        let deployment = Deployment::new(&mesh, &options)?;
        Ok(Self { data_plane, settings: settings.clone(), mesh, deployment, tools: tools.clone(), privilege })
    }

    /// Another one, whose processes have done nothing yet.
    ///
    /// # Errors
    /// As [`new`](Self::new).
    pub fn anew(&self) -> Result<Self> {
        Self::new(self.mesh.clone(), self.data_plane, &self.settings, &self.tools, self.privilege)
    }

    /// Puts a load on a layering, and waits for its end.
    ///
    /// # Errors
    /// When the client can't be run, or any of its requests fails: a layering that fails costs something else.
    pub fn load(&self, layering: &Layering, load: &Load) -> Result<Round> {
        let url = &layering.url;
        let (host, program) = self.client(layering, load.args(url))?;
        let processes = self.processes(layering);
        let spent = || -> Vec<_> { processes.iter().map(|(role, pid)| (*role, usage::of_process(*pid))).collect() };
        let (before, machine, own, begun) = (spent(), usage::Machine::now(), Self::own_cpu(), Instant::now());
        let output = host.run_to_end(&program, PATIENCE)?;
        let wall = begun.elapsed();
        let busy = usage::Machine::now().since(machine);
        let mut cpu: BTreeMap<Role, Duration> =
            spent().into_iter().zip(before).map(|((role, now), (_, then))| (role, now.saturating_sub(then))).collect();
        let told = String::from_utf8_lossy(&output.stderr);
        let report: LoadReport = serde_json::from_slice(&output.stdout)
            .with_context(|| format!("{}: the client gave no report: {told}", layering.name))?;
        if report.failures > 0 || report.http_errors > 0 {
            let kinds: Vec<_> = report.errors.iter().map(|error| error.failure.message.as_str()).collect();
            bail!("{}: {} of {} requests failed: {}", layering.name, report.failures, load.requests, kinds.join("; "));
        }
        cpu.insert(Role::ClientApp, Duration::from_micros(report.cpu_user_us + report.cpu_system_us));
        let ours = cpu.values().sum::<Duration>() + Self::own_cpu().saturating_sub(own);
        let foreign = busy.saturating_sub(ours).as_secs_f64() / wall.as_secs_f64().max(f64::MIN_POSITIVE);
        Ok(Round { report, cpu, foreign })
    }

    /// Holds idle connections, and says how much more memory each party has for each of them, in bytes.
    ///
    /// # Errors
    /// When not all of them stand.
    pub fn idle(&self, layering: &Layering, connections: u32) -> Result<BTreeMap<Role, f64>> {
        let processes = self.processes(layering);
        let resident = || -> BTreeMap<Role, u64> {
            processes.iter().filter_map(|(role, pid)| Some((*role, usage::resident(*pid)?))).collect()
        };
        let hold = ["hold", &layering.url, "--connections", &connections.to_string()].map(str::to_owned);
        let (host, program) = self.client(layering, hold)?;
        // The first connections bring code and tables into memory that all share.
        let few = Load { connections: 4, new_connections: true, requests: 16, upload: 0, download: 64 };
        self.load(layering, &few)?;
        let before = resident();
        let how = Start { stdout: Sink::Pipe, stderr: Sink::Log, ready: Ready::Notify { timeout: PATIENCE } };
        let holding = host.start(&program, &how)?;
        let during = resident();
        let status = holding.terminate(Duration::from_secs(10))?;
        let mut text = String::new();
        if let Some(mut stdout) = holding.take_stdout() {
            std::io::Read::read_to_string(&mut stdout, &mut text).context("can't read the client's report")?;
        }
        let standing: HoldReport = serde_json::from_str(text.lines().next().unwrap_or_default())
            .with_context(|| format!("{}: the client gave no report and ended with {status}", layering.name))?;
        if standing.standing != connections {
            bail!("{}: only {} of {connections} connections stand", layering.name, standing.standing);
        }
        let each = |role: &Role, now: u64| {
            now.saturating_sub(before.get(role).copied().unwrap_or(now)) as f64 / f64::from(connections)
        };
        Ok(during.into_iter().map(|(role, now)| (role, each(&role, now))).collect())
    }

    /// CPU that this program has spent.
    fn own_cpu() -> Duration {
        usage::of_process(std::process::id())
    }

    /// The client with these arguments, in the layering's calling pod.
    fn client(&self, layering: &Layering, args: impl IntoIterator<Item = String>) -> Result<(&netns::Pod, Program)> {
        let (index, pod) = self.pod(&layering.client)?;
        let host = &self.deployment.pods[index];
        let container = pod.containers.first().with_context(|| format!("{} has no container", pod.name))?;
        let (name, client) = (format!("load-{}", layering.name), self.tools.own("demo-client")?);
        Ok((host, container::program(pod, container, host, name, client, args)))
    }

    /// The processes that a layering's calls pass; the client is another one each time.
    fn processes(&self, layering: &Layering) -> Vec<(Role, u32)> {
        let sidecar = |pod: &str| self.deployment.sidecar(pod).map(Process::pid);
        let app = |pod: &str| self.deployment.app(pod).map(Process::pid);
        [
            (Role::ClientSidecar, sidecar(&layering.client)),
            (Role::ServerSidecar, sidecar(&layering.server)),
            (Role::ServerApp, app(&layering.server)),
        ]
        .into_iter()
        .filter_map(|(role, pid)| Some((role, pid?)))
        .collect()
    }

    fn pod(&self, name: &str) -> Result<(usize, &Pod)> {
        let found = self.mesh.pods.iter().enumerate().find(|(_, pod)| pod.name.to_string() == name);
        found.with_context(|| format!("no pod {name}"))
    }
}
