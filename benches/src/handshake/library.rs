//! A lower bound for handshakes: rustls with its own verifiers, and none of our code.

use std::sync::Arc;

use mesh::ca::Svid;
use rustls::{
    ClientConfig, RootCertStore, ServerConfig,
    client::Resumption,
    crypto::{CryptoProvider, aws_lc_rs},
    pki_types::{CertificateDer, PrivateKeyDer, ServerName, pem::PemObject},
    server::{NoServerSessionStorage, WebPkiClientVerifier},
};

use super::{Ends, Group, HOST, Kind};

/// Configurations with the same parameters as the proxy's contexts.
pub(super) fn ends(kind: Kind, root_pem: &str, [client, server]: &[Svid; 2]) -> Ends {
    let group = match kind.group {
        Group::X25519 => aws_lc_rs::kx_group::X25519,
        Group::PostQuantum => aws_lc_rs::kx_group::X25519MLKEM768,
    };
    let provider = Arc::new(CryptoProvider {
        cipher_suites: vec![aws_lc_rs::cipher_suite::TLS13_AES_128_GCM_SHA256],
        kx_groups: vec![group],
        ..aws_lc_rs::default_provider()
    });
    let mut roots = RootCertStore::empty();
    roots.add(certificate(root_pem)).expect("a root");
    let roots = Arc::new(roots);

    let builder = ClientConfig::builder_with_provider(provider.clone())
        .with_protocol_versions(&[&rustls::version::TLS13])
        .expect("the suite is of TLS 1.3")
        .with_root_certificates(roots.clone());
    let mut client = match kind.mutual {
        true => builder.with_client_auth_cert(vec![certificate(&client.chain_pem)], key(client)).expect("a pair"),
        false => builder.with_no_client_auth(),
    };
    let verifier = WebPkiClientVerifier::builder_with_provider(roots, provider.clone()).build().expect("a verifier");
    let builder = ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13])
        .expect("the suite is of TLS 1.3");
    let builder = match kind.mutual {
        true => builder.with_client_cert_verifier(verifier),
        false => builder.with_no_client_auth(),
    };
    let mut server = builder.with_single_cert(vec![certificate(&server.chain_pem)], key(server)).expect("a pair");
    server.session_storage = Arc::new(NoServerSessionStorage {});
    if kind.resumed {
        server.ticketer = aws_lc_rs::Ticketer::new().expect("keys for tickets");
    } else {
        client.resumption = Resumption::disabled();
        server.send_tls13_tickets = 0;
    }
    let name = ServerName::try_from(HOST).expect("a name");
    Ends { client: Arc::new(client), server: Arc::new(server), name }
}

fn certificate(pem: &str) -> CertificateDer<'static> {
    CertificateDer::from_pem_slice(pem.as_bytes()).expect("a certificate")
}

fn key(svid: &Svid) -> PrivateKeyDer<'static> {
    PrivateKeyDer::from_pem_slice(svid.key_pem.as_bytes()).expect("a key")
}
