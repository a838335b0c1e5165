//! A lab: a node that routes, and its pods.

use std::{
    fs::File,
    iter,
    net::IpAddr,
    os::fd::AsFd,
    path::Path,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
    time::Duration,
};

use crate::{
    Delay, FaultSpec, LabSpec, NodeSpec, Pod, PodSpec, ServiceSpec,
    error::{Error, Result},
    files,
    namespace::{self, Namespace, join},
    netlink::{Link, Mac, Netlink, VethPair},
    pod::{self, MTU},
    registry::{self, Claim},
    removal,
    rules::{self, Family, Load},
    services,
    shared::Shared,
    spec::NODE,
    state::{self, Entry, ExitRecord, Journal, ProcessRecord},
    sysctl,
};

/// How many pods are created in parallel. Most of the time goes into waiting for the kernel.
const AT_ONCE: usize = 16;

/// A lab on this host.
///
/// The handle that [created](Self::create) it removes it when dropped, unless the lab was [left up](Self::leave_up). A handle that
/// was [opened](Self::open) does not. A signal that ends the process drops nothing: handle it, or call
/// [`sweep_stale`](crate::sweep_stale) before creating the next lab.
#[derive(Debug)]
pub struct Lab {
    shared: Arc<Shared>,
    node: NodeSpec,
    pods: Mutex<Vec<Pod>>,
    /// How many cables were made so far, including those of pods that are gone.
    cables: AtomicUsize,
    // Held by the creator, to signal other processes that the lab is in use.
    lock: Option<File>,
}

impl Lab {
    /// Creates a lab with a node and no pods. Needs a [`Privilege`](crate::Privilege).
    ///
    /// # Errors
    ///
    /// If this process lacks the privilege, or the kernel a feature. Nothing is left behind.
    pub fn create(spec: LabSpec) -> Result<Self> {
        let Claim { id, dir, lock } = Claim::new(&Entry::Lab {
            name: spec.name,
            creator: std::process::id(),
            stays_up: spec.stays_up,
            node: spec.node,
        })?;
        let shared = Shared::new(id.clone(), &dir, spec.stays_up, false).inspect_err(|_| {
            // The first error says more than a second one would.
            let _ = removal::remove(&id, &dir);
        })?;
        // From here on, dropping the lab removes whatever exists of it.
        let lab = Self {
            shared: Arc::new(shared),
            node: spec.node,
            pods: Mutex::default(),
            cables: AtomicUsize::new(0),
            lock: Some(lock),
        };
        for folder in ["ns", "pods", "logs", "notify"] {
            files::make_dir(&dir.join(folder))?;
        }
        lab.make_node()?;
        Ok(lab)
    }

    /// Opens a lab that another process created.
    ///
    /// # Errors
    ///
    /// [`Error::NoLab`] if there is no such lab, [`Error::BadState`] if its state file is damaged.
    pub fn open(id: &str) -> Result<Self> {
        let dir = registry::find(id)?;
        let entries = Journal::read(&dir)?;
        let (stays_up, node) = entries
            .iter()
            .find_map(|entry| match entry {
                Entry::Lab { stays_up, node, .. } => Some((*stays_up, *node)),
                _ => None,
            })
            // Its creator was killed before it wrote the first line, so the node does not exist either.
            .ok_or_else(|| Error::NoLab { id: id.to_owned(), base: dir.clone() })?;
        let shared = Arc::new(Shared::new(id.to_owned(), &dir, stays_up, true)?);
        let pods = state::pods(&entries).into_iter().map(|spec| Pod::new(Arc::clone(&shared), spec.clone())).collect();
        let cables = entries.iter().filter(|entry| matches!(entry, Entry::Pod(_))).count();
        Ok(Self { shared, node, pods: Mutex::new(pods), cables: AtomicUsize::new(cables), lock: None })
    }

    /// The lab's id, such as `sl-3f9a`, unique on this host.
    pub fn id(&self) -> &str {
        &self.shared.id
    }

    /// The lab's folder, which is removed with it. Its mode is 0755.
    pub fn dir(&self) -> &Path {
        &self.shared.dir
    }

    /// Runs `work` on a new thread inside the node's network namespace, and waits for it.
    ///
    /// # Errors
    ///
    /// If the lab has been removed, or this process may not enter it.
    pub fn enter_node<T: Send>(&self, work: impl FnOnce() -> T + Send) -> Result<T> {
        self.shared.namespace(NODE).run(work)
    }

    /// Creates pods, in parallel, and returns them in the order of their specifications.
    ///
    /// # Errors
    ///
    /// [`Error::BadSpec`] before anything is created, if a name or address is invalid or in use. Otherwise the error of the first pod
    /// that could not be created; what exists of the others is removed with the lab.
    pub fn add_pods(&self, specs: impl IntoIterator<Item = PodSpec>) -> Result<Vec<Pod>> {
        let specs: Vec<PodSpec> = specs.into_iter().collect();
        let mut pods = self.lock_pods();
        for (index, spec) in specs.iter().enumerate() {
            spec.check()?;
            let others = pods.iter().map(Pod::spec).chain(&specs[..index]);
            check_unused(spec, self.node, others)?;
        }
        let first = pods.len();
        pods.extend(specs.into_iter().map(|spec| Pod::new(Arc::clone(&self.shared), spec)));
        let new = pods[first..].to_vec();
        let cable = self.cables.fetch_add(new.len(), Ordering::Relaxed);
        let links: Vec<String> = (cable..cable + new.len()).map(|index| format!("veth{index}")).collect();
        for pod in &new {
            // A process that was removing an earlier pod of this name was killed.
            if namespace::folder(self.dir()).join(pod.name()).exists() {
                let folders = [pod.dir(), pod.log_dir()];
                removal::remove_pod(self.id(), &self.shared.namespace(pod.name()), &folders)?;
            }
            self.shared.record_namespace(&pod.spec().name)?;
            self.shared.journal.record(&Entry::Pod(pod.spec().clone()))?;
        }
        let node = self.shared.namespace(NODE);
        // In parallel, but not all at once: each starts processes to load its rules.
        let making = Mutex::new(new.iter().zip(&links));
        let next = || making.lock().unwrap_or_else(PoisonError::into_inner).next();
        thread::scope(|scope| {
            let makers: Vec<_> = (0..AT_ONCE.min(new.len()))
                .map(|_| scope.spawn(|| iter::from_fn(next).try_for_each(|(pod, link)| pod.make(&node, link))))
                .collect();
            makers.into_iter().try_for_each(join)
        })?;
        Ok(new)
    }

    /// Creates one pod.
    ///
    /// # Errors
    ///
    /// As [`add_pods`](Self::add_pods).
    pub fn add_pod(&self, spec: PodSpec) -> Result<Pod> {
        let mut pods = self.add_pods([spec])?;
        Ok(pods.remove(0))
    }

    /// Removes a pod: its processes, its namespace and its files. Connections to it break.
    ///
    /// # Errors
    ///
    /// [`Error::NoPod`] if there is none of that name, [`Error::NotRemoved`] names what could not be removed.
    pub fn remove_pod(&self, name: &str) -> Result<()> {
        let pod = self.pod(name)?;
        self.shared.journal.record(&Entry::PodGone(name.to_owned()))?;
        self.lock_pods().retain(|one| one.name() != name);
        removal::remove_pod(self.id(), &self.shared.namespace(name), &[pod.dir(), pod.log_dir()])
    }

    /// Its pods, in the order in which they were created.
    pub fn pods(&self) -> Vec<Pod> {
        self.lock_pods().clone()
    }

    /// Finds a pod by name.
    ///
    /// # Errors
    ///
    /// [`Error::NoPod`] lists the names of the lab's pods.
    pub fn pod(&self, name: &str) -> Result<Pod> {
        let pods = self.lock_pods();
        pods.iter().find(|pod| pod.name() == name).cloned().ok_or_else(|| Error::NoPod {
            pod: name.to_owned(),
            lab: self.id().to_owned(),
            names: pods.iter().map(|pod| pod.name().to_owned()).collect(),
        })
    }

    /// The processes that were started in the pods that exist, oldest first, including those that have exited.
    ///
    /// # Errors
    ///
    /// [`Error::BadState`] if its state file is damaged.
    pub fn processes(&self) -> Result<Vec<ProcessRecord>> {
        Ok(state::processes(Journal::read(self.dir())?))
    }

    /// How processes in its pods ended, as far as their parent reported it by [`record_exit`](Self::record_exit).
    ///
    /// # Errors
    ///
    /// [`Error::BadState`] if its state file is damaged.
    pub fn exits(&self) -> Result<Vec<ExitRecord>> {
        let entries = Journal::read(self.dir())?.into_iter();
        let exits = entries.filter_map(|entry| match entry {
            Entry::Exited(exit) => Some(exit),
            _ => None,
        });
        Ok(exits.collect())
    }

    /// Records how a process ended, for other processes that open the lab: only its parent can know.
    ///
    /// # Errors
    ///
    /// If the state file can't be written.
    pub fn record_exit(&self, exit: ExitRecord) -> Result<()> {
        self.shared.journal.record(&Entry::Exited(exit))
    }

    /// Replaces the services that the node translates, and the faults between pods. Services that change do not affect open connections.
    ///
    /// # Errors
    ///
    /// [`Error::BadSpec`] if an endpoint's IP version differs from its service's; [`Error::RuleRefused`] by the kernel.
    pub fn set_network(&self, services: &[ServiceSpec], faults: &[FaultSpec]) -> Result<()> {
        let node = self.shared.namespace(NODE);
        node.run(|| load_network(node.name(), services, faults))?
    }

    /// Delays each packet between two pods by `one_way`, at most 10 s, until the [`Delay`] is dropped. A round trip takes twice that
    /// longer.
    ///
    /// # Errors
    ///
    /// [`Error::BadSpec`] if `one_way` is longer, or another delay of this lab is active; [`Error::RuleRefused`] or [`Error::Io`] if
    /// the kernel lacks NFQUEUE.
    pub fn delay(&self, one_way: Duration) -> Result<Delay> {
        Delay::start(self.shared.namespace(NODE), one_way)
    }

    /// Leaves the lab up after this process has ended, for others to [open](Self::open). [`sweep`](crate::sweep) removes it.
    ///
    /// Call it before the handles of the lab's processes are dropped: after it, dropping them kills nothing. In a
    /// [user namespace](crate::Privilege::UserNamespace) this process has to stay: others find the lab's namespaces by it.
    ///
    /// # Errors
    ///
    /// [`Error::BadSpec`] if its programs would not outlive this process ([`LabSpec::stays_up`]). The lab is then removed.
    pub fn leave_up(mut self) -> Result<()> {
        let bad = |why: &str| Err(Error::BadSpec { what: format!("lab {}", self.id()), why: why.to_owned() });
        if !self.shared.stays_up {
            return bad("it can be left up only if it was made with `stays_up`");
        }
        self.shared.journal.record(&Entry::LeftUp)?;
        self.shared.left_up.store(true, Ordering::Relaxed);
        self.lock = None;
        Ok(())
    }

    /// Removes the lab now, and reports what could not be removed. Dropping it does the same, but can only log failures.
    ///
    /// # Errors
    ///
    /// [`Error::NotRemoved`].
    pub fn remove(mut self) -> Result<()> {
        self.lock = None;
        removal::remove(self.id(), self.dir())
    }

    fn make_node(&self) -> Result<()> {
        self.shared.record_namespace(NODE)?;
        let node = self.shared.namespace(NODE);
        node.create(|| {
            sysctl::set_all(sysctl::EVERY_HOST.iter().chain(sysctl::ROUTER).copied())?;
            let netlink = Netlink::open(node.name())?;
            netlink.set_up(Link::LOOPBACK)?;
            let uplink = make_uplink(&netlink, &node)?;
            for address in [IpAddr::V4(self.node.v4), IpAddr::V6(self.node.v6)] {
                netlink.add_address(Link::LOOPBACK, address.into())?;
                netlink.add_route(uplink, pod::default_destination(address), None)?;
            }
            load_network(node.name(), &[], &[])?;
            sysctl::set_all(sysctl::NODE_TRACKING.iter().copied())
        })
    }

    fn lock_pods(&self) -> MutexGuard<'_, Vec<Pod>> {
        self.pods.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Lab {
    fn drop(&mut self) {
        if self.lock.is_some()
            && let Err(error) = removal::remove(self.id(), self.dir())
        {
            tracing::error!("{error}");
        }
    }
}

/// Gives the node a default route, as a cluster's node has one, to an interface with nothing behind it.
///
/// The kernel routes a packet before it evaluates the rules that reject it, so the rules need such a route.
fn make_uplink(netlink: &Netlink<'_>, node: &Namespace) -> Result<Link> {
    netlink.add_veth(&VethPair {
        here: services::UPLINK,
        here_mac: Mac([0x0a, 0x58, 0, 0, 0, 1]),
        there: "beyond",
        there_mac: Mac([0x0a, 0x58, 0, 0, 0, 2]),
        there_namespace: node.open()?.as_fd(),
        mtu: MTU,
    })?;
    Link::find(services::UPLINK)
}

fn load_network(node: &str, services: &[ServiceSpec], faults: &[FaultSpec]) -> Result<()> {
    let [v4, v6] = Family::ALL.map(|family| services::rules(services, faults, family));
    rules::load(node, [(Family::V4, &*v4?), (Family::V6, &*v6?)], Load::Replace)
}

/// # Errors
///
/// [`Error::BadSpec`] if the node or another pod has the pod's name or one of its addresses.
fn check_unused<'a>(spec: &PodSpec, node: NodeSpec, others: impl Iterator<Item = &'a PodSpec>) -> Result<()> {
    let bad = |why: String| Err(Error::BadSpec { what: format!("pod `{}`", spec.name), why });
    let own = [IpAddr::V4(node.v4), IpAddr::V6(node.v6)];
    if let Some(taken) = spec.addresses().find(|address| own.contains(address)) {
        return bad(format!("the node has the address {taken}"));
    }
    for other in others {
        if other.name == spec.name {
            return bad("the lab has a pod of that name".to_owned());
        }
        if let Some(taken) = other.addresses().find(|own| spec.addresses().any(|address| address == *own)) {
            return bad(format!("pod `{}` has the address {taken}", other.name));
        }
    }
    Ok(())
}
