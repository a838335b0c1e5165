//! `get` and `describe`, as kubectl has them.

use std::str::FromStr;

use clap::Args;

use super::common::LabArgs;
use crate::{jsonpath::JsonPath, selector::Selector};

#[derive(Debug, Args)]
#[command(after_help = "Examples:
  sidelab get pods                     those of namespace default, with kubectl's columns
  sidelab get pods -A -o wide
  sidelab get pod client -o yaml
  sidelab get svc,pa -n shop
  sidelab get pods -l app=server -w    those with a label, and their changes until Ctrl-C
  sidelab get vs/reviews -o json
  sidelab get pod -l app=ratings -o jsonpath='{.items[0].metadata.name}'
  sidelab get labs

Kinds are named as kubectl has them: pods, services, and every kind that was applied. STATUS and READY come from the programs that run and \
from the exit codes of those that ended; only `sidelab fault clear` starts a program again.")]
pub struct GetArgs {
    /// What to show: KIND, KIND NAME..., or KIND/NAME...; `labs` are the labs of this host
    #[arg(value_name = "KIND", default_value = "pods")]
    pub what: Vec<String>,
    /// The namespace
    #[arg(short = 'n', long, default_value = crate::manifests::DEFAULT_NAMESPACE, conflicts_with = "all_namespaces")]
    pub namespace: String,
    /// Show all namespaces
    #[arg(short = 'A', long)]
    pub all_namespaces: bool,
    /// Only objects with these labels, such as app=server,tier!=front or 'app in (a, b)'
    #[arg(short = 'l', long, value_name = "SELECTOR")]
    pub selector: Option<Selector>,
    /// Print each change, too, until Ctrl-C or the end of the lab
    #[arg(short = 'w', long)]
    pub watch: bool,
    /// How to print: wide, json, yaml, name, or jsonpath=TEMPLATE as kubectl has it [default: a table]
    #[arg(short = 'o', long, value_name = "FORMAT")]
    pub output: Option<GetOutput>,
    /// Leave out the titles of the columns
    #[arg(long)]
    pub no_headers: bool,
    /// The lab to work on.
    #[command(flatten)]
    pub lab: LabArgs,
}

/// The output formats of `get`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum GetOutput {
    /// A table with more columns.
    Wide,
    /// Kubernetes objects.
    Json,
    /// Kubernetes objects.
    Yaml,
    /// KIND/NAME, one a line.
    Name,
    /// What a template selects.
    JsonPath(JsonPath),
}

impl FromStr for GetOutput {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "wide" => Ok(Self::Wide),
            "json" => Ok(Self::Json),
            "yaml" => Ok(Self::Yaml),
            "name" => Ok(Self::Name),
            _ => match text.strip_prefix("jsonpath=") {
                Some(template) => template.parse().map(Self::JsonPath),
                None => Err("expected wide, json, yaml, name or jsonpath=TEMPLATE".to_owned()),
            },
        }
    }
}

#[derive(Debug, Args)]
#[command(after_help = "Examples:
  sidelab describe pod client
  sidelab describe pod/server -n shop

Shows a pod's containers with their states, the policies in force, the sidecar's certificates with the time that is left, and its ports \
with the filter chains behind each.")]
pub struct DescribeArgs {
    /// What to describe: pod NAME..., or pod/NAME...
    #[arg(value_name = "KIND NAME", required = true)]
    pub what: Vec<String>,
    /// The namespace
    #[arg(short = 'n', long, default_value = crate::manifests::DEFAULT_NAMESPACE)]
    pub namespace: String,
    /// The lab to work on.
    #[command(flatten)]
    pub lab: LabArgs,
}
