//! The operating system's roots, as a sidecar gets them: Istio's agent reads a file, and serves it as a secret
//! (`pkg/security/security.go`, `GetOSRootFilePath`). Envoy does not implement `system_root_certs`.

use envoy_api::{CertificateValidationContext, DataSource, Secret};

/// The file, where Debian and Istio's proxy image have it.
pub const FILE: &str = "/etc/ssl/certs/ca-certificates.crt";

/// The secret's name in Istio.
pub(crate) const SECRET: &str = "file-root:system";

pub(crate) fn secret() -> Secret {
    let trusted_ca = Some(DataSource::Filename(FILE.into()));
    let context = CertificateValidationContext { trusted_ca, ..Default::default() };
    Secret { name: SECRET.into(), tls_certificate: None, validation_context: Some(context) }
}
