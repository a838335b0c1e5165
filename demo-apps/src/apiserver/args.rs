//! The API server's options.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::Args;

/// One object to create.
#[derive(Clone, Debug, Args)]
pub struct ApiserverArgs {
    /// The object to create, YAML or JSON: a Pod or a Deployment [default: a Pod of one container]
    #[arg(value_name = "FILE")]
    pub object: Option<PathBuf>,

    /// Manifests, of which ValidatingWebhookConfigurations, MutatingWebhookConfigurations and the labels of Namespaces
    /// count; may be repeated
    #[arg(long, value_name = "FILE", required = true)]
    pub webhooks: Vec<PathBuf>,

    /// Call no other webhook than this
    #[arg(long, value_name = "WEBHOOK")]
    pub only: Option<String>,

    /// The object's name, whatever its file says: a mark to find the call by
    #[arg(long)]
    pub name: Option<String>,

    /// The object's namespace, whatever its file says
    #[arg(long, short = 'n')]
    pub namespace: Option<String>,

    /// Who creates it
    #[arg(long, value_name = "NAME", default_value = "kubernetes-admin")]
    pub user: String,

    /// Use IPv4 only
    #[arg(short = '4', long, conflicts_with = "ipv6")]
    pub ipv4: bool,

    /// Use IPv6 only
    #[arg(short = '6', long)]
    pub ipv6: bool,

    /// Connect to this address, whatever the webhooks' names resolve to
    #[arg(long, value_name = "IP:PORT")]
    pub connect_to: Option<SocketAddr>,
}
