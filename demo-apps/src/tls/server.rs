//! The server's TLS.

use std::path::Path;
use std::sync::Arc;

use demo_args::TlsVersion;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::server::{NoServerSessionStorage, WebPkiClientVerifier};
use rustls::{KeyLogFile, ServerConfig, ServerConnection};

use super::provider::{provider, versions};
use super::{Session, facts_of, files};
use crate::UsageError;
use crate::report::ServerTls;

/// The server's certificate chain and key.
pub(crate) struct Identity {
    chain: Vec<CertificateDer<'static>>,
    key: PrivateKeyDer<'static>,
}

impl Identity {
    /// Reads an identity from PEM files.
    pub(crate) fn from_files(cert: &Path, key: &Path) -> Result<Self, UsageError> {
        Ok(Self { chain: files::certificates(cert)?, key: files::key(key)? })
    }

    /// Generates an identity: P-256, self-signed, for these DNS names or addresses.
    /// The certificate is returned as PEM, too, for clients to trust.
    pub(crate) fn self_signed(names: &[String]) -> Result<(Self, String), UsageError> {
        let made = rcgen::generate_simple_self_signed(names)
            .map_err(|error| UsageError(format!("--self-signed {}: {error}", names.join(","))))?;
        let key = PrivatePkcs8KeyDer::from(made.signing_key.serialize_der()).into();
        Ok((Self { chain: vec![made.cert.der().clone()], key }, made.cert.pem()))
    }
}

/// What the server's TLS ports share.
pub(crate) struct ServerTlsSetup {
    pub(crate) identity: Identity,
    pub(crate) versions: TlsVersion,
}

impl ServerTlsSetup {
    /// The configuration of one port, which requires a client certificate if `client_ca` is given.
    pub(crate) fn config(&self, client_ca: Option<&Path>, alpn: &[String]) -> Result<Arc<ServerConfig>, UsageError> {
        let provider = provider();
        let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
            .with_protocol_versions(&versions(self.versions))
            .map_err(|error| UsageError(error.to_string()))?;
        let builder = match client_ca {
            Some(file) => {
                let roots = Arc::new(files::roots(file)?);
                let verifier = WebPkiClientVerifier::builder_with_provider(roots, provider).build();
                let verifier = verifier.map_err(|error| UsageError(format!("{}: {error}", file.display())))?;
                builder.with_client_cert_verifier(verifier)
            }
            None => builder.with_no_client_auth(),
        };
        let mut config = builder
            .with_single_cert(self.identity.chain.clone(), self.identity.key.clone_key())
            .map_err(|error| UsageError(format!("the server's certificate and key do not go together: {error}")))?;
        config.alpn_protocols = alpn.iter().map(|protocol| protocol.as_bytes().to_vec()).collect();
        // Every handshake is a full one: unused tickets cost time, and unread ones turn a close into a reset.
        config.send_tls13_tickets = 0;
        config.session_storage = Arc::new(NoServerSessionStorage {});
        config.key_log = Arc::new(KeyLogFile::new());
        Ok(Arc::new(config))
    }
}

/// Facts about a complete handshake.
pub(crate) fn facts_of_session(connection: &ServerConnection) -> ServerTls {
    let session = Session::from_state(connection);
    ServerTls {
        version: session.version_name().unwrap_or_default(),
        suite: session.suite_name().unwrap_or_default(),
        sni: connection.server_name().map(str::to_owned),
        alpn: session.alpn_name(),
        client_certificate: connection.peer_certificates().and_then(<[_]>::first).map(|der| facts_of(der)),
    }
}
