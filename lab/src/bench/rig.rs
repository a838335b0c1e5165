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

/// The longest that one load may take: far longer than any does.
const PATIENCE: Duration = Duration::from_secs(120);

/// What is asked of a layering.
#[derive(Clone, Copy, Debug)]
pub struct Load {
    /// Connections side by side.
    pub connections: u32,
    /// How many requests each connection is for; all of its share where none is said.
    pub requests_per_connection: Option<u32>,
    /// How many requests.
    pub requests: u64,
    /// How many bytes each request has.
    pub upload: u64,
    /// How many bytes each answer has.
    pub download: u64,
    /// How many requests are meant to begin a second; each when the one before is answered, where none is said.
    pub rate: Option<f64>,
}

impl Load {
    /// As the client takes it, after what is common to all that it is asked.
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

/// What a load cost.
#[derive(Debug)]
pub struct Round {
    /// The client's own report.
    pub report: LoadReport,
    /// CPU by process.
    pub cpu: BTreeMap<Role, Duration>,
    /// What the server pod's `eth0` carried.
    pub(crate) wire: Option<Traffic>,
    /// CPU that others on this machine spent meanwhile, a second.
    pub foreign: f64,
}

/// What all labs of a bench are made from.
pub struct Blueprint {
    /// The pods of all layerings.
    pub mesh: Mesh,
    /// Those of them that call.
    pub callers: Vec<usize>,
    /// How their programs run, and what is asked of them.
    pub settings: Settings,
    /// Where programs are.
    pub tools: Tools,
    /// By what right labs are made.
    pub privilege: Privilege,
}

/// A lab with every layering, on one data plane.
pub struct Rig<'a> {
    /// What it is made from.
    pub blueprint: &'a Blueprint,
    /// Its sidecars.
    pub data_plane: DataPlane,
    /// How many workers each of them has.
    pub concurrency: u32,
    deployment: Deployment,
}

impl<'a> Rig<'a> {
    /// Brings it up.
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

    /// Another one, whose processes have done nothing yet.
    ///
    /// # Errors
    /// As [`new`](Self::new).
    pub fn anew(&self) -> Result<Self> {
        Self::new(self.blueprint, self.data_plane, self.concurrency)
    }

    /// Puts a load on a layering, and waits for its end.
    ///
    /// # Errors
    /// If the client can't be run, or any of its requests fails: a layering that fails costs something else.
    pub fn load(&self, layering: &Layering, load: &Load) -> Result<Round> {
        let (host, program) = self.client("load", layering, load.args(self.call("load", layering)))?;
        let processes = self.processes(layering);
        let spent = || -> Vec<_> { processes.iter().map(|(role, pid)| (*role, usage::of_process(*pid))).collect() };
        let carried = || Traffic::of(self.deployment.app(&layering.server)?.pid(), "eth0");
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

    /// Holds so many idle connections, one number after the other, the fewest first, and says what each party has resident.
    ///
    /// # Errors
    /// When not all of them stand.
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

    /// Opens so many connections more, up to so many together, and holds them.
    fn hold(&self, layering: &Layering, more: u32, together: u32) -> Result<Process> {
        let mut hold = self.call("hold", layering);
        hold.extend(["--connections".to_owned(), more.to_string()]);
        let (host, program) = self.client(&format!("hold-{together}"), layering, hold)?;
        let how = Start { stdout: Sink::Pipe, stderr: Sink::Log, ready: Ready::Notify { timeout: PATIENCE } };
        Ok(host.start(&program, &how)?)
    }

    /// The lab itself.
    pub(super) fn lab(&self) -> &Lab {
        &self.deployment.lab
    }

    /// Two pods between which nothing stands.
    pub(super) fn without_sidecars(&self) -> Option<(&netns::Pod, &netns::Pod)> {
        let pods = self.blueprint.mesh.pods.iter().zip(&self.deployment.pods);
        let mut pods = pods.filter(|(pod, _)| pod.sidecar.is_none());
        Some((pods.next()?.1, pods.next()?.1))
    }

    /// CPU that this program has spent.
    fn own_cpu() -> Duration {
        usage::of_process(std::process::id())
    }

    /// What the client is asked to do to a layering.
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
        let found = self.blueprint.mesh.pods.iter().enumerate().find(|(_, pod)| pod.name.to_string() == name);
        found.with_context(|| format!("no pod {name}"))
    }
}

/// Ends a client that holds connections, and sees to it that all of them stood.
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
        bail!("only {} of {connections} idle connections stand: {}", report.standing, kinds.join("; "));
    }
    Ok(())
}
