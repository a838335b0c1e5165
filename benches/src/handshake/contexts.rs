//! The proxy's own TLS contexts, as compiled for a mesh, with secrets from the mesh's CA.

use envoy_api::{
    CertificateValidationContext, CommonTlsContext, DataSource, DownstreamTlsContext, Secret, TlsCertificate,
    TransportSocketConfig, UpstreamTlsContext,
};
use mesh::{
    SourceFile,
    ca::{Authority, Names, Svid, Validity},
};
use proxy::{
    bench,
    tls::{ClientContext, ContextStats, ServerContext},
};
use rustls::pki_types::ServerName;

use super::{Ends, HOST, Kind, library};
use crate::services::{compile_client, compile_pod, read, resolve_mesh};

/// The contexts of a client's and a server's sidecar, and their certificates.
pub struct Contexts {
    /// Upstream context of the client's sidecar.
    pub client: ClientContext,
    /// Downstream context of the server's sidecar.
    pub server: ServerContext,
    kind: Kind,
    root_pem: String,
    svids: [Svid; 2],
}

impl Contexts {
    /// The contexts of scenario `strict`, adapted to the kind of handshake.
    ///
    /// # Panics
    /// If the scenario lacks these contexts.
    pub fn new(kind: Kind) -> Self {
        let text = include_str!("../../../scenarios/strict/manifests.yaml").into();
        let mesh = resolve_mesh(&read(&SourceFile { name: "manifests.yaml".into(), text }));
        let authority = Authority::new("cluster.local", kind.key).expect("an authority");
        let svids = ["client", "server"].map(|name| {
            let uris = vec![format!("spiffe://cluster.local/ns/default/sa/{name}")];
            // The host name is for rustls alone, which verifies only that.
            let names = Names { uris, hosts: vec![HOST.into()], common_name: None };
            authority.issue(&names, Validity::from_now(mesh::ca::SVID_LIFETIME)).expect("a certificate")
        });

        let mut client = upstream(&compile_client(&mesh));
        let mut server = downstream(&compile_pod(&mesh, "server"));
        only(&mut client.common_tls_context, kind);
        only(&mut server.common_tls_context, kind);
        if !kind.mutual {
            client.common_tls_context.tls_certificate_sds_secret_configs.clear();
            server.require_client_certificate = None;
            server.common_tls_context.combined_validation_context = None;
        }
        if kind.resumed {
            client.max_session_keys = None;
            server.disable_stateless_session_resumption = false;
        }
        let client = ClientContext::new(&client, false, ContextStats::default()).expect("a context");
        let server = ServerContext::new(&server, ContextStats::default()).expect("a context");
        let root_pem = authority.root_pem();
        for secret in secrets(&svids[0], &root_pem) {
            client.take(&secret).expect("a separate secret");
        }
        for secret in secrets(&svids[1], &root_pem) {
            server.take(&secret).expect("a separate secret");
        }
        Self { client, server, kind, root_pem, svids }
    }

    /// The rustls configurations of the contexts.
    ///
    /// # Panics
    /// Never, since every secret is present.
    pub fn ends(&self) -> Ends {
        Ends {
            client: bench::client_config(&self.client).expect("every secret is there"),
            server: bench::server_config(&self.server).expect("every secret is there"),
            name: ServerName::try_from("outbound_.8080_._.server.default.svc.cluster.local").expect("a name"),
        }
    }

    /// Configurations with rustls' own verifiers, and the same certificates.
    pub fn library(&self) -> Ends {
        library::ends(self.kind, &self.root_pem, &self.svids)
    }
}

/// The context for the server's port 8080.
fn upstream(config: &mesh::compile::PodConfig) -> UpstreamTlsContext {
    let cluster = config.clusters.iter().find(|cluster| cluster.name.starts_with("outbound|8080||server."));
    let cluster = cluster.expect("a cluster for the server");
    let matches = cluster.transport_socket_matches.iter().map(|choice| &choice.transport_socket);
    let contexts = matches.chain(&cluster.transport_socket).find_map(|socket| match &socket.typed_config {
        TransportSocketConfig::UpstreamTls(context) => Some(context.clone()),
        _ => None,
    });
    contexts.expect("mutual TLS")
}

/// The context of any inbound chain: all have the same.
fn downstream(config: &mesh::compile::PodConfig) -> DownstreamTlsContext {
    let chains = config.listeners.iter().flat_map(|listener| &listener.filter_chains);
    let contexts = chains.filter_map(|chain| chain.transport_socket.as_ref()).find_map(|socket| {
        let TransportSocketConfig::DownstreamTls(context) = &socket.typed_config else { return None };
        Some(context.clone())
    });
    contexts.expect("mutual TLS")
}

fn only(context: &mut CommonTlsContext, kind: Kind) {
    context.tls_params.get_or_insert_default().ecdh_curves = vec![kind.group.name().into()];
}

fn secrets(svid: &Svid, root_pem: &str) -> [Secret; 2] {
    let inline = |pem: &str| DataSource::InlineString(pem.to_owned());
    let certificate = TlsCertificate { certificate_chain: inline(&svid.chain_pem), private_key: inline(&svid.key_pem) };
    let roots = CertificateValidationContext { trusted_ca: Some(inline(root_pem)), ..Default::default() };
    [
        Secret { name: "default".into(), tls_certificate: Some(certificate), validation_context: None },
        Secret { name: "ROOTCA".into(), tls_certificate: None, validation_context: Some(roots) },
    ]
}
