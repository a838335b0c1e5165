//! Starting and stopping the program.

use std::{
    fs::File,
    io::{Read as _, Write as _},
    net::SocketAddr,
    path::Path,
    process::Command,
};

use crate::support::{
    PROGRAM, Proxy, bootstrap, cluster, folder, listener, loopback, resources, run,
    tcp::{connect, echo, ping},
    tcp_chain, until, write,
};
use serde_json::{Value, json};

/// Writes a bootstrap with these listeners and one cluster. Returns its path.
fn configured(folder: &Path, listeners: &[Value]) -> String {
    resources(folder, "lds.json", listeners);
    resources(folder, "cds.json", &[cluster("c", (loopback(), 8080).into())]);
    write(folder, "bootstrap.json", &bootstrap(folder).to_string()).to_str().unwrap().to_owned()
}

fn refused(arguments: &[&str]) -> String {
    let ended = run(arguments);
    let message = String::from_utf8(ended.stderr).unwrap();
    assert_eq!(ended.status.code(), Some(2), "{message}");
    message
}

#[test]
fn an_unsupported_field_is_reported_with_its_file_and_path() {
    let files = folder();
    let mut odd = listener("l", (loopback(), 15001).into(), &tcp_chain(files.path(), "c", ""));
    odd["no_such_field"] = json!(true);
    let message = refused(&["-c", &configured(files.path(), &[odd])]);
    assert!(message.contains("lds.json") && message.contains("no_such_field"), "{message}");
}

#[test]
fn a_port_in_use_is_reported_with_its_listener() {
    let (files, address) = (folder(), SocketAddr::from((loopback(), 15001)));
    let _taken = std::net::TcpListener::bind(address).unwrap();
    let config = configured(files.path(), &[listener("inbound", address, &tcp_chain(files.path(), "c", ""))]);
    let message = refused(&["-c", &config]);
    assert!(message.contains("\"inbound\"") && message.contains(&address.to_string()), "{message}");
}

#[test]
fn a_missing_bootstrap_is_reported() {
    assert!(refused(&["-c", "/no/such/file"]).contains("/no/such/file"));
}

#[test]
fn a_file_with_the_wrong_type_of_resource_is_reported() {
    let files = folder();
    let config = configured(files.path(), &[cluster("c", (loopback(), 1).into())]);
    let message = refused(&["-c", &config]);
    assert!(message.contains("lds.json: resources[0]: a Cluster was not expected here"), "{message}");
}

#[test]
fn validating_reads_every_file_and_binds_nothing() {
    let (files, address) = (folder(), SocketAddr::from((loopback(), 15001)));
    let _taken = std::net::TcpListener::bind(address).unwrap();
    let chain = tcp_chain(files.path(), "c", "");
    let config = configured(files.path(), &[listener("l", address, &chain)]);
    assert!(run(&["-c", &config, "--mode", "validate"]).status.success());
    let mut no_filter = chain;
    no_filter["filters"] = json!([]);
    let config = configured(files.path(), &[listener("l", address, &no_filter)]);
    let message = refused(&["-c", &config, "--mode", "validate"]);
    assert!(message.contains("resources[0] (l).filter_chains[0].filters"), "{message}");
}

#[test]
fn without_a_drain_time_sigterm_ends_connections_at_once_and_logs_them() {
    let ip = loopback();
    let (app, address) = ((ip, 8080).into(), (ip, 15001).into());
    echo(app);
    let files = folder();
    let chain = tcp_chain(files.path(), "c", "%BYTES_RECEIVED% bytes");
    resources(files.path(), "lds.json", &[listener("l", address, &chain)]);
    resources(files.path(), "cds.json", &[cluster("c", app)]);
    let proxy = Proxy::start(files, &["-l", "warning"]);
    let mut open = connect(address);
    ping(&mut open, b"four");
    assert_eq!(proxy.log(), ["4 bytes"]);
}

#[test]
fn with_a_drain_time_open_connections_may_finish_after_sigterm() {
    let ip = loopback();
    let (app, address) = ((ip, 8080).into(), (ip, 15001).into());
    echo(app);
    let files = folder();
    resources(files.path(), "lds.json", &[listener("l", address, &tcp_chain(files.path(), "c", ""))]);
    resources(files.path(), "cds.json", &[cluster("c", app)]);
    let mut proxy = Proxy::start(files, &["-l", "warning", "--drain-time-s", "10"]);
    let mut open = connect(address);
    ping(&mut open, b"before");
    proxy.signal_term();
    until("it no longer listens", || std::net::TcpStream::connect(address).is_err());
    ping(&mut open, b"after");
    drop(open);
    assert!(proxy.wait().success());
}

#[test]
fn session_secrets_are_logged_as_configured() {
    let ip = loopback();
    let (app, inbound, address) = ((ip, 8080).into(), (ip, 15006).into(), (ip, 15001).into());
    echo(app);
    let (mesh, files) = (crate::support::Mesh::new(), folder());
    mesh.secrets(files.path(), "spiffe://cluster.local/ns/default/sa/both");
    let keys = files.path().join("keys.log");
    let mut chain = tcp_chain(files.path(), "app", "");
    chain["transport_socket"] = crate::support::Mesh::downstream(files.path(), "spiffe://");
    chain["transport_socket"]["typed_config"]["common_tls_context"]["key_log"] = json!({"path": keys});
    let mut to_self = cluster("self", inbound);
    to_self["transport_socket"] = crate::support::Mesh::upstream(files.path(), "spiffe://");
    let outbound = listener("outbound", address, &tcp_chain(files.path(), "self", ""));
    resources(files.path(), "lds.json", &[listener("inbound", inbound, &chain), outbound]);
    resources(files.path(), "cds.json", &[cluster("app", app), to_self]);
    let _proxy = Proxy::start(files, &["-l", "warning"]);
    ping(&mut connect(address), b"secret");
    let logged = std::fs::read_to_string(keys).unwrap();
    for label in ["CLIENT_HANDSHAKE_TRAFFIC_SECRET", "SERVER_TRAFFIC_SECRET_0", "CLIENT_TRAFFIC_SECRET_0"] {
        assert!(logged.lines().any(|line| line.starts_with(label) && line.split(' ').count() == 3), "{logged}");
    }
}

#[test]
fn failing_to_write_to_standard_error_prevents_neither_start_nor_reload() {
    let ip = loopback();
    let (app, address) = ((ip, 8080).into(), (ip, 15001).into());
    echo(app);
    let files = folder();
    resources(files.path(), "lds.json", &[listener("l", address, &tcp_chain(files.path(), "c", ""))]);
    resources(files.path(), "cds.json", &[cluster("c", app)]);
    let mut command = Command::new(PROGRAM);
    command.stderr(File::options().write(true).open("/dev/full").unwrap());
    let proxy = Proxy::start_as(command, files, &["-l", "info"]);
    ping(&mut connect(address), b"started");
    proxy.replace("lds.json", &[json!({"no": "listener"})], "listener_manager.lds.update_rejected");
    ping(&mut connect(address), b"refused");
    proxy.replace("cds.json", &[cluster("c", app), cluster("d", app)], "cluster_manager.cds.update_success");
    ping(&mut connect(address), b"followed");
}

#[test]
fn a_full_disk_loses_access_log_lines_but_no_connection() {
    let ip = loopback();
    let (app, address) = ((ip, 8080).into(), (ip, 15001).into());
    echo(app);
    let files = folder();
    let mut chain = tcp_chain(files.path(), "c", "line");
    chain["filters"][0]["typed_config"]["access_log"][0]["typed_config"]["path"] = json!("/dev/full");
    resources(files.path(), "lds.json", &[listener("l", address, &chain)]);
    resources(files.path(), "cds.json", &[cluster("c", app)]);
    let mut command = Command::new(PROGRAM);
    command.stderr(File::options().write(true).open("/dev/full").unwrap());
    let proxy = Proxy::start_as(command, files, &[]);
    for _ in 0..20 {
        ping(&mut connect(address), b"served");
    }
    proxy.wait_for("sidelab.access_log_lines_lost", 20);
    assert!(proxy.stat("filesystem.write_failed") > 0);
}

#[test]
fn a_limit_of_file_size_loses_access_log_lines_but_not_the_proxy() {
    let ip = loopback();
    let (app, address) = ((ip, 8080).into(), (ip, 15001).into());
    echo(app);
    let files = folder();
    resources(files.path(), "lds.json", &[listener("l", address, &tcp_chain(files.path(), "c", &"x".repeat(300)))]);
    resources(files.path(), "cds.json", &[cluster("c", app)]);
    let proxy = Proxy::start_limited("-f 1", files, &[]);
    until("lines are lost", || {
        ping(&mut connect(address), b"served");
        proxy.stat("sidelab.access_log_lines_lost") > 0
    });
    ping(&mut connect(address), b"goes on");
}

#[test]
fn a_proxy_without_descriptors_reports_it_at_ready_and_accepts_again_later() {
    let ip = loopback();
    let (app, address) = ((ip, 8080).into(), (ip, 15001).into());
    echo(app);
    let files = folder();
    resources(files.path(), "lds.json", &[listener("l", address, &tcp_chain(files.path(), "c", ""))]);
    resources(files.path(), "cds.json", &[cluster("c", app)]);
    let proxy = Proxy::start_limited("-n 64", files, &["--concurrency", "1", "-l", "warning"]);
    let mut admin = proxy.admin_connection(); // there will be no descriptor for another
    let mut ready = || {
        admin.write_all(b"GET /ready HTTP/1.1\r\nhost: admin\r\n\r\n").unwrap();
        let mut answer = Vec::new();
        while !answer.ends_with(b"\n") || answer.ends_with(b"\r\n") {
            let mut byte = [0];
            admin.read_exact(&mut byte).unwrap();
            answer.push(byte[0]);
        }
        String::from_utf8(answer).unwrap()
    };
    assert!(ready().ends_with("LIVE\n"));
    let mut open: Vec<_> = (0..100).map(|_| connect(address)).collect();
    let mut last = ready();
    until("it accepts no more", || {
        open.push(connect(address));
        last = ready();
        last.contains("NOT ACCEPTING")
    });
    assert!(last.starts_with("HTTP/1.1 503"), "{last}");
    drop(open);
    until("it is live", || ready().ends_with("LIVE\n"));
    // Those in the accept queue use descriptors until their end is noticed.
    until("all have ended", || proxy.stat("sidelab.connections_active") == 0);
    ping(&mut connect(address), b"accepted again");
    assert_eq!(proxy.stat("sidelab.accept_restarts"), 0);
    assert!(proxy.stat("sidelab.accept_failures") > 0);
}
