//! Packets of pods, as their kernels saw them.

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

/// What the kernel may hold of one interface before it drops, in bytes. It is memory only while it is full.
const BUFFER: usize = 64 << 20;

/// The longest packet, in bytes: the kernel hands several segments of one connection over as one.
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

/// Which way a packet went, seen from its pod.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    /// It arrived. On `lo`, where each packet leaves and arrives, only this is recorded.
    Incoming,
    /// It left.
    Outgoing,
}

/// A packet. Its checksums may not be filled in: the kernel leaves that to hardware, and there is none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CapturedPacket {
    /// Where it was seen.
    pub interface: InterfaceId,
    /// When, by the kernel's clock: the time since 1970-01-01 00:00 UTC, to the nanosecond.
    pub timestamp: Duration,
    /// The whole packet from its Ethernet header on. It can be longer than the MTU: the kernel cuts it up only for real hardware.
    pub data: Vec<u8>,
    /// Which way it went.
    pub direction: Direction,
}

/// What a capture has seen.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Captured {
    /// The interfaces that were captured on.
    pub interfaces: Vec<Interface>,
    /// The packets, in the order of their timestamps.
    pub packets: Vec<CapturedPacket>,
    /// How many packets of each interface were lost, because they came faster than they could be read.
    pub dropped: Vec<u64>,
}

/// A running capture. Dropping it ends it, and what it has seen is lost.
///
/// Its sockets keep the pods' network namespaces in the kernel, without names, until it ends.
#[derive(Debug)]
pub struct Capture {
    interfaces: Vec<Interface>,
    wake: Arc<EventFd>,
    ask: mpsc::Sender<Ask>,
    reader: Option<JoinHandle<()>>,
}

/// A wish for what was seen since the last one.
type Ask = mpsc::SyncSender<(Vec<CapturedPacket>, Vec<u64>)>;

impl Capture {
    /// Starts to capture on `lo` and `eth0` of each pod. What is sent after it returns is seen.
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

    /// What was seen since the start or since the last call; the capture goes on. Every packet that the kernel holds is read first.
    pub fn take(&self) -> Captured {
        let (give, taken) = mpsc::sync_channel(1);
        let answer = self.ask.send(give).ok().and_then(|()| {
            self.wake.write(1).ok()?;
            taken.recv().ok()
        });
        // To go on without it would be to say that nothing was sent.
        let (mut packets, dropped) =
            answer.expect("the thread that reads packets answers until the capture is dropped");
        packets.sort_by_key(|packet| packet.timestamp);
        Captured { interfaces: self.interfaces.clone(), packets, dropped }
    }

    /// Ends the capture, and gives back what was seen since the start or the last [`take`](Self::take).
    pub fn stop(self) -> Captured {
        self.take()
    }
}

impl Drop for Capture {
    fn drop(&mut self) {
        // The reader ends when nobody can ask it any more.
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

/// Whether a capture could be made in the namespace that the calling thread is in.
pub(crate) fn probe() -> Result<()> {
    open("lo").map(drop)
}

/// Opens a socket that sees each packet of an interface once. Called inside the pod.
fn open(interface: &str) -> Result<OwnedFd> {
    let link = Link::find(interface)?;
    let set_up = || -> nix::Result<OwnedFd> {
        // Protocol 0 sees nothing until it is bound: nothing of other interfaces slips in.
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

/// Closes packet sockets side by side: for each the kernel waits until no processor may still be handing it a packet.
fn close(sockets: Vec<OwnedFd>) {
    thread::scope(|scope| {
        for socket in sockets {
            scope.spawn(|| drop(socket));
        }
    });
}

/// The thread that reads every socket of a capture.
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
                // Cleared before the wishes are looked at: one that comes later wakes us again.
                let _ = self.wake.read();
                loop {
                    match self.asked.try_recv() {
                        Ok(give) => {
                            (0..self.sockets.len()).for_each(|index| self.drain(index));
                            // Somebody who no longer waits takes nothing.
                            let _ = give.send(self.seen());
                        }
                        Err(mpsc::TryRecvError::Empty) => break,
                        Err(mpsc::TryRecvError::Disconnected) => return close(self.sockets),
                    }
                }
            }
        }
    }

    /// Waits until somebody asks or a packet comes. Whether somebody did, and the sockets that have packets.
    fn wait(&self) -> (bool, Vec<usize>) {
        let wake = self.wake.as_fd();
        let mut polled: Vec<PollFd<'_>> = std::iter::once(wake)
            .chain(self.sockets.iter().map(AsFd::as_fd))
            .map(|descriptor: BorrowedFd<'_>| PollFd::new(descriptor, PollFlags::POLLIN))
            .collect();
        // Fails only when interrupted by a signal: then nothing is readable, and we wait again.
        let _ = nix::poll::poll(&mut polled, PollTimeout::NONE);
        let mut readable = polled.iter().map(|polled| polled.any().unwrap_or(false));
        let woken = readable.next().unwrap_or(false);
        let sockets = readable.enumerate().filter_map(|(index, readable)| readable.then_some(index)).collect();
        (woken, sockets)
    }

    /// Reads what the kernel holds of one interface.
    fn drain(&mut self, index: usize) {
        loop {
            match self.receive(index) {
                Ok(packet) => self.packets.push(packet),
                // Said once, before packets that are still there, when the interface goes with its pod.
                Err(Errno::ENETDOWN | Errno::EINTR) => {}
                // EAGAIN: nothing more now.
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
