//! Packet capture on the interfaces of pods.

use std::{
    io::IoSliceMut,
    os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd},
    sync::{Arc, mpsc},
    thread::{self, JoinHandle},
    time::Duration,
};

use nix::{
    errno::Errno,
    poll::{PollFd, PollFlags, PollTimeout},
    sys::{
        eventfd::{EfdFlags, EventFd},
        socket::{AddressFamily, ControlMessageOwned, LinkAddr, MsgFlags, SockFlag, SockType, recvmsg, sockopt},
    },
};

use crate::{
    Pod,
    error::{Doing, Result},
    netlink::Link,
    socket, sys,
};

#[cfg(test)]
mod tests;

/// Receive buffer of one interface's socket, in bytes. The kernel uses memory only for packets that have not been read yet.
const BUFFER: usize = 64 << 20;

/// The longest packet, in bytes: with segmentation offload the kernel delivers several TCP segments as one packet.
const LONGEST: usize = 256 << 10;

/// `sll_pkttype` of a packet that this host sends.
const PACKET_OUTGOING: u8 = 4;

/// An interface of a capture: an index into [`Captured::interfaces`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct InterfaceId(pub usize);

/// An interface that was captured on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Interface {
    /// The name of its pod.
    pub pod: String,
    /// Its name in the pod: `lo` or `eth0`.
    pub name: String,
}

/// The direction of a packet, from its pod's point of view.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    /// Received. On `lo`, where each packet is both sent and received, only the reception is recorded.
    Incoming,
    /// Sent.
    Outgoing,
}

/// A captured packet. Its checksums may be blank: the kernel leaves them to hardware, which virtual interfaces do not have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CapturedPacket {
    /// The interface that it was captured on.
    pub interface: InterfaceId,
    /// Kernel timestamp, as the time since 1970-01-01 00:00 UTC, in nanoseconds.
    pub timestamp: Duration,
    /// The whole packet, starting with its Ethernet header. It can be longer than the MTU, because veth needs no segmentation.
    pub data: Vec<u8>,
    /// Whether the pod sent or received it.
    pub direction: Direction,
}

/// The packets of a capture.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Captured {
    /// The interfaces that were captured on.
    pub interfaces: Vec<Interface>,
    /// The packets, in the order of their timestamps.
    pub packets: Vec<CapturedPacket>,
    /// How many packets the kernel dropped on each interface because its buffer was full.
    pub dropped: Vec<u64>,
}

/// A running capture. Dropping it stops it and discards the packets that were not taken.
///
/// Its sockets keep the pods' network namespaces in the kernel, without names, until it ends.
#[derive(Debug)]
pub struct Capture {
    interfaces: Vec<Interface>,
    wake: Arc<EventFd>,
    ask: mpsc::Sender<Ask>,
    reader: Option<JoinHandle<()>>,
}

/// A request for the packets since the previous one, with the dropped counts.
type Ask = mpsc::SyncSender<(Vec<CapturedPacket>, Vec<u64>)>;

impl Capture {
    /// Starts to capture on `lo` and `eth0` of each pod. Every packet sent after it returns is captured.
    ///
    /// # Errors
    ///
    /// When a pod is gone, or this process may not open packet sockets in it.
    pub fn start<'a>(pods: impl IntoIterator<Item = &'a Pod>) -> Result<Self> {
        let mut interfaces = Vec::new();
        let mut sockets = Vec::new();
        for pod in pods {
            let opened = pod.enter(|| ["lo", "eth0"].map(open))?;
            for (name, socket) in ["lo", "eth0"].into_iter().zip(opened) {
                interfaces.push(Interface { pod: pod.name().to_owned(), name: name.to_owned() });
                sockets.push(socket?);
            }
        }
        let wake = Arc::new(
            EventFd::from_flags(EfdFlags::EFD_CLOEXEC | EfdFlags::EFD_NONBLOCK)
                .doing(|| "make an event descriptor".to_owned())?,
        );
        let (ask, asked) = mpsc::channel();
        let reader = Reader {
            dropped: vec![0; sockets.len()],
            sockets,
            wake: Arc::clone(&wake),
            asked,
            packets: Vec::new(),
            buffer: vec![0; LONGEST],
        };
        let reader = thread::Builder::new()
            .name("capture".to_owned())
            .spawn(move || reader.run())
            .doing(|| "start a thread".to_owned())?;
        Ok(Self { interfaces, wake, ask, reader: Some(reader) })
    }

    /// Packets since the start or the previous call. Reads all that the kernel has buffered; the capture continues.
    pub fn take(&self) -> Captured {
        let (give, taken) = mpsc::sync_channel(1);
        let answer = self.ask.send(give).ok().and_then(|()| {
            self.wake.write(1).ok()?;
            taken.recv().ok()
        });
        // Returning an empty capture would claim that nothing was sent.
        let (mut packets, dropped) =
            answer.expect("the thread that reads packets answers until the capture is dropped");
        packets.sort_by_key(|packet| packet.timestamp);
        Captured { interfaces: self.interfaces.clone(), packets, dropped }
    }

    /// Stops the capture, and returns the packets since the start or the last [`take`](Self::take).
    pub fn stop(self) -> Captured {
        self.take()
    }
}

impl Drop for Capture {
    fn drop(&mut self) {
        // The reader stops when the sending side of the channel is gone.
        self.ask = mpsc::channel().0;
        let woken = self.wake.write(1).is_ok();
        if let Some(reader) = self.reader.take()
            && woken
            && reader.join().is_err()
        {
            tracing::error!("the thread that reads packets has panicked");
        }
    }
}

/// Checks that packets can be captured in the calling thread's network namespace.
pub(crate) fn probe() -> Result<()> {
    open("lo").map(drop)
}

/// Opens a socket that receives each packet of an interface once. Must be called inside the pod's namespace.
fn open(interface: &str) -> Result<OwnedFd> {
    let link = Link::find(interface)?;
    let set_up = || -> nix::Result<OwnedFd> {
        // Protocol 0 receives nothing until bind, so no packet of another interface is captured.
        let socket = nix::sys::socket::socket(
            AddressFamily::Packet,
            SockType::Raw,
            SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK,
            None,
        )?;
        socket::hold(&socket, BUFFER)?;
        nix::sys::socket::setsockopt(&socket, sockopt::ReceiveTimestampns, &true)?;
        Ok(socket)
    };
    let doing = || format!("capture on {interface}");
    let socket = set_up().doing(doing)?;
    if link == Link::LOOPBACK {
        sys::ignore_outgoing(&socket).doing(doing)?;
    }
    let address = sys::every_packet_of(link.index());
    nix::sys::socket::bind(socket.as_raw_fd(), &address).doing(doing)?;
    Ok(socket)
}

/// Closes packet sockets in parallel: each close waits for an RCU grace period.
fn close(sockets: Vec<OwnedFd>) {
    thread::scope(|scope| {
        for socket in sockets {
            scope.spawn(|| drop(socket));
        }
    });
}

/// Reads the sockets of a capture, on its own thread.
struct Reader {
    sockets: Vec<OwnedFd>,
    wake: Arc<EventFd>,
    asked: mpsc::Receiver<Ask>,
    packets: Vec<CapturedPacket>,
    dropped: Vec<u64>,
    buffer: Vec<u8>,
}

impl Reader {
    fn run(mut self) {
        loop {
            let (woken, readable) = self.wait();
            for index in readable {
                self.drain(index);
            }
            if woken {
                // Clear before receiving requests: a later one signals again.
                let _ = self.wake.read();
                loop {
                    match self.asked.try_recv() {
                        Ok(give) => {
                            (0..self.sockets.len()).for_each(|index| self.drain(index));
                            // The requester may have stopped waiting.
                            let _ = give.send(self.seen());
                        }
                        Err(mpsc::TryRecvError::Empty) => break,
                        Err(mpsc::TryRecvError::Disconnected) => return close(self.sockets),
                    }
                }
            }
        }
    }

    /// Waits for a request or a packet. Returns whether the event was signalled, and the sockets that are readable.
    fn wait(&self) -> (bool, Vec<usize>) {
        let wake = self.wake.as_fd();
        let mut polled: Vec<PollFd<'_>> = std::iter::once(wake)
            .chain(self.sockets.iter().map(AsFd::as_fd))
            .map(|descriptor: BorrowedFd<'_>| PollFd::new(descriptor, PollFlags::POLLIN))
            .collect();
        // Fails only with EINTR: nothing is reported readable then, and the caller polls again.
        let _ = nix::poll::poll(&mut polled, PollTimeout::NONE);
        let mut readable = polled.iter().map(|polled| polled.any().unwrap_or(false));
        let woken = readable.next().unwrap_or(false);
        let sockets = readable.enumerate().filter_map(|(index, readable)| readable.then_some(index)).collect();
        (woken, sockets)
    }

    /// Reads all packets that the kernel has buffered for one interface.
    fn drain(&mut self, index: usize) {
        loop {
            match self.receive(index) {
                Ok(packet) => self.packets.push(packet),
                // Reported once, ahead of packets that are still buffered, when the interface is removed with its pod.
                Err(Errno::ENETDOWN | Errno::EINTR) => {}
                // EAGAIN: the buffer is empty.
                Err(_) => return,
            }
        }
    }

    fn receive(&mut self, index: usize) -> nix::Result<CapturedPacket> {
        let mut timestamps = nix::cmsg_space!(nix::sys::time::TimeSpec);
        let mut parts = [IoSliceMut::new(&mut self.buffer)];
        let message = recvmsg::<LinkAddr>(
            self.sockets[index].as_raw_fd(),
            &mut parts,
            Some(&mut timestamps),
            MsgFlags::MSG_DONTWAIT,
        )?;
        let timestamp = message.cmsgs()?.find_map(|control| match control {
            ControlMessageOwned::ScmTimestampns(time) => Some(Duration::from(time)),
            _ => None,
        });
        let outgoing = message.address.is_some_and(|address| address.pkttype() == PACKET_OUTGOING);
        let length = message.bytes;
        Ok(CapturedPacket {
            interface: InterfaceId(index),
            timestamp: timestamp.unwrap_or_default(),
            data: self.buffer[..length].to_vec(),
            direction: if outgoing { Direction::Outgoing } else { Direction::Incoming },
        })
    }

    fn seen(&mut self) -> (Vec<CapturedPacket>, Vec<u64>) {
        for (socket, dropped) in self.sockets.iter().zip(&mut self.dropped) {
            if let Ok(statistics) = sys::packet_statistics(socket) {
                *dropped += u64::from(statistics.dropped);
            }
        }
        let dropped = self.dropped.iter_mut().map(std::mem::take).collect();
        (std::mem::take(&mut self.packets), dropped)
    }
}
