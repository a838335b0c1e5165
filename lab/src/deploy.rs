//! Deploys a resolved mesh as a lab: pods, redirects, sidecars, apps, and a capture of everything.

use std::{
    path::PathBuf,
    slice,
    sync::Arc,
    time::{Duration, Instant},
};

use anyhow::{Context, Result};
use mesh::{
    ca::Svid,
    compile::{Placement, PodConfig},
    control_plane::configure,
    model::{Container, Family, Mesh, Pod},
    redirect::Rules,
};
use netns::{Lab, LabSpec, PodSpec, Privilege, Process, ServiceSpec};

use crate::{
    app,
    authorities::Authorities,
    container,
    data_plane::DataPlane,
    name_server,
    observe_call::Observations,
    output, parallel,
    readiness::Started,
    role::Role,
    sidecar::{self, Folders, Kind},
    tools::Tools,
    trust,
    tuning::Tuning,
    usage,
};

mod programs;

use self::programs::Records;
pub(crate) use self::programs::{Programs, StartedPod};

/// What a pod is about to get; a [`Tamper`] can change it.
#[derive(Clone, Debug)]
pub struct PodPlan {
    /// `POD.NAMESPACE`.
    pub pod: String,
    pub config: PodConfig,
    /// Its IPv4 redirects.
    pub iptables: String,
    /// Its IPv6 redirects.
    pub ip6tables: String,
}

/// Breaks a plan deliberately, to show that the verdicts would notice.
pub type Tamper = Arc<dyn Fn(&mut PodPlan) + Send + Sync>;

/// How a mesh is deployed.
#[derive(Clone)]
pub struct Options {
    /// The proxies that run as sidecars.
    pub data_plane: DataPlane,
    /// The pods that call, for data planes that differ by side, and for programs that are pinned.
    pub callers: Vec<usize>,
    /// Where the programs are.
    pub tools: Tools,
    /// The privilege with which labs are made.
    pub privilege: Privilege,
    /// Whether packets are captured.
    pub capture: bool,
    /// Whether the lab outlives this process.
    pub stays_up: bool,
    pub name: String,
    /// How the lab's programs run.
    pub tuning: Tuning,
    /// Breaks the plans, in tests.
    pub tamper: Option<Tamper>,
}

pub struct Deployment {
    /// The lab that it runs in.
    pub lab: Lab,
    /// Its pods, in the order of [`pods`](mesh::model::Resolved::pods).
    pub pods: Vec<netns::Pod>,
    /// How long it took until everything was ready.
    pub ready_after: Duration,
    /// The resident memory of each sidecar when it was ready, before any traffic, in bytes.
    pub resident: Vec<u64>,
    /// The kind of each pod's sidecar, where it has one.
    kinds: Vec<Kind>,
    pub(crate) programs: Programs,
}

impl Deployment {
    /// Brings a mesh up, and returns once every sidecar and every app is ready.
    ///
    /// # Errors
    /// If the host lacks something, a program is missing, or a sidecar rejects its files. Nothing is left behind.
    pub fn new(mesh: &Mesh, options: &Options) -> Result<Self> {
        let begun = Instant::now();
        let lab = Lab::create(LabSpec {
            name: Some(options.name.clone()),
            stays_up: options.stays_up,
            ..LabSpec::default()
        })?;
        let plans = mesh.pods.iter().enumerate().map(|(i, pod)| plan(mesh, i, pod, &lab, options));
        let plans: Vec<Option<PodPlan>> = plans.collect::<Result<_>>()?;
        let envoys = plans.iter().enumerate().filter(|(pod, _)| kind_of(options, *pod) == Kind::Envoy);
        sidecar::check_inotify(envoys.filter_map(|(_, plan)| Some(&plan.as_ref()?.config)))?;
        let specs = mesh.pods.iter().enumerate().zip(&plans);
        let specs = specs.map(|((i, pod), plan)| spec(mesh, i, pod, plan.as_ref(), &options.tuning));
        let pods = lab.add_pods(specs)?;
        lab.set_network(&services(mesh), &[])?;
        let name_server = name_server::start(mesh, &lab, &options.tools)?;
        let mut programs = Programs::default();
        programs.add_app(name_server);
        if options.capture {
            programs.watch(&pods)?;
        }
        let authorities = Authorities::new(&mesh.config.trust_domain, options.tuning.key_type)?;
        authorities.write(lab.dir())?;
        let all = pods.iter().zip(&plans).enumerate().map(|(index, (host, plan))| (index, host, plan.as_ref()));
        let started = start_pods(mesh, all.collect(), &authorities, options)?;
        started.into_iter().for_each(|pod| programs.add(pod));
        let ready_after = begun.elapsed();
        let resident = programs.sidecars().filter_map(|sidecar| usage::resident(sidecar.pid())).collect();
        let kinds = (0..pods.len()).map(|pod| kind_of(options, pod)).collect();
        Ok(Self { lab, pods, ready_after, resident, kinds, programs })
    }

    /// Whether a pod's sidecar, if it has one, is the native one.
    pub fn is_native(&self, pod: usize) -> bool {
        self.kinds.get(pod) == Some(&Kind::Native)
    }

    /// Adapts to pods that came, went or were made again.
    ///
    /// # Errors
    /// If a pod of the mesh does not exist.
    pub(crate) fn adapt(&mut self, mesh: &Mesh, options: &Options) -> Result<()> {
        self.pods = mesh.pods.iter().map(|pod| self.lab.pod(&pod.name.to_string())).collect::<Result<_, _>>()?;
        self.kinds = (0..self.pods.len()).map(|pod| kind_of(options, pod)).collect();
        Ok(())
    }

    /// Stops the apps and sidecars, so that all logs are written, and returns what was seen. If a path is given, writes the capture
    /// to `pcapng`, with the keys that decrypt it.
    ///
    /// # Errors
    /// If a log can't be read, or the capture can't be written.
    pub fn finish(mut self, mesh: &Mesh, pcapng: Option<PathBuf>) -> Result<Observations> {
        let Records { secrets, logs } = self.programs.finish(self.pods.iter().zip(&mesh.pods))?;
        let Some((captured, tracked)) = self.programs.captured() else {
            return Ok(Observations { logs, ..Observations::default() });
        };
        let keys = observe::KeyLog::parse(&secrets);
        if let Some(path) = pcapng {
            output::write_secret(&path, |mut file| netns::write_pcapng(&mut file, &captured, &[secrets]))?;
        }
        let dropped = captured.dropped.iter().sum();
        let flows = observe::observe(&to_observe(captured), &keys);
        self.lab.remove()?;
        Ok(Observations { flows, tracked, logs, dropped })
    }

    /// The sidecar of a pod, `POD.NAMESPACE`.
    pub fn sidecar(&self, pod: &str) -> Option<&Process> {
        self.programs.sidecar(pod)
    }

    /// The first app of a pod, `POD.NAMESPACE`.
    pub fn app(&self, pod: &str) -> Option<&Process> {
        self.programs.app(pod)
    }

    /// Leaves the lab up, and returns its id.
    ///
    /// # Errors
    /// If its state can't be written.
    pub fn leave_up(self) -> Result<String> {
        let id = self.lab.id().to_owned();
        self.lab.leave_up()?;
        Ok(id)
    }
}

fn to_observe(captured: netns::Captured) -> observe::Capture {
    observe::Capture {
        interfaces: captured
            .interfaces
            .into_iter()
            .map(|interface| observe::Interface { host: interface.pod, name: interface.name })
            .collect(),
        packets: captured
            .packets
            .into_iter()
            .map(|packet| observe::Packet {
                interface: packet.interface.0,
                timestamp_ns: packet.timestamp.as_nanos().try_into().unwrap_or(u64::MAX),
                data: packet.data,
            })
            .collect(),
        secrets: String::new(),
    }
}

/// The configuration of a pod's sidecar; `None` for a pod without one.
pub(crate) fn plan(mesh: &Mesh, index: usize, pod: &Pod, lab: &Lab, options: &Options) -> Result<Option<PodPlan>> {
    let Some(sidecar) = &pod.sidecar else { return Ok(None) };
    let name = pod.name.to_string();
    let folder = lab.dir().join("pods").join(&name);
    let identity = sidecar::identity(options.privilege);
    let placement = Placement {
        config_dir: folder.join("proxy"),
        log_dir: folder.join("log"),
        redirect: identity,
        options: options.tuning.compile.clone(),
    };
    let mut config = configure(mesh, index, &placement)?;
    if kind_of(options, index) == Kind::Envoy {
        config.fit_stock_envoy();
    }
    let mut plan = PodPlan {
        pod: name,
        config,
        iptables: Rules::new(&sidecar.capture, identity, Family::Ipv4).to_string(),
        ip6tables: Rules::new(&sidecar.capture, identity, Family::Ipv6).to_string(),
    };
    if let Some(tamper) = &options.tamper {
        tamper(&mut plan);
    }
    Ok(Some(plan))
}

pub(crate) fn spec(mesh: &Mesh, index: usize, pod: &Pod, plan: Option<&PodPlan>, tuning: &Tuning) -> PodSpec {
    let mut spec = PodSpec::new(pod.name.to_string(), pod.ips.v4, pod.ips.v6);
    spec.hosts = mesh.hosts_file(index);
    spec.resolv_conf = mesh.resolv_conf(index);
    // Envoy binds the source of its inbound connections to it (istio: pilot/pkg/networking/core/cluster_builder.go).
    spec.loopback = vec![ipnet::IpNet::V6(ipnet::Ipv6Net::from(std::net::Ipv6Addr::new(0, 0, 0, 0, 0, 0, 0, 6)))];
    // As container runtimes have it, so that a program of any user listens on port 80 (containerd: `enable_unprivileged_ports`).
    spec.sysctls = vec![("net.ipv4.ip_unprivileged_port_start".into(), "0".into())];
    spec.sysctls.extend(tuning.sysctls.clone());
    spec.iptables = plan.map(|plan| plan.iptables.clone());
    spec.ip6tables = plan.map(|plan| plan.ip6tables.clone());
    spec.unconfined = tuning.unconfined;
    spec
}

/// The services' addresses, for the node to translate.
pub(crate) fn services(mesh: &Mesh) -> Vec<ServiceSpec> {
    let mut specs = Vec::new();
    for service in &mesh.services {
        for vip in service.vips.iter().chain(&service.external_ips) {
            for port in &service.ports {
                let endpoints = port.endpoints.iter().flat_map(|endpoint| {
                    let ips = mesh.pods[endpoint.pod].ips.both();
                    ips.into_iter().filter(|ip| ip.is_ipv4() == vip.is_ipv4()).map(|ip| (ip, endpoint.port))
                });
                let unnamed = port.name.is_empty();
                let suffix = if unnamed { String::new() } else { format!(":{}", port.name) };
                specs.push(ServiceSpec {
                    name: format!("{}/{}{suffix}", service.name.namespace, service.name.name),
                    vip: *vip,
                    port: port.port,
                    endpoints: endpoints.collect(),
                });
            }
        }
    }
    specs
}

/// Starts the programs of pods, in parallel, each with its index and the plan of its sidecar. Returns once all are ready.
///
/// # Errors
/// The first of those that could not be started.
pub(crate) fn start_pods(
    mesh: &Mesh,
    pods: Vec<(usize, &netns::Pod, Option<&PodPlan>)>,
    authorities: &Authorities,
    options: &Options,
) -> Result<Vec<StartedPod>> {
    let at_once = pods.len();
    parallel::each(pods, at_once, |(index, host, plan)| {
        start_pod(index, &mesh.pods[index], host, plan, authorities, options)
    })
}

/// The certificate that a stand-in gets; `None` for any other container.
pub(crate) fn certificate(container: &Container, authorities: &Authorities) -> Result<Option<Svid>> {
    let made = container.stand_in.as_ref().filter(|stand_in| !stand_in.names.is_empty());
    made.map(|stand_in| authorities.stand_in(&stand_in.names)).transpose()
}

fn start_pod(
    index: usize,
    pod: &Pod,
    host: &netns::Pod,
    plan: Option<&PodPlan>,
    authorities: &Authorities,
    options: &Options,
) -> Result<StartedPod> {
    trust::write(host, &authorities.public_root_pem())?;
    let sidecar = plan.zip(pod.sidecar.as_ref()).map(|(plan, sidecar)| {
        let secrets = authorities.secrets(sidecar)?;
        Folders::new(host).write(&plan.config, &secrets, options.privilege)?;
        sidecar::start(host, &how(index, options), &options.tools, &plan.config)
    });
    let sidecar = sidecar.transpose().with_context(|| format!("the sidecar of {} did not start", pod.name))?;
    for container in &pod.containers {
        let made = certificate(container, authorities)?;
        container::Files::new(host, &container.name).write(host, container, made.as_ref())?;
    }
    let apps = start_apps(index, pod, &pod.containers, host, options)?;
    Ok(StartedPod { sidecar, apps })
}

/// Starts containers' programs, and waits until they are ready.
fn start_apps(
    index: usize,
    pod: &Pod,
    containers: &[Container],
    host: &netns::Pod,
    options: &Options,
) -> Result<Vec<Process>> {
    let role = if options.callers.contains(&index) { Role::ClientApp } else { Role::ServerApp };
    let apps = containers.iter().map(|one| app::start(pod, one, host, role, (&options.tools, &options.tuning)));
    let apps = apps.collect::<Result<Vec<_>>>()?;
    for (container, process) in containers.iter().zip(&apps).filter(|(container, _)| !app::reports(container)) {
        Started { pod, container, host, process, tools: &options.tools }.wait()?;
    }
    Ok(apps)
}

/// Starts the program of a container again, on the files that it had.
///
/// # Errors
/// If the pod does not have the container, or the program does not start.
pub(crate) fn restart(
    (index, pod): (usize, &Pod),
    host: &netns::Pod,
    plan: Option<&PodPlan>,
    container: &str,
    options: &Options,
) -> Result<StartedPod> {
    let name = &pod.name;
    if container == sidecar::CONTAINER {
        let plan = plan.with_context(|| format!("{name} has no sidecar"))?;
        let sidecar = sidecar::start(host, &how(index, options), &options.tools, &plan.config);
        let sidecar = sidecar.with_context(|| format!("the sidecar of {name} did not start"))?;
        return Ok(StartedPod { sidecar: Some(sidecar), apps: Vec::new() });
    }
    let container = pod.containers.iter().find(|one| one.name == container);
    let container = container.with_context(|| format!("{name} has no such container"))?;
    Ok(StartedPod { sidecar: None, apps: start_apps(index, pod, slice::from_ref(container), host, options)? })
}

/// How a pod's sidecar runs.
fn how(index: usize, options: &Options) -> sidecar::How {
    let role = if options.callers.contains(&index) { Role::ClientSidecar } else { Role::ServerSidecar };
    sidecar::How {
        kind: kind_of(options, index),
        concurrency: options.tuning.concurrency,
        cpus: options.tuning.cpus(role),
        privilege: options.privilege,
    }
}

/// Which proxy a pod's sidecar is.
fn kind_of(options: &Options, pod: usize) -> Kind {
    match (options.data_plane, options.callers.contains(&pod)) {
        (DataPlane::Native, _) | (DataPlane::NativeToEnvoy, true) | (DataPlane::EnvoyToNative, false) => Kind::Native,
        (DataPlane::Envoy, _) | (DataPlane::NativeToEnvoy, false) | (DataPlane::EnvoyToNative, true) => Kind::Envoy,
    }
}
