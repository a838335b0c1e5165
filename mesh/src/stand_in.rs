//! Stand-ins: programs that run instead of images.
//!
//! A lab does not run images. If a container has no command that this host can run, `demo-server` listens on the ports that the pod
//! declares. What it speaks there is decided by a [`Clue`]. A prediction assumes the same of the program itself.

use std::{collections::BTreeMap, fmt, net::IpAddr};

use demo_args::Protocol as Speaks;

use crate::{
    model::{Check, Container, PLACEHOLDER, Pod, Protocol, Resolved, Service, StandIn},
    pem,
    resolve::protocol_of_name,
    sidecar,
};

#[cfg(test)]
mod tests;

/// The annotation with the protocols that a pod's program speaks: `8080=http,9000=tcp`.
pub const APP_SPEAKS: &str = "sidelab.io/app-speaks";

/// The image of the stand-in.
const SERVER: &str = "sidelab/demo-server";

/// The prefix of images that are sidelab's own programs.
const OWN: &str = "sidelab/";

/// A container whose program this host does not have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Vacancy {
    /// The pod, an index into [`pods`](Resolved::pods).
    pub pod: usize,
    /// The container, an index into its [`containers`](Pod::containers).
    pub container: usize,
    pub stand_in: StandIn,
}

/// What indicates the protocol of a program that is not known. An earlier one takes precedence.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Clue {
    /// The annotation [`APP_SPEAKS`].
    Annotation,
    /// A probe of the port, which the program itself answers.
    Probe,
    /// The number or name of a port whose server speaks first.
    SpeaksFirst,
    /// The protocol of a Service's port that leads there, or of a ServiceEntry's that is the same port.
    ServicePort,
    /// The name of the container's port.
    PortName,
    /// The `targetPort` of its Service's port, which is another one.
    TargetPort,
}

impl fmt::Display for Clue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Annotation => "the annotation",
            Self::Probe => "its probe",
            Self::SpeaksFirst => "the port's number or name",
            Self::ServicePort => "its Service's port",
            Self::PortName => "the port's name",
            Self::TargetPort => "its Service's targetPort",
        })
    }
}

/// What a program that is not known speaks on a port of its pod, an index into [`pods`](Resolved::pods), and what indicates it; `None` if
/// nothing does.
pub fn indicated(mesh: &Resolved, pod: usize, port: u16) -> Option<(Speaks, Clue)> {
    let behind = behind(mesh).filter(|(of, behind)| (*of, behind.target) == (pod, port));
    let behind: Vec<_> = behind.map(|(_, behind)| behind).collect();
    speaks(&mesh.pods[pod], port, &behind)
}

/// Whether a port is only the number of a Service's port that leads to another port of a pod, an index into
/// [`pods`](Resolved::pods). What connects to the pod itself, as the clients of a headless Service do, finds nothing there.
pub fn is_mapped_away(mesh: &Resolved, pod: usize, port: u16) -> bool {
    let of_services = mesh.services.iter().flat_map(|service| &service.ports).filter(|one| one.port == port);
    let leads_elsewhere = of_services.flat_map(|one| &one.endpoints).any(|end| end.pod == pod && end.port != port);
    let is_target = || behind(mesh).any(|(of, behind)| (of, behind.target) == (pod, port));
    let is_listed = || mesh.pods[pod].containers.iter().flat_map(listed).any(|listed| listed == port);
    leads_elsewhere && !is_target() && !is_listed()
}

/// The names for which a host outside the cluster has a certificate; empty if they are not known.
pub fn names_outside(mesh: &Resolved, pod: usize) -> Vec<String> {
    let behind: Vec<_> = behind(mesh).filter(|(of, _)| *of == pod).map(|(_, behind)| behind).collect();
    let names = names(&mesh.pods[pod], &behind);
    // Nothing but an address is known.
    if names.iter().all(|name| name.parse::<IpAddr>().is_ok()) { vec![] } else { names }
}

/// The containers that have neither one of sidelab's own images nor a command that `runs` on this host.
pub fn vacancies(mesh: &Resolved, runs: &dyn Fn(&str) -> bool) -> Vec<Vacancy> {
    let mut ports: BTreeMap<usize, Vec<Behind>> = BTreeMap::new();
    for (pod, port) in behind(mesh) {
        ports.entry(pod).or_default().push(port);
    }
    let mut all = Vec::new();
    for (pod, of) in mesh.pods.iter().enumerate() {
        let is_vacant = |container: &Container| match container.command.first() {
            Some(program) => !runs(program),
            None => !container.image.starts_with(OWN),
        };
        let vacant: Vec<usize> = (0..of.containers.len()).filter(|i| is_vacant(&of.containers[*i])).collect();
        for &container in &vacant {
            // A port that no container declares goes to the first container if all have stand-ins.
            let takes_rest = Some(&container) == vacant.first() && vacant.len() == of.containers.len();
            let behind = ports.get(&pod).map(Vec::as_slice).unwrap_or_default();
            all.push(Vacancy { pod, container, stand_in: stand_in(of, container, behind, takes_rest) });
        }
    }
    all
}

/// Puts the stand-ins into their containers.
pub fn fill(mesh: &mut Resolved, vacancies: &[Vacancy]) {
    for Vacancy { pod, container, stand_in } in vacancies {
        let container = &mut mesh.pods[*pod].containers[*container];
        container.args = words(container, stand_in);
        container.command = match stand_in.ports.is_empty() {
            // A program without ports is a client, from which calls are made.
            true => std::mem::take(&mut container.args),
            false => Vec::new(),
        };
        container.image = SERVER.into();
        if !stand_in.names.is_empty() {
            container
                .mounts
                .push(crate::model::Mount { path: StandIn::CERTIFICATE_FOLDER.into(), files: BTreeMap::new() });
        }
        container.stand_in = Some(stand_in.clone());
    }
}

/// Parses protocols of ports: `8080=http,9000=tcp`, or one protocol for all. A port of `None` means all.
///
/// # Errors
/// If a port is not a number, or a protocol is unknown.
pub fn parse_speaks(text: &str) -> Result<Vec<(Option<u16>, Speaks)>, String> {
    let one = |part: &str| {
        let (port, protocol) = match part.split_once('=') {
            Some((port, protocol)) => {
                let port = port.trim().parse().map_err(|_| format!("{port:?} is not a port"))?;
                (Some(port), protocol)
            }
            None => (None, part),
        };
        Ok((port, speaks_of_word(protocol.trim())?))
    };
    text.split(',').map(one).collect()
}

fn speaks_of_word(word: &str) -> Result<Speaks, String> {
    Ok(match word {
        "http" => Speaks::Http,
        "http1" => Speaks::Http1,
        "grpc" | "http2" | "h2" => Speaks::Http2,
        "https" => Speaks::Https,
        "tcp" => Speaks::Tcp,
        "tls" => Speaks::Tls,
        "greeting" => Speaks::TcpGreeting,
        "any" => Speaks::Any,
        _ => return Err(format!("{word:?}: expected http, http1, http2, grpc, https, tcp, tls, greeting or any")),
    })
}

/// A port of a Service or ServiceEntry that leads to a pod.
#[derive(Clone, Copy)]
struct Behind<'m> {
    /// The pod's port.
    target: u16,
    protocol: Protocol,
    service: &'m Service,
}

/// The ports that lead to pods, each with the pod: those of Services first.
fn behind(mesh: &Resolved) -> impl Iterator<Item = (usize, Behind<'_>)> {
    let of_services = mesh.services.iter().flat_map(|service| {
        let ends = service.ports.iter().flat_map(|port| port.endpoints.iter().map(move |end| (port, end)));
        ends.map(move |(port, end)| (end.pod, Behind { target: end.port, protocol: port.protocol, service }))
    });
    let of_entries = mesh.entries.iter().flat_map(|service| {
        service.entry_endpoints().filter_map(|(port, end)| {
            let pod = end.pod.or_else(|| mesh.external_host(&end.address))?;
            let protocol = match port.protocol {
                // What clients send to another target port, their sidecars may put inside TLS.
                _ if port.port != end.port => Protocol::Auto,
                // Inside TLS most hosts speak HTTP.
                Protocol::Tls => Protocol::Https,
                protocol => protocol,
            };
            Some((pod, Behind { target: end.port, protocol, service }))
        })
    });
    of_services.chain(of_entries)
}

/// What a pod's program speaks on a port that these lead to.
fn speaks(pod: &Pod, port: u16, behind: &[Behind<'_>]) -> Option<(Speaks, Clue)> {
    let annotated = pod.annotations.get(APP_SPEAKS).and_then(|text| parse_speaks(text).ok()).unwrap_or_default();
    let of_port = annotated.iter().find(|(of, _)| *of == Some(port));
    let annotated = of_port.or_else(|| annotated.iter().find(|(of, _)| of.is_none())).map(|(_, speaks)| *speaks);
    let declared = pod.containers.iter().flat_map(|container| &container.ports).find(|declared| declared.port == port);
    let name = declared.and_then(|declared| declared.name.as_deref());
    let protocols = || behind.iter().filter(|behind| behind.target == port).map(|behind| behind.protocol);
    annotated
        .map(|speaks| (speaks, Clue::Annotation))
        .or_else(|| Some((pod.containers.iter().find_map(|container| of_probes(container, port))?, Clue::Probe)))
        .or_else(|| greets(port, name).then_some((Speaks::TcpGreeting, Clue::SpeaksFirst)))
        .or_else(|| Some((protocols().find_map(of_protocol)?, Clue::ServicePort)))
        .or_else(|| Some((name.map(protocol_of_name).and_then(of_protocol)?, Clue::PortName)))
}

fn stand_in(pod: &Pod, index: usize, behind: &[Behind<'_>], takes_rest: bool) -> StandIn {
    let container = &pod.containers[index];
    let mut ports = BTreeMap::new();
    let rest = behind.iter().map(|behind| behind.target).filter(|port| {
        takes_rest && pod.containers.iter().all(|other| other.ports.iter().all(|declared| declared.port != *port))
    });
    // A container that waits for an injection that does not come never starts.
    let never_starts = pod.sidecar.is_none() && container.image == PLACEHOLDER;
    let ports_of_it = listed(container).chain(rest).filter(|port| !sidecar::PORTS.contains(port));
    for port in ports_of_it.filter(|_| !never_starts) {
        let first = behind.iter().find(|behind| behind.target == port);
        if first.is_some_and(|first| first.protocol == Protocol::Udp) {
            continue;
        }
        ports.insert(port, speaks(pod, port, behind).map_or(Speaks::Any, |(speaks, _)| speaks));
    }
    let ports: Vec<_> = ports.into_iter().collect();
    let in_tls = ports.iter().any(|(_, speaks)| speaks.needs_certificate());
    let names = match in_tls && mounted_certificate(container).is_none() {
        true => names(pod, behind),
        false => Vec::new(),
    };
    StandIn { image: container.image.clone(), ports, names }
}

/// The TCP ports that a container declares, and those that are probed.
fn listed(container: &Container) -> impl Iterator<Item = u16> {
    let declared = container.ports.iter().filter(|port| port.protocol == "TCP").map(|port| port.port);
    declared.chain(probes(container).filter_map(Check::port))
}

fn probes(container: &Container) -> impl Iterator<Item = &Check> {
    [&container.startup, &container.readiness, &container.liveness].into_iter().flatten().map(|probe| &probe.check)
}

/// The protocol that probes of a port indicate: the program itself answers them.
fn of_probes(container: &Container, port: u16) -> Option<Speaks> {
    probes(container).filter(|check| check.port() == Some(port)).find_map(|check| match check {
        Check::Http { tls: true, .. } => Some(Speaks::Https),
        Check::Http { tls: false, .. } => Some(Speaks::Http),
        Check::Grpc(_) => Some(Speaks::Http2),
        Check::Tcp(_) | Check::Exec(_) => None,
    })
}

/// The protocol that a stand-in speaks behind a service port; `None` if the port's protocol does not determine it.
fn of_protocol(protocol: Protocol) -> Option<Speaks> {
    match protocol {
        Protocol::Http | Protocol::Http2 | Protocol::HttpProxy | Protocol::GrpcWeb => Some(Speaks::Http),
        Protocol::Grpc => Some(Speaks::Http2),
        Protocol::Https => Some(Speaks::Https),
        Protocol::Tls => Some(Speaks::Tls),
        Protocol::MySql => Some(Speaks::TcpGreeting),
        Protocol::Mongo | Protocol::Redis => Some(Speaks::Tcp),
        Protocol::Tcp | Protocol::Udp | Protocol::Auto => None,
    }
}

/// Whether a server on this port speaks first, as FTP, SSH, mail and MySQL do.
fn greets(port: u16, name: Option<&str>) -> bool {
    let by_name = ["ftp", "ssh", "smtp", "submission", "pop3", "imap", "mysql"];
    let first = name.map(|name| name.split('-').next().unwrap_or(name));
    [21, 22, 25, 110, 143, 587, 2525, 3306].contains(&port) || first.is_some_and(|first| by_name.contains(&first))
}

/// The names that callers use for a pod, for its certificate.
fn names(pod: &Pod, behind: &[Behind<'_>]) -> Vec<String> {
    let mut names = pod.external_hosts.clone();
    // One that is called by an address has a name as well.
    if names.iter().any(|name| name.parse::<IpAddr>().is_err()) {
        return names;
    }
    let (entries, services): (Vec<_>, Vec<_>) = behind.iter().partition(|behind| behind.service.entry.is_some());
    for Behind { service, .. } in services {
        // NAME.NAMESPACE.svc.cluster.local, and each short form that a search list completes.
        let labels: Vec<&str> = service.host.split('.').collect();
        names.extend([5, 3, 2, 1].map(|length| labels[..length.min(labels.len())].join(".")));
    }
    names.extend(pod.dns_name.clone());
    let hosts = entries.into_iter().map(|behind| behind.service.host.clone());
    names.extend(hosts.filter(|host| !host.starts_with('*')));
    if names.is_empty() {
        names.push(pod.name.name.clone());
    }
    let mut seen = std::collections::BTreeSet::new();
    names.retain(|name| seen.insert(name.clone()));
    names
}

/// The paths of a certificate and its key that a container mounts: `tls.crt` and `tls.key`, or files with similar endings.
fn mounted_certificate(container: &Container) -> Option<(String, String)> {
    container.mounts.iter().find_map(|mount| {
        mount.files.iter().find_map(|(name, certificate)| {
            let stem =
                ["-cert.pem", "cert.pem", ".crt", ".cert", ".pem"].iter().find_map(|end| name.strip_suffix(end))?;
            let keys = [".key", "-key.pem", "key.pem"].map(|end| format!("{stem}{end}"));
            let fits = |key: &[u8]| {
                pem::not_certificates(certificate).or_else(|| pem::not_the_key(certificate, key)).is_none()
            };
            let key = keys.into_iter().find(|key| mount.files.get(key).is_some_and(|key| fits(key)))?;
            Some((format!("{}/{name}", mount.path), format!("{}/{key}", mount.path)))
        })
    })
}

/// The command line: `demo-server`'s, or that of a program that only waits.
fn words(container: &Container, stand_in: &StandIn) -> Vec<String> {
    if stand_in.ports.is_empty() {
        return ["sleep", "infinity"].map(str::to_owned).into();
    }
    let mut words = Vec::new();
    for (port, speaks) in &stand_in.ports {
        words.extend([option(*speaks).to_owned(), port.to_string()]);
    }
    let made = || {
        let file = |name: &str| format!("{}/{name}", StandIn::CERTIFICATE_FOLDER);
        (!stand_in.names.is_empty()).then(|| (file("tls.crt"), file("tls.key")))
    };
    if stand_in.ports.iter().any(|(_, speaks)| speaks.needs_certificate())
        && let Some((certificate, key)) = mounted_certificate(container).or_else(made)
    {
        words.extend(["--cert".to_owned(), certificate, "--key".to_owned(), key]);
    }
    words
}

/// `demo-server`'s option for a protocol; no stand-in requires a client certificate.
fn option(speaks: Speaks) -> &'static str {
    match speaks {
        Speaks::Http1 => "--http1",
        Speaks::Http2 => "--http2",
        Speaks::Https | Speaks::MtlsHttp | Speaks::Webhook => "--https",
        Speaks::Http => "--http",
        Speaks::Tcp | Speaks::TcpBulk | Speaks::TcpReset => "--tcp",
        Speaks::TcpGreeting => "--tcp-greeting",
        Speaks::Tls | Speaks::TlsBulk | Speaks::Mtls => "--tls",
        Speaks::Any => "--any",
    }
}
