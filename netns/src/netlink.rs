//! Links, addresses, routes and neighbours, by netlink, for threads that are inside a namespace.

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

/// How long the kernel may take to do a thing: usually it takes less than a millisecond.
const ANSWER: Duration = Duration::from_secs(10);

/// An Ethernet address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Mac(pub(crate) [u8; 6]);

/// A pair of interfaces joined by a virtual cable.
#[derive(Debug)]
pub(crate) struct VethPair<'a> {
    /// The end that is made in the namespace of the socket.
    pub(crate) here: &'a str,
    /// Its Ethernet address.
    pub(crate) here_mac: Mac,
    /// The end that is made in the namespace `there_namespace`.
    pub(crate) there: &'a str,
    /// Its Ethernet address.
    pub(crate) there_mac: Mac,
    /// The namespace of the other end.
    pub(crate) there_namespace: BorrowedFd<'a>,
    /// The largest packet that either end carries, in bytes.
    pub(crate) mtu: u32,
}

/// A netlink socket of one namespace. Each call waits for the kernel's answer.
pub(crate) struct Netlink<'a> {
    namespace: &'a str,
    handle: Handle,
    // One for each thing that the kernel says unasked about links.
    events: LocalBoxStream<'static, ()>,
    // rtnetlink is asynchronous only; this drives it on the thread that opened the socket.
    runtime: Runtime,
}

impl<'a> Netlink<'a> {
    /// Opens a socket in the namespace that the calling thread is in, which is `namespace`.
    pub(crate) fn open(namespace: &'a str) -> Result<Self> {
        Self::open_with(namespace, &[])
    }

    /// Opens one that also hears what happens to links, for [`wait_until_up`](Self::wait_until_up).
    ///
    /// Not for the node: while many pods are made, more happens there than a socket's buffer holds, and answers get lost.
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

    /// Makes a veth pair with this end up. The kernel refuses to set the other end up while it is being made.
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

    /// Waits until an interface can send, which it can a moment after both ends of its cable were set up.
    ///
    /// Before that the kernel throws away what it sends, and the first connection waits a second for its second attempt.
    pub(crate) fn wait_until_up(&mut self, link: Link) -> Result<()> {
        let Self { handle, events, .. } = self;
        let up = async {
            // Asked anew at each event rather than read from it: newer kernels finish the change when they are asked.
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

    /// Gives an interface an address that can be used at once: duplicate address detection would hold IPv6 up for seconds.
    pub(crate) fn add_address(&self, link: Link, address: IpNet) -> Result<()> {
        let mut request = self.handle.address().add(link.0, address.addr(), address.prefix_len());
        request.message_mut().header.flags |= AddressHeaderFlags::Nodad;
        self.request(|| format!("add address {address} to {link}"), request.execute())
    }

    /// Routes `to` out of an interface, by way of the neighbour `gateway` where given.
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
        self.request(|| format!("route {to} out of {link}"), request.execute())
    }

    /// Fixes the Ethernet address of a neighbour, so that nobody has to ask for it.
    pub(crate) fn add_neighbour(&self, link: Link, address: IpAddr, mac: Mac) -> Result<()> {
        let request = self.handle.neighbours().add(link.0, address).link_layer_address(&mac.0);
        self.request(|| format!("fix neighbour {address} of {link}"), request.execute())
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

/// Drives a request until the kernel has answered.
fn wait<T>(runtime: &Runtime, request: impl Future<Output = T>) -> Result<T, Elapsed> {
    // The timer belongs to the runtime, so it is made inside it.
    runtime.block_on(async { tokio::time::timeout(ANSWER, request).await })
}

async fn is_up(handle: &Handle, link: Link) -> Result<bool, rtnetlink::Error> {
    let mut answer = pin!(handle.link().get().match_index(link.0).execute());
    let message = answer.try_next().await?;
    Ok(message.is_some_and(|message| message.attributes.contains(&LinkAttribute::OperState(State::Up))))
}

/// An interface, by the index that it has in its namespace.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Link(u32);

impl Link {
    /// The loopback interface: the kernel gives it index 1 in every namespace.
    pub(crate) const LOOPBACK: Self = Self(1);

    /// Finds an interface of the namespace that the calling thread is in.
    pub(crate) fn find(name: &str) -> Result<Self> {
        nix::net::if_::if_nametoindex(name).map(Self).doing(|| format!("find interface {name}"))
    }

    /// Its index.
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
