//! Options of the API server.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::Args;

/// The object to create, and the webhooks.
#[derive(Clone, Debug, Args)]
pub struct ApiserverArgs {
    /// The object to create, YAML or JSON: a Pod or a Deployment [default: a Pod with one container]
    #[arg(value_name = "FILE")]
    pub object: Option<PathBuf>,

    /// Manifests with ValidatingWebhookConfigurations, MutatingWebhookConfigurations and Namespaces (for their labels); may
    /// be repeated
    #[arg(long, value_name = "FILE", required = true)]
    pub webhooks: Vec<PathBuf>,

    /// Call only this webhook
    #[arg(long, value_name = "WEBHOOK")]
    pub only: Option<String>,

    /// Name of the object, instead of the one in its file; identifies the call in captures
    #[arg(long)]
    pub name: Option<String>,

    /// Namespace of the object, instead of the one in its file
    #[arg(long, short = 'n')]
    pub namespace: Option<String>,

    /// User who creates the object
    #[arg(long, value_name = "NAME", default_value = "kubernetes-admin")]
    pub user: String,

    /// Use IPv4 only
    #[arg(short = '4', long, conflicts_with = "ipv6")]
    pub ipv4: bool,

    /// Use IPv6 only
    #[arg(short = '6', long)]
    pub ipv6: bool,

    /// Connect to this address, instead of resolving the webhooks' names
    #[arg(long, value_name = "IP:PORT")]
    pub connect_to: Option<SocketAddr>,
}
