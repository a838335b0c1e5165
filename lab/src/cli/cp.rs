//! The arguments of `cp`.

use std::{path::PathBuf, str::FromStr};

use clap::Args;

use super::common::LabArgs;

#[derive(Debug, Args)]
#[command(
    after_help = "A file that is copied to a folder keeps its name. A folder is copied into a folder of the pod that exists, as a folder of its name; from a pod, its contents \
become those of the folder here. Paths in a pod are those that its container sees, and start at / unless they are absolute; it can write to its volumes, /tmp, /var/tmp and \
/run. Links in a pod are followed there, so that nothing here is a link.

Examples:
  sidelab cp ca.pem client:/tmp/ca.pem
  sidelab cp fixtures shop/server:/tmp -c app
  sidelab cp client:/etc/resolv.conf .
  sidelab cp client:/var/run/secrets certificates"
)]
pub struct CpArgs {
    /// What to copy: a path, or [NAMESPACE/]POD:PATH
    #[arg(value_name = "SOURCE")]
    pub source: FileSpec,
    /// Where to: a path, or [NAMESPACE/]POD:PATH; one of the two is of a pod
    #[arg(value_name = "DESTINATION")]
    pub destination: FileSpec,
    /// Use this container's files and user; `istio-proxy` is the sidecar [default: the first]
    #[arg(short = 'c', long)]
    pub container: Option<String>,
    /// The namespace of POD, if it names none
    #[arg(short = 'n', long, default_value = crate::manifests::DEFAULT_NAMESPACE)]
    pub namespace: String,
    /// The lab to work on.
    #[command(flatten)]
    pub lab: LabArgs,
}

/// A file or folder, as kubectl writes it (kubernetes: `staging/src/k8s.io/kubectl/pkg/cmd/cp/filespec.go`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FileSpec {
    Here(PathBuf),
    InPod { namespace: Option<String>, pod: String, path: String },
}

impl FromStr for FileSpec {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text.is_empty() {
            return Err("a path can't be empty".into());
        }
        let is_path = text.starts_with(['/', '.']);
        let Some((of, path)) = text.split_once(':').filter(|_| !is_path) else { return Ok(Self::Here(text.into())) };
        let (namespace, pod) = match of.split_once('/') {
            Some((namespace, pod)) => (Some(namespace.to_owned()), pod),
            None => (None, of),
        };
        if pod.is_empty() || pod.contains('/') || namespace.as_deref() == Some("") || path.is_empty() {
            return Err("write [NAMESPACE/]POD:PATH, or ./PATH for a path here that contains a colon".into());
        }
        Ok(Self::InPod { namespace, pod: pod.to_owned(), path: path.to_owned() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_of_a_pod_is_written_as_kubectl_writes_it() {
        let of_pod = |namespace: Option<&str>, pod: &str, path: &str| FileSpec::InPod {
            namespace: namespace.map(str::to_owned),
            pod: pod.into(),
            path: path.into(),
        };
        assert_eq!("client:/tmp/a".parse(), Ok(of_pod(None, "client", "/tmp/a")));
        assert_eq!("shop/client:a:b".parse(), Ok(of_pod(Some("shop"), "client", "a:b")));
        for here in ["a", "./a:b", "/tmp/a:b", "../x"] {
            assert_eq!(here.parse(), Ok(FileSpec::Here(here.into())), "{here}");
        }
        for wrong in ["", ":/tmp", "a/b/c:/tmp", "shop/:/tmp", "client:"] {
            assert!(wrong.parse::<FileSpec>().is_err(), "{wrong}");
        }
    }
}
