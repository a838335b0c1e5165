//! The TLS that a gateway terminates (`BuildListenerTLSContext` in `pilot/pkg/networking/core/listener.go`).

use std::collections::BTreeSet;

use envoy_api::{
    CertificateValidationContext, CommonTlsContext, DownstreamTlsContext, StringMatcher, TlsParameters, TlsProtocol,
    TransportSocket, TrustChainVerification,
};

use super::terminates_tcp;
use crate::{
    compile::{
        Compiler,
        client_tls::{certificate_secret, roots_secret},
        names,
    },
    model::{Server, ServerMaterial, ServerTls, ServerTlsMode, TlsFloor, is_cipher_suite},
};

impl Compiler<'_> {
    pub(super) fn gateway_tls(&mut self, server: &Server, tls: &ServerTls) -> TransportSocket {
        let common = match tls.mode {
            ServerTlsMode::IstioMutual => self.of_mesh(server, tls),
            _ => self.of_user(tls),
        };
        let requires = matches!(tls.mode, ServerTlsMode::Mutual | ServerTlsMode::IstioMutual);
        TransportSocket::downstream_tls(DownstreamTlsContext {
            common_tls_context: common,
            require_client_certificate: Some(requires),
            disable_stateless_session_resumption: !self.options().resumption,
            disable_stateful_session_resumption: !self.options().resumption,
        })
    }

    /// The proxy's own certificate, against the mesh's root.
    fn of_mesh(&self, server: &Server, tls: &ServerTls) -> CommonTlsContext {
        let alpn: &[&str] = match terminates_tcp(server) {
            true => &["istio-peer-exchange", "h2", "http/1.1"],
            false => HTTP,
        };
        CommonTlsContext {
            tls_certificate_sds_secret_configs: vec![self.secret(names::SVID_SECRET)],
            combined_validation_context: Some(self.checked_against(names::ROOT_SECRET, checks(tls))),
            alpn_protocols: strings(alpn),
            ..self.base_context(&[])
        }
    }

    /// The user's certificate, and with MUTUAL and OPTIONAL_MUTUAL the user's roots.
    fn of_user(&mut self, tls: &ServerTls) -> CommonTlsContext {
        let ServerMaterial { certificate_name, certificate, key, roots_name, roots } =
            self.mesh.server_material(self.index, tls);
        let mut context = CommonTlsContext { alpn_protocols: strings(HTTP), ..self.user_context() };
        if let Some(parameters) = &mut context.tls_params {
            self.settings(tls, parameters);
        }
        context.tls_certificate_sds_secret_configs = vec![self.secret(&certificate_name)];
        let secret = certificate_secret(&certificate_name, &certificate, &key);
        self.secrets.insert(certificate_name, secret);
        if let Some(roots) = roots {
            context.combined_validation_context = Some(self.checked_against(&roots_name, checks(tls)));
            let secret = roots_secret(&roots_name, &roots);
            self.secrets.insert(roots_name, secret);
        } else if !tls.subject_alt_names.is_empty() && tls.is_by_secret() {
            context.validation_context = Some(checks(tls));
        }
        context
    }

    /// `applyDownstreamTLSDefaults` and `applyServerTLSSettings`.
    fn settings(&self, tls: &ServerTls, parameters: &mut TlsParameters) {
        let defaults = &self.mesh.config.tls_defaults;
        if defaults.floor == TlsFloor::Tls13 {
            parameters.tls_minimum_protocol_version = Some(TlsProtocol::V1_3);
        }
        // There is nothing below 1.2 here.
        let version = |text: &Option<String>| match text.as_deref() {
            Some("TLSV1_3") => Some(TlsProtocol::V1_3),
            Some("TLSV1_2" | "TLSV1_1" | "TLSV1_0") => Some(TlsProtocol::V1_2),
            _ => None,
        };
        if let Some(least) = version(&tls.min_protocol_version) {
            parameters.tls_minimum_protocol_version = Some(least);
        }
        if let Some(most) = version(&tls.max_protocol_version) {
            parameters.tls_maximum_protocol_version = Some(most);
        }
        if !tls.cipher_suites.is_empty() {
            // `FilterCipherSuites` in `pkg/config/security/security.go`.
            let mut seen = BTreeSet::new();
            let known = tls.cipher_suites.iter().filter(|suite| is_cipher_suite(suite) && seen.insert(*suite));
            parameters.cipher_suites = known.cloned().collect();
        }
        if !tls.ecdh_curves.is_empty() {
            parameters.ecdh_curves.clone_from(&tls.ecdh_curves);
        }
    }
}

const HTTP: &[&str] = &["h2", "http/1.1"];

/// What a client's certificate must have besides a chain to the roots.
fn checks(tls: &ServerTls) -> CertificateValidationContext {
    let accepts_any = tls.insecure_skip_verify == Some(true);
    CertificateValidationContext {
        match_subject_alt_names: tls.subject_alt_names.iter().map(|name| StringMatcher::exact(name.as_str())).collect(),
        trust_chain_verification: accepts_any.then_some(TrustChainVerification::AcceptUntrusted),
        ..CertificateValidationContext::default()
    }
}

fn strings(values: &[&str]) -> Vec<String> {
    values.iter().map(|&value| value.into()).collect()
}
