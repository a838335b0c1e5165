//! The client's TLS: verifies the server as configured, and records the certificates.

use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{ResolvesClientCert, Resumption, WebPkiServerVerifier};
use rustls::crypto::CryptoProvider;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::sign::CertifiedKey;
use rustls::{CertificateError, ClientConfig, DigitallySignedStruct, KeyLogFile, SignatureScheme};

use super::provider::{offering, provider, versions};
use super::{Session, facts_of, files};
use crate::UsageError;
use crate::client::ConnectArgs;
use crate::report::{ClientCertificate, TlsFacts};

/// TLS for one server name. Facts are those of the last handshake.
pub(crate) struct ClientTls {
    config: Arc<ClientConfig>,
    name: ServerName<'static>,
    met: Arc<Met>,
    asked: Arc<Asked>,
    insecure: bool,
}

impl ClientTls {
    pub(crate) fn new(args: &ConnectArgs, name: &str, alpn: &[String]) -> Result<Self, UsageError> {
        let name = ServerName::try_from(name.to_owned())
            .map_err(|_| UsageError(format!("{name:?} is neither a DNS name nor an IP address")))?;
        let provider = provider();
        let verifier = |roots| WebPkiServerVerifier::builder_with_provider(roots, Arc::clone(&provider)).build();
        let verifier = match (&args.roots, &args.ca) {
            (Some(roots), _) => {
                Some(verifier(Arc::clone(roots)).map_err(|error| UsageError(format!("authorities: {error}")))?)
            }
            (None, Some(file)) => {
                let verifier = verifier(Arc::new(files::roots(file)?));
                Some(verifier.map_err(|error| UsageError(format!("{}: {error}", file.display())))?)
            }
            (None, None) if args.insecure => None,
            (None, None) => {
                let fix = "name the CAs with --ca FILE or in $SSL_CERT_FILE, or accept any certificate with --insecure";
                return Err(UsageError(format!("nothing is trusted: {fix}")));
            }
        };
        let met = Arc::new(Met {
            verifier,
            names_first: args.names_first,
            provider: Arc::clone(&provider),
            leaf: Mutex::new(None),
        });
        let asked = Arc::new(Asked { own: own_certificate(args, &provider)?, outcome: AtomicU8::new(0) });

        let builder = ClientConfig::builder_with_provider(offering(provider, args.group))
            .with_protocol_versions(&versions(args.tls_version))
            .map_err(|error| UsageError(error.to_string()))?;
        let mut config = builder
            .dangerous()
            .with_custom_certificate_verifier(Arc::clone(&met) as Arc<dyn ServerCertVerifier>)
            .with_client_cert_resolver(Arc::clone(&asked) as Arc<dyn ResolvesClientCert>);
        config.alpn_protocols = alpn.iter().map(|protocol| protocol.as_bytes().to_vec()).collect();
        config.resumption = Resumption::disabled();
        config.key_log = Arc::new(KeyLogFile::new());
        Ok(Self { config: Arc::new(config), name, met, asked, insecure: args.insecure })
    }

    pub(crate) fn config(&self) -> Arc<ClientConfig> {
        Arc::clone(&self.config)
    }

    pub(crate) fn name(&self) -> ServerName<'static> {
        self.name.clone()
    }

    /// Whether the server requested a client certificate.
    pub(crate) fn was_asked_for_certificate(&self) -> bool {
        self.asked.outcome() != ClientCertificate::NotRequested
    }

    /// Facts about the last handshake; `session` is its result if it succeeded.
    pub(crate) fn facts(&self, session: Option<&Session>) -> TlsFacts {
        let leaf = self.met.leaf.lock().unwrap_or_else(PoisonError::into_inner);
        TlsFacts {
            version: session.and_then(Session::version_name),
            suite: session.and_then(Session::suite_name),
            group: session.and_then(Session::group_name),
            sni: match &self.name {
                ServerName::DnsName(name) => Some(name.as_ref().to_owned()),
                _ => None,
            },
            alpn_offered: self.config.alpn_protocols.iter().map(|p| String::from_utf8_lossy(p).into_owned()).collect(),
            alpn: session.and_then(Session::alpn_name),
            verified: session.is_some() && !self.insecure,
            peer_certificate: leaf.as_ref().map(|der| facts_of(der)),
            client_certificate: self.asked.outcome(),
        }
    }
}

fn own_certificate(args: &ConnectArgs, provider: &CryptoProvider) -> Result<Option<Arc<CertifiedKey>>, UsageError> {
    let (Some(cert), Some(key)) = (&args.cert, &args.key) else { return Ok(None) };
    let chain = files::certificates(cert)?;
    let certified = CertifiedKey::from_der(chain, files::key(key)?, provider)
        .map_err(|error| UsageError(format!("{} and {} do not go together: {error}", cert.display(), key.display())))?;
    Ok(Some(Arc::new(certified)))
}

/// Verifies the server's certificate, or accepts any, and records the leaf in either case.
#[derive(Debug)]
struct Met {
    verifier: Option<Arc<WebPkiServerVerifier>>,
    names_first: bool,
    provider: Arc<CryptoProvider>,
    leaf: Mutex<Option<CertificateDer<'static>>>,
}

impl ServerCertVerifier for Met {
    fn verify_server_cert(
        &self,
        leaf: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        *self.leaf.lock().unwrap_or_else(PoisonError::into_inner) = Some(leaf.clone().into_owned());
        match &self.verifier {
            Some(verifier) => {
                if self.names_first {
                    before_the_chain(leaf, name, now)?;
                }
                verifier.verify_server_cert(leaf, intermediates, name, ocsp, now)
            }
            None => Ok(ServerCertVerified::assertion()),
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        rustls::crypto::verify_tls12_signature(message, cert, dss, &self.provider.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        rustls::crypto::verify_tls13_signature(message, cert, dss, &self.provider.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}

/// What Go verifies before it looks for the issuer (`Certificate.Verify` in `crypto/x509`).
fn before_the_chain(leaf: &CertificateDer<'_>, name: &ServerName<'_>, now: UnixTime) -> Result<(), rustls::Error> {
    let (facts, now) = (facts_of(leaf), i64::try_from(now.as_secs()).unwrap_or(i64::MAX));
    if now < facts.not_before {
        return Err(CertificateError::NotValidYet.into());
    }
    if now > facts.not_after {
        return Err(CertificateError::Expired.into());
    }
    rustls::client::verify_server_name(&ParsedCertificate::try_from(leaf)?, name)
}

/// Provides the client's certificate, and records that the server requested one.
#[derive(Debug)]
struct Asked {
    own: Option<Arc<CertifiedKey>>,
    outcome: AtomicU8,
}

impl Asked {
    const MISSING: u8 = 1;
    const SENT: u8 = 2;

    fn outcome(&self) -> ClientCertificate {
        match self.outcome.load(Ordering::Relaxed) {
            Self::MISSING => ClientCertificate::Missing,
            Self::SENT => ClientCertificate::Sent,
            _ => ClientCertificate::NotRequested,
        }
    }
}

impl ResolvesClientCert for Asked {
    fn resolve(&self, _hints: &[&[u8]], _schemes: &[SignatureScheme]) -> Option<Arc<CertifiedKey>> {
        self.outcome.store(if self.own.is_some() { Self::SENT } else { Self::MISSING }, Ordering::Relaxed);
        self.own.clone()
    }

    // `resolve` is not called if this is false, so it has to be true even without certificates.
    fn has_certs(&self) -> bool {
        true
    }
}
