//! `sidelab import`.

use std::path::PathBuf;

use clap::Args;

use super::common::OutputArgs;

#[derive(Debug, Args)]
#[command(
    after_help = "Nothing is ever written to the cluster. Without --filename and --context, the commands that read one are printed.\n\nExamples:\n  sidelab import mesh --context staging\n  kubectl get namespaces,pods,services,secrets,configmaps -A -o yaml | sidelab import mesh -f -\n  sidelab import mesh -f cluster.yaml -f istio.yaml\n  sidelab explain -f mesh --from web.shop --to db.shop:5432 --app tcp\n  sidelab up -f mesh"
)]
pub struct ImportArgs {
    /// The folder to write: manifests.yaml, and a scenario.yaml that calls each service. A folder that an import wrote is replaced
    #[arg(value_name = "FOLDER")]
    pub folder: PathBuf,
    /// What kubectl printed, as YAML or JSON; `-` is standard input; may be repeated
    #[arg(short = 'f', long = "filename", value_name = "FILE", conflicts_with = "context")]
    pub files: Vec<PathBuf>,
    /// Read the cluster of this kubectl context
    #[arg(long, value_name = "NAME")]
    pub context: Option<String>,
    /// Keep the values of Secrets; otherwise all but certificates are replaced
    #[arg(long)]
    pub with_secrets: bool,
    #[command(flatten)]
    pub output: OutputArgs,
}
