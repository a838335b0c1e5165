//! Helpers of the tests that create labs.

use std::{
    io::{Read, Write},
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, TcpStream},
    thread::{self, JoinHandle},
    time::Duration,
};

use netns::{Lab, LabSpec, Pod, PodSpec};

/// Long enough that only a bug reaches it.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// A lab; `None`, with a message, if this host does not allow one. In CI that is a failure.
pub(crate) fn lab() -> Option<Lab> {
    lab_of(LabSpec::default())
}

pub(crate) fn lab_of(spec: LabSpec) -> Option<Lab> {
    if !nix::unistd::geteuid().is_root() {
        let missing = "skipped: making network namespaces needs root";
        assert!(std::env::var("CI").as_deref() != Ok("true"), "{missing}");
        eprintln!("{missing}");
        return None;
    }
    Some(Lab::create(spec).unwrap())
}

/// The `n`th pod's addresses.
pub(crate) fn v4(n: u8) -> Ipv4Addr {
    Ipv4Addr::new(10, 244, 0, n)
}

pub(crate) fn v6(n: u8) -> Ipv6Addr {
    Ipv6Addr::new(0xfd00, 0x244, 0, 0, 0, 0, 0, u16::from(n))
}

pub(crate) fn pod(name: &str, n: u8) -> PodSpec {
    PodSpec::new(name, v4(n), v6(n))
}

/// Accepts one connection in a pod, sends the pod's name, and returns the listening address and the client's.
pub(crate) fn serve_once(pod: &Pod, address: IpAddr) -> (SocketAddr, JoinHandle<SocketAddr>) {
    let listener = pod.enter(|| TcpListener::bind((address, 0))).unwrap().unwrap();
    let name = pod.name().to_owned();
    let address = listener.local_addr().unwrap();
    let served = thread::spawn(move || {
        let (mut stream, from) = listener.accept().unwrap();
        stream.write_all(name.as_bytes()).unwrap();
        from
    });
    (address, served)
}

/// Connects from a pod, and returns all that the server sends.
pub(crate) fn call(pod: &Pod, to: SocketAddr) -> std::io::Result<String> {
    let mut stream = pod.enter(|| TcpStream::connect_timeout(&to, PATIENCE)).unwrap()?;
    stream.set_read_timeout(Some(PATIENCE))?;
    let mut received = String::new();
    stream.read_to_string(&mut received)?;
    Ok(received)
}
