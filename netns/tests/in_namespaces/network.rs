//! Pods reach each other, themselves and services, as in a cluster.

use std::{
    fs,
    io::{ErrorKind, Read},
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, TcpStream},
    os::fd::AsRawFd,
    time::Instant,
};

use netns::{Host, Lab, Pod, PodSpec, Privilege, Program, ServiceSpec, User};
use nix::{
    libc,
    sys::socket::{
        AddressFamily, SockFlag, SockType, SockaddrIn, SockaddrIn6, bind, connect, getsockopt, setsockopt, socket,
        sockopt,
    },
};
use pretty_assertions::assert_eq;

use crate::common::{PATIENCE, call, lab, pod, serve_once, v4, v6};

#[test]
fn pods_reach_each_other_over_both_ip_versions() {
    let Some(lab) = lab() else { return };
    let before = Instant::now();
    let pods = lab.add_pods([pod("client", 2), pod("server", 3)]).unwrap();
    eprintln!("a pair of pods took {:?}", before.elapsed());
    let [client, server] = &pods[..] else { panic!("asked for two pods") };
    for (to, from) in [(IpAddr::V4(v4(3)), IpAddr::V4(v4(2))), (IpAddr::V6(v6(3)), IpAddr::V6(v6(2)))] {
        let (address, served) = serve_once(server, to);
        assert_eq!(call(client, address).unwrap(), "server");
        assert_eq!(served.join().unwrap().ip(), from);
    }
}

fn set_service(lab: &Lab, vip: SocketAddr, endpoints: Vec<(IpAddr, u16)>) {
    let name = "default/server:http".to_owned();
    lab.set_network(&[ServiceSpec { name, vip: vip.ip(), port: vip.port(), endpoints }], &[]).unwrap();
}

#[test]
fn a_service_leads_to_its_endpoints_and_to_the_caller_itself() {
    let Some(lab) = lab() else { return };
    let pods = lab.add_pods([pod("client", 2), pod("server", 3)]).unwrap();
    for (vip, client, server) in
        [("10.96.0.10", v4(2).into(), v4(3).into()), ("fd00:96::a", v6(2).into(), v6(3).into())]
    {
        let vip = SocketAddr::new(vip.parse().unwrap(), 80);
        for (endpoint, address) in [(&pods[1], server), (&pods[0], client)] {
            let (to, served) = serve_once(endpoint, address);
            set_service(&lab, vip, vec![(to.ip(), to.port())]);
            assert_eq!(call(&pods[0], vip).unwrap(), endpoint.name());
            served.join().unwrap();
        }
        set_service(&lab, vip, vec![]);
        let refused = call(&pods[0], vip).unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::ConnectionRefused);
    }
}

#[test]
fn a_port_that_is_used_again_follows_the_services_of_its_time() {
    let Some(lab) = lab() else { return };
    let pods = lab.add_pods([pod("client", 2), pod("old", 3), pod("new", 4)]).unwrap();
    let vip = SocketAddr::from((Ipv4Addr::new(10, 96, 0, 10), 80));
    let lead_to = |endpoint: SocketAddr| set_service(&lab, vip, vec![(endpoint.ip(), endpoint.port())]);
    let resets = pods[1].enter(|| TcpListener::bind((v4(3), 0))).unwrap().unwrap();
    lead_to(resets.local_addr().unwrap());
    let first = call_from(&pods[0], 0, vip);
    let port = first.local_addr().unwrap().port();
    let (accepted, _) = resets.accept().unwrap();
    setsockopt(&accepted, sockopt::Linger, &libc::linger { l_onoff: 1, l_linger: 0 }).unwrap();
    drop(accepted);
    assert_eq!((&first).read(&mut [0]).unwrap_err().kind(), ErrorKind::ConnectionReset);
    drop(first);
    let (new, served) = serve_once(&pods[2], v4(4).into());
    lead_to(new);
    let mut received = String::new();
    call_from(&pods[0], port, vip).read_to_string(&mut received).unwrap();
    assert_eq!(received, "new");
    assert_eq!(served.join().unwrap().port(), port);
}

/// Two connections would have the same answers: the kernel changes the port of the second, so that an observer can't rely on it.
#[test]
fn a_port_that_a_call_to_a_service_has_is_changed_in_a_call_to_its_endpoint() {
    let Some(lab) = lab() else { return };
    let pods = lab.add_pods([pod("client", 2), pod("server", 3)]).unwrap();
    let vip = SocketAddr::from((Ipv4Addr::new(10, 96, 0, 10), 80));
    let server = pods[1].enter(|| TcpListener::bind((v4(3), 0))).unwrap().unwrap();
    let endpoint = server.local_addr().unwrap();
    set_service(&lab, vip, vec![(endpoint.ip(), endpoint.port())]);
    let by_service = call_from(&pods[0], 0, vip);
    let (_, seen) = server.accept().unwrap();
    let direct = call_from(&pods[0], seen.port(), endpoint);
    let (_, changed) = server.accept().unwrap();
    assert_eq!(by_service.local_addr().unwrap().port(), direct.local_addr().unwrap().port());
    assert_eq!(seen.ip(), changed.ip());
    assert_ne!(seen.port(), changed.port());
}

/// An IPv4 connection from a port of a pod.
fn call_from(pod: &Pod, port: u16, to: SocketAddr) -> TcpStream {
    let SocketAddr::V4(to) = to else { panic!("{to} is not IPv4") };
    let socket = pod.enter(|| socket(AddressFamily::Inet, SockType::Stream, SockFlag::SOCK_CLOEXEC, None));
    let socket = socket.unwrap().unwrap();
    setsockopt(&socket, sockopt::ReuseAddr, &true).unwrap();
    bind(socket.as_raw_fd(), &SockaddrIn::new(0, 0, 0, 0, port)).unwrap();
    connect(socket.as_raw_fd(), &SockaddrIn::from(to)).unwrap();
    let stream = TcpStream::from(socket);
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream
}

#[test]
fn a_pod_has_the_addresses_and_settings_of_its_spec() {
    let Some(lab) = lab() else { return };
    let spec = PodSpec {
        loopback: vec!["::6/128".parse().unwrap()],
        sysctls: vec![("net.ipv4.ip_unprivileged_port_start".to_owned(), "0".to_owned())],
        ..pod("server", 2)
    };
    let pod = lab.add_pod(spec).unwrap();
    pod.enter(|| TcpListener::bind("[::6]:0").map(drop)).unwrap().expect("::6 is an address of lo");
    let bound = pod.enter(|| TcpListener::bind((v6(2), 0)).map(drop)).unwrap();
    bound.expect("no address waits for duplicate address detection");
    let setting = pod.enter(|| fs::read_to_string("/proc/sys/net/ipv4/ip_unprivileged_port_start")).unwrap().unwrap();
    assert_eq!(setting, "0\n");
}

#[test]
fn an_unknown_address_is_unreachable() {
    let Some(lab) = lab() else { return };
    let pod = lab.add_pod(pod("client", 2)).unwrap();
    for unknown in ["203.0.113.1:80", "[2001:db8::1]:80"] {
        let error = call(&pod, unknown.parse().unwrap()).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::NetworkUnreachable, "{unknown}: {error}");
    }
}

/// What a sidecar depends on: rules that exempt its own user, and SO_ORIGINAL_DST.
#[test]
fn a_redirect_exempts_a_user_and_keeps_the_original_destination() {
    let Some(lab) = lab() else { return };
    let rules = "*nat\n\
                 -A OUTPUT -m owner --uid-owner 1337 -j RETURN\n\
                 -A OUTPUT -p tcp --dport 80 -j REDIRECT --to-ports 15001\n\
                 COMMIT\n"
        .to_owned();
    let client = PodSpec { iptables: Some(rules.clone()), ip6tables: Some(rules), ..pod("client", 2) };
    let pods = lab.add_pods([client, pod("server", 3)]).unwrap();
    for (local, remote) in
        [(IpAddr::V4(Ipv4Addr::LOCALHOST), v4(3).into()), (IpAddr::V6(Ipv6Addr::LOCALHOST), v6(3).into())]
    {
        let dialled = SocketAddr::new(remote, 80);
        let listen = |pod: &Pod, at: SocketAddr| pod.enter(|| TcpListener::bind(at)).unwrap().unwrap();
        let sidecar = listen(&pods[0], SocketAddr::new(local, 15001));
        let server = listen(&pods[1], dialled);
        for (user, accepts) in [(0, &sidecar), (1337, &server)] {
            let this = std::env::current_exe().unwrap();
            let dial = Program {
                user: Some(User { uid: user, gid: user }),
                env: vec![("TO".into(), dialled.to_string().into())],
                ..Program::new("dial", this, ["--exact", "network::dials", "--ignored"])
            };
            assert!(pods[0].run_to_end(&dial, PATIENCE).unwrap().status.success());
            let (connection, _) = accepts.accept().unwrap();
            if user == 0 {
                assert_eq!(original_dst(&connection), dialled);
            }
        }
    }
}

fn original_dst(connection: &TcpStream) -> SocketAddr {
    match connection.local_addr().unwrap() {
        SocketAddr::V4(_) => {
            let address = SockaddrIn::from(getsockopt(connection, sockopt::OriginalDst).unwrap());
            SocketAddr::new(address.ip().into(), address.port())
        }
        SocketAddr::V6(_) => {
            let address = SockaddrIn6::from(getsockopt(connection, sockopt::Ip6tOriginalDst).unwrap());
            SocketAddr::new(address.ip().into(), address.port())
        }
    }
}

#[test]
#[ignore = "run in a pod by a_redirect_exempts_a_user_and_keeps_the_original_destination"]
fn dials() {
    let to: SocketAddr = std::env::var("TO").unwrap().parse().unwrap();
    TcpStream::connect_timeout(&to, PATIENCE).unwrap();
}

#[test]
fn a_host_that_creates_labs_passes_the_probe() {
    let Some(_lab) = lab() else { return };
    let host = Host::probe();
    assert!(host.can_make_labs(), "{host:#?}");
    assert_eq!(host.privilege, Some(Privilege::Root));
}
