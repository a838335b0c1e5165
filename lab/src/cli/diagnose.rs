//! The arguments of `diagnose`.

use clap::Args;

use super::common::OutputArgs;

#[derive(Debug, Args)]
#[command(after_help = "Examples:
  sidelab diagnose 'curl: (56) Recv failure: Connection reset by peer'
  sidelab diagnose '503 UF,URX WRONG_VERSION_NUMBER'
  sidelab diagnose NR
  kubectl logs client -c istio-proxy --tail 1 | sidelab diagnose -

Exit codes: 0 a cause was found, 1 nothing in the text is known.")]
pub struct DiagnoseArgs {
    /// A line of an access log, an error message, or a response flag; - reads standard input
    #[arg(required = true, value_name = "TEXT", allow_hyphen_values = true)]
    pub text: Vec<String>,
    #[command(flatten)]
    pub output: OutputArgs,
}
