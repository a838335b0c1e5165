//! The arguments of `diagnose`.

use std::path::PathBuf;

use clap::Args;

use super::common::{AppChoice, Place, app_choice};

#[derive(Debug, Args)]
#[command(after_help = "Examples:
  sidelab diagnose 'curl: (56) Recv failure: Connection reset by peer'
  sidelab diagnose '503 UF,URX WRONG_VERSION_NUMBER'
  sidelab diagnose NR
  kubectl logs client -c istio-proxy --tail 1 | sidelab diagnose -
  sidelab diagnose --from client --to server:8080        in the lab that is up: what is wrong with this call?
  sidelab diagnose 503 UC --from client --to server:8080  which of the text's causes is it?
  sidelab diagnose -f app.yaml --from client --to server:8080

In a lab that is up, the causes are compared with the prediction, the sidecars' access logs and certificates, the programs that run, \
the ports on which they listen, and the faults in force.

Exit codes: 0 a cause was found, 1 none was.")]
pub struct DiagnoseArgs {
    /// A line of an access log, an error message, or a response flag; - reads standard input. After -- it can begin with a hyphen
    #[arg(required_unless_present = "from", value_name = "TEXT")]
    pub text: Vec<String>,
    /// The calling pod, POD or POD.NAMESPACE [default: that of the line of an access log, in the lab that is up]
    #[arg(long, value_name = "POD", requires = "to")]
    pub from: Option<String>,
    /// The destination of the call: a name that the pod resolves, or an address
    #[arg(long, value_name = "HOST:PORT", requires = "from")]
    pub to: Option<String>,
    /// The protocol that the app sends: http, h2, grpc, https or tcp
    #[arg(long, default_value = "http", value_parser = app_choice, requires = "from")]
    pub app: AppChoice,
    /// Predict the call of these manifests instead of looking at a lab; can be repeated
    #[arg(short = 'f', long = "filename", value_name = "FILE", requires = "from", conflicts_with = "lab")]
    pub files: Vec<PathBuf>,
    /// The lab, and how to print.
    #[command(flatten)]
    pub place: Place,
}
