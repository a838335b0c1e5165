//! sidelab: runs scenarios in namespaces, observes each leg on the wire and judges what was seen.

pub mod access_log;
pub mod expect;
pub mod scenario;
