//! What a capture records, and the pcapng file.

use std::{collections::BTreeMap, fs::File, process::Command};

use netns::{Capture, Direction, write_pcapng};
use pretty_assertions::assert_eq;

use crate::common::{call, lab, pod, serve_once, v4};

#[test]
fn a_capture_sees_each_packet_once_on_each_interface() {
    let Some(lab) = lab() else { return };
    let pods = lab.add_pods([pod("client", 2), pod("server", 3)]).unwrap();
    let capture = Capture::start(&pods).unwrap();
    for (to, address) in [(&pods[1], v4(3)), (&pods[0], v4(2))] {
        let (address, served) = serve_once(to, address.into());
        call(&pods[0], address).unwrap();
        served.join().unwrap();
    }
    let captured = capture.stop();

    let mut syns = BTreeMap::new();
    for packet in &captured.packets {
        let interface = &captured.interfaces[packet.interface.0];
        if is_syn(&packet.data) {
            let direction = packet.direction == Direction::Outgoing;
            *syns.entry((interface.pod.as_str(), interface.name.as_str(), direction)).or_insert(0) += 1;
        }
    }
    let expected = [(("client", "eth0", true), 1), (("client", "lo", false), 1), (("server", "eth0", false), 1)];
    assert_eq!(syns, BTreeMap::from(expected));
    assert_eq!(captured.dropped, [0; 4]);
    assert!(captured.packets.is_sorted_by_key(|packet| packet.timestamp));
    assert!(captured.packets[0].timestamp.as_secs() > 1_500_000_000, "wall-clock time");
}

/// Whether a packet is TCP over IPv4 without options, with SYN set.
fn is_syn(packet: &[u8]) -> bool {
    const IPV4: [u8; 2] = [0x08, 0x00];
    const TCP: u8 = 6;
    packet.get(12..14) == Some(&IPV4) && packet.get(14 + 9) == Some(&TCP) && packet.get(14 + 20 + 13) == Some(&0x02)
}

#[test]
fn a_running_capture_returns_each_packet_once() {
    let Some(lab) = lab() else { return };
    let pods = lab.add_pods([pod("client", 2), pod("server", 3)]).unwrap();
    let capture = Capture::start(&pods).unwrap();
    let (address, served) = serve_once(&pods[1], v4(3).into());
    call(&pods[0], address).unwrap();
    served.join().unwrap();
    assert!(!capture.take().packets.is_empty());
    let again = capture.take();
    assert_eq!((again.packets, again.dropped), (vec![], vec![0; 4]));
}

#[test]
fn wireshark_reads_the_interfaces_names_and_packets() {
    let Some(lab) = lab() else { return };
    if Command::new("tshark").arg("--version").output().is_err() {
        eprintln!("skipped: tshark is not on this host");
        return;
    }
    let pods = lab.add_pods([pod("client.default", 2), pod("server.default", 3)]).unwrap();
    let capture = Capture::start(&pods).unwrap();
    let (address, served) = serve_once(&pods[1], v4(3).into());
    call(&pods[0], address).unwrap();
    served.join().unwrap();
    let captured = capture.stop();
    let file = lab.dir().join("call.pcapng");
    write_pcapng(&mut File::create(&file).unwrap(), &captured, &["CLIENT_RANDOM 00 11\n".to_owned()]).unwrap();
    let output = Command::new("tshark")
        .args(["-r".as_ref(), file.as_os_str()])
        .args([
            "-T",
            "fields",
            "-e",
            "frame.interface_name",
            "-e",
            "frame.packet_flags_direction",
            "-e",
            "tcp.flags.str",
        ])
        .output()
        .unwrap();
    let output = String::from_utf8_lossy(&output.stdout);
    // The kernel's own multicast reports may come before the call's first packet.
    let first: Vec<&str> =
        output.lines().map(|line| line.split('\t').collect()).find(|of: &Vec<_>| !of[2].is_empty()).unwrap();
    assert_eq!(first[0], "client.default/eth0", "{output:?}");
    assert!(first[2].ends_with("S·"), "{first:?}");
    assert_eq!(output.lines().count(), captured.packets.len());
}
