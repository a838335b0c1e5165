//! Linux hosts on one box: namespaces, veth, routing, NAT, processes and packet capture.

mod capture;
mod error;
mod lab;
mod namespace;
mod netlink;
mod pcapng;
mod pod;
mod process;
mod processes;
mod program;
mod registry;
mod rules;
mod services;
mod spawner;
mod state;
mod sys;
mod sysctl;

pub use capture::{Capture, Captured, CapturedPacket, Direction, Interface, InterfaceId};
pub use error::{Error, Result};
pub use lab::{Lab, LabSpec, NodeSpec};
pub use pcapng::write_pcapng;
pub use pod::{MTU, Pod, PodSpec};
pub use process::Process;
pub use program::{Bind, Program, Ready, Sink, Start, User};
pub use registry::{LabState, LabSummary, labs, sweep, sweep_all, sweep_stale};
pub use rules::Family;
pub use services::{ServiceSpec, rules as service_rules};
pub use state::ProcessRecord;
