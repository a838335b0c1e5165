//! The real Envoy accepts every file that the compiler writes: none rejected, no field unknown.
//!
//! It needs Envoy (`scripts/envoy` installs it, or `SIDELAB_ENVOY` names it) and a network namespace. Without them it reports that it
//! is skipped; with `CI=true` it fails.

use std::{
    collections::BTreeMap,
    env,
    fs::{self, File, Permissions},
    io::{BufRead, BufReader, Read, Write},
    os::unix::{fs::PermissionsExt, net::UnixStream},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
};

use envoy_api::{CertificateValidationContext, DataSource, Secret, TlsCertificate};
use mesh::{
    SourceFile,
    ca::{Authority, KeyType, SVID_LIFETIME, Validity},
    compile::{Options, Placement, PodConfig, compile},
    model::{Flavor, Mesh},
    redirect::ProxyIdentity,
};

/// The version that the files are written for.
const VERSION: &str = "1.40.0";
/// What Envoy logs once every listener, cluster, route and secret has been accepted or rejected.
const INITIALIZED: &str = "all dependencies initialized. starting workers";

#[test]
fn envoy_accepts_every_file_of_every_pod() {
    let Some(envoy) = envoy() else { return };
    let manifests = with_certificates(include_str!("envoy/manifests.yaml"));
    for flavor in [Flavor::Textbook, Flavor::Istio] {
        for policy in ["ALLOW_ANY", "REGISTRY_ONLY"] {
            let mesh = mesh(&manifests, policy, flavor);
            for name in ["client", "server"] {
                for redirect in [ProxyIdentity::ISTIO, ProxyIdentity::Mark(1337)] {
                    let run = format!("{name} in {flavor}, {policy}, {redirect:?}");
                    accepts(&envoy, &mesh, name, redirect, &run);
                }
            }
        }
    }
}

/// Starts Envoy on a pod's files, and checks its counters.
fn accepts(envoy: &Path, mesh: &Mesh, name: &str, redirect: ProxyIdentity, run: &str) {
    let dir = tempfile::tempdir().expect("a directory");
    // Envoy may run as another user, who must be able to read the files.
    fs::set_permissions(dir.path(), Permissions::from_mode(0o755)).expect("permissions");
    let options = Options { key_log: true, ..Options::default() };
    let placement = Placement { config_dir: dir.path().into(), log_dir: dir.path().into(), redirect, options };
    let pod = mesh.pods.iter().position(|pod| pod.name.name == name).expect("the pod is in the manifests");
    let config = compile(mesh, pod, &placement);
    for (path, json) in config.files(&secrets(mesh, pod)) {
        let path = dir.path().join(path);
        fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
        fs::write(path, json).expect("a file");
    }

    let running = Envoy::start(envoy, dir.path());
    let stats = running.stats();
    let nonzero = |of: fn(&str) -> bool| -> Vec<_> {
        stats.iter().filter(|(name, value)| of(name) && **value != 0).map(|(name, _)| name.as_str()).collect()
    };
    let log = || {
        let log = fs::read_to_string(dir.path().join("envoy.log")).unwrap_or_default();
        let is_loud = |line: &&str| line.contains("[warning]") || line.contains("[error]");
        log.lines().filter(is_loud).collect::<Vec<_>>().join("\n")
    };
    assert_eq!(nonzero(|n| n.ends_with("update_rejected")), [""; 0], "{run}: refused: {}", log());
    assert_eq!(nonzero(|n| n.ends_with("unknown_fields")), [""; 0], "{run}: unknown: {}", log());
    assert_eq!(nonzero(|n| n.ends_with("deprecated_feature_use")), [""; 0], "{run}: {}", log());
    assert_eq!(stats["listener_manager.total_listeners_active"], listeners(&config), "{run}: {}", log());
    assert_eq!(stats["cluster_manager.active_clusters"], clusters(&config), "{run}: {}", log());
    let own = config.own_secrets.iter().filter(|(_, secret)| secret.is_some()).map(|(name, _)| name);
    for secret in config.secret_names.iter().chain(own) {
        // Its name in Envoy's counters (`Utility::sanitizeStatsName` in `source/common/stats/utility.cc`).
        let secret = secret.replace("://", "_").replace(":/", "_").replace(':', "_");
        let updates = stats.get(&format!("sds.{secret}.update_success"));
        assert!(updates.is_some_and(|n| *n > 0), "{run}: secret {secret}: {}", log());
    }
}

fn listeners(config: &PodConfig) -> u64 {
    (config.listeners.len() + config.bootstrap.static_resources.listeners.len()) as u64
}

fn clusters(config: &PodConfig) -> u64 {
    (config.clusters.len() + config.bootstrap.static_resources.clusters.len()) as u64
}

fn mesh(manifests: &str, policy: &str, flavor: Flavor) -> Mesh {
    let mesh_config = format!(
        "apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: istio, namespace: istio-system}}\n\
         data:\n  mesh: |\n    outboundTrafficPolicy: {{mode: {policy}}}\n    accessLogFile: /dev/stdout\n"
    );
    let file = |name: &str, text: &str| SourceFile { name: name.into(), text: text.into() };
    let loaded = mesh::load(&[file("manifests.yaml", manifests), file("mesh.yaml", &mesh_config)]);
    assert!(!loaded.has_errors(), "{:?}", loaded.faults);
    let (resolved, _) = mesh::resolve(&loaded.manifests).expect("the manifests resolve");
    Mesh::new(resolved.into(), flavor)
}

/// The manifests with fresh certificates in place of `$ROOT`, `$CHAIN` and `$KEY`.
fn with_certificates(manifests: &str) -> String {
    let authority = Authority::new("example.com", KeyType::P256).expect("an authority");
    let svid =
        authority.issue_svid("spiffe://example.com/a", Validity::from_now(SVID_LIFETIME)).expect("a certificate");
    let in_quotes = |pem: &str| pem.replace('\n', "\\n");
    manifests
        .replace("$ROOT", &in_quotes(&authority.root_pem()))
        .replace("$CHAIN", &in_quotes(&svid.chain_pem))
        .replace("$KEY", &in_quotes(&svid.key_pem))
}

fn secrets(mesh: &Mesh, pod: usize) -> Vec<Secret> {
    let authority = Authority::new(&mesh.config.trust_domain, KeyType::P256).expect("an authority");
    let id = &mesh.pods[pod].sidecar.as_ref().expect("a sidecar").spiffe_id;
    let svid = authority.issue_svid(id, Validity::from_now(SVID_LIFETIME)).expect("a certificate");
    let root = DataSource::InlineString(authority.root_pem());
    vec![
        Secret {
            name: "default".into(),
            tls_certificate: Some(TlsCertificate {
                certificate_chain: DataSource::InlineString(svid.chain_pem),
                private_key: DataSource::InlineString(svid.key_pem),
            }),
            validation_context: None,
        },
        Secret {
            name: "ROOTCA".into(),
            tls_certificate: None,
            validation_context: Some(CertificateValidationContext {
                trusted_ca: Some(root),
                ..CertificateValidationContext::default()
            }),
        },
    ]
}

/// A running Envoy in a separate network namespace; killed when dropped.
struct Envoy {
    process: Child,
    admin: PathBuf,
}

impl Envoy {
    /// Returns when Envoy has read all files.
    fn start(binary: &Path, dir: &Path) -> Self {
        let admin = dir.join("admin.sock");
        let (reader, writer) = std::io::pipe().expect("a pipe");
        let mut process = namespace()
            .args(["sh", "-c", "ip link set lo up; exec \"$@\"", "sh"])
            .arg(binary)
            .arg("-c")
            .arg(dir.join("bootstrap.json"))
            // The admin interface is inside the namespace; a socket in the file system can be reached from here.
            .arg("--config-yaml")
            .arg(format!("admin: {{address: {{pipe: {{path: {}}}}}}}", admin.display()))
            .args(["--concurrency", "1", "--disable-hot-restart", "-l", "info"])
            .arg("--reject-unknown-dynamic-fields")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(writer)
            .spawn()
            .expect("unshare was there a moment ago");
        let mut log = File::create(dir.join("envoy.log")).expect("a file");
        let initialized = BufReader::new(reader).lines().map_while(Result::ok).any(|line| {
            writeln!(log, "{line}").expect("a log line");
            line.contains(INITIALIZED)
        });
        if !initialized {
            process.wait().expect("Envoy has ended");
            panic!("Envoy ended: {}", fs::read_to_string(dir.join("envoy.log")).expect("its log"));
        }
        Self { process, admin }
    }

    /// The counters and gauges about the files. They are few enough for one chunk, so that no line
    /// is cut in two.
    fn stats(&self) -> BTreeMap<String, u64> {
        const PATH: &str = "/stats?filter=(rejected|success|fields|feature_use|listeners_active|active_clusters)$";
        let mut admin = UnixStream::connect(&self.admin).expect("the admin interface");
        write!(admin, "GET {PATH} HTTP/1.1\r\nhost: admin\r\nconnection: close\r\n\r\n").expect("a request");
        let mut response = String::new();
        admin.read_to_string(&mut response).expect("a response");
        let stat = |line: &str| {
            let (name, value) = line.split_once(": ")?;
            Some((name.to_owned(), value.trim().parse().ok()?))
        };
        response.lines().filter_map(stat).collect()
    }
}

impl Drop for Envoy {
    fn drop(&mut self) {
        self.process.kill().expect("Envoy was running");
        self.process.wait().expect("Envoy was running");
    }
}

/// A command that runs the following arguments in a new network namespace, and in a new user namespace unless this user is root.
fn namespace() -> Command {
    let mut unshare = Command::new("unshare");
    unshare.args(["--user", "--map-root-user", "--net"]);
    unshare
}

/// Envoy's binary, or the reason to skip the test.
fn envoy() -> Option<PathBuf> {
    let cached = || Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("../.cache/envoy-{VERSION}/envoy"));
    let binary = env::var_os("SIDELAB_ENVOY").map_or_else(cached, PathBuf::from);
    let missing = if !binary.is_file() {
        format!("no Envoy at {}: install it with scripts/envoy, or name it in SIDELAB_ENVOY", binary.display())
    } else if !namespace().arg("true").stderr(Stdio::null()).status().is_ok_and(|status| status.success()) {
        "this host allows no network namespace (unshare --user --net failed)".into()
    } else {
        return Some(binary);
    };
    assert_ne!(env::var("CI").as_deref(), Ok("true"), "{missing}");
    println!("skipped: {missing}");
    None
}
