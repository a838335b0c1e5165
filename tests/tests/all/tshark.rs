//! tshark decrypts the captures of a run with the keys in them.

use std::{path::Path, process::Command};

use tests::{has, labs::OwnLabs, may_make_labs, text};

/// These fields of the packets that match a filter, one line per packet, according to tshark.
fn tshark(file: &Path, filter: &str, fields: &[&str]) -> Vec<String> {
    let mut tshark = Command::new("tshark");
    tshark.arg("-r").arg(file).args(["-d", "tcp.port==8080,tls", "-Y", filter, "-T", "fields", "-E", "separator=|"]);
    for field in fields {
        tshark.args(["-e", field]);
    }
    // Only the keys in the file.
    tshark.args(["-o", "tls.keylog_file:"]).env("HOME", "/nonexistent").env_remove("SSLKEYLOGFILE");
    let output = tshark.output().expect("tshark runs");
    assert!(output.status.success(), "{}", text(&output));
    String::from_utf8(output.stdout).expect("text").lines().map(str::to_owned).collect()
}

#[test]
fn tshark_decrypts_the_request_inside_leg_2_with_the_keys_in_the_file() {
    if !may_make_labs() || !has("tshark") {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let captures = folder.path().to_str().unwrap();
    OwnLabs::new().done(&["run", "strict", "--data-plane", "native", "--pcap", captures]);
    for mesh in ["textbook", "istio"] {
        let file = folder.path().join(format!("strict-{mesh}-native.pcapng"));
        // On the wire there is TLS, and inside it the request that the app wrote in plaintext.
        let requests = tshark(
            &file,
            "tls && http.request && ip.dst == 10.244.0.4",
            &["ip.src", "tcp.dstport", "http.request.method", "http.host"],
        );
        // It is in the file twice, as captured in both pods: tshark decrypts the first copy.
        assert_eq!(requests, ["10.244.0.2|8080|GET|server:8080"], "{mesh}");
        let responses = tshark(&file, "tls && http.response && ip.src == 10.244.0.4", &["http.response.code"]);
        assert_eq!(responses, ["200"], "{mesh}");
        let certificates = tshark(&file, "tls.handshake.type == 11 && ip", &["x509ce.uniformResourceIdentifier"]);
        for account in ["client", "server"] {
            let identity = format!("spiffe://cluster.local/ns/default/sa/{account}");
            assert!(certificates.contains(&identity), "{mesh}: {identity} among {certificates:?}");
        }
    }
}

/// The decrypted contents of a TCP connection in the order of sending, the client first.
fn inside_tls(file: &Path, stream: &str) -> Vec<Vec<u8>> {
    let mut tshark = Command::new("tshark");
    tshark.arg("-r").arg(file).args(["-d", "tcp.port==8443,tls", "-q", "-z", &format!("follow,tls,raw,{stream}")]);
    tshark.args(["-o", "tls.keylog_file:"]).env("HOME", "/nonexistent").env_remove("SSLKEYLOGFILE");
    let output = tshark.output().expect("tshark runs");
    assert!(output.status.success(), "{}", text(&output));
    // A line of hexadecimal digits for each record, one side's indented.
    let printed = String::from_utf8(output.stdout).expect("text");
    let digits = printed.lines().map(str::trim).filter(|line| line.bytes().all(|byte| byte.is_ascii_hexdigit()));
    let byte = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok();
    let records = digits.map(|line| line.as_bytes().chunks(2).filter_map(byte).collect());
    records.filter(|record: &Vec<u8>| !record.is_empty()).collect()
}

/// tshark decrypts one layer of TLS, which contains another.
#[test]
fn tshark_finds_the_apps_own_hello_inside_leg_2_and_the_report_has_the_cost_of_both_layers() {
    if !may_make_labs() || !has("tshark") {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let captures = folder.path().to_str().unwrap();
    let labs = OwnLabs::new();
    let report: serde_json::Value =
        serde_json::from_str(&labs.done(&["run", "double-encryption", "--pcap", captures, "-o", "json"])).unwrap();
    for mesh in ["textbook", "istio"] {
        let file = folder.path().join(format!("double-encryption-{mesh}-native.pcapng"));
        let hellos = tshark(
            &file,
            "tls.handshake.type == 1 && ip.src == 10.244.0.2 && ip.dst == 10.244.0.3 && tcp.dstport == 8443",
            &["tcp.stream", "tls.handshake.extensions_server_name"],
        );
        let (stream, outer) = hellos[0].split_once('|').unwrap();
        assert_eq!(outer, "outbound_.8443_._.server.default.svc.cluster.local", "{mesh}");
        let inside = inside_tls(&file, stream);
        // A handshake record with a ClientHello with the app's SNI.
        assert_eq!((inside[0][0], inside[0][5]), (0x16, 1), "{mesh}");
        assert!(inside[0].windows(6).any(|name| name == b"server"), "{mesh}");
        let request = inside.concat().windows(4).any(|bytes| bytes == b"GET ");
        assert!(!request, "{mesh}: what is inside is TLS, not the request");
    }
    let probes = report["probes"].as_array().unwrap();
    for probe in probes.iter().filter(|probe| probe["probe"].as_str().unwrap().starts_with("TLS to")) {
        let legs = probe["native"]["legs"].as_array().unwrap();
        assert_eq!(legs[1]["layers"], serde_json::json!(["mtls", "tls", "http/1.1"]));
        let cost = &probe["native"]["evidence"]["costs"]["2"];
        let bytes = |value: &serde_json::Value| value.as_u64().unwrap();
        let mut carried = bytes(&cost["wire_bytes"]);
        for layer in cost["layers"].as_array().unwrap() {
            let of = |part: &str| bytes(&layer[part]);
            assert_eq!(of("handshake_bytes") + of("overhead_bytes") + of("payload_bytes"), carried, "{cost}");
            carried = of("payload_bytes");
        }
        assert!(bytes(&cost["inside_bytes"]) * 5 < bytes(&cost["wire_bytes"]), "{cost}");
    }
}
