//! The certificates and keys that DestinationRules and Gateways name.

use super::{
    destination_rule::{ClientTls, ClientTlsMode},
    gateway::{ServerTls, ServerTlsMode},
    object::ObjectName,
    pod::Pod,
    resolved::Resolved,
};

/// The material of a client's sidecar for the TLS settings of a DestinationRule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientMaterial<'a> {
    /// Its certificates, if it presents any.
    pub certificate: Option<Pem<'a>>,
    pub key: Option<Pem<'a>>,
    /// The roots that it trusts.
    pub roots: Roots<'a>,
}

/// The material of a gateway for the TLS settings of a server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServerMaterial<'a> {
    /// Istio's name of the secret with the certificate.
    pub certificate_name: String,
    pub certificate: Pem<'a>,
    pub key: Pem<'a>,
    /// Istio's name of the secret with the roots.
    pub roots_name: String,
    /// The roots that clients' certificates are verified with, if any are.
    pub roots: Option<Pem<'a>>,
}

/// PEM text by name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pem<'a> {
    /// A path in the sidecar's file system, or `SECRET/KEY`.
    pub name: String,
    /// The content; `None` if there is no such file or key, in which case Istio's TLS never becomes ready.
    pub content: Option<&'a [u8]>,
}

/// The roots that a client trusts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Roots<'a> {
    /// Those of the operating system.
    System,
    /// These certificates.
    Pem(Pem<'a>),
    /// Any certificate will do.
    Anyone,
}

/// Keys of a Secret for a certificate, its key and the roots: of type `kubernetes.io/tls` first, then of a generic one
/// (`pilot/pkg/credentials/kube/secrets.go`).
const SECRET_KEYS: [[&str; 3]; 2] = [["tls.crt", "tls.key", "ca.crt"], ["cert", "key", "cacert"]];

impl Resolved {
    /// The material of a pod's sidecar for settings of mode SIMPLE or MUTUAL: files, or a Secret by `credentialName`.
    pub fn client_material(&self, client: usize, tls: &ClientTls) -> ClientMaterial<'_> {
        let spec = &tls.spec;
        let pod = &self.pods[client];
        let mutual = spec.mode == ClientTlsMode::Mutual;
        if !spec.credential_name.is_empty() {
            return self.of_secret(pod, &spec.credential_name, mutual, spec.insecure_skip_verify);
        }
        let file = |path: &str| Pem { name: path.to_owned(), content: pod.sidecar_file(path) };
        ClientMaterial {
            certificate: mutual.then(|| file(&spec.client_certificate)),
            key: mutual.then(|| file(&spec.private_key)),
            roots: match spec.ca_certificates.as_str() {
                _ if spec.insecure_skip_verify => Roots::Anyone,
                "" | "system" => Roots::System,
                path => Roots::Pem(file(path)),
            },
        }
    }

    /// The material of a gateway for a server of mode SIMPLE, MUTUAL or OPTIONAL_MUTUAL: files, or a Secret of the gateway's namespace
    /// (`ApplyCredentialSDSToServerCommonTLSContext` and `ApplyToCommonTLSContext` in `pilot/pkg/security/model/authentication.go`).
    pub fn server_material(&self, gateway: usize, tls: &ServerTls) -> ServerMaterial<'_> {
        let pod = &self.pods[gateway];
        let verifies = matches!(tls.mode, ServerTlsMode::Mutual | ServerTlsMode::OptionalMutual);
        let credential = tls.credential_names.first().unwrap_or(&tls.credential_name);
        if !credential.is_empty() {
            let name = credential.strip_prefix("kubernetes://").unwrap_or(credential);
            let ClientMaterial { certificate, key, roots } = self.of_secret(pod, name, true, false);
            let missing = || Pem { name: name.to_owned(), content: None };
            let roots = match roots {
                Roots::Pem(pem) => Some(pem),
                Roots::System | Roots::Anyone => None,
            };
            return ServerMaterial {
                certificate_name: format!("kubernetes://{name}"),
                certificate: certificate.unwrap_or_else(missing),
                key: key.unwrap_or_else(missing),
                roots_name: format!("kubernetes://{name}-cacert"),
                roots: roots.filter(|_| verifies),
            };
        }
        let of_list = tls.tls_certificates.first();
        let path = |field: &str, own: &str| {
            let listed = of_list.and_then(|one| one.get(field)).and_then(serde_json::Value::as_str);
            listed.unwrap_or(own).to_owned()
        };
        let certificate = path("serverCertificate", &tls.server_certificate);
        let key = path("privateKey", &tls.private_key);
        let file = |path: &str| Pem { name: path.to_owned(), content: pod.sidecar_file(path) };
        ServerMaterial {
            certificate_name: format!("file-cert:{certificate}~{key}"),
            certificate: file(&certificate),
            key: file(&key),
            roots_name: format!("file-root:{}", tls.ca_certificates),
            roots: verifies.then(|| file(&tls.ca_certificates)),
        }
    }

    fn of_secret(&self, pod: &Pod, name: &str, mutual: bool, anyone: bool) -> ClientMaterial<'_> {
        let name = name.strip_prefix("kubernetes://").unwrap_or(name);
        let secret =
            |name: &str| self.secrets.get(&ObjectName { namespace: pod.name.namespace.clone(), name: name.to_owned() });
        let entry = |secret_name: &str, which: usize| {
            let secret = secret(secret_name)?;
            let key = SECRET_KEYS.iter().map(|keys| keys[which]).find(|key| secret.contains_key(*key))?;
            Some(Pem { name: format!("{secret_name}/{key}"), content: secret.get(key).map(Vec::as_slice) })
        };
        let missing = |which: usize| Pem { name: format!("{name}/{}", SECRET_KEYS[0][which]), content: None };
        ClientMaterial {
            certificate: mutual.then(|| entry(name, 0).unwrap_or_else(|| missing(0))),
            key: mutual.then(|| entry(name, 1).unwrap_or_else(|| missing(1))),
            // The roots can be in a separate Secret.
            roots: match entry(&format!("{name}-cacert"), 2).or_else(|| entry(name, 2)) {
                _ if anyone => Roots::Anyone,
                Some(roots) => Roots::Pem(roots),
                None => Roots::Pem(missing(2)),
            },
        }
    }
}

impl ClientTls {
    /// Whether a client's proxy ignores these settings, so that the connection is plaintext: a `credentialName` only applies at
    /// gateways, and at sidecars in a rule with a `workloadSelector` (`pilot/pkg/networking/core/cluster_tls.go`).
    pub fn is_ignored_by(&self, client: &Pod) -> bool {
        let own_certificates = matches!(self.spec.mode, ClientTlsMode::Simple | ClientTlsMode::Mutual);
        let by_credential = own_certificates && !self.spec.credential_name.is_empty();
        by_credential && !self.selected_clients && !client.is_gateway()
    }
}

impl Pod {
    /// A file of the sidecar: from its own mounts, else from those of any container. In a cluster only the former would work; here
    /// the app's mounts work, too, so that manifests stay short.
    pub fn sidecar_file(&self, path: &str) -> Option<&[u8]> {
        let sidecar = self.sidecar.as_ref()?;
        let mounts = sidecar.mounts.iter().chain(self.containers.iter().flat_map(|container| &container.mounts));
        mounts.into_iter().find_map(|mount| {
            let name = path.strip_prefix(mount.path.trim_end_matches('/'))?.strip_prefix('/')?;
            mount.files.get(name).map(Vec::as_slice)
        })
    }
}
