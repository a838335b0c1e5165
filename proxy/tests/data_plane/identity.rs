//! Which clients mutual TLS accepts, and how refusals are reported. Expected texts are Envoy 1.40's.

use std::net::SocketAddr;

use crate::support::{
    Mesh, Proxy, cluster, folder, listener, loopback, resources,
    tcp::{connect, echo, end, ping},
    tcp_chain,
};
use rcgen::{CertificateParams, ExtendedKeyUsagePurpose, SanType, date_time_ymd};

const CLIENT: &str = "spiffe://cluster.local/ns/default/sa/client";

/// A proxy that connects to itself: plaintext on both outer sides, mutual TLS in between, with this client certificate.
fn calling_itself(mesh: &Mesh, certificate: &(String, String)) -> (Proxy, SocketAddr) {
    let ip = loopback();
    let (app, inbound, address) = ((ip, 8080).into(), (ip, 15006).into(), (ip, 15001).into());
    echo(app);
    let files = folder();
    mesh.secrets(files.path(), "spiffe://cluster.local/ns/default/sa/server");
    resources(files.path(), "client.json", &[Mesh::secret("client", &certificate.0, &certificate.1)]);
    let mut to_self = cluster("self", inbound);
    to_self["transport_socket"] = Mesh::upstream(files.path(), "spiffe://cluster.local/ns/default/sa/server");
    let own =
        &mut to_self["transport_socket"]["typed_config"]["common_tls_context"]["tls_certificate_sds_secret_configs"];
    own[0] = Mesh::sds(files.path(), "client");
    let mut chain = tcp_chain(files.path(), "app", "%DOWNSTREAM_PEER_URI_SAN% %DOWNSTREAM_TRANSPORT_FAILURE_REASON%");
    chain["transport_socket"] = Mesh::downstream(files.path(), "spiffe://cluster.local/");
    let outbound = listener("outbound", address, &tcp_chain(files.path(), "self", "%RESPONSE_FLAGS%"));
    resources(files.path(), "lds.json", &[listener("inbound", inbound, &chain), outbound]);
    resources(files.path(), "cds.json", &[cluster("app", app), to_self]);
    (Proxy::start(files, &["-l", "warning"]), address)
}

/// The server's log entry for a refused client, and the counter of the refusal.
fn refused(change: impl FnOnce(&mut CertificateParams)) -> (String, &'static str) {
    let mesh = Mesh::new();
    let certificate = mesh.issue(CLIENT, change);
    refused_with(&mesh, &certificate)
}

fn refused_with(mesh: &Mesh, certificate: &(String, String)) -> (String, &'static str) {
    let (proxy, address) = calling_itself(mesh, certificate);
    let _ = end(&mut connect(address)); // FIN or a reset, whichever comes first
    let counters = ["fail_verify_san", "fail_verify_error", "fail_verify_no_cert"];
    let scope = format!("listener.{}_15006.ssl", address.ip());
    // The refusal is counted on another thread than the one that ended this connection.
    let counted = proxy.wait_for_one(&counters, &scope);
    let log = proxy.log();
    let line = log.iter().find_map(|line| line.strip_prefix("- TLS_error:|268435581:SSL_routines:OPENSSL_internal:"));
    let reason = line.unwrap_or_else(|| panic!("{log:?}")).trim_end_matches(":TLS_error_end");
    (reason.trim_start_matches("CERTIFICATE_VERIFY_FAILED:verify_cert_failed:_").to_owned(), counted)
}

const VERIFY: &str = "X509_verify_cert:_certificate_verification_error_at_depth_0:_";

#[test]
fn a_client_of_the_mesh_is_accepted_with_its_identity() {
    let mesh = Mesh::new();
    let (proxy, address) = calling_itself(&mesh, &mesh.svid(CLIENT));
    ping(&mut connect(address), b"hello");
    proxy.wait_for("tcp.app.downstream_cx_total", 1);
    assert!(proxy.log().contains(&format!("{CLIENT} -")));
}

#[test]
fn an_expired_certificate_is_refused() {
    let (reason, counter) = refused(|params| {
        params.not_before = date_time_ymd(2020, 1, 1);
        params.not_after = date_time_ymd(2020, 1, 2);
    });
    assert_eq!((reason, counter), (format!("{VERIFY}certificate_has_expired"), "fail_verify_error"));
}

#[test]
fn a_certificate_that_is_not_valid_yet_is_refused() {
    let (reason, _) = refused(|params| params.not_before = date_time_ymd(2999, 1, 1));
    assert_eq!(reason, format!("{VERIFY}certificate_is_not_yet_valid"));
}

#[test]
fn a_ca_with_the_same_name_and_another_key_is_unknown() {
    let rogue = Mesh::new().issue(CLIENT, |params| params.use_authority_key_identifier_extension = true);
    let (reason, counter) = refused_with(&Mesh::new(), &rogue);
    let unknown = format!("{VERIFY}unable_to_get_local_issuer_certificate");
    assert_eq!((reason, counter), (unknown, "fail_verify_error"));
}

#[test]
fn a_signature_by_another_key_is_invalid_if_the_certificate_has_no_key_identifier() {
    let (reason, counter) = refused_with(&Mesh::new(), &Mesh::new().svid(CLIENT));
    assert_eq!((reason, counter), (format!("{VERIFY}certificate_signature_failure"), "fail_verify_error"));
}

#[test]
fn a_certificate_for_servers_only_is_refused() {
    let (reason, _) = refused(|params| params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth]);
    assert_eq!(reason, format!("{VERIFY}unsupported_certificate_purpose"));
}

#[test]
fn an_identity_in_another_trust_domain_is_refused() {
    let mesh = Mesh::new();
    let (reason, counter) = refused_with(&mesh, &mesh.svid("spiffe://other.example/ns/default/sa/client"));
    let sans = "SAN_matcher,_certificate_SANs_are_[spiffe://other.example/ns/default/sa/client]";
    assert_eq!((reason.as_str(), counter), (sans, "fail_verify_san"));
}

#[test]
fn a_certificate_without_a_uri_is_refused() {
    let dns = SanType::DnsName("client.example".try_into().unwrap());
    let (reason, _) = refused(|params| params.subject_alt_names = vec![dns]);
    assert_eq!(reason, "SAN_matcher,_certificate_SANs_are_[client.example]");
}
