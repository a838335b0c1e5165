//! Connections as tracked by the kernel in each pod: the address that was dialled, and the one that NAT replaced it by
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

/// Receive buffer for events that have not been read yet, in bytes: enough for about ten thousand connections. The kernel uses
/// memory only while there are any.
const BUFFER: usize = 8 << 20;

/// Upper bound for the length of one event message, in bytes.
const LONGEST: usize = 8192;

/// Length of `struct nfgenmsg`, which follows the netlink header: family, version, resource id.
const HEADER: usize = 4;

/// Multicast group of events about new connections (`NF_NETLINK_CONNTRACK_NEW`), as the bit mask that `bind` takes.
const NEW_CONNECTIONS: u32 = 1;

/// A TCP connection that a pod's kernel started to track, whether it was then accepted or refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Tracked {
    /// The client's address.
    pub source: SocketAddr,
    /// Destination before NAT.
    pub dialled: SocketAddr,
    /// Destination after NAT; equal to `dialled` if no rule changed it.
    pub reached: SocketAddr,
}

/// The connections that were tracked in a pod.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TrackedConnections {
    /// In the order in which they were opened.
    pub connections: Vec<Tracked>,
    /// Whether the kernel dropped events because the buffer was full.
    pub incomplete: bool,
}

/// Watches the connections that the kernels of pods start to track. A pod without NAT rules tracks none.
///
/// Needs no thread: the kernel buffers events until they are taken.
#[derive(Debug)]
pub struct Tracking {
    pods: Vec<(String, OwnedFd)>,
}

impl Tracking {
    /// Starts to watch. Connections opened after it returns are reported.
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

    /// Connections opened since the start or the previous call, by pod.
    pub fn take(&self) -> BTreeMap<String, TrackedConnections> {
        self.pods.iter().map(|(pod, socket)| (pod.clone(), drain(socket))).collect()
    }
}

/// Opens a socket that receives the events of the calling thread's network namespace.
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
            // ENOBUFS: the buffer overflowed, and events were dropped. Those that are buffered can still be read.
            Err(Errno::ENOBUFS) => taken.incomplete = true,
            Err(_) => {
                taken.incomplete = true;
                return taken;
            }
        }
    }
}

/// Parses an event; `None` if it is malformed or not about TCP.
fn tcp_connection(message: &[u8]) -> Option<Tracked> {
    match NetlinkMessage::<NewConnection>::deserialize(message).ok()?.payload {
        NetlinkPayload::InnerMessage(NewConnection(tracked)) => tracked,
        _ => None,
    }
}

/// A parsed event; `None` inside for protocols other than TCP.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct NewConnection(Option<Tracked>);

impl NetlinkDeserializable for NewConnection {
    type Error = DecodeError;

    fn deserialize(header: &NetlinkHeader, payload: &[u8]) -> Result<Self, DecodeError> {
        // IPCTNL_MSG_CT_NEW is 0.
        if header.message_type != (libc::NFNL_SUBSYS_CTNETLINK << 8) as u16 {
            return Err("not an event about a new connection".to_owned().into());
        }
        let attributes = payload.get(HEADER..).unwrap_or_default();
        let original = Tuple::read(find(attributes, cta::TUPLE_ORIG)?)?;
        let reply = Tuple::read(find(attributes, cta::TUPLE_REPLY)?)?;
        let tracked = Tracked { source: original.source, dialled: original.destination, reached: reply.source };
        let tcp = i32::from(original.protocol) == libc::IPPROTO_TCP;
        Ok(Self(tcp.then_some(tracked)))
    }
}

/// Source and destination of one direction of a connection.
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
        // Protocols without ports, such as ICMP, lack this attribute.
        let port = |kind| find(proto, kind).and_then(fixed).map_or(0, u16::from_be_bytes);
        let [protocol] = fixed(find(proto, cta::PROTO_NUM)?)?;
        Ok(Self {
            protocol,
            source: SocketAddr::new(address(cta::IP_V4_SRC, cta::IP_V6_SRC)?, port(cta::PROTO_SRC_PORT)),
            destination: SocketAddr::new(address(cta::IP_V4_DST, cta::IP_V6_DST)?, port(cta::PROTO_DST_PORT)),
        })
    }
}

/// The value of the attribute of type `kind`.
fn find(attributes: &[u8], kind: u16) -> Result<&[u8], DecodeError> {
    for attribute in NlasIterator::new(attributes) {
        let attribute = attribute?;
        if attribute.kind() == kind {
            // Skips struct nlattr. The iterator has checked that the length is within the buffer.
            let length = attribute.length().into();
            return Ok(&attribute.into_inner()[4..length]);
        }
    }
    Err(format!("no attribute {kind}").into())
}

fn fixed<const N: usize>(value: &[u8]) -> Result<[u8; N], DecodeError> {
    value.first_chunk().copied().ok_or_else(|| format!("{} bytes instead of {N}", value.len()).into())
}

/// Attribute types (`enum ctattr_type`, `ctattr_tuple`, `ctattr_ip`, `ctattr_l4proto`).
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
