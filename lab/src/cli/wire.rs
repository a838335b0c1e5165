//! `capture`, `watch` and `port-forward`: the traffic of a lab while it runs.

use std::{net::IpAddr, path::PathBuf, time::Duration};

use clap::Args;
use demo_apps::duration;
use mesh::account::LegNumber;

use super::common::{LabArgs, OutputArgs};

#[derive(Debug, Args)]
#[command(after_help = "Examples:
  sidelab capture client -w - | wireshark -k -i -
  sidelab capture client --leg 2 -w - | tshark -r - -o tcp.try_heuristic_first:TRUE -Y http
  sidelab capture server --for 10s -w server.pcapng

The file has the TLS keys of the lab before the packets that need them, the names of pods and services, and the leg of each packet as its \
comment. Connections that began before the capture can't be decrypted. share/wireshark has a profile that opens TLS on any port.")]
pub struct CaptureArgs {
    /// The pod, POD or POD.NAMESPACE
    pub pod: String,
    /// The namespace of POD, if it names none
    #[arg(short = 'n', long, default_value = crate::manifests::DEFAULT_NAMESPACE)]
    pub namespace: String,
    /// Only one leg of its calls: 1 (app to sidecar), 2 (between the pods) or 3 (sidecar to app)
    #[arg(long, value_name = "LEG", value_parser = leg)]
    pub leg: Option<LegNumber>,
    /// Where to write, in pcapng; - is standard output [default: -, if that is no terminal]
    #[arg(short = 'w', long = "write", value_name = "FILE")]
    pub file: Option<PathBuf>,
    /// End after this many packets [default: at Ctrl-C]
    #[arg(short = 'c', long, value_name = "PACKETS")]
    pub count: Option<u64>,
    /// End after this time, such as 10s
    #[arg(long = "for", value_name = "TIME", value_parser = duration::parse_limit)]
    pub time: Option<Duration>,
    /// The lab to work on.
    #[command(flatten)]
    pub lab: LabArgs,
}

fn leg(text: &str) -> Result<LegNumber, String> {
    let number: u8 = text.parse().map_err(|_| "expected 1, 2 or 3".to_owned())?;
    LegNumber::try_from(number).map_err(|error| error.to_string())
}

#[derive(Debug, Args)]
#[command(after_help = "Examples:
  sidelab watch
  sidelab watch client -o json

A line for each call when it has ended: what legs 1, 2 and 3 carried, read from packets; the status; the time from request to response. \
A leg that does not exist is -, one whose connection began before is ?. A TCP connection is a call, which ends with it. Calls between two \
pods without a sidecar are not shown, since no sidecar logs them.")]
pub struct WatchArgs {
    /// Only calls from or to this pod, POD or POD.NAMESPACE
    pub pod: Option<String>,
    /// The namespace of POD, if it names none
    #[arg(short = 'n', long, default_value = crate::manifests::DEFAULT_NAMESPACE)]
    pub namespace: String,
    /// End after this many calls [default: at Ctrl-C]
    #[arg(short = 'c', long, value_name = "CALLS")]
    pub count: Option<u64>,
    /// End after this time, such as 10s
    #[arg(long = "for", value_name = "TIME", value_parser = duration::parse_limit)]
    pub time: Option<Duration>,
    /// The lab to work on.
    #[command(flatten)]
    pub lab: LabArgs,
    #[command(flatten)]
    pub output: OutputArgs,
}

#[derive(Debug, Args)]
#[command(after_help = "Examples:
  sidelab port-forward server 8080
  sidelab port-forward svc/server 9999:8080
  sidelab port-forward pod/server :8080           any free port of this host

Connections are made inside the pod, to its loopback address, as the kubelet makes them: they bypass the sidecar.")]
pub struct PortForwardArgs {
    /// The pod, POD or pod/POD, or a service with a pod, svc/NAME
    #[arg(value_name = "POD")]
    pub to: String,
    /// LOCAL:REMOTE; one number is both, and an empty LOCAL any free port
    #[arg(required = true, value_name = "[LOCAL:]REMOTE")]
    pub ports: Vec<String>,
    /// The address of this host to listen on
    #[arg(long, default_value = "127.0.0.1")]
    pub address: IpAddr,
    /// The namespace of POD, if it names none
    #[arg(short = 'n', long, default_value = crate::manifests::DEFAULT_NAMESPACE)]
    pub namespace: String,
    /// The lab to work on.
    #[command(flatten)]
    pub lab: LabArgs,
}
