//! Compares what the kernel does with a pod's redirect rules with their evaluation.

use std::{
    io,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener},
    os::fd::AsFd as _,
    time::Duration,
};

use mesh::{
    model::{Capture, Family, InterceptionMode, OwnerGroups, PortSet},
    redirect::{Packet, ProxyIdentity, Rules},
    sidecar,
};
use netns::{Lab, LabSpec, Pod, PodSpec, ServiceSpec};
use nix::{
    poll::{PollFd, PollFlags, PollTimeout, poll},
    unistd::{Gid, Uid, setfsgid, setfsuid},
};
use socket2::{Domain, Socket, Type};

/// Long enough that only a bug reaches it.
const PATIENCE: Duration = Duration::from_secs(20);
/// The ports that are dialled in a pod from outside; each has a listener.
const INBOUND: [u16; 8] = [8080, 9000, 15001, 15006, 15008, 15020, 15021, 15090];
/// The ports that are dialled from a pod.
const OUTBOUND: [u16; 4] = [8080, 9000, 15008, 15020];

fn networks<T: std::str::FromStr<Err: std::fmt::Debug>>(texts: &[&str]) -> Vec<T> {
    texts.iter().map(|text| text.parse().expect("a network")).collect()
}

/// Capture settings that together produce every kind of rule.
fn captures() -> Vec<Capture> {
    let injected = Capture::default;
    let services = || networks(&["10.96.0.0/16", "fd00:96::/112"]);
    let group = || vec!["202".to_owned()];
    vec![
        injected(),
        Capture { mode: InterceptionMode::None, ..injected() },
        Capture { include_inbound_ports: PortSet::List(vec![8080]), ..injected() },
        Capture { include_inbound_ports: PortSet::List(vec![]), ..injected() },
        Capture { exclude_inbound_ports: vec![8080, 15020], ..injected() },
        Capture { exclude_outbound_ports: vec![8080], ..injected() },
        Capture { exclude_outbound_ip_ranges: services(), ..injected() },
        Capture { include_outbound_ip_ranges: Some(services()), ..injected() },
        Capture { include_outbound_ip_ranges: Some(vec![]), ..injected() },
        Capture { include_outbound_ip_ranges: Some(vec![]), include_outbound_ports: vec![8080], ..injected() },
        Capture { include_outbound_ip_ranges: Some(networks(&["127.0.0.0/8"])), ..injected() },
        Capture { ipv4_loopback: "127.0.0.1/8".parse().expect("a network"), ..injected() },
        Capture { exclude_interfaces: vec!["eth0".into()], ..injected() },
        Capture { exclude_interfaces: vec!["lo".into()], ..injected() },
        Capture { reroute_interfaces: vec!["eth0".into()], ..injected() },
        Capture { reroute_interfaces: vec!["eth0".into()], include_outbound_ip_ranges: Some(services()), ..injected() },
        Capture { owner_groups: OwnerGroups::AllBut(group()), app_gid: 202, ..injected() },
        Capture { owner_groups: OwnerGroups::AllBut(group()), ..injected() },
        Capture { owner_groups: OwnerGroups::Only(group()), app_gid: 202, ..injected() },
        Capture { owner_groups: OwnerGroups::Only(group()), ..injected() },
        Capture { drop_invalid: true, ..injected() },
    ]
}

fn v4(number: u8) -> Ipv4Addr {
    Ipv4Addr::new(10, 244, 0, number)
}

fn v6(number: u8) -> Ipv6Addr {
    Ipv6Addr::new(0xfd00, 0x244, 0, 0, 0, 0, 0, u16::from(number))
}

/// A pod with these capture settings, and a listener at each port.
struct Captured {
    capture: Capture,
    pod: Pod,
    listeners: Vec<TcpListener>,
}

/// Creates a pod for each capture, and a last one without rules.
fn pods(lab: &Lab) -> (Vec<Captured>, Pod) {
    const FIRST: u8 = 10;
    let spec = |(number, capture): (u8, &Capture)| {
        let rules = |family| {
            let text = Rules::new(capture, ProxyIdentity::ISTIO, family).to_string();
            Some(text).filter(|text| !text.is_empty())
        };
        PodSpec {
            loopback: networks(&["::6/128"]),
            iptables: rules(Family::Ipv4),
            ip6tables: rules(Family::Ipv6),
            ..PodSpec::new(format!("pod-{number}.default"), v4(number), v6(number))
        }
    };
    let captures = captures();
    let specs = (FIRST..).zip(&captures).map(spec);
    let mut pods = lab.add_pods(specs.chain([PodSpec::new("other.default", v4(2), v6(2))])).expect("pods");
    let other = pods.pop().expect("the last");
    let captured = captures.into_iter().zip(pods).map(|(capture, pod)| {
        let listen = |port| TcpListener::bind((Ipv6Addr::UNSPECIFIED, port)).expect("a free port");
        let listeners = pod.enter(|| INBOUND.map(listen)).expect("the pod's namespace").into();
        Captured { capture, pod, listeners }
    });
    (captured.collect(), other)
}

/// Services at 10.96.0.10 and fd00:96::a, backed by the other pod, which has no listeners.
fn services(lab: &Lab) {
    let service = |vip: IpAddr, pod: IpAddr, port| ServiceSpec {
        name: format!("default/other:{vip}-{port}"),
        vip,
        port,
        endpoints: vec![(pod, port)],
    };
    let all = OUTBOUND.iter().flat_map(|&port| {
        [service([10, 96, 0, 10].into(), v4(2).into(), port), service(VIP6.into(), v6(2).into(), port)]
    });
    lab.set_network(&all.collect::<Vec<_>>(), &[]).expect("services");
}

const VIP6: Ipv6Addr = Ipv6Addr::new(0xfd00, 0x96, 0, 0, 0, 0, 0, 0xa);

impl Captured {
    /// The port of the pod that a connection reached; `None` if it was refused elsewhere.
    fn landed(&self, from: &Pod, packet: &Packet<'_>) -> Option<u16> {
        let connected = from.enter(|| connect(packet)).expect("the pod's namespace");
        match connected {
            Ok(_open) => Some(self.accept(packet)),
            Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => None,
            Err(error) => panic!("{packet:?}: {error}"),
        }
    }

    /// Accepts the pending connection, and returns the port that it reached.
    fn accept(&self, packet: &Packet<'_>) -> u16 {
        let mut waiting: Vec<_> =
            self.listeners.iter().map(|listener| PollFd::new(listener.as_fd(), PollFlags::POLLIN)).collect();
        let timeout = PollTimeout::try_from(PATIENCE).expect("in range");
        assert_eq!(poll(&mut waiting, timeout), Ok(1), "one listener has {packet:?}");
        let at = waiting.iter().position(|fd| fd.any() == Some(true)).expect("the one");
        let (accepted, _) = self.listeners[at].accept().expect("it is there");
        accepted.local_addr().expect("an address").port()
    }
}

/// Connects as the packet's owner, from the packet's source. The thread stays that user.
fn connect(packet: &Packet<'_>) -> io::Result<Socket> {
    setfsgid(Gid::from_raw(packet.gid));
    setfsuid(Uid::from_raw(packet.uid));
    let socket = Socket::new(Domain::for_address(packet.destination), Type::STREAM, None)?;
    if let Some(source) = packet.source {
        socket.bind(&SocketAddr::new(source, 0).into())?;
    }
    socket.connect_timeout(&packet.destination.into(), PATIENCE)?;
    Ok(socket)
}

/// Connections from a pod with these addresses.
fn outgoing(own: [IpAddr; 2], app_gid: u32) -> Vec<Packet<'static>> {
    let owners = [(0, app_gid), (sidecar::UID, app_gid), (sidecar::UID, sidecar::GID)];
    let mut packets = vec![];
    for (own, passthrough, loopback, others) in [
        (
            own[0],
            IpAddr::from(sidecar::PASSTHROUGH_IPV4),
            IpAddr::from(Ipv4Addr::LOCALHOST),
            [IpAddr::from([10, 96, 0, 10]), v4(2).into()],
        ),
        (own[1], sidecar::PASSTHROUGH_IPV6.into(), Ipv6Addr::LOCALHOST.into(), [VIP6.into(), v6(2).into()]),
    ] {
        for port in OUTBOUND {
            for (uid, gid) in owners {
                let to = |interface, source, ip| Packet {
                    interface,
                    source,
                    destination: SocketAddr::new(ip, port),
                    uid,
                    gid,
                    mark: 0,
                };
                packets.extend([own, loopback].map(|ip| to("lo", None, ip)));
                packets.extend(others.map(|ip| to("eth0", None, ip)));
                // Answers to this source only work on `lo`.
                packets.push(to("lo", Some(passthrough), own));
            }
        }
    }
    packets
}

#[test]
fn the_kernel_redirects_as_evaluated() {
    if !tests::may_make_labs() {
        return;
    }
    let lab = Lab::create(LabSpec::default()).expect("a lab");
    services(&lab);
    let (captured, other) = pods(&lab);
    // The numbers of connections that passed and that were redirected.
    let mut counts = [0; 2];
    for pod in &captured {
        let own: Vec<IpAddr> = pod.pod.spec().addresses().collect();
        let rules = |ip| Rules::new(&pod.capture, ProxyIdentity::ISTIO, Family::of(ip));
        for packet in outgoing([own[0], own[1]], pod.capture.app_gid) {
            let destination = packet.destination;
            let verdict = rules(destination.ip()).outbound(&packet);
            let there = (packet.interface == "lo").then_some(destination.port());
            let expected = verdict.redirected_to.or(there);
            assert_eq!(pod.landed(&pod.pod, &packet), expected, "{packet:?}\n{:?}\n{verdict:?}", pod.capture);
            counts[usize::from(verdict.redirected_to.is_some())] += 1;
        }
        for (ip, port) in own.iter().flat_map(|ip| INBOUND.map(|port| (*ip, port))) {
            let destination = SocketAddr::new(ip, port);
            let packet = Packet { interface: "eth0", source: None, destination, uid: 0, gid: 0, mark: 0 };
            let verdict = rules(ip).inbound(&packet);
            let expected = Some(verdict.redirected_to.unwrap_or(port));
            assert_eq!(pod.landed(&other, &packet), expected, "{packet:?}\n{:?}\n{verdict:?}", pod.capture);
            counts[usize::from(verdict.redirected_to.is_some())] += 1;
        }
    }
    assert!(counts.iter().all(|&count| count > 500), "{counts:?}");
    lab.remove().expect("nothing is left");
}
