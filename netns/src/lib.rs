//! Linux hosts on one box: namespaces, veth, routing, NAT, processes and packet capture.
//!
//! A [`Lab`] is a node that routes, and [`Pod`]s on it, each a network namespace connected to the node by a veth pair. Programs run
//! in pods as any user, with the pod's own `/etc/hosts` and `/etc/resolv.conf`. The node translates service addresses as kube-proxy
//! does, and a [`Capture`] records the packets on `lo` and `eth0` of each pod. This crate knows nothing of meshes: rules and files
//! are passed in as text.
//!
//! ```no_run
//! use std::{fs::File, time::Duration};
//!
//! use netns::{Capture, Lab, LabSpec, PodSpec, Program, Ready, ServiceSpec, Start, User};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let lab = Lab::create(LabSpec::default())?;
//! let pods = lab.add_pods([
//!     PodSpec::new("client.default", [10, 244, 0, 2].into(), "fd00:244::2".parse().expect("an address")),
//!     PodSpec {
//!         iptables: Some("*nat\n-A PREROUTING -p tcp --dport 8080 -j REDIRECT --to-ports 15006\nCOMMIT\n".to_owned()),
//!         ..PodSpec::new("server.default", [10, 244, 0, 3].into(), "fd00:244::3".parse().expect("an address"))
//!     },
//! ])?;
//! let service = ServiceSpec {
//!     name: "default/server:http".to_owned(),
//!     vip: [10, 96, 0, 10].into(),
//!     port: 80,
//!     endpoints: vec![([10, 244, 0, 3].into(), 8080)],
//! };
//! lab.set_network(&[service], &[])?;
//!
//! let server = Program {
//!     user: Some(User { uid: 1337, gid: 1337 }),
//!     ..Program::new("server", "target/debug/demo-server", ["--http", "15006"])
//! };
//! let ready = Ready::Notify { timeout: Duration::from_secs(5) };
//! let server = pods[1].start(&server, &Start { ready, ..Start::default() })?;
//!
//! let capture = Capture::start(&pods)?;
//! let curl = Program::new("curl", "curl", ["http://10.96.0.10/"]);
//! let output = pods[0].run_to_end(&curl, Duration::from_secs(5))?;
//! assert!(output.status.success());
//!
//! server.terminate(Duration::from_secs(1))?;
//! netns::write_pcapng(&mut File::create("call.pcapng")?, &capture.stop(), &[])?;
//! lab.remove()?;
//! # Ok(())
//! # }
//! ```
//!
//! # What a lab leaves behind
//!
//! Nothing. All of a lab is recorded in one folder, `/run/sidelab/ID` (or `ID` in the folder that `SIDELAB_RUN_DIR` names): its
//! state file, a file for each namespace, and the output of its programs. Dropping the lab removes everything. If its creator is
//! killed, the kernel kills its programs, and [`sweep_stale`] or [`sweep_all`] removes the rest, from the folder alone. A file lock
//! that the creator holds distinguishes a lab in use from a stale one.
//!
//! # How a pod is connected
//!
//! As with Calico: each pod has only its own address (`/32` and `/128`), and a default route to a next hop (169.254.1.1, fe80::1)
//! that exists only as a permanent neighbour entry. The node has a route to each pod. There is no bridge, no ARP, no neighbour
//! discovery and no duplicate address detection: a pod is usable as soon as it exists, and apart from the pods' own traffic a
//! capture contains a few multicast listener reports at most.
//!
//! # Threads and time
//!
//! Every call blocks, for milliseconds or for as long as its documentation says; call it on a blocking thread from asynchronous
//! code. Handles are `Send`. Nothing sleeps or polls in a loop: readiness, exits and packets are waited for on descriptors.

#![warn(missing_docs)]

mod capture;
mod conntrack;
mod delay;
mod error;
mod faults;
mod files;
mod host;
mod interrupt;
mod lab;
mod namespace;
mod netlink;
mod nfqueue;
mod pcapng;
mod pod;
mod privilege;
mod process;
mod processes;
mod program;
mod registry;
mod removal;
mod rules;
mod run_folder;
mod services;
mod shared;
mod socket;
mod spawner;
mod spec;
mod state;
mod sys;
mod sysctl;

pub use capture::{Capture, Captured, CapturedPacket, Direction, Interface, InterfaceId};
pub use conntrack::{Tracked, TrackedConnections, Tracking};
pub use delay::Delay;
pub use error::{Error, Result};
pub use faults::{FaultKind, FaultSpec};
pub use host::{Check, Found, Host, can_delay};
pub use interrupt::interrupt;
pub use lab::Lab;
pub use pcapng::{PcapngWriter, write_pcapng};
pub use pod::{MTU, Pod};
pub use privilege::Privilege;
pub use process::Process;
pub use program::{Bind, OWN_FOLDER, Program, Ready, Sink, Start, User};
pub use registry::{Foreign, LabState, LabSummary, Listing, Swept, enter, labs, sweep, sweep_all, sweep_stale};
pub use rules::Family;
pub use run_folder::{labs_dir, make_labs_dir};
pub use services::ServiceSpec;
pub use spec::{LabSpec, NodeSpec, PodSpec};
pub use state::{ExitRecord, ProcessRecord};
