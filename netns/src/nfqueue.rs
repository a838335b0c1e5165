//! NFQUEUE, netfilter's queue to user space, as far as a [delay](crate::Delay) needs it: packets stay in the kernel, and only their
//! ids are read (linux/netfilter/nfnetlink_queue.h).

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

/// Receive buffer for messages that have not been read yet, in bytes. The kernel uses memory only while there are any.
const BUFFER: usize = 64 << 20;

/// How many packets the queue holds: somewhat more than 16 streams with full windows.
const LENGTH: u32 = 1 << 17;

/// Upper bound for the length of a message without packet contents, in bytes.
const LONGEST: usize = 4096;

/// Length of `struct nfgenmsg`, which follows the netlink header: family, version, and the queue's number in network order.
const HEADER: usize = 4;

/// A packet's id in its queue. Ids increase by one, and wrap around after 2^32.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct PacketId(u32);

/// A queue of the namespace in which it was bound. Dropping it drops the packets in it.
#[derive(Debug)]
pub(crate) struct Queue {
    socket: OwnedFd,
    number: u16,
    buffer: Vec<u8>,
}

impl Queue {
    /// Binds queue `number` of the calling thread's namespace.
    ///
    /// # Errors
    ///
    /// `EPERM` or `EBUSY` if another process has bound it; otherwise the kernel's error if it has no NFQUEUE.
    pub(crate) fn bind(number: u16) -> io::Result<Self> {
        let socket =
            socket(AddressFamily::Netlink, SockType::Raw, SockFlag::SOCK_CLOEXEC, SockProtocol::NetlinkNetFilter)?;
        crate::socket::hold(&socket, BUFFER)?;
        bind(socket.as_raw_fd(), &NetlinkAddr::new(0, 0))?;
        let mut queue = Self { socket, number, buffer: vec![0; LONGEST] };
        queue.send(&Request::Bind { queue: number, length: LENGTH })?;
        // No rule sends packets here yet, so the first message is the answer.
        match queue.receive(MsgFlags::empty())?.payload {
            NetlinkPayload::Error(answer) if answer.code.is_some() => Err(answer.to_io()),
            _ => Ok(queue),
        }
    }

    /// The next queued packet; `None` if there is none yet.
    pub(crate) fn next(&mut self) -> io::Result<Option<PacketId>> {
        loop {
            match self.receive(MsgFlags::MSG_DONTWAIT) {
                Ok(NetlinkMessage { payload: NetlinkPayload::InnerMessage(Packet(id)), .. }) => return Ok(Some(id)),
                // An ACK that no packet matched the verdict: the kernel drops queued packets when an interface is removed.
                Ok(_) => {}
                Err(error) => match error.raw_os_error().map(Errno::from_raw) {
                    Some(Errno::EAGAIN) => return Ok(None),
                    // ENOBUFS: the buffer overflowed. The kernel has dropped packets, and counted them.
                    Some(Errno::EINTR | Errno::ENOBUFS) => {}
                    _ => return Err(error),
                },
            }
        }
    }

    /// Accepts all queued packets up to and including `last`.
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

/// A message to the kernel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Request {
    /// Binds `queue`, with room for `length` packets. Only ids are copied to user space, and GSO packets are not segmented.
    Bind { queue: u16, length: u32 },
    /// Accepts every packet up to and including `last`.
    AcceptUpTo { queue: u16, last: PacketId },
}

impl Request {
    fn to_bytes(self) -> Vec<u8> {
        let mut message = NetlinkMessage::new(NetlinkHeader::default(), NetlinkPayload::InnerMessage(self));
        message.header.flags = match self {
            Self::Bind { .. } => NLM_F_REQUEST | NLM_F_ACK,
            // Errors are reported even without NLM_F_ACK.
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
                // struct nfqnl_msg_config_cmd: command, padding, a protocol family that the kernel ignores.
                let command = [libc::NFQNL_CFG_CMD_BIND as u8, 0, 0, 0];
                // struct nfqnl_msg_config_params: how many bytes of each packet to copy, and the copy mode.
                let params = [&be(0)[..], &[libc::NFQNL_COPY_META as u8]].concat();
                // GSO packets stay whole; a full queue drops packets rather than letting them pass early.
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

/// A message from the kernel about a packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Packet(PacketId);

impl NetlinkDeserializable for Packet {
    type Error = DecodeError;

    fn deserialize(header: &NetlinkHeader, payload: &[u8]) -> Result<Self, DecodeError> {
        if header.message_type != message_type(libc::NFQNL_MSG_PACKET) {
            return Err("not a message about a queued packet".to_owned().into());
        }
        for attribute in NlasIterator::new(payload.get(HEADER..).unwrap_or_default()) {
            let attribute = attribute?;
            // struct nfqnl_msg_packet_hdr starts with the packet's id.
            if attribute.kind() == libc::NFQA_PACKET_HDR as u16
                && let Some(id) = attribute.value().first_chunk()
            {
                return Ok(Self(PacketId(u32::from_be_bytes(*id))));
            }
        }
        Err("a packet without an id".to_owned().into())
    }
}

/// Netfilter's message types have the subsystem in the upper byte.
fn message_type(kind: libc::c_int) -> u16 {
    (libc::NFNL_SUBSYS_QUEUE << 8 | kind) as u16
}
