use super::*;

fn params(suites: &[&str], groups: &[&str]) -> TlsParameters {
    TlsParameters {
        cipher_suites: suites.iter().map(ToString::to_string).collect(),
        ecdh_curves: groups.iter().map(ToString::to_string).collect(),
        ..TlsParameters::default()
    }
}

#[test]
fn a_client_is_limited_to_tls_1_2_by_default() {
    assert_eq!(versions(&TlsParameters::default(), Side::Client).unwrap(), [&TLS12]);
    assert_eq!(versions(&TlsParameters::default(), Side::Server).unwrap(), [&TLS13, &TLS12]);
}

#[test]
fn a_minimum_version_above_the_maximum_is_refused() {
    let params = TlsParameters { tls_minimum_protocol_version: Some(TlsProtocol::V1_3), ..TlsParameters::default() };
    assert!(versions(&params, Side::Client).unwrap_err().to_string().contains("tls_maximum_protocol_version"));
}

#[test]
fn istios_list_of_suites_is_accepted_without_those_that_rustls_lacks() {
    let istio = ["ECDHE-ECDSA-AES256-GCM-SHA384", "ECDHE-RSA-AES128-GCM-SHA256", "AES256-GCM-SHA384"];
    let provider = provider(&params(&istio, &["P-256"])).unwrap();
    let names: Vec<_> = provider.cipher_suites.iter().map(|suite| openssl_name(suite.suite())).collect();
    assert_eq!(
        names,
        [
            "TLS_AES_128_GCM_SHA256",
            "TLS_AES_256_GCM_SHA384",
            "TLS_CHACHA20_POLY1305_SHA256",
            "ECDHE-ECDSA-AES256-GCM-SHA384",
            "ECDHE-RSA-AES128-GCM-SHA256"
        ]
    );
    assert_eq!(provider.kx_groups.len(), 1);
}

#[test]
fn an_unknown_suite_or_group_is_named() {
    assert!(provider(&params(&["RC4"], &[])).unwrap_err().to_string().contains("\"RC4\""));
    assert!(provider(&params(&[], &["P-1"])).unwrap_err().to_string().contains("\"P-1\""));
}
