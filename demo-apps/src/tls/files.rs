//! Reading certificates and keys from PEM files.

use std::path::Path;

use rustls::RootCertStore;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

use crate::UsageError;

/// The certificates of a PEM file, at least one.
pub(crate) fn certificates(file: &Path) -> Result<Vec<CertificateDer<'static>>, UsageError> {
    let certificates: Vec<_> = CertificateDer::pem_file_iter(file)
        .and_then(Iterator::collect)
        .map_err(|error| unreadable(file, "certificates", &error))?;
    if certificates.is_empty() {
        return Err(UsageError(format!("{}: no PEM certificate in it", file.display())));
    }
    Ok(certificates)
}

/// The private key of a PEM file.
pub(crate) fn key(file: &Path) -> Result<PrivateKeyDer<'static>, UsageError> {
    PrivateKeyDer::from_pem_file(file).map_err(|error| unreadable(file, "a private key", &error))
}

/// The certificates of a PEM file, as trusted roots.
pub(crate) fn roots(file: &Path) -> Result<RootCertStore, UsageError> {
    let mut roots = RootCertStore::empty();
    for certificate in certificates(file)? {
        roots
            .add(certificate)
            .map_err(|error| UsageError(format!("{}: not usable as a CA: {error}", file.display())))?;
    }
    Ok(roots)
}

fn unreadable(file: &Path, what: &str, error: &dyn std::fmt::Display) -> UsageError {
    UsageError(format!("{}: cannot read {what}: {error}", file.display()))
}
