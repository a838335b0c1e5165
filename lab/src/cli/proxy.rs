//! `proxy-config`, `proxy-status` and `certs`, as istioctl has them.

use clap::{Args, Subcommand, ValueEnum};

use super::common::{LabArgs, Place};

#[derive(Debug, Args)]
#[command(after_help = "Examples:
  sidelab proxy-config listeners server --port 15006
  sidelab proxy-config clusters client --fqdn server.default.svc.cluster.local
  sidelab proxy-config routes client --name 8080 -o json
  sidelab pc secrets client

The columns are istioctl's. The configuration is what the running sidecar answers on its administration port, native or Envoy; \
`sidelab config` shows what the compiler writes. -o json prints the resources as Envoy's config_dump has them.")]
pub struct ProxyConfigArgs {
    #[command(subcommand)]
    pub part: ProxyPart,
}

/// The part of the configuration that is shown.
#[derive(Debug, Subcommand)]
pub enum ProxyPart {
    /// Listeners, with a line for each filter chain
    #[command(visible_aliases = ["listener", "l"])]
    Listeners {
        #[command(flatten)]
        of: ProxyArgs,
        /// Only those with this address
        #[arg(long)]
        address: Option<String>,
        /// Only those on this port
        #[arg(long)]
        port: Option<u16>,
        /// Only those of this type: HTTP, TCP or HTTP+TCP
        #[arg(long = "type", value_name = "TYPE")]
        kind: Option<String>,
    },
    /// Routes
    #[command(visible_aliases = ["route", "r"])]
    Routes {
        #[command(flatten)]
        of: ProxyArgs,
        /// Only those of this name
        #[arg(long)]
        name: Option<String>,
    },
    /// Clusters
    #[command(visible_aliases = ["cluster", "c"])]
    Clusters {
        #[command(flatten)]
        of: ProxyArgs,
        /// Only those whose name has this host
        #[arg(long)]
        fqdn: Option<String>,
        /// Only those of this port
        #[arg(long)]
        port: Option<u16>,
        /// Only those of this subset
        #[arg(long)]
        subset: Option<String>,
        /// Only those of this direction
        #[arg(long, value_parser = ["inbound", "outbound"])]
        direction: Option<String>,
    },
    /// Endpoints, with their health
    #[command(visible_aliases = ["endpoint", "ep"])]
    Endpoints {
        #[command(flatten)]
        of: ProxyArgs,
        /// Only those with this address
        #[arg(long)]
        address: Option<String>,
        /// Only those on this port
        #[arg(long)]
        port: Option<u16>,
        /// Only those of this cluster
        #[arg(long)]
        cluster: Option<String>,
        /// Only those with this health, such as healthy
        #[arg(long)]
        status: Option<String>,
    },
    /// Secrets, with their certificates
    #[command(visible_aliases = ["secret", "s"])]
    Secrets {
        #[command(flatten)]
        of: ProxyArgs,
    },
    /// All of it; -o json prints the config_dump
    #[command(visible_alias = "a")]
    All {
        #[command(flatten)]
        of: ProxyArgs,
    },
}

/// Whose configuration is shown, and how.
#[derive(Debug, Args)]
pub struct ProxyArgs {
    /// The pod, POD or POD.NAMESPACE
    pub pod: String,
    /// The namespace of POD, if it names none
    #[arg(short = 'n', long, default_value = crate::manifests::DEFAULT_NAMESPACE)]
    pub namespace: String,
    /// How to print
    #[arg(short = 'o', long, value_enum, default_value_t)]
    pub output: ProxyOutput,
    /// The lab to work on.
    #[command(flatten)]
    pub lab: LabArgs,
}

/// The output formats of `proxy-config`, by istioctl's names.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum ProxyOutput {
    /// A table.
    #[default]
    Short,
    /// As Envoy's config_dump has it.
    Json,
    /// The same.
    Yaml,
}

#[derive(Debug, Args)]
#[command(after_help = "Examples:
  sidelab proxy-status
  sidelab ps client

SYNCED: the sidecar has taken its newest files, by its own times. STALE: it has not, or has refused them.")]
pub struct ProxyStatusArgs {
    #[command(flatten)]
    pub of: SidecarsArgs,
}

#[derive(Debug, Args)]
#[command(after_help = "Examples:
  sidelab certs
  sidelab certs client -o json")]
pub struct CertsArgs {
    #[command(flatten)]
    pub of: SidecarsArgs,
}

/// The sidecars that are asked.
#[derive(Debug, Args)]
pub struct SidecarsArgs {
    /// Only this pod, POD or POD.NAMESPACE [default: all with a sidecar]
    pub pod: Option<String>,
    #[command(flatten)]
    pub place: Place,
}
