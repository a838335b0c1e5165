//! Stand-ins: programs that run instead of images.
//!
//! A lab does not run images. If a container has no command that this host can run, `demo-server` listens on the ports that the pod
//! declares. What it speaks there is decided by the annotation [`APP_SPEAKS`], else by a probe, which the program itself answers, else by
//! the protocol of the Services' ports that lead there, else by the port's name.

use std::collections::BTreeMap;

use demo_args::Protocol as Speaks;

use crate::{
    model::{Check, Container, Endpoint, Pod, Protocol, Resolved, StandIn},
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

/// The containers that have neither one of sidelab's own images nor a command that `runs` on this host.
pub fn vacancies(mesh: &Resolved, runs: &dyn Fn(&str) -> bool) -> Vec<Vacancy> {
    let behind = ports_by_pod(mesh);
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
            let services = behind.get(&pod).map(Vec::as_slice).unwrap_or_default();
            all.push(Vacancy { pod, container, stand_in: stand_in(mesh, of, container, services, takes_rest) });
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
        "grpc" | "http2" | "h2" => Speaks::Http2,
        "https" => Speaks::Https,
        "tcp" => Speaks::Tcp,
        "tls" => Speaks::Tls,
        "greeting" => Speaks::TcpGreeting,
        "any" => Speaks::Any,
        _ => return Err(format!("{word:?}: expected http, http2, grpc, https, tcp, tls, greeting or any")),
    })
}

/// The service ports that lead to each pod: the container port, the service port's protocol, and the service's host.
fn ports_by_pod(mesh: &Resolved) -> BTreeMap<usize, Vec<(u16, Protocol, &str)>> {
    let mut all: BTreeMap<usize, Vec<_>> = BTreeMap::new();
    for service in &mesh.services {
        for port in &service.ports {
            for Endpoint { pod, port: target } in &port.endpoints {
                all.entry(*pod).or_default().push((*target, port.protocol, service.host.as_str()));
            }
        }
    }
    all
}

fn stand_in(mesh: &Resolved, pod: &Pod, index: usize, services: &[(u16, Protocol, &str)], takes_rest: bool) -> StandIn {
    let container = &pod.containers[index];
    let mut ports = BTreeMap::new();
    let annotated = pod.annotations.get(APP_SPEAKS).and_then(|text| parse_speaks(text).ok()).unwrap_or_default();
    let annotated_for = |port: u16| {
        let of_port = annotated.iter().find(|(of, _)| *of == Some(port));
        of_port.or_else(|| annotated.iter().find(|(of, _)| of.is_none())).map(|(_, speaks)| *speaks)
    };
    let declared = container.ports.iter().filter(|port| port.protocol == "TCP").map(|port| port.port);
    let probed = probes(container).filter_map(Check::port);
    let rest = services.iter().map(|(port, ..)| *port).filter(|port| {
        takes_rest && pod.containers.iter().all(|other| other.ports.iter().all(|declared| declared.port != *port))
    });
    for port in declared.chain(probed).chain(rest).filter(|port| !sidecar::PORTS.contains(port)) {
        let protocol = services.iter().find(|(target, ..)| *target == port).map(|(_, protocol, _)| *protocol);
        if protocol == Some(Protocol::Udp) {
            continue;
        }
        let name = container.ports.iter().find(|declared| declared.port == port).and_then(|port| port.name.as_deref());
        let speaks = annotated_for(port)
            .or_else(|| of_probes(container, port))
            .or_else(|| greets(port, name).then_some(Speaks::TcpGreeting))
            .or_else(|| protocol.and_then(of_protocol))
            .or_else(|| name.map(protocol_of_name).and_then(of_protocol))
            .unwrap_or(Speaks::Any);
        ports.insert(port, speaks);
    }
    let ports: Vec<_> = ports.into_iter().collect();
    let in_tls = ports.iter().any(|(_, speaks)| speaks.needs_certificate());
    let names = match in_tls && mounted_certificate(container).is_none() {
        true => names(mesh, pod, services),
        false => Vec::new(),
    };
    StandIn { image: container.image.clone(), ports, names }
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
fn names(mesh: &Resolved, pod: &Pod, services: &[(u16, Protocol, &str)]) -> Vec<String> {
    if pod.is_external() {
        return pod.external_hosts.clone();
    }
    let mut names = Vec::new();
    for (.., host) in services {
        // NAME.NAMESPACE.svc.cluster.local, and each short form that a search list completes.
        let labels: Vec<&str> = host.split('.').collect();
        names.extend([5, 3, 2, 1].map(|length| labels[..length.min(labels.len())].join(".")));
    }
    names.extend(pod.dns_name.clone());
    let entries = mesh.entries.iter().filter(|entry| !entry.host.starts_with('*'));
    let index = mesh.pods.iter().position(|other| other.name == pod.name);
    let leads_here = |port: &crate::model::ServicePort| port.endpoints.iter().any(|end| Some(end.pod) == index);
    names.extend(entries.filter(|entry| entry.ports.iter().any(leads_here)).map(|entry| entry.host.clone()));
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
        Speaks::Http2 => "--http2",
        Speaks::Https | Speaks::MtlsHttp | Speaks::Webhook => "--https",
        Speaks::Http => "--http",
        Speaks::Tcp | Speaks::TcpBulk | Speaks::TcpReset => "--tcp",
        Speaks::TcpGreeting => "--tcp-greeting",
        Speaks::Tls | Speaks::TlsBulk | Speaks::Mtls => "--tls",
        Speaks::Any => "--any",
    }
}
