//! Connections as the kernels of pods track them: where each was going, and where NAT sent it
//! (linux/netfilter/nfnetlink_conntrack.h).

use std::{
    collections::BTreeMap,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    os::fd::{AsRawFd, OwnedFd},
};

use nix::{
    errno::Errno,
    libc,
    sys::socket::{AddressFamily, MsgFlags, NetlinkAddr, SockFlag, SockProtocol, SockType, bind, recv, socket},
};
use rtnetlink::packet_core::{
    DecodeError, NetlinkDeserializable, NetlinkHeader, NetlinkMessage, NetlinkPayload, NlasIterator,
};

use crate::{
    Pod,
    error::{Doing, Result},
};

#[cfg(test)]
mod tests;

/// What the kernel may hold of messages that are not taken yet, in bytes: some ten thousand connections. It is memory only while it
/// is full.
const BUFFER: usize = 8 << 20;

/// Longer than any message about a connection.
const LONGEST: usize = 8192;

/// Behind the netlink header: family, version, and a number (`struct nfgenmsg`).
const HEADER: usize = 4;

/// The group of messages about new connections (`NF_NETLINK_CONNTRACK_NEW`), as `bind` takes it.
const NEW_CONNECTIONS: u32 = 1;

/// A TCP connection that a pod's kernel began to track, be it accepted afterwards or refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Tracked {
    /// Who opened it.
    pub source: SocketAddr,
    /// Where it was going before the pod's NAT rules.
    pub dialled: SocketAddr,
    /// Where these sent it: the same address where they left it alone.
    pub reached: SocketAddr,
}

/// What was tracked in a pod.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TrackedConnections {
    /// The connections, in the order in which they began.
    pub connections: Vec<Tracked>,
    /// Whether some are missing, because they came faster than they were taken.
    pub incomplete: bool,
}

/// Watches which connections the kernels of pods begin to track. A pod without NAT rules tracks none.
///
/// It needs no thread: the kernel keeps what it has to say until it is taken.
#[derive(Debug)]
pub struct Tracking {
    pods: Vec<(String, OwnedFd)>,
}

impl Tracking {
    /// Starts to watch. What begins after it returns is seen.
    ///
    /// # Errors
    ///
    /// When a pod is gone, or the kernel does not report connections (`CONFIG_NF_CT_NETLINK`) to this process.
    pub fn start<'a>(pods: impl IntoIterator<Item = &'a Pod>) -> Result<Self> {
        let open = |pod: &Pod| {
            let socket = pod.enter(subscribe)?.doing(|| format!("watch the connections of {}", pod.name()))?;
            Ok((pod.name().to_owned(), socket))
        };
        Ok(Self { pods: pods.into_iter().map(open).collect::<Result<_>>()? })
    }

    /// What began since the start or since the last call, by pod.
    pub fn take(&self) -> BTreeMap<String, TrackedConnections> {
        self.pods.iter().map(|(pod, socket)| (pod.clone(), drain(socket))).collect()
    }
}

/// A socket that gets the messages of the namespace that the calling thread is in.
fn subscribe() -> nix::Result<OwnedFd> {
    let socket = socket(AddressFamily::Netlink, SockType::Raw, SockFlag::SOCK_CLOEXEC, SockProtocol::NetlinkNetFilter)?;
    crate::socket::hold(&socket, BUFFER)?;
    bind(socket.as_raw_fd(), &NetlinkAddr::new(0, NEW_CONNECTIONS))?;
    Ok(socket)
}

fn drain(socket: &OwnedFd) -> TrackedConnections {
    let mut taken = TrackedConnections::default();
    let mut buffer = vec![0; LONGEST];
    loop {
        match recv(socket.as_raw_fd(), &mut buffer, MsgFlags::MSG_DONTWAIT) {
            Ok(length) => taken.connections.extend(tcp_connection(&buffer[..length])),
            Err(Errno::EAGAIN) => return taken,
            Err(Errno::EINTR) => {}
            // ENOBUFS: the kernel had no more room, and has dropped some. The rest can be read.
            Err(Errno::ENOBUFS) => taken.incomplete = true,
            Err(_) => {
                taken.incomplete = true;
                return taken;
            }
        }
    }
}

/// The TCP connection that a message is about.
fn tcp_connection(message: &[u8]) -> Option<Tracked> {
    match NetlinkMessage::<NewConnection>::deserialize(message).ok()?.payload {
        NetlinkPayload::InnerMessage(NewConnection(tracked)) => tracked,
        _ => None,
    }
}

/// What the kernel says of a new connection; none where it is not TCP.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct NewConnection(Option<Tracked>);

impl NetlinkDeserializable for NewConnection {
    type Error = DecodeError;

    fn deserialize(header: &NetlinkHeader, payload: &[u8]) -> Result<Self, DecodeError> {
        // IPCTNL_MSG_CT_NEW is 0.
        if header.message_type != (libc::NFNL_SUBSYS_CTNETLINK << 8) as u16 {
            return Err("not about a new connection".to_owned().into());
        }
        let attributes = payload.get(HEADER..).unwrap_or_default();
        let original = Tuple::read(find(attributes, cta::TUPLE_ORIG)?)?;
        let reply = Tuple::read(find(attributes, cta::TUPLE_REPLY)?)?;
        let tracked = Tracked { source: original.source, dialled: original.destination, reached: reply.source };
        let tcp = i32::from(original.protocol) == libc::IPPROTO_TCP;
        Ok(Self(tcp.then_some(tracked)))
    }
}

/// One direction of a connection.
struct Tuple {
    protocol: u8,
    source: SocketAddr,
    destination: SocketAddr,
}

impl Tuple {
    fn read(tuple: &[u8]) -> Result<Self, DecodeError> {
        let (ip, proto) = (find(tuple, cta::TUPLE_IP)?, find(tuple, cta::TUPLE_PROTO)?);
        let address = |v4, v6| match find(ip, v4) {
            Ok(v4) => fixed(v4).map(|octets: [u8; 4]| IpAddr::from(Ipv4Addr::from(octets))),
            Err(_) => fixed(find(ip, v6)?).map(|octets: [u8; 16]| IpAddr::from(Ipv6Addr::from(octets))),
        };
        // Protocols without ports, such as ICMP, have none.
        let port = |kind| find(proto, kind).and_then(fixed).map_or(0, u16::from_be_bytes);
        let [protocol] = fixed(find(proto, cta::PROTO_NUM)?)?;
        Ok(Self {
            protocol,
            source: SocketAddr::new(address(cta::IP_V4_SRC, cta::IP_V6_SRC)?, port(cta::PROTO_SRC_PORT)),
            destination: SocketAddr::new(address(cta::IP_V4_DST, cta::IP_V6_DST)?, port(cta::PROTO_DST_PORT)),
        })
    }
}

/// The value of an attribute.
fn find(attributes: &[u8], kind: u16) -> Result<&[u8], DecodeError> {
    for attribute in NlasIterator::new(attributes) {
        let attribute = attribute?;
        if attribute.kind() == kind {
            // Behind the attribute's own header, struct nlattr. That there is so much has been checked.
            let length = attribute.length().into();
            return Ok(&attribute.into_inner()[4..length]);
        }
    }
    Err(format!("no attribute {kind}").into())
}

fn fixed<const N: usize>(value: &[u8]) -> Result<[u8; N], DecodeError> {
    value.first_chunk().copied().ok_or_else(|| format!("{} bytes in place of {N}", value.len()).into())
}

/// Kinds of attributes (`enum ctattr_type`, `ctattr_tuple`, `ctattr_ip`, `ctattr_l4proto`).
mod cta {
    pub(super) const TUPLE_ORIG: u16 = 1;
    pub(super) const TUPLE_REPLY: u16 = 2;
    pub(super) const TUPLE_IP: u16 = 1;
    pub(super) const TUPLE_PROTO: u16 = 2;
    pub(super) const IP_V4_SRC: u16 = 1;
    pub(super) const IP_V4_DST: u16 = 2;
    pub(super) const IP_V6_SRC: u16 = 3;
    pub(super) const IP_V6_DST: u16 = 4;
    pub(super) const PROTO_NUM: u16 = 1;
    pub(super) const PROTO_SRC_PORT: u16 = 2;
    pub(super) const PROTO_DST_PORT: u16 = 3;
}
