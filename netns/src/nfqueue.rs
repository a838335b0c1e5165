//! Netfilter's queue to user space, as far as a [delay](crate::Delay) needs it: packets wait in the kernel, and only their numbers
//! come here (linux/netfilter/nfnetlink_queue.h).

use std::{
    io,
    os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd},
};

use nix::{
    errno::Errno,
    libc,
    sys::socket::{AddressFamily, MsgFlags, NetlinkAddr, SockFlag, SockProtocol, SockType, bind, recv, send, socket},
};
use rtnetlink::packet_core::{
    DecodeError, DefaultNla, Emitable, NLM_F_ACK, NLM_F_REQUEST, NetlinkDeserializable, NetlinkHeader, NetlinkMessage,
    NetlinkPayload, NetlinkSerializable, NlasIterator,
};

#[cfg(test)]
mod tests;

/// What the kernel may hold of messages that are not read yet, in bytes. It is memory only while it is full.
const BUFFER: usize = 64 << 20;

/// How many packets may wait in the kernel: those of 16 streams with full windows, and some.
const LENGTH: u32 = 1 << 17;

/// Longer than any message about a packet whose bytes are not asked for.
const LONGEST: usize = 4096;

/// Behind the netlink header: family, version, and the queue's number in network order (`struct nfgenmsg`).
const HEADER: usize = 4;

/// A packet's number in its queue. They go up by one, and start again after 2^32.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct PacketId(u32);

/// A queue of the namespace that it was bound in. Dropping it drops the packets that wait in it.
#[derive(Debug)]
pub(crate) struct Queue {
    socket: OwnedFd,
    number: u16,
    buffer: Vec<u8>,
}

impl Queue {
    /// Takes the queue `number` of the namespace that the calling thread is in.
    ///
    /// # Errors
    ///
    /// `EPERM` or `EBUSY` when somebody has it; otherwise what the kernel says where it has no such queues.
    pub(crate) fn bind(number: u16) -> io::Result<Self> {
        let socket =
            socket(AddressFamily::Netlink, SockType::Raw, SockFlag::SOCK_CLOEXEC, SockProtocol::NetlinkNetFilter)?;
        crate::socket::hold(&socket, BUFFER)?;
        bind(socket.as_raw_fd(), &NetlinkAddr::new(0, 0))?;
        let mut queue = Self { socket, number, buffer: vec![0; LONGEST] };
        queue.send(&Request::Bind { queue: number, length: LENGTH })?;
        // No rule sends packets here yet, so what comes is the answer.
        match queue.receive(MsgFlags::empty())?.payload {
            NetlinkPayload::Error(answer) if answer.code.is_some() => Err(answer.to_io()),
            _ => Ok(queue),
        }
    }

    /// The next packet that waits; `None` when no other has come.
    pub(crate) fn next(&mut self) -> io::Result<Option<PacketId>> {
        loop {
            match self.receive(MsgFlags::MSG_DONTWAIT) {
                Ok(NetlinkMessage { payload: NetlinkPayload::InnerMessage(Packet(id)), .. }) => return Ok(Some(id)),
                // That there was nothing to let go: the kernel drops packets of its own when an interface goes.
                Ok(_) => {}
                Err(error) => match error.raw_os_error().map(Errno::from_raw) {
                    Some(Errno::EAGAIN) => return Ok(None),
                    // ENOBUFS: packets came faster than they were read. The kernel has dropped and counted them.
                    Some(Errno::EINTR | Errno::ENOBUFS) => {}
                    _ => return Err(error),
                },
            }
        }
    }

    /// Lets every packet go that came before `last`, and that one.
    pub(crate) fn accept_up_to(&self, last: PacketId) -> io::Result<()> {
        self.send(&Request::AcceptUpTo { queue: self.number, last })
    }

    fn send(&self, request: &Request) -> io::Result<()> {
        send(self.socket.as_raw_fd(), &request.to_bytes(), MsgFlags::empty())?;
        Ok(())
    }

    fn receive(&mut self, how: MsgFlags) -> io::Result<NetlinkMessage<Packet>> {
        let length = recv(self.socket.as_raw_fd(), &mut self.buffer, how)?;
        NetlinkMessage::deserialize(&self.buffer[..length]).map_err(io::Error::other)
    }
}

impl AsFd for Queue {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

/// What is said to the kernel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Request {
    /// This socket wants the packets of `queue`, of which `length` may wait: their numbers alone, and each as large as it is.
    Bind { queue: u16, length: u32 },
    /// Every packet up to `last` may go on.
    AcceptUpTo { queue: u16, last: PacketId },
}

impl Request {
    fn to_bytes(self) -> Vec<u8> {
        let mut message = NetlinkMessage::new(NetlinkHeader::default(), NetlinkPayload::InnerMessage(self));
        message.header.flags = match self {
            Self::Bind { .. } => NLM_F_REQUEST | NLM_F_ACK,
            // Errors are told all the same.
            Self::AcceptUpTo { .. } => NLM_F_REQUEST,
        };
        message.finalize();
        let mut bytes = vec![0; message.buffer_len()];
        message.serialize(&mut bytes);
        bytes
    }

    fn queue(self) -> u16 {
        match self {
            Self::Bind { queue, .. } | Self::AcceptUpTo { queue, .. } => queue,
        }
    }

    fn attributes(self) -> Vec<DefaultNla> {
        let be = u32::to_be_bytes;
        match self {
            Self::Bind { length, .. } => {
                // struct nfqnl_msg_config_cmd: command, padding, a protocol family that is no longer looked at.
                let command = [libc::NFQNL_CFG_CMD_BIND as u8, 0, 0, 0];
                // struct nfqnl_msg_config_params: how many bytes of each packet, what of it.
                let params = [&be(0)[..], &[libc::NFQNL_COPY_META as u8]].concat();
                // Packets stay whole, and when too many wait those that come are dropped, not let pass before their time.
                let flags = libc::NFQA_CFG_F_GSO as u32;
                let mask = flags | libc::NFQA_CFG_F_FAIL_OPEN as u32;
                vec![
                    DefaultNla::new(libc::NFQA_CFG_CMD as u16, command.to_vec()),
                    DefaultNla::new(libc::NFQA_CFG_PARAMS as u16, params),
                    DefaultNla::new(libc::NFQA_CFG_QUEUE_MAXLEN as u16, be(length).to_vec()),
                    DefaultNla::new(libc::NFQA_CFG_MASK as u16, be(mask).to_vec()),
                    DefaultNla::new(libc::NFQA_CFG_FLAGS as u16, be(flags).to_vec()),
                ]
            }
            Self::AcceptUpTo { last, .. } => {
                // struct nfqnl_msg_verdict_hdr.
                let verdict = [be(libc::NF_ACCEPT as u32), be(last.0)].concat();
                vec![DefaultNla::new(libc::NFQA_VERDICT_HDR as u16, verdict)]
            }
        }
    }
}

impl NetlinkSerializable for Request {
    fn message_type(&self) -> u16 {
        message_type(match self {
            Self::Bind { .. } => libc::NFQNL_MSG_CONFIG,
            Self::AcceptUpTo { .. } => libc::NFQNL_MSG_VERDICT_BATCH,
        })
    }

    fn buffer_len(&self) -> usize {
        HEADER + self.attributes().as_slice().buffer_len()
    }

    fn serialize(&self, buffer: &mut [u8]) {
        let [high, low] = self.queue().to_be_bytes();
        buffer[..HEADER].copy_from_slice(&[libc::AF_UNSPEC as u8, libc::NFNETLINK_V0 as u8, high, low]);
        self.attributes().as_slice().emit(&mut buffer[HEADER..]);
    }
}

/// What the kernel says of a packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Packet(PacketId);

impl NetlinkDeserializable for Packet {
    type Error = DecodeError;

    fn deserialize(header: &NetlinkHeader, payload: &[u8]) -> Result<Self, DecodeError> {
        if header.message_type != message_type(libc::NFQNL_MSG_PACKET) {
            return Err("not about a packet of a queue".to_owned().into());
        }
        for attribute in NlasIterator::new(payload.get(HEADER..).unwrap_or_default()) {
            let attribute = attribute?;
            // struct nfqnl_msg_packet_hdr begins with the packet's number.
            if attribute.kind() == libc::NFQA_PACKET_HDR as u16
                && let Some(id) = attribute.value().first_chunk()
            {
                return Ok(Self(PacketId(u32::from_be_bytes(*id))));
            }
        }
        Err("a packet without a number".to_owned().into())
    }
}

/// Netfilter's messages have their subsystem in the upper byte of their type.
fn message_type(kind: libc::c_int) -> u16 {
    (libc::NFNL_SUBSYS_QUEUE << 8 | kind) as u16
}
