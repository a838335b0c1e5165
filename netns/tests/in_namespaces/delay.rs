//! Latency between the pods of a lab.

use std::{
    io::{Read, Write},
    net::{IpAddr, SocketAddr, TcpListener, TcpStream, UdpSocket},
    process::Command,
    thread,
    time::{Duration, Instant},
};

use netns::{Error, Family, Lab, Pod};
use nix::sys::socket::{setsockopt, sockopt};
use pretty_assertions::assert_eq;

use crate::common::{PATIENCE, call, lab, pod, serve_once, v4, v6};

const ONE_WAY: Duration = Duration::from_millis(5);

fn client_and_server(lab: &Lab) -> (Pod, Pod) {
    let mut pods = lab.add_pods([pod("client", 2), pod("server", 3)]).unwrap();
    let server = pods.remove(1);
    (pods.remove(0), server)
}

/// Two sockets. The second one's buffer holds everything that the first sends.
fn datagrams(client: &Pod, server: &Pod, address: IpAddr) -> (UdpSocket, UdpSocket) {
    let to = server.enter(|| UdpSocket::bind((address, 0))).unwrap().unwrap();
    setsockopt(&to, sockopt::RcvBufForce, &(64 << 20)).unwrap();
    to.set_read_timeout(Some(PATIENCE)).unwrap();
    let any: IpAddr = if address.is_ipv4() { "0.0.0.0" } else { "::" }.parse().unwrap();
    let from = client.enter(|| UdpSocket::bind((any, 0))).unwrap().unwrap();
    from.connect(to.local_addr().unwrap()).unwrap();
    (from, to)
}

/// Rules and queues in the node that delay packets.
fn traces(lab: &Lab) -> Vec<String> {
    lab.enter_node(|| {
        let mut traces = std::fs::read_to_string("/proc/thread-self/net/netfilter/nfnetlink_queue").unwrap();
        for family in Family::ALL {
            let save = family.restore_tool().replace("restore", "save");
            traces.push_str(&String::from_utf8(Command::new(save).output().unwrap().stdout).unwrap());
        }
        let holds = |line: &&str| line.contains("NFQUEUE") || line.trim_start().starts_with('0');
        traces.lines().filter(holds).map(str::to_owned).collect()
    })
    .unwrap()
}

#[test]
fn a_round_trip_takes_no_less_than_requested() {
    let Some(lab) = lab() else { return };
    let (client, server) = client_and_server(&lab);
    let delay = lab.delay(ONE_WAY).unwrap();
    for address in [IpAddr::V4(v4(3)), v6(3).into()] {
        let listener = server.enter(|| TcpListener::bind((address, 0))).unwrap().unwrap();
        let to = listener.local_addr().unwrap();
        let echo = thread::spawn(move || {
            let mut stream = listener.accept().unwrap().0;
            let mut received = [0; 5];
            stream.read_exact(&mut received).unwrap();
            stream.write_all(&received).unwrap();
        });
        let begun = Instant::now();
        let mut stream = client.enter(|| TcpStream::connect_timeout(&to, PATIENCE)).unwrap().unwrap();
        let connected = begun.elapsed();
        assert!(connected >= 2 * ONE_WAY, "connecting to {to} took {connected:?}");
        let begun = Instant::now();
        stream.write_all(b"hello").unwrap();
        stream.read_exact(&mut [0; 5]).unwrap();
        let answered = begun.elapsed();
        assert!(answered >= 2 * ONE_WAY, "an answer of {to} took {answered:?}");
        echo.join().unwrap();
        eprintln!("requested {:?}: connecting took {connected:?}, an answer {answered:?}", 2 * ONE_WAY);
    }
    assert_eq!(delay.lost().unwrap(), 0);
}

#[test]
fn no_datagram_is_lost_or_overtaken() {
    const NUMBER: u32 = 5_000;
    let Some(lab) = lab() else { return };
    let (client, server) = client_and_server(&lab);
    let delay = lab.delay(ONE_WAY).unwrap();
    for address in [IpAddr::V4(v4(3)), v6(3).into()] {
        let (from, to) = datagrams(&client, &server, address);
        for number in 0..NUMBER {
            from.send(&number.to_be_bytes()).unwrap();
        }
        let mut received = [0; 4];
        let arrived = (0..NUMBER).map(|_| to.recv(&mut received).map(|_| u32::from_be_bytes(received)).unwrap());
        assert!(arrived.eq(0..NUMBER), "some were overtaken");
    }
    assert_eq!(delay.lost().unwrap(), 0);
}

#[test]
fn a_long_transfer_arrives_whole() {
    const BYTES: usize = 64 << 20;
    let Some(lab) = lab() else { return };
    let (client, server) = client_and_server(&lab);
    let delay = lab.delay(Duration::from_millis(1)).unwrap();
    let pattern = |at: usize| (at % 251) as u8;
    for address in [IpAddr::V4(v4(3)), v6(3).into()] {
        let listener = server.enter(|| TcpListener::bind((address, 0))).unwrap().unwrap();
        let to = listener.local_addr().unwrap();
        let sender = thread::spawn(move || {
            let bytes: Vec<u8> = (0..BYTES).map(pattern).collect();
            listener.accept().unwrap().0.write_all(&bytes).unwrap();
        });
        let mut stream = client.enter(|| TcpStream::connect_timeout(&to, PATIENCE)).unwrap().unwrap();
        let begun = Instant::now();
        let mut arrived = Vec::with_capacity(BYTES);
        stream.read_to_end(&mut arrived).unwrap();
        eprintln!("{} MiB took {:?}", BYTES >> 20, begun.elapsed());
        sender.join().unwrap();
        assert_eq!(arrived.len(), BYTES);
        assert!(arrived.iter().enumerate().all(|(at, byte)| *byte == pattern(at)));
    }
    assert_eq!(delay.lost().unwrap(), 0);
}

#[test]
fn dropping_a_delay_releases_queued_packets_at_once() {
    let Some(lab) = lab() else { return };
    let (client, server) = client_and_server(&lab);
    let way = Duration::from_secs(10);
    let delay = lab.delay(way).unwrap();
    let (from, to) = datagrams(&client, &server, v4(3).into());
    let begun = Instant::now();
    for number in 0..100 {
        from.send(&[number]).unwrap();
    }
    drop(delay);
    let mut received = [0; 1];
    let arrived: Vec<u8> = (0..100).map(|_| to.recv(&mut received).map(|_| received[0]).unwrap()).collect();
    assert_eq!(arrived, (0..100).collect::<Vec<u8>>());
    assert!(begun.elapsed() < way, "they waited to the end: {:?}", begun.elapsed());
}

#[test]
fn dropping_a_delay_leaves_no_rule_and_no_queue() {
    let Some(lab) = lab() else { return };
    let (client, server) = client_and_server(&lab);
    let before = traces(&lab);
    assert_eq!(before, Vec::<String>::new());
    for _ in 0..2 {
        let delay = lab.delay(ONE_WAY).unwrap();
        // A queue, and a rule for each IP version.
        assert_eq!(traces(&lab).len(), 3, "{:?}", traces(&lab));
        drop(delay);
        assert_eq!(traces(&lab), before);
        let (address, served): (SocketAddr, _) = serve_once(&server, v4(3).into());
        assert_eq!(call(&client, address).unwrap(), "server");
        served.join().unwrap();
    }
}

#[test]
fn a_second_delay_and_one_over_the_limit_are_refused() {
    let Some(lab) = lab() else { return };
    let delay = lab.delay(ONE_WAY).unwrap();
    let error = lab.delay(ONE_WAY).unwrap_err();
    assert_eq!(error.to_string(), "a delay: this lab's packets are delayed already; drop the first delay before");
    assert_eq!(traces(&lab).len(), 3, "the first one stays");
    drop(delay);
    let error = lab.delay(Duration::MAX).unwrap_err();
    assert!(matches!(error, Error::BadSpec { .. }), "{error}");
    assert!(error.to_string().ends_with(": the limit is 10s"), "{error}");
    drop(lab.delay(ONE_WAY).unwrap());
}

#[test]
fn removing_a_lab_removes_its_delay() {
    let Some(lab) = lab() else { return };
    let delay = lab.delay(ONE_WAY).unwrap();
    lab.remove().unwrap();
    assert!(delay.lost().is_err());
}
