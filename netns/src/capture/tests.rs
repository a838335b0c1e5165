use std::net::UdpSocket;

use nix::sched::{CloneFlags, unshare};
use pretty_assertions::assert_eq;

use super::*;
use crate::namespace::on_fresh_thread;

fn reader(socket: OwnedFd) -> Reader {
    Reader {
        sockets: vec![socket],
        wake: Arc::new(EventFd::new().unwrap()),
        asked: mpsc::channel().1,
        packets: Vec::new(),
        dropped: vec![0],
        buffer: vec![0; LONGEST],
    }
}

#[test]
fn packets_that_do_not_fit_are_counted() {
    if !nix::unistd::geteuid().is_root() {
        assert!(std::env::var("CI").as_deref() != Ok("true"), "packet sockets need root");
        eprintln!("skipped: packet sockets need root");
        return;
    }
    on_fresh_thread(|| {
        unshare(CloneFlags::CLONE_NEWNET).unwrap();
        crate::netlink::Netlink::open("test")?.set_up(Link::LOOPBACK)?;
        let socket = open("lo")?;
        nix::sys::socket::setsockopt(&socket, sockopt::RcvBuf, &0).unwrap();
        let sender = UdpSocket::bind("127.0.0.1:0").unwrap();
        const SENT: u64 = 100;
        for _ in 0..SENT {
            sender.send_to(&[0; 1000], sender.local_addr().unwrap()).unwrap();
        }
        let mut reader = reader(socket);
        reader.drain(0);
        let (packets, dropped) = reader.seen();
        assert!(dropped[0] > 0);
        assert_eq!(packets.len() as u64 + dropped[0], SENT);
        Ok(())
    })
    .unwrap();
}
