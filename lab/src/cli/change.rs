//! `apply` and `delete`, as kubectl has them, for a lab that is up.

use std::{path::PathBuf, time::Duration};

use clap::{Args, ValueEnum};
use demo_apps::duration;

use super::common::{LabArgs, ManifestArgs, OutputArgs};

#[derive(Debug, Args)]
#[command(after_help = "Examples:
  sidelab apply -f strict.yaml                  prints what changes in which sidecar
  sidelab apply -f strict.yaml --dry-run        prints it, and changes nothing
  sidelab apply -f app/ --wait                  fails unless every sidecar has taken its files
  kubectl get pa -A -o yaml | sidelab apply -f -

Objects of the same kind, namespace and name are replaced, others are added. The manifests are checked first, as `sidelab validate` does: \
if they are invalid, nothing changes. A pod whose programs or redirects change is made again, with the same addresses.

Exit codes: 0 done, 1 a sidecar did not take its files, 2 invalid input.")]
pub struct ApplyArgs {
    /// What to apply.
    #[command(flatten)]
    pub manifests: ManifestArgs,
    /// The namespace of objects that name none
    #[arg(short = 'n', long, default_value = crate::manifests::DEFAULT_NAMESPACE)]
    pub namespace: String,
    #[command(flatten)]
    pub how: ChangeArgs,
}

#[derive(Debug, Args)]
#[command(after_help = "Examples:
  sidelab delete pa default -n istio-system
  sidelab delete deploy/server svc/server
  sidelab delete -f strict.yaml --ignore-not-found

Exit codes: 0 done, 1 an object was not there, or a sidecar did not take its files, 2 invalid input.")]
pub struct DeleteArgs {
    /// What to delete: KIND NAME..., or KIND/NAME...; kinds as kubectl has them, such as pa, dr, vs, svc
    #[arg(value_name = "KIND NAME", required_unless_present = "files", conflicts_with = "files")]
    pub what: Vec<String>,
    /// Delete the objects of a file of manifests, a folder of them, or - for standard input; can be repeated
    #[arg(short = 'f', long = "filename", value_name = "FILE")]
    pub files: Vec<PathBuf>,
    /// The namespace of objects that name none
    #[arg(short = 'n', long, default_value = crate::manifests::DEFAULT_NAMESPACE)]
    pub namespace: String,
    /// Treat an object that is not there as deleted
    #[arg(long)]
    pub ignore_not_found: bool,
    #[command(flatten)]
    pub how: ChangeArgs,
}

#[derive(Debug, Args)]
#[command(after_help = "Examples:
  sidelab edit pa default
  EDITOR='sed -i s/STRICT/PERMISSIVE/' sidelab edit pa/default --wait

The editor is that of KUBE_EDITOR, else of EDITOR, else vi. What it leaves is applied as `sidelab apply` does; if it is invalid, nothing \
changes, and a copy is kept.")]
pub struct EditArgs {
    /// What to edit: KIND NAME, or KIND/NAME; kinds as kubectl has them, such as pa, dr, vs, svc
    #[arg(value_name = "KIND NAME", required = true)]
    pub what: Vec<String>,
    /// The namespace of the object
    #[arg(short = 'n', long, default_value = crate::manifests::DEFAULT_NAMESPACE)]
    pub namespace: String,
    #[command(flatten)]
    pub how: ChangeArgs,
}

/// How a lab is changed.
#[derive(Debug, Args)]
pub struct ChangeArgs {
    /// Only print what would change
    #[arg(long, value_enum, value_name = "HOW", num_args = 0..=1, require_equals = true, default_missing_value = "client", default_value = "none", hide_possible_values = true, hide_default_value = true)]
    pub dry_run: DryRun,
    /// Fail unless every sidecar has taken its files
    #[arg(long)]
    pub wait: bool,
    /// How long each sidecar can take
    #[arg(long, value_name = "TIME", default_value = "10s", value_parser = duration::parse)]
    pub timeout: Duration,
    /// The lab to work on.
    #[command(flatten)]
    pub lab: LabArgs,
    #[command(flatten)]
    pub output: OutputArgs,
}

/// Whether to change anything, in kubectl's words.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum DryRun {
    /// Change the lab.
    None,
    /// Print what would change.
    Client,
    /// The same.
    Server,
}
