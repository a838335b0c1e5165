//! Links, addresses, routes and neighbours, by netlink, for threads inside a namespace.

use std::{
    fmt,
    future::Future,
    io,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    os::fd::{AsRawFd, BorrowedFd},
    pin::pin,
    time::Duration,
};

use futures_util::{StreamExt, TryStreamExt, stream::LocalBoxStream};
use ipnet::IpNet;
use rtnetlink::{
    Handle, LinkMessageBuilder, LinkUnspec, LinkVeth, MulticastGroup, RouteMessageBuilder,
    packet_route::{
        address::AddressHeaderFlags,
        link::{InfoData, InfoVeth, LinkAttribute, State},
    },
};
use tokio::{runtime::Runtime, time::error::Elapsed};

use crate::error::{Doing, Error, Result};

/// Timeout for an answer of the kernel, which usually takes less than a millisecond.
const ANSWER: Duration = Duration::from_secs(10);

/// An Ethernet (MAC) address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Mac(pub(crate) [u8; 6]);

/// A pair of interfaces joined by a virtual cable (veth).
#[derive(Debug)]
pub(crate) struct VethPair<'a> {
    /// Name of the end that is created in the socket's namespace.
    pub(crate) here: &'a str,
    pub(crate) here_mac: Mac,
    /// Name of the end that is created in `there_namespace`.
    pub(crate) there: &'a str,
    pub(crate) there_mac: Mac,
    pub(crate) there_namespace: BorrowedFd<'a>,
    /// MTU of both ends, in bytes.
    pub(crate) mtu: u32,
}

/// A netlink socket in one namespace. Each call waits for the kernel's answer.
pub(crate) struct Netlink<'a> {
    namespace: &'a str,
    handle: Handle,
    // One item for each link event.
    events: LocalBoxStream<'static, ()>,
    // rtnetlink is asynchronous only; this runtime drives it on the thread that opened the socket.
    runtime: Runtime,
}

impl<'a> Netlink<'a> {
    /// Opens a socket in the calling thread's namespace. `namespace` is its name, for errors.
    pub(crate) fn open(namespace: &'a str) -> Result<Self> {
        Self::open_with(namespace, &[])
    }

    /// Opens a socket that also receives link events, for [`wait_until_up`](Self::wait_until_up).
    ///
    /// Not for the node: while many pods are created its events overflow the socket's buffer, and answers are lost.
    pub(crate) fn open_listening(namespace: &'a str) -> Result<Self> {
        Self::open_with(namespace, &[MulticastGroup::Link])
    }

    fn open_with(namespace: &'a str, groups: &[MulticastGroup]) -> Result<Self> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .doing(|| "start a runtime for netlink".to_owned())?;
        let (connection, handle, events) = {
            let _entered = runtime.enter();
            rtnetlink::new_multicast_connection(groups).doing(|| format!("open a netlink socket in {namespace}"))?
        };
        runtime.spawn(connection);
        let events = events.map(drop).boxed_local();
        Ok(Self { namespace, handle, events, runtime })
    }

    /// Creates a veth pair and sets its near end up. The kernel refuses to set the far end up in the same request.
    pub(crate) fn add_veth(&self, pair: &VethPair<'_>) -> Result<()> {
        let there = LinkMessageBuilder::<LinkUnspec>::new()
            .name(pair.there)
            .address(pair.there_mac.0.to_vec())
            .mtu(pair.mtu)
            .setns_by_fd(pair.there_namespace.as_raw_fd())
            .build();
        let here = LinkVeth::new(pair.here, pair.there)
            .set_info_data(InfoData::Veth(InfoVeth::Peer(there)))
            .address(pair.here_mac.0.to_vec())
            .mtu(pair.mtu)
            .up()
            .build();
        self.request(
            || format!("make the veth pair {} - {}", pair.here, pair.there),
            self.handle.link().add(here).execute(),
        )
    }

    /// Sets an interface up.
    pub(crate) fn set_up(&self, link: Link) -> Result<()> {
        let up = LinkUnspec::new_with_index(link.0).up().build();
        self.request(|| format!("set {link} up"), self.handle.link().set(up).execute())
    }

    /// Removes an interface, with the other end of its cable and the routes through both.
    pub(crate) fn remove(&self, link: Link) -> Result<()> {
        self.request(|| format!("remove {link}"), self.handle.link().del(link.0).execute())
    }

    /// Waits until an interface is operational, which takes a moment after both ends of its cable are set up.
    ///
    /// Until then the kernel drops its packets, and the first connection would wait a second for TCP's retransmission.
    pub(crate) fn wait_until_up(&mut self, link: Link) -> Result<()> {
        let Self { handle, events, .. } = self;
        let up = async {
            // Queried after each event rather than read from it: newer kernels complete the change when they are queried.
            while !is_up(handle, link).await? {
                if events.next().await.is_none() {
                    return Err(rtnetlink::Error::RequestFailed);
                }
            }
            Ok(())
        };
        let done = wait(&self.runtime, up);
        self.judge(done, || format!("wait until {link} is up"))
    }

    /// Adds an address that is usable at once, without duplicate address detection, which would delay IPv6 by seconds.
    pub(crate) fn add_address(&self, link: Link, address: IpNet) -> Result<()> {
        let mut request = self.handle.address().add(link.0, address.addr(), address.prefix_len());
        request.message_mut().header.flags |= AddressHeaderFlags::Nodad;
        self.request(|| format!("add address {address} to {link}"), request.execute())
    }

    /// Routes `to` through an interface, by way of the neighbour `gateway` if given.
    pub(crate) fn add_route(&self, link: Link, to: IpNet, gateway: Option<IpAddr>) -> Result<()> {
        let message = match to {
            IpNet::V4(to) => RouteMessageBuilder::<Ipv4Addr>::new()
                .destination_prefix(to.addr(), to.prefix_len())
                .output_interface(link.0)
                .build(),
            IpNet::V6(to) => RouteMessageBuilder::<Ipv6Addr>::new()
                .destination_prefix(to.addr(), to.prefix_len())
                .output_interface(link.0)
                .build(),
        };
        let mut request = self.handle.route().add(message);
        if let Some(gateway) = gateway {
            let by_way = match gateway {
                IpAddr::V4(gateway) => RouteMessageBuilder::<Ipv4Addr>::new().gateway(gateway).onlink().build(),
                IpAddr::V6(gateway) => RouteMessageBuilder::<Ipv6Addr>::new().gateway(gateway).onlink().build(),
            };
            let message = request.message_mut();
            message.header.flags |= by_way.header.flags;
            message.attributes.extend(by_way.attributes);
        }
        self.request(|| format!("route {to} through {link}"), request.execute())
    }

    /// Adds a permanent neighbour entry, so that no ARP or neighbour discovery is needed.
    pub(crate) fn add_neighbour(&self, link: Link, address: IpAddr, mac: Mac) -> Result<()> {
        let request = self.handle.neighbours().add(link.0, address).link_layer_address(&mac.0);
        self.request(|| format!("add neighbour {address} to {link}"), request.execute())
    }

    fn request(
        &self,
        doing: impl FnOnce() -> String,
        request: impl Future<Output = Result<(), rtnetlink::Error>>,
    ) -> Result<()> {
        self.judge(wait(&self.runtime, request), doing)
    }

    fn judge(&self, done: Result<Result<(), rtnetlink::Error>, Elapsed>, doing: impl FnOnce() -> String) -> Result<()> {
        let source = match done {
            Ok(Ok(())) => return Ok(()),
            Ok(Err(rtnetlink::Error::NetlinkError(message))) => message.to_io(),
            Ok(Err(other)) => io::Error::other(other),
            Err(elapsed) => elapsed.into(),
        };
        Err(Error::Netlink { doing: doing(), namespace: self.namespace.to_owned(), source })
    }
}

/// Drives a request until the kernel has answered, or the timeout expires.
fn wait<T>(runtime: &Runtime, request: impl Future<Output = T>) -> Result<T, Elapsed> {
    // The timer needs the runtime's context.
    runtime.block_on(async { tokio::time::timeout(ANSWER, request).await })
}

async fn is_up(handle: &Handle, link: Link) -> Result<bool, rtnetlink::Error> {
    let mut answer = pin!(handle.link().get().match_index(link.0).execute());
    let message = answer.try_next().await?;
    Ok(message.is_some_and(|message| message.attributes.contains(&LinkAttribute::OperState(State::Up))))
}

/// An interface, by its index, which is unique within its namespace.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Link(u32);

impl Link {
    /// The loopback interface, which has index 1 in every namespace.
    pub(crate) const LOOPBACK: Self = Self(1);

    /// Finds an interface of the calling thread's namespace.
    pub(crate) fn find(name: &str) -> Result<Self> {
        nix::net::if_::if_nametoindex(name).map(Self).doing(|| format!("find interface {name}"))
    }

    pub(crate) fn index(self) -> u32 {
        self.0
    }
}

impl fmt::Display for Link {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::LOOPBACK => f.write_str("lo"),
            Self(index) => write!(f, "interface {index}"),
        }
    }
}
