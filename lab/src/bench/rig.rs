//! A lab with every layering in it, and one load at a time on one of them.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail};
use demo_apps::report::{HoldReport, LoadReport};
use mesh::model::{Mesh, Pod};
use netns::{Lab, Privilege, Process, Program, Ready, Sink, Start};

use super::{layering::Layering, sample::Held, setup::Settings};
use crate::{
    container,
    data_plane::DataPlane,
    deploy::{self, Deployment},
    role::Role,
    tools::Tools,
    usage::{self, Traffic},
};

/// The time limit of one load, far longer than any takes.
const PATIENCE: Duration = Duration::from_secs(120);

/// A load on a layering.
#[derive(Clone, Copy, Debug)]
pub struct Load {
    /// Concurrent connections.
    pub connections: u32,
    /// Requests per connection; by default an equal share.
    pub requests_per_connection: Option<u32>,
    /// The number of requests.
    pub requests: u64,
    /// Bytes of each request.
    pub upload: u64,
    /// Bytes of each answer.
    pub download: u64,
    /// Requests due per second; `None` starts each after the previous answer.
    pub rate: Option<f64>,
}

impl Load {
    /// The client's arguments for this load, after the common ones.
    fn args(&self, common: Vec<String>) -> Vec<String> {
        let mut args = common;
        let mut option = |name: &str, value: String| args.extend([name.to_owned(), value]);
        option("--connections", self.connections.to_string());
        option("--requests", self.requests.to_string());
        option("--upload", self.upload.to_string());
        option("--download", self.download.to_string());
        if let Some(rate) = self.rate {
            option("--rate", rate.to_string());
        }
        if let Some(requests) = self.requests_per_connection {
            option("--requests-per-connection", requests.to_string());
        }
        args
    }
}

/// The cost of a load.
#[derive(Debug)]
pub struct Round {
    /// The client's own report.
    pub report: LoadReport,
    pub cpu: BTreeMap<Role, Duration>,
    /// The traffic of the server pod's `eth0`.
    pub(crate) wire: Option<Traffic>,
    /// CPUs that other programs used meanwhile.
    pub foreign: f64,
}

/// What all labs of a bench are made from.
pub struct Blueprint {
    /// The pods of all layerings.
    pub mesh: Mesh,
    /// The calling pods among them.
    pub callers: Vec<usize>,
    /// How their programs run, and the settings of the load.
    pub settings: Settings,
    /// Where the programs are.
    pub tools: Tools,
    /// The privilege with which labs are made.
    pub privilege: Privilege,
}

/// A lab with every layering, on one data plane.
pub struct Rig<'a> {
    /// What it is made from.
    pub blueprint: &'a Blueprint,
    pub data_plane: DataPlane,
    /// The number of workers of each sidecar.
    pub concurrency: u32,
    deployment: Deployment,
}

impl<'a> Rig<'a> {
    /// Brings up the lab.
    ///
    /// # Errors
    /// As [`Deployment::new`].
    pub fn new(blueprint: &'a Blueprint, data_plane: DataPlane, concurrency: u32) -> Result<Self> {
        let options = deploy::Options {
            data_plane,
            callers: blueprint.callers.clone(),
            tools: blueprint.tools.clone(),
            privilege: blueprint.privilege,
            capture: false,
            stays_up: false,
            name: format!("bench-{}-{data_plane}-{concurrency}", blueprint.mesh.flavor),
            tuning: blueprint.settings.tuning(concurrency),
            tamper: None,
        };
        let deployment = Deployment::new(&blueprint.mesh, &options)?;
        Ok(Self { blueprint, data_plane, concurrency, deployment })
    }

    /// Brings up a fresh copy, whose processes have not done anything.
    ///
    /// # Errors
    /// As [`new`](Self::new).
    pub fn anew(&self) -> Result<Self> {
        Self::new(self.blueprint, self.data_plane, self.concurrency)
    }

    /// Puts a load on a layering, and waits for its end.
    ///
    /// # Errors
    /// If the client can't be run, or any request fails, since failures have different costs.
    pub fn load(&self, layering: &Layering, load: &Load) -> Result<Round> {
        let (host, program) = self.client("load", layering, load.args(self.call("load", layering)))?;
        let processes = self.processes(layering);
        let spent = || -> Vec<_> { processes.iter().map(|(role, pid)| (*role, usage::cpu_time(*pid))).collect() };
        let carried = || Traffic::read(self.deployment.app(&layering.server)?.pid(), "eth0");
        let wire = carried();
        let (before, machine, own, begun) = (spent(), usage::Machine::now(), Self::own_cpu(), Instant::now());
        let output = host.run_to_end(&program, PATIENCE)?;
        let wall = begun.elapsed();
        let busy = usage::Machine::now().since(machine);
        let mut cpu: BTreeMap<Role, Duration> =
            spent().into_iter().zip(before).map(|((role, now), (_, then))| (role, now.saturating_sub(then))).collect();
        let stderr = String::from_utf8_lossy(&output.stderr);
        let report: LoadReport = serde_json::from_slice(&output.stdout)
            .with_context(|| format!("{}: the client printed no report: {stderr}", layering.name))?;
        if report.failures > 0 || report.http_errors > 0 {
            let kinds: Vec<_> = report.errors.iter().map(|error| error.failure.message.as_str()).collect();
            bail!("{}: {} of {} requests failed: {}", layering.name, report.failures, load.requests, kinds.join("; "));
        }
        cpu.insert(Role::ClientApp, Duration::from_micros(report.cpu_user_us + report.cpu_system_us));
        let ours = cpu.values().sum::<Duration>() + Self::own_cpu().saturating_sub(own);
        let foreign = busy.saturating_sub(ours).as_secs_f64() / wall.as_secs_f64().max(f64::MIN_POSITIVE);
        let wire = carried().zip(wire).map(|(now, then)| now.since(then));
        Ok(Round { report, cpu, wire, foreign })
    }

    /// Holds each of these numbers of idle connections, the smallest first, and reads the resident memory of each process.
    ///
    /// # Errors
    /// If not all of them are established.
    pub fn idle(&self, layering: &Layering, steps: &[u32]) -> Result<Vec<Held>> {
        let processes = self.processes(layering);
        let resident = || processes.iter().filter_map(|(role, pid)| Some((*role, usage::resident(*pid)?))).collect();
        // The first connections bring code and tables into memory that all share.
        let few = Load {
            connections: 4,
            requests_per_connection: Some(1),
            requests: 16,
            upload: 0,
            download: 64,
            rate: None,
        };
        self.load(layering, &few)?;
        let (mut held, mut holding, mut standing) = (Vec::new(), Vec::new(), 0);
        for connections in steps {
            if let Some(more) = connections.checked_sub(standing).filter(|more| *more > 0) {
                holding.push((more, self.hold(layering, more, *connections)?));
                standing = *connections;
            }
            held.push(Held { connections: *connections, resident: resident() });
        }
        holding.iter().try_for_each(|(connections, client)| stood(client, *connections))?;
        Ok(held)
    }

    /// Opens more connections, up to a total, and holds them.
    fn hold(&self, layering: &Layering, more: u32, together: u32) -> Result<Process> {
        let mut hold = self.call("hold", layering);
        hold.extend(["--connections".to_owned(), more.to_string()]);
        let (host, program) = self.client(&format!("hold-{together}"), layering, hold)?;
        let how = Start { stdout: Sink::Pipe, stderr: Sink::Log, ready: Ready::Notify { timeout: PATIENCE } };
        Ok(host.start(&program, &how)?)
    }

    pub(super) fn lab(&self) -> &Lab {
        &self.deployment.lab
    }

    /// Two pods without sidecars.
    pub(super) fn without_sidecars(&self) -> Option<(&netns::Pod, &netns::Pod)> {
        let pods = self.blueprint.mesh.pods.iter().zip(&self.deployment.pods);
        let mut pods = pods.filter(|(pod, _)| pod.sidecar.is_none());
        Some((pods.next()?.1, pods.next()?.1))
    }

    /// The CPU time of this program.
    fn own_cpu() -> Duration {
        usage::cpu_time(std::process::id())
    }

    /// The client's arguments for a layering.
    fn call(&self, what: &str, layering: &Layering) -> Vec<String> {
        [what, &layering.url, "--group", self.blueprint.settings.key_exchange.group()].map(str::to_owned).into()
    }

    /// The client under this name with these arguments, in the layering's calling pod.
    fn client(
        &self,
        name: &str,
        layering: &Layering,
        args: impl IntoIterator<Item = String>,
    ) -> Result<(&netns::Pod, Program)> {
        let (index, pod) = self.pod(&layering.client)?;
        let host = &self.deployment.pods[index];
        let container = pod.containers.first().with_context(|| format!("{} has no container", pod.name))?;
        let (name, client) = (format!("{name}-{}", layering.name), self.blueprint.tools.own("demo-client")?);
        let mut program = container::program(pod, container, host, name, client, args);
        container::keep_keys_secret(&mut program);
        program.cpus = self.blueprint.settings.tuning(self.concurrency).cpus(Role::ClientApp);
        Ok((host, program))
    }

    /// The processes on the path of a layering's calls; the client differs each time.
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
        let found = self.blueprint.mesh.pods.iter().enumerate().find(|(_, pod)| pod.name.to_string() == name);
        found.with_context(|| format!("no pod {name}"))
    }
}

/// Ends a client that holds connections, and checks that all were established.
fn stood(client: &Process, connections: u32) -> Result<()> {
    let status = client.terminate(Duration::from_secs(10))?;
    let mut text = String::new();
    if let Some(mut stdout) = client.take_stdout() {
        std::io::Read::read_to_string(&mut stdout, &mut text).context("can't read the client's report")?;
    }
    let report: HoldReport = serde_json::from_str(text.lines().next().unwrap_or_default()).with_context(|| {
        format!("the client that held {connections} connections printed no report and ended with {status}")
    })?;
    if report.standing != connections {
        let kinds: Vec<_> = report.errors.iter().map(|error| error.failure.message.as_str()).collect();
        bail!("only {} of {connections} idle connections are established: {}", report.standing, kinds.join("; "));
    }
    Ok(())
}
