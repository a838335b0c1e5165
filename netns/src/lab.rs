//! A lab: a node that routes, and the pods on it.

use std::{
    fs::File,
    iter,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    os::fd::AsFd,
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::Duration,
};

use serde::{Deserialize, Serialize};

use crate::{
    Delay, Pod, PodSpec, Privilege, ServiceSpec,
    error::{Doing, Error, Result},
    files,
    namespace::{Namespace, join},
    netlink::{Link, Mac, Netlink, VethPair},
    pod::{self, MTU, NODE},
    registry::{self, Claim},
    removal,
    rules::{self, Family, Load},
    services,
    spawner::Spawner,
    state::{Entry, Journal, ProcessRecord},
    sysctl,
};

/// How many pods are made at once. Making one is mostly waiting for the kernel.
const AT_ONCE: usize = 16;

/// What a lab is made of, before it has pods.
#[derive(Debug, Clone, Default)]
pub struct LabSpec {
    /// A name for people, shown in the list of labs. Need not be unique.
    pub name: Option<String>,
    /// The node's addresses.
    pub node: NodeSpec,
    /// Whether its programs outlive the process that makes it: set it for a lab that is to be [left up](Lab::leave_up).
    /// Otherwise the kernel kills them when that process ends, however it ends.
    pub stays_up: bool,
}

/// The node's own addresses, on its `lo`: what its errors and its masqueraded connections come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct NodeSpec {
    /// IPv4 address.
    pub v4: Ipv4Addr,
    /// IPv6 address.
    pub v6: Ipv6Addr,
}

impl Default for NodeSpec {
    /// 10.244.0.1 and fd00:244::1, the first of the pods' usual ranges.
    fn default() -> Self {
        Self { v4: Ipv4Addr::new(10, 244, 0, 1), v6: Ipv6Addr::new(0xfd00, 0x244, 0, 0, 0, 0, 0, 1) }
    }
}

/// A lab of this host.
///
/// The one that made it removes it when dropped, unless it was [left up](Self::leave_up). One that was [opened](Self::open) leaves
/// it as it is. A signal that ends its maker drops nothing: handle it, or [sweep](crate::sweep_stale) before making the next lab.
#[derive(Debug)]
pub struct Lab {
    shared: Arc<Shared>,
    node: NodeSpec,
    pods: Mutex<Vec<Pod>>,
    // Held by the one that made the lab: it tells other processes that the lab is in use.
    lock: Option<File>,
}

impl Lab {
    /// Makes a lab with a node and no pods. Needs a [`Privilege`].
    ///
    /// # Errors
    ///
    /// When this process lacks the privilege, or the kernel lacks the means; nothing is left behind.
    pub fn create(spec: LabSpec) -> Result<Self> {
        let Claim { id, dir, lock } = Claim::new(&Entry::Lab {
            name: spec.name,
            creator: std::process::id(),
            stays_up: spec.stays_up,
            node: spec.node,
        })?;
        let shared = Shared::new(id.clone(), &dir, spec.stays_up, false).inspect_err(|_| {
            // The error that is passed on says more than a second one would.
            let _ = removal::remove(&id, &dir);
        })?;
        // From here on dropping the lab removes what there is of it.
        let lab = Self { shared: Arc::new(shared), node: spec.node, pods: Mutex::default(), lock: Some(lock) };
        for folder in ["ns", "pods", "bin", "logs", "notify"] {
            files::make_dir(&dir.join(folder))?;
        }
        lab.make_node()?;
        Ok(lab)
    }

    /// Takes up a lab that another process made.
    ///
    /// # Errors
    ///
    /// [`Error::NoLab`] when there is none of that id, [`Error::BadState`] when its state file is damaged.
    pub fn open(id: &str) -> Result<Self> {
        let dir = registry::find(id)?;
        let entries = Journal::read(&dir)?;
        let (stays_up, node) = entries
            .iter()
            .find_map(|entry| match entry {
                Entry::Lab { stays_up, node, .. } => Some((*stays_up, *node)),
                _ => None,
            })
            // Its creator was killed before it wrote the first line, so there is no node either.
            .ok_or_else(|| Error::NoLab { id: id.to_owned(), base: dir.clone() })?;
        let shared = Arc::new(Shared::new(id.to_owned(), &dir, stays_up, true)?);
        let pods = entries
            .into_iter()
            .filter_map(|entry| match entry {
                Entry::Pod(spec) => Some(Pod::new(Arc::clone(&shared), spec)),
                _ => None,
            })
            .collect();
        Ok(Self { shared, node, pods: Mutex::new(pods), lock: None })
    }

    /// Its id, such as `sl-3f9a`, unique on this host.
    pub fn id(&self) -> &str {
        &self.shared.id
    }

    /// Its folder, removed with it. Everybody may pass through it.
    pub fn dir(&self) -> &Path {
        &self.shared.dir
    }

    /// The name of the node's network namespace, as `ip netns exec` wants it.
    pub fn node_namespace(&self) -> String {
        self.shared.namespace(NODE).name().to_owned()
    }

    /// Runs `work` on a fresh thread inside the node's network namespace, and waits for it.
    ///
    /// # Errors
    ///
    /// When the lab has been removed, or this process may not enter it.
    pub fn enter_node<T: Send>(&self, work: impl FnOnce() -> T + Send) -> Result<T> {
        self.shared.namespace(NODE).run(work)
    }

    /// Makes pods, side by side, and gives them back in the order of their specifications.
    ///
    /// # Errors
    ///
    /// [`Error::BadSpec`] before anything is made, when a name or an address is taken or cannot be one. Otherwise the first pod that
    /// could not be made; what was made of the others is removed with the lab.
    pub fn add_pods(&self, specs: impl IntoIterator<Item = PodSpec>) -> Result<Vec<Pod>> {
        let specs: Vec<PodSpec> = specs.into_iter().collect();
        let mut pods = self.lock_pods();
        for (index, spec) in specs.iter().enumerate() {
            spec.check()?;
            let others = pods.iter().map(Pod::spec).chain(&specs[..index]);
            not_taken(spec, self.node, others)?;
        }
        let first = pods.len();
        pods.extend(specs.into_iter().map(|spec| Pod::new(Arc::clone(&self.shared), spec)));
        let new = pods[first..].to_vec();
        let links: Vec<String> = (first..pods.len()).map(|index| format!("veth{index}")).collect();
        for pod in &new {
            self.shared.record_namespace(&pod.spec().name)?;
            self.shared.journal.record(&Entry::Pod(pod.spec().clone()))?;
        }
        let node = self.shared.namespace(NODE);
        // Side by side, but not all at once: each loads rules in processes of its own.
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

    /// Makes one pod.
    ///
    /// # Errors
    ///
    /// As [`add_pods`](Self::add_pods).
    pub fn add_pod(&self, spec: PodSpec) -> Result<Pod> {
        let mut pods = self.add_pods([spec])?;
        Ok(pods.remove(0))
    }

    /// Its pods, in the order in which they were made.
    pub fn pods(&self) -> Vec<Pod> {
        self.lock_pods().clone()
    }

    /// The pod of that name.
    ///
    /// # Errors
    ///
    /// [`Error::NoPod`] lists the names that there are.
    pub fn pod(&self, name: &str) -> Result<Pod> {
        let pods = self.lock_pods();
        pods.iter().find(|pod| pod.name() == name).cloned().ok_or_else(|| Error::NoPod {
            pod: name.to_owned(),
            lab: self.id().to_owned(),
            names: pods.iter().map(|pod| pod.name().to_owned()).collect(),
        })
    }

    /// The processes that were started in its pods so far, also those that have ended since.
    ///
    /// # Errors
    ///
    /// [`Error::BadState`] when its state file is damaged.
    pub fn processes(&self) -> Result<Vec<ProcessRecord>> {
        let entries = Journal::read(self.dir())?.into_iter();
        let processes = entries.filter_map(|entry| match entry {
            Entry::Process(process) => Some(process),
            _ => None,
        });
        Ok(processes.collect())
    }

    /// Translates these services' addresses on the node, in place of those that were there. Connections that are open stay as they are.
    ///
    /// # Errors
    ///
    /// [`Error::BadSpec`] for endpoints of another IP version than their service; [`Error::RuleRefused`] by the kernel.
    pub fn set_services(&self, services: &[ServiceSpec]) -> Result<()> {
        let node = self.shared.namespace(NODE);
        node.run(|| load_services(node.name(), services))?
    }

    /// Holds each packet between two pods back for `one_way`, at most 10 s, until the [`Delay`] is dropped: a round trip takes twice
    /// that longer.
    ///
    /// # Errors
    ///
    /// [`Error::BadSpec`] for a longer way, or while another delay of this lab is held; [`Error::RuleRefused`] or [`Error::Io`] where
    /// the kernel has no NFQUEUE.
    pub fn delay(&self, one_way: Duration) -> Result<Delay> {
        Delay::start(self.shared.namespace(NODE), one_way)
    }

    /// Leaves the lab up when this process ends, for others to [open](Self::open). [`sweep`](crate::sweep) removes it.
    ///
    /// Call it while the handles of the lab's processes are still held: from then on dropping them kills nothing.
    ///
    /// # Errors
    ///
    /// [`Error::BadSpec`] when its programs would not outlive this process ([`LabSpec::stays_up`]), or when others could not find its
    /// namespaces ([`Privilege::UserNamespace`]). The lab is then removed.
    pub fn leave_up(mut self) -> Result<()> {
        let bad = |why: &str| Err(Error::BadSpec { what: format!("lab {}", self.id()), why: why.to_owned() });
        if !self.shared.stays_up {
            return bad("it can be left up only if it was made with `stays_up`");
        }
        if Privilege::current() != Some(Privilege::Root) {
            return bad("its namespaces vanish with this process; run as root to leave it up");
        }
        self.shared.journal.record(&Entry::LeftUp)?;
        self.shared.left_up.store(true, Ordering::Relaxed);
        self.lock = None;
        Ok(())
    }

    /// Removes the lab now, and says what could not be removed. Dropping it does the same, but can only log that.
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
                netlink.add_route(uplink, pod::everywhere(address), None)?;
            }
            load_services(node.name(), &[])
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

/// What the handles of one lab share.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) id: String,
    pub(crate) dir: PathBuf,
    pub(crate) journal: Journal,
    pub(crate) spawner: Spawner,
    pub(crate) stays_up: bool,
    /// Whether dropping a process's handle leaves the process alone.
    pub(crate) left_up: AtomicBool,
}

impl Shared {
    fn new(id: String, dir: &Path, stays_up: bool, left_up: bool) -> Result<Self> {
        Ok(Self {
            id,
            dir: dir.to_owned(),
            journal: Journal::open(dir)?,
            spawner: Spawner::start().doing(|| "start a thread".to_owned())?,
            stays_up,
            left_up: AtomicBool::new(left_up),
        })
    }

    /// The namespace of the node or of the pod `name`.
    pub(crate) fn namespace(&self, name: &str) -> Namespace {
        Namespace::new(format!("{}-{name}", self.id), registry::namespaces_dir(&self.dir).join(name))
    }

    fn record_namespace(&self, name: &str) -> Result<()> {
        let namespace = self.namespace(name);
        self.journal.record(&Entry::Namespace {
            name: namespace.name().to_owned(),
            path: registry::namespaces_dir(&self.dir).join(name),
        })
    }
}

/// Gives the node a way to everywhere else, as a node of a cluster has one, that nothing is beyond.
///
/// The kernel asks where a packet is to go before it asks the rules that refuse it: without such a route it would not ask them.
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

fn load_services(node: &str, services: &[ServiceSpec]) -> Result<()> {
    let [v4, v6] = Family::ALL.map(|family| services::rules(services, family));
    rules::load(node, [(Family::V4, &*v4?), (Family::V6, &*v6?)], Load::Replace)
}

/// # Errors
///
/// [`Error::BadSpec`] when the node or another pod has what the pod asks for.
fn not_taken<'a>(spec: &PodSpec, node: NodeSpec, others: impl Iterator<Item = &'a PodSpec>) -> Result<()> {
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
