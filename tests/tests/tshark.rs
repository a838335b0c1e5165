//! The captures that a run writes open in Wireshark's command line, by the keys that they hold.

use std::{path::Path, process::Command};

use tests::{has, labs::OwnLabs, may_make_labs, text};

/// What tshark finds in a file: these fields, a line for each packet that the filter lets pass.
fn tshark(file: &Path, filter: &str, fields: &[&str]) -> Vec<String> {
    let mut tshark = Command::new("tshark");
    tshark.arg("-r").arg(file).args(["-d", "tcp.port==8080,tls", "-Y", filter, "-T", "fields", "-E", "separator=|"]);
    for field in fields {
        tshark.args(["-e", field]);
    }
    // No keys but those in the file.
    tshark.args(["-o", "tls.keylog_file:"]).env("HOME", "/nonexistent").env_remove("SSLKEYLOGFILE");
    let output = tshark.output().expect("tshark runs");
    assert!(output.status.success(), "{}", text(&output));
    String::from_utf8(output.stdout).expect("text").lines().map(str::to_owned).collect()
}

#[test]
fn tshark_shows_the_request_inside_leg_2_by_the_keys_in_the_file() {
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
        // It is in the file twice, as it left one pod and as it entered the other: tshark opens what it sees first.
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
